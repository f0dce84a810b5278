//! Why a command was refused. A refusal is deterministic and part of the replicated result.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;
use tidegate_model::{Invalid, ObjectRef, Principal, ProductId, ReleaseId, RequestId, Role, RolloutState};

use crate::lifecycle::Action;

/// The answer to a command that was understood and refused. Nothing of the command took effect.
///
/// It is flat, so that it can be stored and sent as it is: a retry hears the same sentence, whatever build answers it.
/// The machine makes it from a typed `Cause` and never reads it again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {sentence}", code.as_str())]
pub struct Rejection {
    /// The stable code.
    pub code: Code,
    /// The object that the refusal is about, if it is about one.
    pub subject: Option<ObjectRef>,
    /// The subject's compare-and-set number, if it exists.
    pub current_version: Option<u64>,
    /// Broken rules, one per field; at most [`crate::limits::FIELD_ERRORS_MAX`].
    pub fields: Vec<FieldError>,
    /// One sentence that names the object, the value and the rule; no code, no full stop.
    pub sentence: String,
}

/// A broken rule in one document of an apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Index of the document within its apply; `None` if the command has no documents.
    pub document: Option<usize>,
    /// The object that the document describes.
    pub object: Option<ObjectRef>,
    /// Field, value and rule.
    pub invalid: Invalid,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        write!(f, "{}", self.invalid)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Stable codes of refused commands, in the order in which they are tested: the first that applies is the answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as answers write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The caller's role does not allow the command, or its credentials were changed since it was let in.
    Forbidden = "FORBIDDEN",
    /// The request id was used for another command.
    RequestIdReused = "REQUEST_ID_REUSED",
    /// Too many answers are remembered.
    RequestTableFull = "REQUEST_TABLE_FULL",
    /// The object does not exist.
    NotFound = "NOT_FOUND",
    /// The object exists.
    AlreadyExists = "ALREADY_EXISTS",
    /// The expected version is not the current one.
    Conflict = "CONFLICT",
    /// A field's value, or an unknown reference.
    InvalidObject = "INVALID_OBJECT",
    /// A field, stage or trigger that may not change.
    Immutable = "IMMUTABLE",
    /// The lifecycle does not allow it.
    IllegalTransition = "ILLEGAL_TRANSITION",
    /// The bundle is not ready.
    NotAvailable = "NOT_AVAILABLE",
    /// The bundle is recalled.
    Recalled = "RECALLED",
    /// The bundle lacks the signature of a trusted key.
    Unsigned = "UNSIGNED",
    /// The bundle lacks an attestation.
    NotAttested = "NOT_ATTESTED",
    /// Cycle, other cohort, second sink.
    GraphInvalid = "GRAPH_INVALID",
    /// An insertion is at once available to everybody and was not confirmed.
    InsertNotConfirmed = "INSERT_NOT_CONFIRMED",
    /// The current latest still limits its rollout.
    LatestConstrained = "LATEST_CONSTRAINED",
    /// A failed gate was not acknowledged.
    GateNotAcknowledged = "GATE_NOT_ACKNOWLEDGED",
    /// The last stage has not passed or is not for everybody.
    NotEverybody = "NOT_EVERYBODY",
    /// A linked release cannot be deleted.
    ReleaseLinked = "RELEASE_LINKED",
    /// Other objects refer to it.
    InUse = "IN_USE",
    /// The other cohort's latest is the same bundle.
    IdenticalLatest = "IDENTICAL_LATEST",
    /// The version is used in the other cohort.
    VersionUsed = "VERSION_USED",
}

impl Code {
    /// Reads a code as answers write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// Why a command is refused, with everything that the sentence names.
#[derive(Clone, Debug, Error)]
pub(crate) enum Cause {
    #[error("{principal} has role {has} and needs {needs}", has = .has.map_or("none", role_name), needs = role_name(*.needs))]
    Forbidden { principal: Principal, has: Option<Role>, needs: Role },
    #[error("the credentials of {principal} changed at generation {changed}, after generation {admitted} let the caller in")]
    CredentialsChanged { principal: Principal, changed: u64, admitted: u64 },
    #[error("{principal} may not steer rollouts: only the controller does")]
    ControllerOnly { principal: Principal },
    #[error("request id {request_id} of {principal} was used for another command")]
    RequestIdReused { principal: Principal, request_id: RequestId },
    #[error("{max} answers are remembered and the oldest is younger than a day")]
    RequestTableFull { max: usize },
    #[error("{object} does not exist")]
    NotFound { object: ObjectRef },
    #[error("{object} exists with version {current} and must not exist")]
    AlreadyExists { object: ObjectRef, current: u64 },
    #[error("{object} has version {current}, expected was {expected}")]
    Conflict { object: ObjectRef, expected: u64, current: u64 },
    #[error("settings have version {current}, expected was {expected}")]
    SettingsConflict { expected: u64, current: u64 },
    #[error("{}", invalid_sentence(.0))]
    Invalid(Vec<FieldError>),
    #[error("{object}: {field} {rule}")]
    Immutable { object: ObjectRef, field: String, rule: &'static str },
    #[error("{} cannot {} while {}", ObjectRef::Release(.release.clone()), .action.as_str(), .state.as_str())]
    IllegalTransition { release: ReleaseId, action: Action, state: RolloutState },
    #[error("{} cannot {}: {why}", ObjectRef::Release(.release.clone()), .action.as_str())]
    IllegalNow { release: ReleaseId, action: Action, why: Cow<'static, str> },
    #[error("{} cannot {step}: {why}", ObjectRef::Release(.release.clone()))]
    IllegalStep { release: ReleaseId, step: &'static str, why: Cow<'static, str> },
    #[error("{object}: {rule}")]
    Guard { code: Code, object: ObjectRef, rule: String },
    #[error("{object} is referred to by {user}")]
    InUse { object: ObjectRef, user: String },
    #[error("product {product} has {count} devices")]
    HasDevices { product: ProductId, count: u64 },
}

impl Cause {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Forbidden { .. } | Self::CredentialsChanged { .. } | Self::ControllerOnly { .. } => Code::Forbidden,
            Self::RequestIdReused { .. } => Code::RequestIdReused,
            Self::RequestTableFull { .. } => Code::RequestTableFull,
            Self::NotFound { .. } => Code::NotFound,
            Self::AlreadyExists { .. } => Code::AlreadyExists,
            Self::Conflict { .. } | Self::SettingsConflict { .. } => Code::Conflict,
            Self::Invalid(_) => Code::InvalidObject,
            Self::Immutable { .. } => Code::Immutable,
            Self::IllegalTransition { .. } | Self::IllegalNow { .. } | Self::IllegalStep { .. } => Code::IllegalTransition,
            Self::Guard { code, .. } => *code,
            Self::InUse { .. } | Self::HasDevices { .. } => Code::InUse,
        }
    }

    fn subject(&self) -> Option<ObjectRef> {
        match self {
            Self::Forbidden { .. }
            | Self::CredentialsChanged { .. }
            | Self::ControllerOnly { .. }
            | Self::RequestIdReused { .. }
            | Self::RequestTableFull { .. }
            | Self::SettingsConflict { .. } => None,
            Self::Invalid(fields) => fields.first().and_then(|field| field.object.clone()),
            Self::NotFound { object }
            | Self::AlreadyExists { object, .. }
            | Self::Conflict { object, .. }
            | Self::Immutable { object, .. }
            | Self::Guard { object, .. }
            | Self::InUse { object, .. } => Some(object.clone()),
            Self::IllegalTransition { release, .. } | Self::IllegalNow { release, .. } | Self::IllegalStep { release, .. } => {
                Some(ObjectRef::Release(release.clone()))
            }
            Self::HasDevices { product, .. } => Some(ObjectRef::Product(product.clone())),
        }
    }

    /// Makes the answer; `version_of` tells the current version of the subject in the state before the command.
    pub(crate) fn into_rejection(self, version_of: impl FnOnce(&ObjectRef) -> Option<u64>) -> Rejection {
        let (code, subject, sentence) = (self.code(), self.subject(), self.to_string());
        let current_version = match &self {
            Self::SettingsConflict { current, .. } => Some(*current),
            Self::Forbidden { .. }
            | Self::CredentialsChanged { .. }
            | Self::ControllerOnly { .. }
            | Self::RequestIdReused { .. }
            | Self::RequestTableFull { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::Invalid(_)
            | Self::Immutable { .. }
            | Self::IllegalTransition { .. }
            | Self::IllegalNow { .. }
            | Self::IllegalStep { .. }
            | Self::Guard { .. }
            | Self::InUse { .. }
            | Self::HasDevices { .. } => subject.as_ref().and_then(version_of),
        };
        let mut fields = if let Self::Invalid(fields) = self { fields } else { Vec::new() };
        fields.truncate(crate::limits::FIELD_ERRORS_MAX);
        Rejection { code, subject, current_version, fields, sentence }
    }

    /// A single broken rule of a command that has no documents.
    pub(crate) fn field(object: Option<ObjectRef>, invalid: Invalid) -> Self {
        Self::Invalid(vec![FieldError { document: None, object, invalid }])
    }

    /// A guard that does not hold.
    pub(crate) fn guard(code: Code, object: ObjectRef, rule: impl Into<String>) -> Self {
        Self::Guard { code, object, rule: rule.into() }
    }
}

/// The first broken rule, and how many more there are.
fn invalid_sentence(fields: &[FieldError]) -> String {
    let first = fields.first().map(ToString::to_string).unwrap_or_default();
    match fields.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// The role as answers write it.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Operate => "operate",
        Role::Admin => "admin",
    }
}
