//! What devices send: that they were there, and what became of an installation.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{BundleId, DeviceKey, ProductId, ReleaseId, Timestamp};

/// A device was seen, by a check: what it said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The product that it asked for.
    pub product: ProductId,
    /// Its key; a device without one is not known to anybody.
    pub device: DeviceKey,
    /// Attributes that it reported.
    pub attributes: BTreeMap<String, String>,
    /// Tags that it reported; heard if it is not registered.
    pub tags: BTreeSet<String>,
}

/// One install event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Chosen by the device; the same one is the same event.
    pub event_id: String,
    /// Product.
    pub product: ProductId,
    /// Who sends it.
    pub device: DeviceKey,
    /// The release that it is about.
    pub release: Option<ReleaseId>,
    /// The bundle that it is about; with neither, nothing is counted.
    pub bundle: Option<BundleId>,
    /// Software version, as the device writes it.
    pub version: Option<String>,
    /// What happened.
    pub kind: EventKind,
    /// When, by the device's clock.
    pub at: Timestamp,
    /// Code of a failure.
    pub code: String,
    /// For humans.
    pub message: String,
}

/// What happened on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// It was told of the release.
    Offered,
    /// It fetches the bundle.
    Downloading,
    /// It installs it.
    Installing,
    /// It restarts into it.
    Rebooting,
    /// It runs it.
    Succeeded,
    /// It could not install it.
    Failed,
    /// It ran it and went back by itself.
    RolledBackLocally,
    /// It put the installation off.
    Deferred,
    /// It says what it runs.
    Running,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// The device runs the release.
    Succeeded,
    /// It could not install it.
    Failed,
    /// It went back by itself. Counts as failed, too.
    RolledBack,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Offered,
        Self::Downloading,
        Self::Installing,
        Self::Rebooting,
        Self::Succeeded,
        Self::Failed,
        Self::RolledBackLocally,
        Self::Deferred,
        Self::Running,
    ];

    /// The kind as events write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Downloading => "downloading",
            Self::Installing => "installing",
            Self::Rebooting => "rebooting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::RolledBackLocally => "rolled_back_locally",
            Self::Deferred => "deferred",
            Self::Running => "running",
        }
    }

    /// Reads a kind as events write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// True if the device that sends this attempts the installation.
    #[must_use]
    pub const fn is_attempt(self) -> bool {
        match self {
            Self::Downloading | Self::Installing | Self::Rebooting | Self::Succeeded | Self::Failed | Self::RolledBackLocally => {
                true
            }
            Self::Offered | Self::Deferred | Self::Running => false,
        }
    }

    /// How the attempt ended, if this says so.
    #[must_use]
    pub const fn ending(self) -> Option<Ending> {
        match self {
            Self::Succeeded => Some(Ending::Succeeded),
            Self::Failed => Some(Ending::Failed),
            Self::RolledBackLocally => Some(Ending::RolledBack),
            Self::Offered | Self::Downloading | Self::Installing | Self::Rebooting | Self::Deferred | Self::Running => None,
        }
    }
}

impl Ending {
    /// True for failures, local roll-backs included.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Succeeded => false,
            Self::Failed | Self::RolledBack => true,
        }
    }
}

/// What became of an event that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It counts for the stage that is open.
    Counted,
    /// It was taken in before.
    Duplicate,
    /// No stage is open that it could count for. What it says of the device (a local roll-back, a failure) is kept.
    NotAttributed,
}
