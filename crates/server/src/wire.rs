//! What servers of one cluster ask one another, beneath consensus' opaque `ask`.
//!
//! Neighbouring releases have to understand each other: tags are never reused, and a question that decodes to nothing is
//! refused as not understood, unexecuted. Results travel in the form in which they are stored.

use tidegate_proto::storage::v1::{AuditRow, HistoryRow};
use tidegate_proto::types::v1::{Command, FieldViolation, Result as CommandResult};

/// A question to another server.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Question {
    /// Which.
    #[prost(oneof = "question::Kind", tags = "1, 2, 3, 4")]
    pub kind: Option<question::Kind>,
}

/// Kinds of questions.
pub mod question {
    /// Which question.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        /// Carry out a command; to the leader.
        #[prost(message, tag = "1")]
        Write(super::Write),
        /// Change the membership; to the leader.
        #[prost(message, tag = "2")]
        Change(super::Change),
        /// Which digest do you have?
        #[prost(message, tag = "3")]
        Digest(super::DigestQuestion),
        /// Which history and audit rows do you have?
        #[prost(message, tag = "4")]
        Rows(super::RowsQuestion),
    }
}

/// A write on behalf of a caller that the asking node has let in.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Write {
    /// The caller.
    #[prost(string, tag = "1")]
    pub principal: String,
    /// Generation of the credentials at which it was let in.
    #[prost(uint64, tag = "2")]
    pub auth_epoch: u64,
    /// Chosen by the caller or its server.
    #[prost(string, tag = "3")]
    pub request_id: String,
    /// What to do.
    #[prost(message, optional, tag = "4")]
    pub command: Option<Command>,
    /// Time that the asking side still waits.
    #[prost(uint64, tag = "5")]
    pub timeout_ms: u64,
}

/// A membership change on behalf of an administrator.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Change {
    /// The caller.
    #[prost(string, tag = "1")]
    pub principal: String,
    /// Which change.
    #[prost(oneof = "change::Kind", tags = "2, 3, 4, 5")]
    pub kind: Option<change::Kind>,
}

/// Kinds of membership changes.
pub mod change {
    /// Which change.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        /// Take in the node at this peer address as a learner.
        #[prost(string, tag = "2")]
        AddLearner(String),
        /// Make this learner a voter.
        #[prost(uint64, tag = "3")]
        Promote(u64),
        /// Take this node out.
        #[prost(uint64, tag = "4")]
        Remove(u64),
        /// Hand leadership to this voter, or (0) to the best one.
        #[prost(uint64, tag = "5")]
        Transfer(u64),
    }
}

/// Which digest the asked node has.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DigestQuestion {
    /// At this config version; 0: its present one.
    #[prost(uint64, tag = "1")]
    pub config_version: u64,
}

/// Rows of the journal, by log index.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RowsQuestion {
    /// Rows of entries from this index on.
    #[prost(uint64, tag = "1")]
    pub from_index: u64,
    /// Up to this one, inclusive.
    #[prost(uint64, tag = "2")]
    pub to_index: u64,
}

/// An answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// Which.
    #[prost(oneof = "answer::Kind", tags = "1, 2, 3, 4, 5")]
    pub kind: Option<answer::Kind>,
}

/// Kinds of answers.
pub mod answer {
    /// Which answer.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        /// What became of a command.
        #[prost(message, tag = "1")]
        Result(super::CommandResult),
        /// The call was refused at the door.
        #[prost(message, tag = "2")]
        Refused(super::Refused),
        /// What became of a membership change: the node that it is about.
        #[prost(uint64, tag = "3")]
        Changed(u64),
        /// A digest.
        #[prost(message, tag = "4")]
        Digest(super::DigestAnswer),
        /// Rows.
        #[prost(message, tag = "5")]
        Rows(super::RowsAnswer),
    }
}

/// A refusal at the door, as text: the asking node passes it on unread.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Refused {
    /// Stable code.
    #[prost(string, tag = "1")]
    pub code: String,
    /// One sentence.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The gRPC code that goes with it.
    #[prost(int32, tag = "3")]
    pub grpc: i32,
    /// Malformed fields.
    #[prost(message, repeated, tag = "4")]
    pub fields: Vec<FieldViolation>,
}

/// A node's digest at a config version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DigestAnswer {
    /// Epoch of its state.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// The config version; that of the question if it was still known.
    #[prost(uint64, tag = "2")]
    pub config_version: u64,
    /// 32 bytes; empty if the config version asked for is not remembered.
    #[prost(bytes = "bytes", tag = "3")]
    pub digest: bytes::Bytes,
}

/// Some rows, oldest first.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RowsAnswer {
    /// History rows.
    #[prost(message, repeated, tag = "1")]
    pub history: Vec<HistoryRow>,
    /// Audit rows.
    #[prost(message, repeated, tag = "2")]
    pub audit: Vec<AuditRow>,
    /// Ask again from here; 0: that was all.
    #[prost(uint64, tag = "3")]
    pub next_index: u64,
    /// The asked node's rows are complete up to this index.
    #[prost(uint64, tag = "4")]
    pub applied_to: u64,
}
