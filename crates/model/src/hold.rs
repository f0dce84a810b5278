//! Holds keep devices where they are.

use crate::ids::{BundleId, CohortId, DeviceKey, HoldId, Principal, ProductId, ReleaseId};
use crate::selector::Selector;
use crate::time::{Span, Timestamp};

/// A reason to leave devices alone. Hard kinds beat everything; soft ones can be pierced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Unique in the cluster.
    pub id: HoldId,
    /// The product it is about.
    pub product: ProductId,
    /// Whom it holds.
    pub scope: HoldScope,
    /// What kind it is.
    pub kind: HoldKind,
    /// Only this release's bundle, if named.
    pub release: Option<ReleaseId>,
    /// Only this bundle, in every release and override of it, if named.
    pub bundle: Option<BundleId>,
    /// First instant at which it is active.
    pub from: Timestamp,
    /// First instant at which it is no longer active; absent: never ends by itself.
    pub until: Option<Timestamp>,
    /// The openings of a hold of kind Window.
    pub window: Option<Window>,
    /// Whether a critical release pierces an opt-out.
    pub critical_pierces: bool,
    /// For humans.
    pub reason: String,
    /// Who set it.
    pub author: Principal,
}

/// Whom a hold holds, within its product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldScope {
    /// One device.
    Device(DeviceKey),
    /// Devices that match.
    Selector(Selector),
    /// A cohort.
    Cohort(CohortId),
    /// Everybody.
    Product,
}

/// Kinds of holds; the first four are hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldKind {
    /// Suspected of being broken or hostile.
    Quarantine,
    /// In maintenance.
    Repair,
    /// Nothing moves.
    Freeze,
    /// Known to harm this kind of device.
    Safeguard,
    /// The owner does not want updates.
    OptOut,
    /// The owner must agree first.
    Consent,
    /// Failed too often, or rolled back by itself.
    Backoff,
    /// Only at certain hours.
    Window,
}

impl HoldKind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 8] =
        [Self::Quarantine, Self::Repair, Self::Freeze, Self::Safeguard, Self::OptOut, Self::Consent, Self::Backoff, Self::Window];

    /// Hard holds beat overrides.
    #[must_use]
    pub fn is_hard(self) -> bool {
        self <= Self::Safeguard
    }
}

impl Hold {
    /// True from `from` on and before `until`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }

    /// True if it holds back one bundle only.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.release.is_some() || self.bundle.is_some()
    }
}

/// Openings: a window opens at each local time of its cron and lasts its duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Five-field cron expression.
    pub cron: String,
    /// Elapsed time that it stays open.
    pub duration: Span,
    /// IANA time zone; UTC if absent.
    pub timezone: Option<String>,
}
