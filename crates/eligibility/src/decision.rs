//! The answer, borrowed from the snapshot that it was taken from.

use tidegate_model::{Bundle, ReleaseId, Span, Timestamp, VersionText};

use crate::reason::Reason;

/// What a device is told. Everything is a function of (snapshot, request, now).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'s> {
    /// The one reason code.
    pub reason: Reason,
    /// What to install (or to read, for `OFFER_INFO`); with `NEEDS_USER` the release to prompt for; else absent.
    pub target: Option<Target<'s>>,
    /// Whether the target is critical for this device.
    pub urgency: Urgency,
    /// Who decides on the device; effective for this device and mode of request.
    pub install_mode: InstallMode,
    /// Where the target comes from; absent without a target.
    pub source: Option<Source>,
    /// First instant at which asking again can help, if one is known.
    pub next_eligible_at: Option<Timestamp>,
    /// Config version of the snapshot.
    pub config_version: u64,
    /// The product's poll interval; the shell adds the jitter.
    pub retry_after: Span,
    /// Whether the product wants the public answer flattened; see [`Decision::public`].
    pub flatten: bool,
}

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub struct Target<'s> {
    /// The release; absent for an override.
    pub release: Option<&'s ReleaseId>,
    /// The bundle with its artifacts.
    pub bundle: &'s Bundle,
    /// Software version of the release, else of the bundle.
    pub version: Option<&'s VersionText>,
}

/// Whether haste is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Urgency {
    /// No.
    #[default]
    Normal,
    /// Critical for this device.
    Critical,
}

/// Who decides on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InstallMode {
    /// The device installs by itself.
    #[default]
    Auto,
    /// The user is asked.
    Ask,
    /// Nothing is installed.
    Info,
}

/// Where a target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The release graph.
    Release,
    /// An override.
    Override,
    /// A withdrawal with somewhere to go back to.
    Revert,
}

impl PartialEq for Target<'_> {
    /// The same release and the same bundle, by id: within one snapshot that is everything.
    fn eq(&self, other: &Self) -> bool {
        self.release == other.release && self.bundle.id == other.bundle.id && self.version == other.version
    }
}

impl Eq for Target<'_> {}

impl Decision<'_> {
    /// True if the device is offered something.
    #[must_use]
    pub fn is_offer(&self) -> bool {
        self.reason.is_offer()
    }

    /// What the device may hear: itself, or `UP_TO_DATE` if the product wants such answers flattened.
    #[must_use]
    pub fn public(self) -> Self {
        if !self.flatten || !self.reason.is_flattened() {
            return self;
        }
        Self { reason: Reason::UpToDate, next_eligible_at: None, ..self }
    }
}

impl Urgency {
    /// As devices see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Critical => "critical",
        }
    }
}

impl InstallMode {
    /// As devices see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Ask => "ask",
            Self::Info => "info",
        }
    }
}

impl Source {
    /// As devices see it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Override => "override",
            Self::Revert => "revert",
        }
    }
}
