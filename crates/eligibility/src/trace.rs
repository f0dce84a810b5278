//! What led to a decision, told step by step to whoever wants to know.

use std::fmt;

use tidegate_model::{BundleId, CohortId, HoldId, OverrideId, ReleaseId, Timestamp};

use crate::reason::Reason;

/// Receives the steps of one decision, in order. The sink bounds what it keeps.
pub trait TraceSink<'s> {
    /// One step.
    fn record(&mut self, entry: Entry<'s>);
}

impl<'s> TraceSink<'s> for Vec<Entry<'s>> {
    fn record(&mut self, entry: Entry<'s>) {
        self.push(entry);
    }
}

/// A field of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Reported release.
    Release,
    /// Reported bundle.
    Bundle,
    /// Reported version.
    Version,
}

/// What told the device's place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionedBy {
    /// The reported release.
    Release,
    /// The reported bundle.
    Bundle,
    /// The reported version, by version requirements.
    Version,
    /// The cohort's entry release.
    Entry,
}

/// One step of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'s> {
    /// The device is in this cohort (step 3).
    Cohort {
        /// The cohort.
        cohort: &'s CohortId,
    },
    /// A hold on the device is active (steps 4, 5, 11 and check 12).
    Hold {
        /// The hold.
        hold: &'s HoldId,
        /// Its code; whether a target pierces it shows in the candidate's entry.
        reason: Reason,
    },
    /// This override is the one that counts (step 5).
    Override {
        /// The override.
        id: &'s OverrideId,
        /// Its bundle.
        bundle: &'s BundleId,
        /// Why its bundle is not given, if so: the check that failed where the answer is OVERRIDE_UNAVAILABLE.
        failure: Option<Reason>,
    },
    /// The value of this field is malformed or unknown here, and ignored (step 7).
    Ignored {
        /// The field.
        field: Field,
    },
    /// The device is at this release, or enters the graph at it (step 7).
    Position {
        /// What told.
        by: PositionedBy,
        /// The current release, or the first candidate for an entry by version or by the cohort.
        release: &'s ReleaseId,
    },
    /// The next release uses the bundle that the device has: it counts as being there (step 8).
    MovedOn {
        /// The next release.
        release: &'s ReleaseId,
    },
    /// A candidate of the path and its first failing check; `None`: it passes all (step 9, from the end of the path to
    /// its start). All are named, also those below the target.
    Candidate {
        /// The candidate.
        release: &'s ReleaseId,
        /// Its code.
        failure: Option<Reason>,
        /// When the failure ends, if that is known.
        next_eligible_at: Option<Timestamp>,
    },
    /// Where the device may go back to (step 10a), and what speaks against it.
    Revert {
        /// The release to go back to.
        release: &'s ReleaseId,
        /// What speaks against it; `None`: it is offered.
        failure: Option<Reason>,
    },
    /// The answer.
    Decided {
        /// The code, never flattened.
        reason: Reason,
    },
}

/// The way to a sink, if somebody listens.
pub(crate) struct Trail<'t, 's>(pub(crate) Option<&'t mut dyn TraceSink<'s>>);

impl<'s> Trail<'_, 's> {
    /// True if somebody listens: only then is work done for the trace alone.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One step.
    pub(crate) fn record(&mut self, entry: Entry<'s>) {
        if let Some(sink) = &mut self.0 {
            sink.record(entry);
        }
    }
}

impl Entry<'_> {
    /// The code that this step names, if any.
    #[must_use]
    pub fn code(&self) -> Option<Reason> {
        match self {
            Self::Hold { reason, .. } | Self::Decided { reason } => Some(*reason),
            Self::Override { failure, .. } | Self::Candidate { failure, .. } | Self::Revert { failure, .. } => *failure,
            Self::Cohort { .. } | Self::Ignored { .. } | Self::Position { .. } | Self::MovedOn { .. } => None,
        }
    }
}

impl Field {
    /// As requests write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Bundle => "bundle",
            Self::Version => "version",
        }
    }
}

impl fmt::Display for Entry<'_> {
    /// One line for humans.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cohort { cohort } => write!(f, "cohort {cohort}"),
            Self::Hold { hold, reason } => write!(f, "hold {hold}: {reason}"),
            Self::Override { id, bundle, failure: None } => write!(f, "override {id}: bundle {bundle}"),
            Self::Override { id, bundle, failure: Some(code) } => write!(f, "override {id}: bundle {bundle} fails {code}"),
            Self::Ignored { field } => write!(f, "reported {} is malformed or unknown here: ignored", field.as_str()),
            Self::Position { by: PositionedBy::Release, release } => write!(f, "at release {release}, as reported"),
            Self::Position { by: PositionedBy::Bundle, release } => write!(f, "at release {release}, by the reported bundle"),
            Self::Position { by: PositionedBy::Version, release } => {
                write!(f, "enters at release {release}, by the reported version")
            }
            Self::Position { by: PositionedBy::Entry, release } => write!(f, "enters at release {release}, the cohort's entry"),
            Self::MovedOn { release } => write!(f, "release {release} has the same bundle: counts as being there"),
            Self::Candidate { release, failure: None, .. } => write!(f, "candidate {release}: passes"),
            Self::Candidate { release, failure: Some(code), next_eligible_at: None } => write!(f, "candidate {release}: {code}"),
            Self::Candidate { release, failure: Some(code), next_eligible_at: Some(at) } => {
                write!(f, "candidate {release}: {code} until {at}")
            }
            Self::Revert { release, failure: None } => write!(f, "back to release {release}"),
            Self::Revert { release, failure: Some(code) } => write!(f, "not back to release {release}: {code}"),
            Self::Decided { reason } => write!(f, "answer {reason}"),
        }
    }
}
