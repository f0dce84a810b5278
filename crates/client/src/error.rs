//! What can become of a call, typed, so that a caller never has to read a message to know what to do.

use std::fmt;

use prost::Message;
use tidegate_model::{ObjectRef, RequestId};
use tidegate_proto::admin::v1 as admin;
use tonic::{Code, Status};
use tonic_types::pb;

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster understood the call and refused it: nothing changed.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The write may or may not have happened. Calling again with this request id is safe, and tells.
    #[error("outcome unknown{}: {detail}", repeat_with(.request_id.as_ref()))]
    UnknownOutcome {
        /// To repeat the call with; absent for changes of the cluster itself, whose effect its status shows.
        request_id: Option<RequestId>,
        /// What happened last.
        detail: String,
    },
    /// No endpoint answered in time; nothing happened.
    #[error("no endpoint could do it in time: {}", Attempts(.0))]
    Unreachable(Vec<Attempt>),
    /// The answer cannot be understood: a newer server, or damage.
    #[error("answer of the server cannot be understood: {0}")]
    Answer(String),
}

impl Error {
    /// The stable code: of the refusal, or `UNKNOWN_OUTCOME`, `UNREACHABLE`, `BAD_ANSWER`.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::UnknownOutcome { .. } => "UNKNOWN_OUTCOME",
            Self::Unreachable(_) => "UNREACHABLE",
            Self::Answer(_) => "BAD_ANSWER",
        }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::UnknownOutcome { .. } | Self::Unreachable(_) | Self::Answer(_) => None,
        }
    }

    pub(crate) fn answer(what: impl fmt::Display) -> Self {
        Self::Answer(what.to_string())
    }
}

fn repeat_with(request_id: Option<&RequestId>) -> String {
    request_id.map(|id| format!(", repeat with request id {id}")).unwrap_or_default()
}

/// One attempt that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub endpoint: String,
    /// Why.
    pub reason: String,
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    /// The last word of each endpoint; how often it was asked does not help anybody.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown: Vec<&str> = Vec::new();
        for attempt in self.0.iter().rev() {
            if !shown.contains(&attempt.endpoint.as_str()) {
                let comma = if shown.is_empty() { "" } else { "; " };
                write!(f, "{comma}{}: {}", attempt.endpoint, attempt.reason)?;
                shown.push(&attempt.endpoint);
            }
        }
        Ok(())
    }
}

/// A refusal with everything that the cluster says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Stable code, such as `CONFLICT`; the name of the gRPC status where a server gave no better one.
    pub code: String,
    /// The gRPC status.
    pub status: Code,
    /// For humans.
    pub message: String,
    /// The object that it is about.
    pub object: Option<ObjectRef>,
    /// Its present compare-and-set number, where that matters.
    pub current_version: Option<u64>,
    /// Every value that breaks a rule.
    pub fields: Vec<FieldViolation>,
    /// `COMPACTED`: changes after this config version are still kept.
    pub floor: Option<u64>,
    /// Node id of the leader, where known and of use.
    pub leader: Option<u64>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let Some(version) = self.current_version {
            write!(f, " (current version {version})")?;
        }
        for field in &self.fields {
            let place = field.document.map(|index| format!("document {index}, ")).unwrap_or_default();
            write!(
                f,
                "
  {place}{}: `{}` {}",
                field.field, field.value, field.rule
            )?;
        }
        Ok(())
    }
}

/// One value that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Which document of the call, counted from 0; absent if it is about the call itself.
    pub document: Option<u32>,
    /// Path of the field within it.
    pub field: String,
    /// The value, shortened.
    pub value: String,
    /// The rule.
    pub rule: String,
}

/// What one attempt's status means for the call.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Definite: asking again changes nothing.
    Refused(Box<Refusal>),
    /// The server says that nothing happened, and that another moment or node may do.
    Later(String),
    /// Nobody can say whether it happened.
    Unknown(String),
}

/// Judges the status of one attempt.
pub(crate) fn judge(status: &Status) -> Verdict {
    let details = details(status);
    let text = || format!("{:?}: {}", status.code(), status.message());
    if details.is_none() {
        // Without details it may come from the transport or a proxy, after the request had left.
        return match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal | Code::DeadlineExceeded => {
                Verdict::Unknown(text())
            }
            _ => Verdict::Refused(Box::new(refusal(status, None))), // The server's framework said no before the call.
        };
    }
    let refusal = refusal(status, details);
    if refusal.code == "UNKNOWN_OUTCOME" {
        return Verdict::Unknown(text());
    }
    match status.code() {
        Code::Unavailable | Code::Cancelled => Verdict::Later(refusal.to_string()),
        // Of all that can be exhausted only this passes within the deadline of a call.
        Code::ResourceExhausted if refusal.code == "BUSY" => Verdict::Later(refusal.to_string()),
        Code::DeadlineExceeded | Code::Unknown | Code::Internal => Verdict::Unknown(text()),
        _ => Verdict::Refused(Box::new(refusal)), // Every other code says that it was judged.
    }
}

/// Whether a refusal was given by the replicated state machine (or repeats what it gave), so that it settles the fate of
/// earlier attempts under the same request id. What a leader says about versions it says before the log.
pub(crate) fn is_settling(refusal: &Refusal) -> bool {
    !matches!(refusal.code.as_str(), "CLUSTER_TOO_OLD" | "MEMBER_TOO_OLD")
        && matches!(
            refusal.status,
            Code::Aborted | Code::FailedPrecondition | Code::InvalidArgument | Code::NotFound | Code::AlreadyExists
        )
}

fn details(status: &Status) -> Option<admin::Refusal> {
    let envelope = pb::Status::decode(status.details()).ok()?;
    let any = envelope.details.iter().find(|any| any.type_url.ends_with("/tidegate.admin.v1.Refusal"))?;
    admin::Refusal::decode(any.value.as_slice()).ok()
}

fn refusal(status: &Status, details: Option<admin::Refusal>) -> Refusal {
    let Some(details) = details else {
        return Refusal {
            code: code_name(status.code()).to_owned(),
            status: status.code(),
            message: status.message().to_owned(),
            object: None,
            current_version: None,
            fields: Vec::new(),
            floor: None,
            leader: None,
        };
    };
    let field = |field: tidegate_proto::types::v1::FieldViolation| FieldViolation {
        document: field.document,
        field: field.field,
        value: field.value,
        rule: field.rule,
    };
    Refusal {
        code: details.code,
        status: status.code(),
        message: status.message().to_owned(),
        // A name that this build cannot read is left out: the code and the message stand without it.
        object: details.object.and_then(|object| ObjectRef::try_from(object).ok()),
        current_version: details.current_version,
        fields: details.fields.into_iter().map(field).collect(),
        floor: details.floor,
        leader: details.leader,
    }
}

const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
