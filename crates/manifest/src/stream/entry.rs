//! A foreign stream as the planner sees it.

use std::collections::BTreeMap;

use tidegate_model::{
    Artifact, CohortId, DottedVersion, InstallMode, Ramp, Requirement, Signature, Timestamp, Urgency, VersionScheme, VersionText,
};

/// A stream, its entries by version, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The instant for which it is read: as it says itself, or that of the import.
    pub written_at: Option<Timestamp>,
    /// All entries.
    pub entries: Vec<Entry>,
    /// What was ignored or rounded.
    pub warnings: Vec<String>,
    /// How versions are ordered.
    pub order: Order,
    /// What new objects are like.
    pub habits: Habits,
}

/// How versions are ordered. The planner only asks which of two is greater, so that any order can be told in dotted numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// They are dotted numbers.
    Dotted,
    /// Each version that occurs in the stream or in the cohort stands at a number of its own.
    Ranked(BTreeMap<VersionText, DottedVersion>),
}

/// What the import gives to the objects that it creates. Objects that exist keep what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Version scheme of a new product, and the only one that an existing product may have.
    pub scheme: VersionScheme,
    /// Whether a new product hears groups that devices name.
    pub client_phased: bool,
    /// What a new cohort follows.
    pub follows: Option<CohortId>,
    /// Whether new rollouts complete by themselves.
    pub auto_complete: bool,
    /// Whether in new rollouts a user's own request passes the ramp.
    pub interactive_bypasses_phase: bool,
}

/// What the stream says of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version as written.
    pub text: VersionText,
    /// The version as it is ordered.
    pub version: DottedVersion,
    /// Must be passed through; the reason.
    pub barrier: Option<String>,
    /// Devices on it stay; the reason.
    pub dead_end: Option<String>,
    /// Who gets it.
    pub rollout: Option<Rollout>,
    /// What the stream says beyond that; absent for streams that say nothing more: such fields of a release are left alone.
    pub details: Option<Details>,
}

/// What is said of a release beyond who gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// How much of the caution is set aside.
    pub urgency: Urgency,
    /// Who decides on the device.
    pub install_mode: InstallMode,
    /// What the device must be.
    pub requirement: Requirement,
    /// Files to fetch.
    pub artifacts: Vec<Artifact>,
    /// Signatures of these files.
    pub signatures: Vec<Signature>,
    /// When it was published, as it says.
    pub published_at: Option<Timestamp>,
    /// For humans.
    pub notes: String,
    /// Versions that may come here, if not simply all lower ones.
    pub version_requirement: Option<String>,
}

/// Who gets a version: everybody, or a share that may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Everybody, since ever.
    Full,
    /// Nobody before `origin`, then what the ramp says.
    Throttled {
        /// Beginning.
        origin: Timestamp,
        /// Growth.
        ramp: Ramp,
    },
}

impl Stream {
    /// The newest version that devices are sent to.
    pub fn newest_offered(&self) -> Option<DottedVersion> {
        self.entries.iter().rfind(|entry| entry.is_offered()).map(|entry| entry.version)
    }

    /// What it says of a version.
    pub fn entry(&self, version: DottedVersion) -> Option<&Entry> {
        self.entries.binary_search_by_key(&version, |entry| entry.version).ok().map(|index| &self.entries[index])
    }

    /// Whether everybody is sent to an offered version; the newest says so itself, an older one may have become full
    /// by the time at which the document was written.
    pub fn is_full(&self, entry: &Entry) -> bool {
        entry.is_for_all_at_once() || self.written_at.is_some_and(|now| entry.is_full_at(now))
    }
}

impl Order {
    /// Where a version stands; `None` if it cannot be ordered.
    pub fn place(&self, text: &VersionText) -> Option<DottedVersion> {
        match self {
            Self::Dotted => DottedVersion::parse(text.as_str()).ok(),
            Self::Ranked(ranks) => ranks.get(text).copied(),
        }
    }
}

impl Entry {
    /// True if devices may be sent to it, be it not all of them.
    pub fn is_offered(&self) -> bool {
        self.dead_end.is_none() && (self.rollout.is_some() || self.barrier.is_some())
    }

    /// The ramp that is still running when the document is written; a barrier without a rollout is for everybody.
    pub fn throttle(&self) -> Option<(Timestamp, &Ramp)> {
        match &self.rollout {
            Some(Rollout::Throttled { origin, ramp }) => Some((*origin, ramp)),
            Some(Rollout::Full) | None => None,
        }
    }

    /// True if at `now` the ramp, if there is one, has reached everybody.
    pub fn is_full_at(&self, now: Timestamp) -> bool {
        self.throttle().is_none_or(|(origin, ramp)| ramp.ends_with_everybody() && origin.plus(ramp.length()) <= now)
    }

    /// For humans.
    pub fn notes(&self) -> &str {
        let details = self.details.as_ref().map(|details| details.notes.as_str());
        self.dead_end.as_deref().or(self.barrier.as_deref()).or(details).unwrap_or_default()
    }

    /// True if no ramp limits it, or everybody is past the ramp because it is critical for all.
    fn is_for_all_at_once(&self) -> bool {
        let is_critical = self.details.as_ref().is_some_and(|details| details.urgency == Urgency::Critical);
        self.throttle().is_none() || is_critical
    }
}
