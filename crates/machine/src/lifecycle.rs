//! The lifecycle as a closed table: which verb is legal in which state. Guards come on top; nothing else is legal.

use tidegate_model::{RolloutState, Verb};

/// What is done with a rollout, without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the verb of its name")]
pub enum Action {
    Publish,
    Pause,
    Resume,
    Withdraw,
    Complete,
    Advance,
    /// Approves the open stage.
    Approve,
    /// Consents for one device.
    Consent,
    Discard,
    Disable,
    Enable,
    Clear,
    Promote,
    /// Applies or deletes the policy.
    EditPolicy,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 14] = [
        Self::Publish,
        Self::Pause,
        Self::Resume,
        Self::Withdraw,
        Self::Complete,
        Self::Advance,
        Self::Approve,
        Self::Consent,
        Self::Discard,
        Self::Disable,
        Self::Enable,
        Self::Clear,
        Self::Promote,
        Self::EditPolicy,
    ];

    /// The action of a verb.
    #[must_use]
    pub const fn of(verb: &Verb) -> Self {
        match verb {
            Verb::Publish { .. } => Self::Publish,
            Verb::Pause => Self::Pause,
            Verb::Resume { .. } => Self::Resume,
            Verb::Withdraw { .. } => Self::Withdraw,
            Verb::Complete => Self::Complete,
            Verb::Advance { .. } => Self::Advance,
            Verb::Approve { device: None, .. } => Self::Approve,
            Verb::Approve { device: Some(_), .. } => Self::Consent,
            Verb::Discard => Self::Discard,
            Verb::Disable => Self::Disable,
            Verb::Enable => Self::Enable,
            Verb::Clear { .. } => Self::Clear,
            Verb::Promote { .. } => Self::Promote,
        }
    }

    /// The verb as commands write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Withdraw => "withdraw",
            Self::Complete => "complete",
            Self::Advance => "advance",
            Self::Approve => "approve",
            Self::Consent => "consent",
            Self::Discard => "discard",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Clear => "clear",
            Self::Promote => "promote",
            Self::EditPolicy => "edit policy",
        }
    }
}

/// What the table says of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Illegal.
    No,
    /// Legal; the state stays.
    Stays,
    /// Legal; leads to this state.
    To(RolloutState),
    /// Legal; the release is gone.
    Gone,
}

use Step::{Gone, No, Stays};

const TO_ACTIVE: Step = Step::To(RolloutState::Active);
const TO_PAUSED: Step = Step::To(RolloutState::Paused);
const TO_COMPLETED: Step = Step::To(RolloutState::Completed);
const TO_ROLLED_BACK: Step = Step::To(RolloutState::RolledBack);

/// One row per action, one column per state in the order DRAFT, ACTIVE, PAUSED, COMPLETED, ROLLED_BACK.
///
/// ROLLED_BACK is terminal: what is still legal there moves nothing and can offer nothing (a disabled one that counts as
/// required bars the way, which is the point of disabling it). A paused or withdrawn release is in doubt, so it is not
/// promoted. Consent to a withdrawn release could never be heard.
const TABLE: [(Action, [Step; 5]); 14] = [
    (Action::Publish, [TO_ACTIVE, No, No, No, No]),
    (Action::Pause, [No, TO_PAUSED, No, No, No]),
    (Action::Resume, [No, No, TO_ACTIVE, No, No]),
    (Action::Withdraw, [No, TO_ROLLED_BACK, TO_ROLLED_BACK, TO_ROLLED_BACK, Stays]),
    (Action::Complete, [No, TO_COMPLETED, No, No, No]),
    (Action::Advance, [No, Stays, No, No, No]),
    (Action::Approve, [No, Stays, Stays, No, No]),
    (Action::Consent, [Stays, Stays, Stays, Stays, No]),
    (Action::Discard, [Gone, No, No, No, No]),
    (Action::Disable, [Stays, Stays, Stays, Stays, Stays]),
    (Action::Enable, [Stays, Stays, Stays, Stays, Stays]),
    (Action::Clear, [Stays, Stays, Stays, Stays, Stays]),
    (Action::Promote, [No, Stays, No, Stays, No]),
    (Action::EditPolicy, [Stays, Stays, Stays, No, No]),
];

/// What the lifecycle says of an action in a state.
#[must_use]
pub fn step(state: RolloutState, action: Action) -> Step {
    let column = match state {
        RolloutState::Draft => 0,
        RolloutState::Active => 1,
        RolloutState::Paused => 2,
        RolloutState::Completed => 3,
        RolloutState::RolledBack => 4,
    };
    TABLE.iter().find(|(row, _)| *row == action).map_or(No, |(_, row)| row[column])
}
