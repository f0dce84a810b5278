//! The store's log in the form that openraft wants.
//!
//! Order is everything: operations enter one queue in the order of the calls, take effect for readers at once, and are
//! durable when their callback says so. Votes are awaited; appends report later; truncation and purge need no answer, for
//! whatever is acknowledged after them is durable after them.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openraft::base::BoxStream;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, RaftLogReader};
use tidegate_platform::{BootTime, Clock};
use tidegate_store as store;
use tidegate_store::{Log, LogStore as _, Op};
use tokio::sync::oneshot;

use super::types::{Entry, LogId, Types, Vote, log_id, term_of};
use crate::codec::{payload_from_disk, payload_to_disk, vote_from_disk, vote_to_disk};
use crate::limits::REPLICATION_BYTES_MAX;
use crate::runtime::Runtime;

/// The log of one node. Cheap to clone; a clone is a reader.
#[derive(Clone)]
pub(crate) struct RaftLog {
    log: Log,
    pending: Pending,
}

/// Since when the disk has been owing an answer; watched for stalls.
#[derive(Clone)]
pub(crate) struct Pending {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<PendingState>>,
}

#[derive(Default)]
struct PendingState {
    under_way: u64,
    since: Option<BootTime>,
}

impl Pending {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }

    fn begin(&self) {
        let now = self.clock.boot();
        let mut state = self.state.lock().expect("no panic happens under this lock");
        state.under_way += 1;
        state.since.get_or_insert(now);
    }

    fn end(&self) {
        let now = self.clock.boot();
        let mut state = self.state.lock().expect("no panic happens under this lock");
        state.under_way = state.under_way.saturating_sub(1);
        state.since = (state.under_way > 0).then_some(now);
    }

    /// How long the disk has not finished anything although it was asked to.
    pub(crate) fn stalled_for(&self) -> Duration {
        let state = self.state.lock().expect("no panic happens under this lock");
        state.since.map_or(Duration::ZERO, |since| self.clock.boot().since(since))
    }
}

fn id_to_store(id: &LogId) -> store::LogId {
    // A term has one leader, so the node id adds nothing; it stays in the format for the day that changes.
    store::LogId { term: term_of(id), node: 0, index: id.index }
}

fn id_from_store(id: store::LogId) -> LogId {
    log_id(id.term, id.index)
}

fn failed(fault: store::Fault) -> io::Error {
    io::Error::other(fault)
}

fn start_of(range: &impl RangeBounds<u64>) -> u64 {
    match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    }
}

fn end_of(range: &impl RangeBounds<u64>) -> u64 {
    match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    }
}

impl RaftLog {
    pub(crate) fn new(log: Log, pending: Pending) -> Self {
        Self { log, pending }
    }

    pub(crate) fn store(&self) -> &Log {
        &self.log
    }

    /// Puts an operation into the queue, waiting for room; `done` hears when it is durable or why it never will be.
    async fn submit(&self, op: Op, done: impl FnOnce(io::Result<()>) + Send + 'static) -> io::Result<()> {
        self.pending.begin();
        let pending = self.pending.clone();
        let done = Box::new(move |result: Result<(), store::Fault>| {
            pending.end();
            done(result.map_err(failed));
        });
        self.log.submit_when_ready(op, done).await.map_err(io::Error::other)
    }

    /// Puts an operation into the queue whose durability nobody waits for: a fault stops the log, and the next
    /// operation that somebody waits for reports it.
    async fn submit_unwatched(&self, op: Op) -> io::Result<()> {
        self.submit(op, |_| {}).await
    }

    /// The same for an operation that the driver may leave until the next one: a disk that has not written it has not
    /// stalled.
    async fn submit_for_later(&self, op: Op) -> io::Result<()> {
        self.log.submit_when_ready(op, Box::new(|_| {})).await.map_err(io::Error::other)
    }

    fn read(&self, range: Range<u64>, bytes_max: u64) -> io::Result<Vec<Entry>> {
        let records = self.log.get(range, bytes_max).map_err(failed)?;
        let decode = |record: store::LogRecord| {
            let payload = payload_from_disk(&record.payload)
                .map_err(|error| io::Error::other(format!("log entry {} cannot be understood: {error}", record.id)))?;
            Ok(Entry { log_id: id_from_store(record.id), payload })
        };
        records.into_iter().map(decode).collect()
    }

    fn vote(&self) -> io::Result<Option<Vote>> {
        let stored = self.log.state().vote;
        stored.map(|vote| vote_from_disk(&vote)).transpose().map_err(io::Error::other)
    }
}

/// Entries of `range` piece by piece, so that a long range never lies in memory as a whole.
fn pieces(log: RaftLog, range: Range<u64>) -> impl Stream<Item = io::Result<Entry>> + Send {
    let ranges = stream::unfold((log, range), |(log, range)| async move {
        if range.is_empty() {
            return None;
        }
        let piece = log.read(range.clone(), REPLICATION_BYTES_MAX);
        let next = match &piece {
            Ok(entries) => entries.last().map_or(range.end, |entry| entry.log_id.index + 1),
            Err(_) => range.end,
        };
        Some((piece, (log, next..range.end)))
    });
    ranges.flat_map(|piece| match piece {
        Ok(entries) => stream::iter(entries.into_iter().map(Ok).collect::<Vec<_>>()),
        Err(error) => stream::iter(vec![Err(error)]),
    })
}

impl<Rt: Runtime> RaftLogReader<Types<Rt>> for RaftLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<Entry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let entries: Vec<io::Result<Entry>> = pieces(self.clone(), start_of(&range)..end_of(&range)).collect().await;
        entries.into_iter().collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        self.vote()
    }

    /// Bounded by bytes: one message carries at most [`REPLICATION_BYTES_MAX`] of entries, and always at least one.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, REPLICATION_BYTES_MAX)
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + Send
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let range = start_of(&range)..end_of(&range);
        Box::pin(pieces(self.clone(), range)) as BoxStream<'static, _>
    }
}

impl<Rt: Runtime> RaftLogStorage<Types<Rt>> for RaftLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types<Rt>>, io::Error> {
        let state = self.log.state();
        Ok(LogState { last_purged_log_id: state.purged.map(id_from_store), last_log_id: state.last.map(id_from_store) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (done, result) = oneshot::channel();
        let done = move |outcome| {
            let _ = done.send(outcome);
        };
        self.submit(Op::SaveVote(vote_to_disk(vote)), done).await?;
        result.await.map_err(|_| io::Error::other("the log's driver is gone"))?
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.submit_for_later(Op::SaveCommitted(committed.as_ref().map(id_to_store))).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log.state().committed.map(id_from_store))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<Rt>>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let record = |entry: Entry| store::LogRecord { id: id_to_store(&entry.log_id), payload: payload_to_disk(&entry.payload) };
        let records = entries.into_iter().map(record).collect();
        self.submit(Op::Append(records), |result| callback.io_completed(result)).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.map_or(0, |last| last.index + 1);
        self.submit_unwatched(Op::Truncate { from }).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.submit_unwatched(Op::Purge { upto: id_to_store(&log_id) }).await
    }
}
