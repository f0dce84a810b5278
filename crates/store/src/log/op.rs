//! What the log is asked and what it answers: ids, records, operations, and the port [`LogStore`].

use std::ops::Range;

use bytes::Bytes;

use crate::fault::Fault;

/// Names one entry. Ordered as Raft compares logs: term, then node, then index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Term of the leader that proposed the entry.
    pub term: u64,
    /// Node id of that leader.
    pub node: u64,
    /// Position in the log.
    pub index: u64,
}

impl std::fmt::Display for LogId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.term, self.node, self.index)
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its name.
    pub id: LogId,
    /// Its content, opaque here.
    pub payload: Bytes,
}

/// One operation on the log. Operations take effect for readers when they are submitted and are durable when their
/// callback is called; both in the order of submission.
#[derive(Clone, Debug)]
pub enum Op {
    /// Adds entries, each following the one before. Into a log that holds none, the first may have any index after the
    /// purge mark's, or any index at all if nothing was ever purged.
    Append(Vec<LogRecord>),
    /// Replaces the vote.
    SaveVote(Bytes),
    /// Replaces the committed index. Written and durable with the next synced operation, not by itself: Raft learns it
    /// again.
    SaveCommitted(Option<LogId>),
    /// Removes every entry from this index on.
    Truncate {
        /// First index removed.
        from: u64,
    },
    /// Removes every entry up to this one; an older mark than the present one changes nothing. May lie past the end, as
    /// it does after a snapshot was installed.
    Purge {
        /// Last entry removed.
        upto: LogId,
    },
}

impl Op {
    /// Bytes of content, for bounds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append(records) => records.iter().map(|record| record.payload.len() + 64).sum(),
            Self::SaveVote(vote) => vote.len() + 64,
            Self::SaveCommitted(_) | Self::Truncate { .. } | Self::Purge { .. } => 64,
        }
    }
}

/// Called once when the operation is durable, or with what prevented it. Late at worst, never early; on the driver's
/// thread, so it must not block.
pub type Done = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// Where the log stands, counting everything submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Last entry purged.
    pub purged: Option<LogId>,
    /// Last entry, or the last purged one if none is left.
    pub last: Option<LogId>,
    /// The vote.
    pub vote: Option<Bytes>,
    /// The committed index that was saved last.
    pub committed: Option<LogId>,
}

/// Room that the log has made sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Segments ready to be written, besides the one in use.
    pub free_segments: u32,
    /// Fewer are ready than the low mark, and the disk had no room for another: accept emergency commands only. Clears
    /// itself when there is room again.
    pub below_low_mark: bool,
    /// The driver has nothing left to write to, and waits for room: what is queued is durable once there is some.
    pub is_waiting: bool,
}

/// Why an operation was not taken. Nothing of it happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The queue is at its bound.
    #[error("the log's queue is full")]
    Busy,
    /// An entry does not follow the last one.
    #[error("entry {found} does not follow, {expected} must")]
    Gap {
        /// Index that must come next.
        expected: u64,
        /// Index that came.
        found: u64,
    },
    /// Entries that were purged cannot be truncated.
    #[error("truncation from {from} reaches into the log purged up to {purged}")]
    Purged {
        /// First index to be removed.
        from: u64,
        /// Index of the purge mark.
        purged: u64,
    },
    /// Larger than the bound.
    #[error("{what} of {bytes} bytes exceeds {max}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// The log has stopped, for this reason.
    #[error("the log has stopped: {0}")]
    Stopped(#[source] Fault),
}

/// A Raft log: the one on disk ([`crate::Log`]) and its twin in memory (`log::MemLog`) under one conformance suite.
pub trait LogStore: Send + Sync + 'static {
    /// Takes an operation: readers see it at once, and `done` is called when it is durable. `done` is dropped uncalled
    /// if the operation is refused, or if the driver disappears with it in the queue.
    fn submit(&self, op: Op, done: Done) -> Result<(), Refused>;

    /// Entries of `range` that the log holds, in order, from the first one held; at least one, and no more than fit in
    /// `bytes_max` (payload bytes) nor more than `limits::READ_ENTRIES_MAX`.
    fn get(&self, range: Range<u64>, bytes_max: u64) -> Result<Vec<LogRecord>, Fault>;

    /// Where the log stands.
    fn state(&self) -> LogState;

    /// Room made sure of. While it is below the low mark, asking also makes the driver look again.
    fn space(&self) -> Space;
}
