//! Holds, tried one by one.

use tidegate_model::{BundleId, DeviceFacts, Hold, HoldKind, HoldScope, Release, Stored, Timestamp};

use crate::naive::No;
use crate::naive::device::Device;
use crate::reason::Reason;
use crate::request::Mode;
use crate::window::Openings;

/// How far ahead of the present, and of the end of each window hold, the naive twin looks for an opening, minute by minute.
const HORIZON_MINUTES: i64 = 3 * 24 * 60;

/// Who is asking to get past a hold.
#[derive(Clone, Copy)]
struct Asks {
    as_critical: bool,
    has_consent: bool,
}

impl Device<'_> {
    fn concerned(&self, hold: &Hold) -> bool {
        hold.product == self.product.id
            && match &hold.scope {
                HoldScope::Device(key) => DeviceFacts::key(self) == Some(key.as_str()),
                HoldScope::Selector(selector) => selector.matches(self),
                HoldScope::Cohort(cohort) => self.cohort.is_some_and(|c| c.body.id == *cohort),
                HoldScope::Product => true,
            }
    }

    /// True if the hold is limited to this bundle, by name or by a release of it.
    fn is_about(&self, hold: &Hold, bundle: &BundleId) -> bool {
        let release = hold.release.as_ref().and_then(|id| self.catalog.releases().get(id));
        hold.bundle.as_ref() == Some(bundle)
            || release.is_some_and(|r| r.body.product == self.product.id && r.body.bundle == *bundle)
    }

    fn is_open(hold: &Hold, at: Timestamp) -> bool {
        hold.window.as_ref().and_then(Openings::compile).is_some_and(|openings| openings.is_open(at))
    }

    /// Holds that concern the device, in force or not.
    fn holds(&self) -> Vec<&Hold> {
        self.catalog.holds().values().map(|stored| &stored.body).filter(|hold| self.concerned(hold)).collect()
    }

    /// The first kind, in order, of which a hold stands in the way; with the end of all that stand.
    fn standing(&self, is_asked_for: impl Fn(&Hold) -> bool) -> Option<(HoldKind, Option<Timestamp>)> {
        let active = self
            .holds()
            .into_iter()
            .filter(|hold| hold.is_in_force(self.now) && !(hold.kind == HoldKind::Window && Self::is_open(hold, self.now)));
        let standing: Vec<_> = active.filter(|hold| is_asked_for(hold)).collect();
        HoldKind::ALL.into_iter().find_map(|kind| {
            let ends: Vec<_> = standing.iter().filter(|hold| hold.kind == kind).map(|hold| hold.until).collect();
            let last = if ends.contains(&None) { None } else { ends.iter().flatten().max().copied() };
            (!ends.is_empty()).then_some((kind, last))
        })
    }

    /// The first instant, minute by minute, at which all windows that concern the bundle are open.
    fn windows_open_from(&self, bundle: &BundleId) -> Option<Timestamp> {
        let holds = self.holds();
        let windows: Vec<_> = holds
            .into_iter()
            .filter(|hold| hold.kind == HoldKind::Window && (!hold.is_limited() || self.is_about(hold, bundle)))
            .collect();
        let all_open = |at: Timestamp| windows.iter().all(|hold| !hold.is_in_force(at) || Self::is_open(hold, at));
        let minutes_from = |at: Timestamp| {
            let minute = at.as_millis().div_euclid(60_000);
            (minute..=minute + HORIZON_MINUTES).map(|minute| Timestamp::from_millis(minute * 60_000))
        };
        let ends: Vec<_> = windows.iter().filter_map(|hold| hold.until).filter(|until| *until > self.now).collect();
        let mut instants: Vec<_> = minutes_from(self.now).chain(ends.iter().copied()).collect();
        instants.extend(ends.into_iter().flat_map(minutes_from));
        instants.sort();
        instants.into_iter().find(|at| *at >= self.now && all_open(*at))
    }

    fn stands(&self, kind: HoldKind, until: Option<Timestamp>, bundle: Option<&BundleId>) -> No {
        let next = match (kind, bundle) {
            (HoldKind::Window, Some(bundle)) => self.windows_open_from(bundle),
            _ => until,
        };
        No { reason: Reason::of_hold(kind), next }
    }

    /// Step 4.
    pub(crate) fn no_hard_hold(&self) -> Result<(), No> {
        let standing = self.standing(|hold| hold.kind.is_hard() && !hold.is_limited());
        standing.map_or(Ok(()), |(kind, until)| Err(self.stands(kind, until, None)))
    }

    /// Step 5, second point.
    pub(crate) fn no_hard_hold_on(&self, bundle: &BundleId) -> Result<(), No> {
        let standing = self.standing(|hold| hold.kind.is_hard() && self.is_about(hold, bundle));
        standing.map_or(Ok(()), |(kind, until)| Err(self.stands(kind, until, None)))
    }

    /// Step 5, fourth point.
    pub(crate) fn no_soft_hold_on(&self, bundle: &BundleId) -> Result<(), No> {
        let standing = self.standing(|h| !h.kind.is_hard() && (!h.is_limited() || self.is_about(h, bundle)));
        standing.map_or(Ok(()), |(kind, until)| Err(self.stands(kind, until, Some(bundle))))
    }

    /// The table of what pierces what, for holds.
    fn pierces(&self, hold: &Hold, asks: Asks) -> bool {
        let is_interactive = self.request.mode == Mode::Interactive;
        match hold.kind {
            HoldKind::Quarantine | HoldKind::Repair | HoldKind::Freeze | HoldKind::Safeguard => false,
            HoldKind::OptOut => is_interactive || (asks.as_critical && hold.critical_pierces),
            HoldKind::Consent => is_interactive || asks.has_consent,
            HoldKind::Backoff => is_interactive && hold.until.is_some(),
            HoldKind::Window => is_interactive || asks.as_critical,
        }
    }

    fn not_held(&self, release: &Release, is_asked_for: impl Fn(&Hold) -> bool) -> Result<bool, No> {
        let has_consent = self.key().is_some_and(|key| release.consents.iter().any(|device| device.as_str() == key));
        let standing = |as_critical: bool| {
            self.standing(|hold| is_asked_for(hold) && !self.pierces(hold, Asks { as_critical, has_consent }))
        };
        match standing(self.is_critical(release)) {
            Some((kind, until)) => Err(self.stands(kind, until, Some(&release.bundle))),
            None => Ok(standing(false).is_some()),
        }
    }

    /// Check 12; true if only being critical gets past.
    pub(crate) fn not_held_by_limited(&self, release: &Release) -> Result<bool, No> {
        self.not_held(release, |hold| self.is_about(hold, &release.bundle))
    }

    /// Step 11 for one release; true if only being critical gets past.
    pub(crate) fn soft_holds(&self, release: &Stored<Release>) -> Result<bool, No> {
        self.not_held(&release.body, |hold| !hold.kind.is_hard() && !hold.is_limited())
    }
}
