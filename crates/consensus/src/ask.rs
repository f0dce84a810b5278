//! Asking another node: opaque request bytes to the leader or to one node, answered by its [`AskHandler`].
//!
//! The server uses it to forward writes and reads to the leader and for peer queries. Consensus neither reads the bytes
//! nor repeats them: a request is delivered at most once per call of [`Handle::ask`](crate::Handle::ask).

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Answers bytes that another node sent through [`Handle::ask`](crate::Handle::ask).
pub trait AskHandler: Send + Sync + 'static {
    /// Answers `request` of the node `from`, a member of this cluster. Dropping the future cancels the work: that
    /// happens when the asking side gives up.
    fn handle(&self, from: u64, request: Bytes) -> BoxFuture<'static, Result<Bytes, AskRefused>>;
}

/// The handler did not execute the request, and says so for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskRefused {
    /// This node is not (or no longer) the leader and nothing was done.
    #[error("not the leader")]
    NotLeader {
        /// The leader, where known.
        leader: Option<u64>,
    },
    /// Too much work is waiting; nothing was done.
    #[error("too busy")]
    Busy,
    /// The bytes mean nothing to this build; nothing was done.
    #[error("request not understood: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whoever leads now as far as this node knows; the own node when it leads (the handler is then called in place).
    Leader,
    /// The member with this node id.
    Node(u64),
}

/// Why no answer came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The request was not delivered, for certain: no leader is known, no connection, or refused on sight.
    #[error("the request was not delivered: {reason}")]
    NotDelivered {
        /// What stood in the way.
        reason: NotDelivered,
    },
    /// The request was delivered and refused unexecuted.
    #[error("node {node} refused the request: {refused}")]
    Refused {
        /// Who refused.
        node: u64,
        /// Why.
        #[source]
        refused: AskRefused,
    },
    /// The connection broke or the deadline passed after the request had left: it may have been executed.
    #[error("no answer from node {node}: the request may or may not have been executed")]
    Unknown {
        /// Who was asked.
        node: u64,
    },
}

/// What stood in the way of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// No leader is known at the moment.
    #[error("no leader is known")]
    NoLeader,
    /// The node is not in the membership.
    #[error("node {node} is no member")]
    NoMember {
        /// The node asked for.
        node: u64,
    },
    /// No connection could be made.
    #[error("node {node} cannot be reached")]
    Unreachable {
        /// The node asked for.
        node: u64,
    },
    /// The other side belongs to another cluster, epoch or store, or does not know this node.
    #[error("node {node} does not accept this node's identity")]
    Identity {
        /// The node asked for.
        node: u64,
    },
    /// The request is larger than the peer protocol carries.
    #[error("request of {bytes} bytes must be <= {max} bytes")]
    TooLarge {
        /// Size of the request.
        bytes: usize,
        /// Largest request.
        max: usize,
    },
    /// Too many requests of this node are under way.
    #[error("too many requests are under way")]
    Busy,
    /// This node is shutting down.
    #[error("this node is shutting down")]
    Stopped,
    /// The deadline passed before the request left.
    #[error("the deadline passed before the request left")]
    Deadline,
}
