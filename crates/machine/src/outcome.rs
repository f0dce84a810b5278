//! What a command that was carried out has done.

use std::fmt;

use tidegate_model::ObjectRef;

/// The answer to a command that was carried out, also if it changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The config version at which the effect stands: that of this entry if it changed the catalog, else the present one.
    pub config_version: u64,
    /// What became of each object: the named ones in the order in which they were named, then others that changed with
    /// them. Neighbours that only gained an edge are not listed.
    pub objects: Vec<ObjectOutcome>,
    /// What the author may not have meant. At most [`crate::limits::WARNINGS_MAX`].
    pub warnings: Vec<Warning>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOutcome {
    /// The object.
    pub reference: ObjectRef,
    /// What happened to it.
    pub effect: Effect,
    /// Its compare-and-set number now; of a deleted object, the last one it had.
    pub version: u64,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It is new.
    Created,
    /// It differs from before.
    Changed,
    /// It is as it was.
    Unchanged,
    /// It is gone.
    Deleted,
}

impl Effect {
    /// All effects.
    pub const ALL: [Self; 4] = [Self::Created, Self::Changed, Self::Unchanged, Self::Deleted];

    /// The effect as answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}

/// Something that is legal, and that its author may not have meant.
///
/// The sentence is part of the replicated answer: a retry hears the same one, whatever build answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of warning.
    pub code: WarningCode,
    /// The object that it is about.
    pub subject: ObjectRef,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.text)
    }
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningCode {
    /// The last stage of a policy does not select or admit everybody: `complete` will ask for a reason.
    LastStageNotEverybody,
    /// A policy limits a release that is not the latest: the limit is ignored.
    PolicyIgnored,
    /// A required release is withdrawn by one that is not required.
    BarrierSuperseded,
    /// `supersede` was asked for, and there is no constrained latest.
    NothingSuperseded,
    /// The release to revert to has a lower security epoch: devices that ran this one are never offered it.
    RevertBelowEpoch,
    /// `clear` found no memory of that device.
    NothingToClear,
    /// A freeze of a product or cohort holds devices, and the ramps in it run on. No longer given; old answers have it.
    RampsRunOn,
    /// The product asks for signatures, and this build verifies none: its bundles cannot be published.
    SignaturesNotVerified,
    /// An exclusion is in force that no stage of the policy is bound by: none has domains on its key.
    ExclusionNotBinding,
}

impl WarningCode {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::LastStageNotEverybody,
        Self::PolicyIgnored,
        Self::BarrierSuperseded,
        Self::NothingSuperseded,
        Self::RevertBelowEpoch,
        Self::NothingToClear,
        Self::RampsRunOn,
        Self::SignaturesNotVerified,
        Self::ExclusionNotBinding,
    ];

    /// The code as answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastStageNotEverybody => "LAST_STAGE_NOT_EVERYBODY",
            Self::PolicyIgnored => "POLICY_IGNORED",
            Self::BarrierSuperseded => "BARRIER_SUPERSEDED",
            Self::NothingSuperseded => "NOTHING_SUPERSEDED",
            Self::RevertBelowEpoch => "REVERT_BELOW_EPOCH",
            Self::NothingToClear => "NOTHING_TO_CLEAR",
            Self::RampsRunOn => "RAMPS_RUN_ON",
            Self::SignaturesNotVerified => "SIGNATURES_NOT_VERIFIED",
            Self::ExclusionNotBinding => "EXCLUSION_NOT_BINDING",
        }
    }

    /// Reads a code as answers write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}
