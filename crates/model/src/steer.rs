//! What the controller asks for: the steps of a rollout that fall due by themselves.
//!
//! The controller runs on the leader and sees evidence that is not replicated (health, sightings). What it concludes goes
//! through the log as a [`Steer`], so that every node comes to the same state. The machine judges again what can be judged
//! from the replicated state alone: exclusions, bakes, approvals, triggers.

use std::collections::BTreeSet;

use crate::digest::Digest;
use crate::ids::{BundleId, CohortId, DeviceKey, HoldId, ProductId, ReleaseId};
use crate::time::Timestamp;

/// A step of one rollout that has fallen due. Only the principal `controller` may propose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steer {
    /// The release.
    pub release: ReleaseId,
    /// Compare-and-set on the release, always: an operator who came first wins, and the controller hears `CONFLICT`.
    pub expected_version: u64,
    /// What is due.
    pub step: SteerStep,
}

/// What can fall due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SteerStep {
    /// This release has come to its end: drafts whose trigger waits for it are published if it is COMPLETED, all in one
    /// entry, a refusal being noted as their flag; if it is ROLLED_BACK they are flagged `AFTER_WITHDRAWN`.
    Fire,
    /// Opens these closed cells of the current stage.
    OpenCells(BTreeSet<String>),
    /// The stage, or one cell, has settled: the bake begins.
    Settle {
        /// Only this cell.
        domain: Option<String>,
    },
    /// The bake is over, nothing failed, and something lacks.
    Doubt {
        /// Only this cell.
        domain: Option<String>,
        /// What lacks.
        lack: Lack,
    },
    /// The evidence is complete: the stage, or one cell, has passed by its gate.
    Pass {
        /// Only this cell.
        domain: Option<String>,
    },
    /// The gate failed: PAUSED or ROLLED_BACK, as the policy says.
    Fail {
        /// Only this cell.
        domain: Option<String>,
        /// The rollout's reason from then on, such as `GATE_FAILED`.
        reason: String,
    },
    /// The roster grows.
    Admit {
        /// Who joins.
        devices: BTreeSet<DeviceKey>,
        /// The size that the exposure asks for.
        size: u32,
    },
    /// An unlimited freeze of the product or cohort began.
    Freeze {
        /// When the hold began, which may lie before the entry.
        since: Timestamp,
    },
    /// It ended.
    Thaw {
        /// When the hold ended, which may lie before the entry.
        until: Timestamp,
    },
    /// The last stage has passed, and the policy completes by itself.
    Complete,
    /// Brings this COMPLETED release into a cohort that follows its cohort, as `RELEASE@COHORT`.
    Follow {
        /// The follower.
        cohort: CohortId,
    },
}

impl SteerStep {
    /// The step as refusals, audit records and logs write it, however many devices it is about.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fire => "fire",
            Self::OpenCells(_) => "open cells",
            Self::Settle { .. } => "settle",
            Self::Doubt { .. } => "doubt",
            Self::Pass { .. } => "pass",
            Self::Fail { .. } => "fail",
            Self::Admit { .. } => "admit",
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::Complete => "complete",
            Self::Follow { .. } => "follow",
        }
    }
}

/// What a gate lacks when its bake is over and nothing has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lack {
    /// Too few devices have reported.
    Sample,
    /// Too few of them succeeded.
    Success,
    /// Nothing but approvals.
    Approvals,
    /// No known device is in the stage or cell.
    Devices,
}

/// The id of the hold that remembers what a device went through with a bundle: that it rolled back by itself, or failed
/// too often. One per device and bundle, so that `clear` finds it and a repetition replaces it.
#[must_use]
pub fn memory_id(product: &ProductId, device: &DeviceKey, bundle: &BundleId) -> HoldId {
    let mut bytes = Vec::new();
    for text in [product.as_str(), device.as_str(), bundle.as_str()] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    HoldId::new(&format!("memory-{}", Digest::of("memory", &bytes))).expect("letters, digits and a dash, 71 of them")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn memories_of_different_devices_and_bundles_are_apart() {
        let id = |device: &str, bundle: &str| {
            let (product, device) = (ProductId::new("os").unwrap(), DeviceKey::new(device).unwrap());
            memory_id(&product, &device, &BundleId::new(bundle).unwrap())
        };
        assert_eq!(id("d1", "b1"), id("d1", "b1"));
        for other in [id("d1", "b2"), id("d2", "b1"), id("d", "1b1"), id("d1b", "1")] {
            assert_ne!(id("d1", "b1"), other);
        }
    }
}
