//! The only way into a running node: [`Handle`], cheap to clone, usable from any task.
//!
//! A handle hides which runtime and which application the node runs with. Every call has a deadline, and every answer
//! is either definite or says in its type that the outcome is unknown; nothing is repeated silently.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ask::{AskError, Target};
use crate::freshness::Freshness;
use crate::status::{Counters, Leadership, Member, Status};

/// How a proposal is treated when the disk is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Refused as [`ProposeError::DiskLow`] below the low mark.
    Ordinary,
    /// Taken from the reserve: pause, withdraw, delete. The caller judges what deserves this.
    Emergency,
}

/// A committed and applied proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The log index it was applied at.
    pub index: u64,
    /// What [`Application::apply`](crate::Application::apply) returned for it.
    pub response: Bytes,
}

/// Why a proposal has no result. Only [`UnknownOutcome`](ProposeError::UnknownOutcome) leaves open whether it took
/// effect; all others are certain that it did not and will not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another node leads, or nobody does.
    #[error("this node does not lead, the leader is {leader:?}")]
    NotLeader {
        /// The leader, where known.
        leader: Option<u64>,
    },
    /// The entry was written here, and then the deadline passed or leadership was lost: it may be committed now, later,
    /// or never.
    #[error("the outcome is unknown")]
    UnknownOutcome,
    /// The payload is larger than an entry may be.
    #[error("payload of {bytes} bytes must be <= {max} bytes")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
        /// Largest payload.
        max: usize,
    },
    /// Too many proposals are under way.
    #[error("{in_flight} proposals are under way, must be < {max}")]
    Busy {
        /// Proposals under way.
        in_flight: usize,
        /// The bound.
        max: usize,
    },
    /// The disk is nearly full and the proposal is no emergency.
    #[error("the disk is nearly full: only emergency proposals are taken")]
    DiskLow,
    /// This leader's wall clock is too far from a majority's to stamp entries.
    #[error("the wall clock is {ahead_ms} ms ahead of a majority, must be within {max_ms} ms")]
    ClockSkewed {
        /// How far ahead (negative: behind).
        ahead_ms: i64,
        /// The bound.
        max_ms: u64,
    },
    /// The node is shutting down or has failed.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a linearizable read cannot be made now. Reads have no effect, so all of these may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No leader is known.
    #[error("no leader is known")]
    NoLeader,
    /// The leader did not confirm its leadership by a majority in time, or could not be reached.
    #[error("no majority confirmed the read in time")]
    NotConfirmed,
    /// The index was confirmed, but this node did not apply so far before the deadline.
    #[error("applied index {applied} must be >= {needed} before the deadline")]
    Behind {
        /// Where this node is.
        applied: u64,
        /// Where it would have to be.
        needed: u64,
    },
    /// Too many reads are waiting.
    #[error("too many reads are waiting")]
    Busy,
    /// The node is shutting down or has failed.
    #[error("the node has stopped")]
    Stopped,
}

/// Why a membership change or leadership transfer was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Another node leads, or nobody does.
    #[error("this node does not lead, the leader is {leader:?}")]
    NotLeader {
        /// The leader, where known.
        leader: Option<u64>,
    },
    /// The cluster exists already on this node.
    #[error("node {node} belongs to an initialized cluster")]
    AlreadyInitialized {
        /// This node.
        node: u64,
    },
    /// The member list does not make a cluster.
    #[error("invalid member list: {rule}")]
    InvalidMembers {
        /// The broken rule.
        rule: String,
    },
    /// The node is not in the membership.
    #[error("node {node} is no member")]
    NoMember {
        /// The node named.
        node: u64,
    },
    /// The node id belongs to a member with another store or other addresses, or belonged to one that was removed; ids
    /// are never reused.
    #[error("node id {node} is taken, now or formerly, by a member with another store or address")]
    IdTaken {
        /// The node named.
        node: u64,
    },
    /// The learner has not received enough of the log to vote.
    #[error("node {node} lacks {lag} entries, must be <= {max} to be promoted")]
    NotCaughtUp {
        /// The learner.
        node: u64,
        /// Entries that it lacks.
        lag: u64,
        /// Largest lag at promotion.
        max: u64,
    },
    /// The change would leave fewer reachable voters than a majority.
    #[error("{healthy} healthy voters would remain, must be >= {needed}")]
    MajorityAtRisk {
        /// Voters of the new membership that were heard lately.
        healthy: usize,
        /// The majority of the new membership.
        needed: usize,
    },
    /// Another change is under way.
    #[error("another membership change is under way")]
    InProgress,
    /// The change was written here, and then the deadline passed or leadership was lost.
    #[error("the outcome is unknown")]
    UnknownOutcome,
    /// The transfer did not take place before the deadline; this node may still lead.
    #[error("leadership was not taken over in time")]
    NotTakenOver,
    /// The node is shutting down or has failed.
    #[error("the node has stopped")]
    Stopped,
}

/// Why another node could not be identified by its address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// No connection, or no answer before the deadline.
    #[error("no node answers at {address}")]
    Unreachable {
        /// The address asked.
        address: String,
    },
    /// The node belongs to another cluster.
    #[error("the node at {address} belongs to another cluster, epoch or group")]
    OtherCluster {
        /// The address asked.
        address: String,
    },
}

/// Way into a running node; see the module text.
#[derive(Clone)]
pub struct Handle {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) freshness: Freshness,
}

/// What a node offers behind a [`Handle`]; one implementation, generic over runtime and application.
pub(crate) trait Port: Send + Sync + 'static {
    fn node(&self) -> u64;
    fn propose(
        &self,
        payload: Bytes,
        priority: Priority,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Proposed, ProposeError>>;
    fn read_index(&self, deadline: Instant) -> BoxFuture<'static, Result<u64, ReadError>>;
    fn ask(&self, target: Target, request: Bytes, deadline: Instant) -> BoxFuture<'static, Result<Bytes, AskError>>;
    fn discover(&self, peer_addr: String, deadline: Instant) -> BoxFuture<'static, Result<Member, DiscoverError>>;
    fn initialize(&self, members: Vec<Member>) -> BoxFuture<'static, Result<(), ChangeError>>;
    fn add_learner(&self, member: Member, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>>;
    fn promote(&self, node: u64, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>>;
    fn remove(&self, node: u64, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>>;
    fn transfer_leader(&self, to: Option<u64>, deadline: Instant) -> BoxFuture<'static, Result<u64, ChangeError>>;
    fn build_snapshot(&self) -> BoxFuture<'static, ()>;
    fn status(&self) -> Status;
    fn counters(&self) -> Counters;
    fn leadership(&self) -> watch::Receiver<Leadership>;
}

impl Handle {
    /// This node's id.
    #[must_use]
    pub fn node(&self) -> u64 {
        self.port.node()
    }

    /// Proposes `payload` as one log entry and waits until it is committed, applied and published here. Works on the
    /// leader only; elsewhere use [`ask`](Self::ask) to hand the request to the leader's server.
    ///
    /// # Errors
    /// See [`ProposeError`]; after [`ProposeError::UnknownOutcome`] only an idempotent request may be sent again.
    pub async fn propose(&self, payload: Bytes, priority: Priority, deadline: Instant) -> Result<Proposed, ProposeError> {
        self.port.propose(payload, priority, deadline).await
    }

    /// Linearizable read barrier, from any node: returns an index such that everything acknowledged before this call
    /// has been applied and published here. The leader confirms by a round to a majority that starts after the question
    /// arrived.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_index(&self, deadline: Instant) -> Result<u64, ReadError> {
        self.port.read_index(deadline).await
    }

    /// Sends `request` to the [`AskHandler`](crate::AskHandler) of another node, once, and returns its answer.
    ///
    /// # Errors
    /// See [`AskError`], which tells "certainly not executed" from "unknown".
    pub async fn ask(&self, target: Target, request: Bytes, deadline: Instant) -> Result<Bytes, AskError> {
        self.port.ask(target, request, deadline).await
    }

    /// Asks the node that listens for peers at `peer_addr` who it is: its id, store and advertised addresses. The answer
    /// is what [`initialize`](Self::initialize) and [`add_learner`](Self::add_learner) take.
    ///
    /// # Errors
    /// See [`DiscoverError`].
    pub async fn discover(&self, peer_addr: &str, deadline: Instant) -> Result<Member, DiscoverError> {
        self.port.discover(peer_addr.to_owned(), deadline).await
    }

    /// Starts the cluster with `members` as voters, this node among them. Once in the life of a cluster, on one node.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn initialize(&self, members: Vec<Member>) -> Result<(), ChangeError> {
        self.port.initialize(members).await
    }

    /// Adds `member` as a learner. Works on the leader only. Adding a learner that is there already succeeds.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn add_learner(&self, member: Member, deadline: Instant) -> Result<(), ChangeError> {
        self.port.add_learner(member, deadline).await
    }

    /// Makes the learner `node` a voter, if it has caught up. Works on the leader only.
    ///
    /// # Errors
    /// See [`ChangeError`]; [`ChangeError::NotCaughtUp`] is worth another try.
    pub async fn promote(&self, node: u64, deadline: Instant) -> Result<(), ChangeError> {
        self.port.promote(node, deadline).await
    }

    /// Removes the voter or learner `node`. Works on the leader only, refuses to leave less than a healthy majority.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove(&self, node: u64, deadline: Instant) -> Result<(), ChangeError> {
        self.port.remove(node, deadline).await
    }

    /// Hands leadership to the voter `to`, or to the most up-to-date one; returns the new leader once it is known. Without
    /// `to`, any other leader will do.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn transfer_leader(&self, to: Option<u64>, deadline: Instant) -> Result<u64, ChangeError> {
        self.port.transfer_leader(to, deadline).await
    }

    /// Asks for a snapshot file of the state now applied, and returns without waiting for it.
    pub async fn build_snapshot(&self) {
        self.port.build_snapshot().await;
    }

    /// This node's view of itself and the cluster.
    #[must_use]
    pub fn status(&self) -> Status {
        self.port.status()
    }

    /// Counters since start, for metrics.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.port.counters()
    }

    /// Follows changes of leadership. Never hold a borrowed value across an await.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.port.leadership()
    }

    /// How old this node's published snapshot provably is at most.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}
