//! The decision procedure straight from the catalog: slow, obvious, and written without the compiled form, so that the
//! two can be held against each other. It searches whole lists where the compiler keeps indexes and owns what the fast
//! one borrows. Only tests use it.
//!
//! Three things are shared with the fast path, because each is shown right by itself: what a ramp admits (model), when
//! one window is open, and the limits of a request.

mod candidate;
mod device;
mod holds;

use tidegate_model::{
    Bundle, BundleId, Catalog, Override, OverrideTarget, Release, ReleaseId, RolloutState, Stored, Timestamp, Version,
    VersionRequirement,
};

use crate::decision::{Decision, InstallMode, Source, Urgency};
use crate::naive::device::Device;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Stamp;

/// What a device hears, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The reason.
    pub reason: Reason,
    /// Target release, bundle and version.
    pub target: Option<(Option<ReleaseId>, BundleId, Option<String>)>,
    /// Where the target comes from.
    pub source: Option<Source>,
    /// Whether the target is critical.
    pub urgency: Urgency,
    /// Who decides on the device.
    pub install_mode: InstallMode,
    /// When asking again can help.
    pub next_eligible_at: Option<Timestamp>,
}

impl From<Decision<'_>> for Outcome {
    fn from(decision: Decision<'_>) -> Self {
        let target = decision
            .target
            .map(|t| (t.release.cloned(), t.bundle.id.clone(), t.version.map(|version| version.as_str().to_owned())));
        Self {
            reason: decision.reason,
            target,
            source: decision.source,
            urgency: decision.urgency,
            install_mode: decision.install_mode,
            next_eligible_at: decision.next_eligible_at,
        }
    }
}

/// No, because of `reason`, until `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct No {
    reason: Reason,
    next: Option<Timestamp>,
}

impl From<Reason> for No {
    fn from(reason: Reason) -> Self {
        Self { reason, next: None }
    }
}

impl From<No> for Outcome {
    fn from(no: No) -> Self {
        Self {
            reason: no.reason,
            target: None,
            source: None,
            urgency: Urgency::Normal,
            install_mode: InstallMode::Auto,
            next_eligible_at: no.next,
        }
    }
}

/// Decides, the slow way.
#[must_use]
pub fn decide(catalog: &Catalog, stamp: Stamp, request: &Request<'_>, now: Timestamp) -> Outcome {
    match steps(catalog, stamp, request, now) {
        Ok(outcome) => outcome,
        Err(no) => no.into(),
    }
}

fn steps(catalog: &Catalog, stamp: Stamp, request: &Request<'_>, now: Timestamp) -> Result<Outcome, No> {
    // 1, 2
    if !request.is_well_formed() {
        return Err(Reason::InvalidRequest.into());
    }
    if request.min_config_version.is_some_and(|min| min > stamp.config_version) {
        return Err(Reason::ReplicaBehind.into());
    }
    let product = catalog.products().get(request.product).ok_or(Reason::UnknownProduct)?;
    // 3
    let device = Device::find(catalog, &product.body, request, now)?;
    // 4
    device.no_hard_hold()?;
    // 5
    if let Some(chosen) = device.active_override() {
        return device.give(chosen);
    }
    // 6
    device.cohort.ok_or(Reason::NoCohort)?;
    if device.linked().is_empty() {
        return Err(Reason::NoReleases.into());
    }
    // 7, 8
    let (current, path) = device.walk()?;
    // 9, 11
    let verdicts: Vec<_> = path.iter().rev().map(|release| (*release, device.check(release))).collect();
    let mut held = None;
    for (release, verdict) in &verdicts {
        let Ok(as_critical) = verdict else { continue };
        match device.soft_holds(release) {
            Ok(also_as_critical) => return Ok(device.offer(release, *as_critical || also_as_critical)),
            Err(no) => held = held.or(Some(no)),
        }
    }
    if let Some(no) = held {
        return Err(no);
    }
    // 10
    if let Some(outcome) = device.position().and_then(|(placed, _)| device.revert(placed?)) {
        return outcome;
    }
    let needs_user = verdicts.iter().find(|(_, verdict)| *verdict == Err(Reason::NeedsUser.into()));
    if let Some((release, _)) = needs_user {
        return Ok(device.name(release, Reason::NeedsUser, Source::Release));
    }
    match (verdicts.first(), current) {
        (Some((_, Err(no))), _) => Err(*no),
        (_, Some(current)) if current.body.dead_end => Err(Reason::DeadEnd.into()),
        (_, Some(current)) if current.body.rollout.state == RolloutState::RolledBack => Err(Reason::Withdrawn.into()),
        _ => Err(Reason::UpToDate.into()),
    }
}

type Linked<'c> = &'c Stored<Release>;
type Walk<'c> = (Option<Linked<'c>>, Vec<Linked<'c>>);

impl<'c> Device<'c> {
    /// Step 5: the one that counts.
    fn active_override(&self) -> Option<&'c Stored<Override>> {
        let concerns = |stored: &&Stored<Override>| match &stored.body.target {
            OverrideTarget::Devices(keys) => self.key().is_some_and(|key| keys.iter().any(|listed| listed.as_str() == key)),
            OverrideTarget::Selector(selector) => selector.matches(self),
        };
        let all = self.catalog.overrides().values().map(|stored| &**stored);
        all.filter(|stored| stored.body.product == self.product.id && stored.body.is_in_force(self.now))
            .filter(concerns)
            .max_by_key(|stored| (stored.body.starts_at, stored.created.config_version, stored.body.id.clone()))
    }

    fn give(&self, chosen: &Stored<Override>) -> Result<Outcome, No> {
        let chosen = &chosen.body;
        if self.bundle.as_deref() == Some(chosen.bundle.as_str()) {
            return Err(Reason::UpToDateOverride.into());
        }
        self.no_hard_hold_on(&chosen.bundle)?;
        let unavailable = No::from(Reason::OverrideUnavailable);
        let bundle = self.known_bundle(&chosen.bundle).ok_or(unavailable)?;
        let is_lower = matches!((self.version_of_bundle(bundle), self.version()), (Some(to), Some(from)) if to.is_below(&from));
        let is_kept = bundle.security_epoch >= self.epoch() && (!is_lower || chosen.allow_downgrade);
        if self.trust(bundle).is_err() || self.fits(&[&bundle.requires]).is_err() || !is_kept {
            return Err(unavailable);
        }
        if !chosen.force {
            self.no_soft_hold_on(&chosen.bundle)?;
        }
        Ok(Outcome {
            target: Some((None, bundle.id.clone(), bundle.version.as_ref().map(ToString::to_string))),
            source: Some(Source::Override),
            ..No::from(Reason::OfferOverride).into()
        })
    }

    /// Steps 7 and 8.
    fn walk(&self) -> Result<Walk<'c>, No> {
        let (mut current, first) = self.position().ok_or(Reason::PositionUnknown)?;
        let bound = self.linked().len();
        let mut steps = 0;
        if let Some(here) = &mut current {
            let bundle = self.bundle.clone().unwrap_or_else(|| here.body.bundle.to_string());
            while let Some(next) = self.next(here).filter(|_| !here.body.dead_end) {
                if next.body.bundle.as_str() != bundle {
                    break;
                }
                *here = next;
                steps += 1;
                if steps > bound {
                    return Err(Reason::NotReady.into());
                }
            }
        }
        let start = match current {
            Some(here) if here.body.dead_end => None,
            Some(here) => self.next(here),
            None => first,
        };
        let mut path: Vec<Linked<'c>> = start.into_iter().collect();
        while let Some(last) = path.last().copied().filter(|last| !counts_as_required(&last.body)) {
            let Some(next) = self.next(last) else { break };
            path.push(next);
            if path.len() > bound {
                return Err(Reason::NotReady.into());
            }
        }
        Ok((current, path))
    }

    /// Step 7: the current release, or the first candidate.
    pub(crate) fn position(&self) -> Option<(Option<Linked<'c>>, Option<Linked<'c>>)> {
        let linked = self.linked();
        let find = |id: &str| linked.iter().copied().find(|release| release.body.id.as_str() == id);
        if let Some(current) = self.request.release.and_then(find) {
            return Some((Some(current), None));
        }
        let mut users: Vec<_> =
            linked.iter().copied().filter(|r| Some(r.body.bundle.as_str()) == self.bundle.as_deref()).collect();
        if users.iter().any(|r| self.own_version(&r.body).is_some()) {
            users.retain(|r| self.own_version(&r.body).is_some());
        }
        if let Some(current) = self.lowest(users) {
            return Some((Some(current), None));
        }
        let enters = |release: &Release| {
            let (Some(own), Some(requirement)) = (self.own_version(release), &release.version_requirement) else { return false };
            let Some(reported) = self.reported_version() else { return false };
            let requirement = VersionRequirement::parse(self.product.version_scheme, requirement);
            reported.is_below(&own) && requirement.is_ok_and(|requirement| requirement.accepts(&reported))
        };
        let entries = linked.iter().copied().filter(|release| enters(&release.body)).collect();
        let entry = || find(self.cohort?.body.entry_release.as_ref()?.as_str());
        self.lowest(entries).or_else(entry).map(|first| (None, Some(first)))
    }

    /// The lowest version; of equal ones the earliest created.
    fn lowest(&self, mut releases: Vec<Linked<'c>>) -> Option<Linked<'c>> {
        releases.sort_by(|a, b| {
            let versions: (Option<Version>, Option<Version>) = (self.own_version(&a.body), self.own_version(&b.body));
            let by_version = match &versions {
                (Some(a), Some(b)) => a.precedence(b).unwrap_or(std::cmp::Ordering::Equal),
                _ => std::cmp::Ordering::Equal,
            };
            by_version.then((a.created, &a.body.id).cmp(&(b.created, &b.body.id)))
        });
        releases.first().copied()
    }

    /// Step 10a.
    fn revert(&self, current: Linked<'c>) -> Option<Result<Outcome, No>> {
        let rollout = &current.body.rollout;
        if rollout.state != RolloutState::RolledBack {
            return None;
        }
        let to = rollout.revert_to.as_ref()?;
        if rollout.revert_share.get() < 1_000_000 {
            let position = rollout.salt?.position(self.key()?);
            if !rollout.revert_share.admits(position) {
                return None;
            }
        }
        let target = self.linked().into_iter().find(|release| release.body.id == *to)?;
        self.check_for_revert(target).ok()?;
        let bundle = self.bundle.clone().unwrap_or_else(|| current.body.bundle.to_string());
        if target.body.bundle.as_str() == bundle {
            return None;
        }
        let offer = || self.name(target, Reason::OfferRevert, Source::Revert);
        Some(self.soft_holds(target).map(|_| offer()))
    }

    /// Step 12.
    fn offer(&self, release: Linked<'c>, as_critical: bool) -> Outcome {
        let reason = if self.is_informational(&release.body) {
            Reason::OfferInfo
        } else if as_critical {
            Reason::OfferCritical
        } else if counts_as_required(&release.body) {
            Reason::OfferRequired
        } else if self.next(release).is_none() {
            Reason::OfferLatest
        } else {
            Reason::OfferCandidate
        };
        self.name(release, reason, Source::Release)
    }

    fn name(&self, release: Linked<'c>, reason: Reason, source: Source) -> Outcome {
        let release = &release.body;
        let bundle: Option<&Bundle> = self.known_bundle(&release.bundle);
        let version = release.version.as_ref().or_else(|| bundle?.version.as_ref());
        let install_mode = if self.is_informational(release) {
            InstallMode::Info
        } else if self.needs_user(release) {
            InstallMode::Ask
        } else {
            InstallMode::Auto
        };
        Outcome {
            target: Some((Some(release.id.clone()), release.bundle.clone(), version.map(ToString::to_string))),
            source: Some(source),
            urgency: if self.is_critical(release) { Urgency::Critical } else { Urgency::Normal },
            install_mode,
            ..No::from(reason).into()
        }
    }
}

/// Graph rule 5.
fn counts_as_required(release: &Release) -> bool {
    if !release.required || release.dead_end {
        return false;
    }
    match release.rollout.state {
        RolloutState::RolledBack => release.rollout.was_completed && !release.rollout.open_barrier,
        _ => true,
    }
}
