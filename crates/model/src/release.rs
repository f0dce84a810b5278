//! A release: one bundle for one cohort, a node of that cohort's graph, together with its rollout.

use std::collections::BTreeSet;

use crate::ids::{BundleId, CohortId, DeviceKey, ProductId, ReleaseId};
use crate::requirement::Requirement;
use crate::rollout::Rollout;
use crate::time::Timestamp;
use crate::version::VersionText;

/// A release and its rollout; one compare-and-set number covers both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Unique in the cluster.
    pub id: ReleaseId,
    /// Fixed at creation.
    pub product: ProductId,
    /// Fixed at creation.
    pub cohort: CohortId,
    /// Fixed at creation.
    pub bundle: BundleId,
    /// Software version; unversioned releases are legal.
    pub version: Option<VersionText>,
    /// Versions that may come here, as text under the product's scheme.
    pub version_requirement: Option<String>,
    /// Must be passed through: nobody skips it.
    pub required: bool,
    /// Not a target for now; reversible.
    pub disabled: bool,
    /// Devices on it stay; never a target, never passes on.
    pub dead_end: bool,
    /// Asked of the device in addition to the bundle's requirement.
    pub requirement: Requirement,
    /// How much of the rollout's caution is set aside.
    pub urgency: Urgency,
    /// Who decides on the device.
    pub install_mode: InstallMode,
    /// Origin of the first stage's ramp, if it is not the opening of that stage.
    pub published_at: Option<Timestamp>,
    /// For humans.
    pub notes: String,
    /// Devices whose owner has agreed to this release.
    pub consents: BTreeSet<DeviceKey>,
    /// Where a draft is to be linked when it is published.
    pub place: Place,
    /// True once it is a node of the graph.
    pub linked: bool,
    /// The next release, if linked and not the latest.
    pub next: Option<ReleaseId>,
    /// Its exposure process.
    pub rollout: Rollout,
}

/// The place that a draft asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// After the latest of the moment of publication.
    Latest,
    /// After these; an insertion if one of them has a successor.
    After(BTreeSet<ReleaseId>),
    /// Before this one: an insertion.
    Before(ReleaseId),
}

/// Which part of the rollout's caution is set aside; see the piercing table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// None.
    Normal,
    /// Critical for everybody.
    Critical,
    /// Critical for devices below this version.
    CriticalBelow(VersionText),
}

/// Who decides on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstallMode {
    /// The device installs by itself.
    Auto,
    /// The user must agree, unless the device's version is at least `auto_from`.
    Ask {
        /// Lowest version that goes on by itself; absent: nobody does.
        auto_from: Option<VersionText>,
    },
    /// The offer is only information, for devices that the rule names; everybody if it names nobody.
    Info {
        /// Device versions for which it is information.
        versions: BTreeSet<VersionText>,
        /// Device versions below this, likewise.
        below: Option<VersionText>,
    },
}
