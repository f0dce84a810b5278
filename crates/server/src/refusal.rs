//! Why a call was refused: by the state machine ([`Rejection`]) or at the door ([`Door`]). `status` turns either into
//! what callers see; nothing else in this crate knows a gRPC code.

use tidegate_consensus::{AskError, AskRefused, ChangeError, DiscoverError, ProposeError, ReadError};
use tidegate_model::Role;
use tidegate_proto::types::v1::{FieldViolation, ObjectRef, Rejection};

/// A refused call.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The command was understood and refused; deterministic, and the same on repetition.
    Rejected(Box<Rejection>),
    /// It did not get as far.
    Door(Door),
}

/// Why a call got no answer of the state machine.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Door {
    /// No credentials, or none that are known.
    #[error("{0}")]
    Unauthenticated(Unauthenticated),
    /// The caller's role is too low.
    #[error("{principal} has role {} and needs {}", role_name(*.has), role_name(*.needs))]
    Forbidden {
        /// The caller.
        principal: String,
        /// What it may do.
        has: Role,
        /// What the call needs.
        needs: Role,
    },
    /// The request itself is malformed.
    #[error("{}", fields_sentence(.0))]
    Invalid(Vec<FieldViolation>),
    /// There is no such object.
    #[error("{0} does not exist")]
    NotFound(String, Option<Box<ObjectRef>>),
    /// There is no such product to check for.
    #[error("product {0:?} does not exist")]
    UnknownProduct(String),
    /// Nobody leads at the moment, or the leader cannot be reached; nothing was done.
    #[error("no leader can be reached, nothing was done")]
    NoLeader,
    /// It may have taken effect, now or later, or not.
    #[error("the outcome is unknown: repeat the call with request id {request_id} to learn it")]
    UnknownOutcome {
        /// The request id to repeat the call with.
        request_id: String,
    },
    /// It may have taken effect; a membership change has no request id.
    #[error("the outcome is unknown: look at the cluster's status")]
    UnknownChange,
    /// Too much is under way; nothing was done.
    #[error("too many calls are under way, nothing was done")]
    Busy,
    /// The disk is nearly full.
    #[error("the disk is nearly full: only pause, withdraw, disable and delete are taken")]
    DiskLow,
    /// The leader's clock is off.
    #[error("the leader's clock is {ahead_ms} ms ahead of a majority, must be within {max_ms} ms")]
    ClockSkewed {
        /// How far ahead.
        ahead_ms: i64,
        /// The bound.
        max_ms: u64,
    },
    /// The command does not fit an entry.
    #[error("command of {bytes} bytes must be <= {max} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The command is of a kind that came with a later version of the cluster.
    #[error("this command needs cluster version {needed}, the cluster is at {current}")]
    ClusterTooOld {
        /// The version that brought the kind.
        needed: u32,
        /// The cluster's version.
        current: u32,
    },
    /// The cluster is to be raised to a version that a member does not understand, as far as is known.
    #[error("cluster version {wanted} must be <= what every member supports, which of node {node} {}", known(.supported.as_ref()))]
    MemberTooOld {
        /// The member.
        node: u64,
        /// The version asked for.
        wanted: u32,
        /// What the member supports, if it was heard.
        supported: Option<u32>,
    },
    /// A linearizable read was not confirmed in time.
    #[error("no majority confirmed the read in time")]
    NotConfirmed,
    /// Changes from there on are no longer kept, or the watcher fell behind.
    #[error("changes from {from} on are no longer kept, must be >= {floor}")]
    Compacted {
        /// What was asked for.
        from: u64,
        /// The oldest config version to resume from.
        floor: u64,
    },
    /// The rows asked for are being rebuilt.
    #[error("history and audit of this node are being rebuilt")]
    Rebuilding,
    /// The rows cannot be read.
    #[error("history and audit of this node cannot be read")]
    Journal,
    /// The node cannot serve now: it starts, drains or has failed.
    #[error("this node does not serve now")]
    NotReady,
    /// A membership change is not possible.
    #[error("{sentence}")]
    Membership {
        /// Stable code.
        code: &'static str,
        /// What is in the way.
        sentence: String,
    },
    /// Another node cannot be reached or is another cluster's.
    #[error("{0}")]
    Discover(DiscoverError),
    /// Another node refused a forwarded call, and said why in its own words.
    #[error("{message}")]
    Relayed {
        /// The code it gave.
        code: String,
        /// What it said.
        message: String,
        /// The gRPC code that goes with it.
        grpc: i32,
    },
}

/// What is wrong with the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// None were sent.
    #[error("a bearer token is needed")]
    Missing,
    /// Not of the form `Bearer TOKEN`.
    #[error("authorization must be `Bearer TOKEN`")]
    Malformed,
    /// No such token.
    #[error("the token is not known")]
    Unknown,
}

impl Door {
    /// One malformed field.
    #[must_use]
    pub fn field(field: impl Into<String>, value: impl Into<String>, rule: impl Into<String>) -> Self {
        let (field, value, rule) = (field.into(), value.into(), rule.into());
        Self::Invalid(vec![FieldViolation { field, value, rule, ..FieldViolation::default() }])
    }

    /// The stable code that callers see.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Unauthenticated(_) => "UNAUTHENTICATED",
            Self::Forbidden { .. } => "FORBIDDEN",
            Self::Invalid(_) => "INVALID_REQUEST",
            Self::NotFound(..) => "NOT_FOUND",
            Self::UnknownProduct(_) => "UNKNOWN_PRODUCT",
            Self::NoLeader => "NO_LEADER",
            Self::UnknownOutcome { .. } | Self::UnknownChange => "UNKNOWN_OUTCOME",
            Self::Busy => "BUSY",
            Self::DiskLow => "DISK_LOW",
            Self::ClockSkewed { .. } => "CLOCK_SKEWED",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::ClusterTooOld { .. } => "CLUSTER_TOO_OLD",
            Self::MemberTooOld { .. } => "MEMBER_TOO_OLD",
            Self::NotConfirmed => "NOT_CONFIRMED",
            Self::Compacted { .. } => "COMPACTED",
            Self::Rebuilding => "REBUILDING",
            Self::Journal => "JOURNAL_UNREADABLE",
            Self::NotReady => "NOT_READY",
            Self::Membership { code, .. } => code,
            Self::Discover(DiscoverError::Unreachable { .. }) => "UNREACHABLE",
            Self::Discover(DiscoverError::OtherCluster { .. }) => "OTHER_CLUSTER",
            Self::Relayed { code, .. } => code,
        }
    }
}

impl From<Door> for Refusal {
    fn from(door: Door) -> Self {
        Self::Door(door)
    }
}

impl Refusal {
    /// The stable code that callers see.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Rejected(rejection) => &rejection.code,
            Self::Door(door) => door.code(),
        }
    }

    /// What became of a proposal that has no result.
    #[must_use]
    pub fn of_proposal(error: &ProposeError, request_id: &str) -> Self {
        Self::Door(match error {
            ProposeError::NotLeader { .. } => Door::NoLeader,
            ProposeError::UnknownOutcome => Door::UnknownOutcome { request_id: request_id.to_owned() },
            ProposeError::TooLarge { bytes, max } => Door::TooLarge { bytes: *bytes, max: *max },
            ProposeError::Busy { .. } => Door::Busy,
            ProposeError::DiskLow => Door::DiskLow,
            ProposeError::ClockSkewed { ahead_ms, max_ms } => Door::ClockSkewed { ahead_ms: *ahead_ms, max_ms: *max_ms },
            ProposeError::Stopped => Door::NotReady,
        })
    }

    /// What became of a forwarded write that has no answer.
    #[must_use]
    pub fn of_ask(error: &AskError, request_id: &str) -> Self {
        Self::Door(match error {
            AskError::NotDelivered { .. } => Door::NoLeader,
            AskError::Refused { refused, .. } => match refused {
                AskRefused::NotLeader { .. } => Door::NoLeader,
                AskRefused::Busy => Door::Busy,
                AskRefused::Invalid { reason } => Door::field("request", "", reason.clone()),
            },
            AskError::Unknown { .. } => Door::UnknownOutcome { request_id: request_id.to_owned() },
        })
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Door(match error {
            ReadError::NoLeader => Door::NoLeader,
            ReadError::NotConfirmed | ReadError::Behind { .. } => Door::NotConfirmed,
            ReadError::Busy => Door::Busy,
            ReadError::Stopped => Door::NotReady,
        })
    }
}

impl From<DiscoverError> for Refusal {
    fn from(error: DiscoverError) -> Self {
        Self::Door(Door::Discover(error))
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let code = match &error {
            ChangeError::NotLeader { .. } => return Self::Door(Door::NoLeader),
            ChangeError::UnknownOutcome => return Self::Door(Door::UnknownChange),
            ChangeError::Stopped => return Self::Door(Door::NotReady),
            ChangeError::AlreadyInitialized { .. } => "ALREADY_INITIALIZED",
            ChangeError::InvalidMembers { .. } => "INVALID_MEMBERS",
            ChangeError::NoMember { .. } => "NO_MEMBER",
            ChangeError::IdTaken { .. } => "NODE_ID_TAKEN",
            ChangeError::NotCaughtUp { .. } => "NOT_CAUGHT_UP",
            ChangeError::MajorityAtRisk { .. } => "MAJORITY_AT_RISK",
            ChangeError::InProgress => "CHANGE_IN_PROGRESS",
            ChangeError::NotTakenOver => "NOT_TAKEN_OVER",
        };
        Self::Door(Door::Membership { code, sentence: error.to_string() })
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Operate => "operate",
        Role::Admin => "admin",
    }
}

fn known(supported: Option<&u32>) -> String {
    supported.map_or_else(|| "is not known".to_owned(), |version| format!("is {version}"))
}

fn fields_sentence(fields: &[FieldViolation]) -> String {
    let one = |field: &FieldViolation| format!("{}: {:?} {}", field.field, field.value, field.rule);
    match fields {
        [] => "the request is malformed".to_owned(),
        [first] => one(first),
        [first, rest @ ..] => format!("{} (and {} more)", one(first), rest.len()),
    }
}
