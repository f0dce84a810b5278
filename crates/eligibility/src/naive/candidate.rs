//! The checks of one candidate, one after the other.

use tidegate_model::exposure::Admission;
use tidegate_model::{
    AttestationKind, Basis, Bundle, BundleState, CellState, DeviceFacts, Exposure, Policy, Ramp, Release, RolloutState, Stage,
    StageState, Stored, Timestamp, Trigger, VersionRequirement,
};

use crate::naive::No;
use crate::naive::device::Device;
use crate::reason::Reason;
use crate::request::Mode;

impl Device<'_> {
    /// All checks; true if only being critical gets past them.
    pub(crate) fn check(&self, candidate: &Stored<Release>) -> Result<bool, No> {
        let release = &candidate.body;
        let bundle = self.checks_1_to_6(candidate)?;
        // 7
        let is_lower = matches!((self.version_of(release), self.version()), (Some(to), Some(from)) if to.is_below(&from));
        if bundle.security_epoch < self.epoch() || is_lower {
            return Err(Reason::DowngradeBlocked.into());
        }
        // 8 to 10
        self.fits(&[&bundle.requires, &release.requirement])?;
        // 11
        if let (Some(text), Some(version)) = (&release.version_requirement, self.reported_version()) {
            let requirement = VersionRequirement::parse(self.product.version_scheme, text);
            if !requirement.is_ok_and(|requirement| requirement.accepts(&version)) {
                return Err(Reason::IncompatibleFromVersion.into());
            }
        }
        // 12
        let mut as_critical = self.not_held_by_limited(release)?;
        // 14 to 16
        if self.next(candidate).is_none() && release.rollout.state == RolloutState::Active {
            as_critical |= self.checks_14_to_16(release)?;
        }
        // 13
        if self.needs_user(release) && self.request.mode == Mode::Background {
            return Err(Reason::NeedsUser.into());
        }
        Ok(as_critical)
    }

    /// What a way back must pass: 1 to 6, the epoch, 8 to 10, 12.
    pub(crate) fn check_for_revert(&self, candidate: &Stored<Release>) -> Result<(), No> {
        let bundle = self.checks_1_to_6(candidate)?;
        if bundle.security_epoch < self.epoch() {
            return Err(Reason::DowngradeBlocked.into());
        }
        self.fits(&[&bundle.requires, &candidate.body.requirement])?;
        self.not_held_by_limited(&candidate.body).map(|_| ())
    }

    fn policy(&self, release: &Release) -> Policy {
        let stored = self.catalog.policies().get(&release.id);
        stored.map_or_else(|| Policy::implicit(release.id.clone()), |stored| stored.body.clone())
    }

    /// Checks 1 to 3.
    pub(crate) fn trust(&self, bundle: &Bundle) -> Result<(), No> {
        match bundle.state {
            BundleState::Uploading => return Err(Reason::NotAvailable.into()),
            BundleState::Recalled => return Err(Reason::Recalled.into()),
            BundleState::Ready => {}
        }
        let keys = &self.product.trusted_keys;
        if !keys.is_empty() && !bundle.signatures.iter().any(|by| by.signature.is_none() && keys.contains(&by.key)) {
            return Err(Reason::Unsigned.into());
        }
        let is_attested = |kind: &AttestationKind| {
            self.catalog.attestations().values().any(|a| a.body.bundle == bundle.id && a.body.kind == *kind)
        };
        if !self.product.required_attestations.iter().all(is_attested) {
            return Err(Reason::NotAttested.into());
        }
        Ok(())
    }

    fn checks_1_to_6(&self, candidate: &Stored<Release>) -> Result<&Bundle, No> {
        let release = &candidate.body;
        let rollout = &release.rollout;
        let bundle = self.known_bundle(&release.bundle).ok_or(Reason::NotAvailable)?;
        self.trust(bundle)?;
        if release.disabled {
            return Err(Reason::Disabled.into());
        }
        if release.dead_end {
            return Err(Reason::DeadEnd.into());
        }
        match rollout.state {
            RolloutState::Draft => return Err(Reason::NotPublished.into()),
            RolloutState::Paused => return Err(Reason::Paused.into()),
            RolloutState::RolledBack => return Err(Reason::Withdrawn.into()),
            RolloutState::Active | RolloutState::Completed => {}
        }
        let is_scheduled = self.next(candidate).is_none()
            && rollout.state == RolloutState::Active
            && rollout.stage_index == 0
            && matches!(self.policy(release).trigger, Trigger::At(_));
        if is_scheduled && rollout.stage_opened_at.is_none_or(|opens| self.now < opens) {
            return Err(No { reason: Reason::Scheduled, next: rollout.stage_opened_at });
        }
        Ok(bundle)
    }

    /// Stage, domain and exposure.
    fn checks_14_to_16(&self, release: &Release) -> Result<bool, No> {
        let policy = self.policy(release);
        let current = release.rollout.stage_index as usize;
        let mut code = No::from(Reason::NotInStage);
        for (index, stage) in policy.stages.iter().enumerate().filter(|(index, _)| *index <= current) {
            if !stage.selector.matches(self) {
                continue;
            }
            if !self.domain_is_open(release, stage, index < current) {
                code = Reason::DomainClosed.into();
                continue;
            }
            match self.exposed(release, stage, index == current) {
                Ok(()) => return Ok(false),
                Err(no) => code = no,
            }
        }
        let is_open = policy.stages.get(current).is_none_or(|stage| self.domain_is_open(release, stage, false));
        let is_interactive = self.request.mode == Mode::Interactive && policy.interactive_bypasses_phase;
        let is_critical = self.is_critical(release);
        if is_interactive && is_open {
            return Ok(false);
        }
        if is_critical && (is_open || policy.critical_ignores_domains) {
            return Ok(true);
        }
        if is_interactive && is_critical && policy.critical_ignores_domains {
            return Ok(true);
        }
        if is_interactive || is_critical { Err(Reason::DomainClosed.into()) } else { Err(code) }
    }

    fn domain_is_open(&self, release: &Release, stage: &Stage, is_left: bool) -> bool {
        let Some(domains) = &stage.domains else { return true };
        let state = |value: &str| release.rollout.cells.get(value).map(|cell| cell.state);
        if is_left || release.rollout.stage_state == StageState::Passed {
            return true;
        }
        if domains.values.iter().all(|value| state(value) == Some(CellState::Passed)) {
            return true;
        }
        let Some(value) = self.attribute(&domains.key) else { return false };
        domains.values.iter().any(|listed| listed == value)
            && matches!(state(value), Some(CellState::Open | CellState::Settled | CellState::Passed))
    }

    fn exposed(&self, release: &Release, stage: &Stage, is_current: bool) -> Result<(), No> {
        let rollout = &release.rollout;
        let no_key = self.key().is_none();
        let no = |next| No { reason: if no_key { Reason::NoDeviceKey } else { Reason::NotInPhase }, next };
        let position = || Some(rollout.salt?.position(self.key()?));
        let on_roster = || self.key().is_some_and(|key| rollout.admitted.iter().any(|device| device.as_str() == key));
        let ended_with = rollout.passed.iter().find(|passed| passed.name == stage.name).map(|passed| &passed.exposure);
        let exposure = match ended_with {
            Some(exposure) => exposure,
            None if is_current => &stage.exposure,
            None => return Err(no(None)),
        };
        let admits = match exposure {
            Exposure::All => true,
            Exposure::Percent { share, .. } if share.get() == 1_000_000 => true,
            Exposure::Percent { share, .. } if share.get() == 0 => false,
            Exposure::Percent { share, basis: Basis::Hash } => position().is_some_and(|position| share.admits(position)),
            Exposure::Percent { basis: Basis::Roster, .. } | Exposure::Count(_) => on_roster(),
            Exposure::Tags(tags) if tags.iter().any(|tag| self.has_tag(tag)) => true,
            Exposure::Tags(_) => return Err(Reason::NotInPhase.into()),
            Exposure::Ramp(ramp) => {
                let origin = rollout.ramp_origin(release.published_at);
                let (origin, now) = match (ended_with, origin) {
                    (Some(_), _) => (Timestamp::default(), Timestamp::default().plus(ramp.length())),
                    (None, Some(origin)) => (origin, rollout.frozen_since.map_or(self.now, |since| since.min(self.now))),
                    (None, None) => return Err(no(None)),
                };
                let is_still = ended_with.is_some() || rollout.frozen_since.is_some();
                let group = self.request.group.filter(|_| self.product.client_phased && ended_with.is_none());
                if let (Some(group), Ramp::Groups { groups: 7, interval }) = (group, ramp) {
                    let opens = origin.plus(interval.times(u64::from(group)));
                    let next = if is_still { None } else { Some(opens) };
                    return if opens <= now { Ok(()) } else { Err(No { reason: Reason::NotInPhase, next }) };
                }
                let admission = ramp.admission(origin, now);
                if admission != Admission::Everybody && !admission.admits(position()) {
                    let next = if is_still { None } else { ramp.admitted_from(origin, position()) };
                    return Err(no(next));
                }
                true
            }
        };
        if admits { Ok(()) } else { Err(no(None)) }
    }
}
