//! Overrides give devices one bundle, past the release graph. (The module cannot be called `override`: a reserved word.)

use std::collections::BTreeSet;

use crate::ids::{BundleId, DeviceKey, OverrideId, ProductId};
use crate::selector::Selector;
use crate::time::Timestamp;

/// A bundle for named devices. While one is active, releases do not count for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Unique in the cluster.
    pub id: OverrideId,
    /// The product it is about.
    pub product: ProductId,
    /// Who is meant.
    pub target: OverrideTarget,
    /// What they get.
    pub bundle: BundleId,
    /// First instant at which it is active.
    pub starts_at: Timestamp,
    /// First instant at which it is no longer active.
    pub ends_at: Option<Timestamp>,
    /// Whether it goes past soft holds.
    pub force: bool,
    /// Whether it may lower the version.
    pub allow_downgrade: bool,
}

/// Whom an override is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideTarget {
    /// These devices.
    Devices(BTreeSet<DeviceKey>),
    /// Devices that match.
    Selector(Selector),
}

impl Override {
    /// True from `starts_at` on and before `ends_at`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.starts_at <= now && self.ends_at.is_none_or(|end| now < end)
    }
}
