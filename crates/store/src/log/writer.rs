//! The log's I/O as a state machine: [`LogWriter::drive`] takes what is queued, writes it, syncs once and then completes
//! every callback in the order of submission. A thread drives it in production ([`LogWriter::run`]), a task in the
//! simulation ([`LogWriter::run_inline`]); both see the same steps.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_platform::Spawner;

use super::active::Active;
use super::frame::Kind;
use super::op::{LogId, LogRecord, Op, Space};
use super::pool::{Pool, Spare};
use super::segment::{self, Header, StateRecord};
use super::shared::{OpenSegment, Shared, Wake};
use super::view::Place;
use crate::fault::Fault;
use crate::files::Files;

/// A full segment, not yet purged.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) sequence: u64,
    pub(crate) spare: Spare,
    pub(crate) max_index: Option<u64>,
}

/// The log as far as it is written, which may be behind what readers see.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) purged: Option<LogId>,
    pub(crate) last_index: Option<u64>,
    pub(crate) vote: Option<Vec<u8>>,
    pub(crate) committed: Option<LogId>,
}

/// Writes one log. Owned by whatever drives it.
#[derive(Debug)]
pub struct LogWriter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) files: Files,
    pub(crate) dir: PathBuf,
    pub(crate) header: Header,
    pub(crate) active: Active,
    pub(crate) full: VecDeque<Full>,
    pub(crate) pool: Pool,
    pub(crate) low_mark: u32,
    pub(crate) written: Written,
    pub(crate) opens: u64,
    /// Records whose place readers do not know yet.
    pub(crate) places: Vec<(LogId, Place)>,
    pub(crate) when_full: WhenFull,
}

/// What a driver does that needs a segment when there is no room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Fails, and the log with it: whoever drives by hand or inline cannot be kept waiting.
    Fail,
    /// Waits until there is room, as a thread can.
    Wait,
}

impl LogWriter {
    /// Writes, syncs and completes one batch of what is queued; returns how many operations that were. A fault stops the
    /// log for good: everything queued fails with it, and every later operation is refused with it.
    pub fn drive(&mut self) -> Result<usize, Fault> {
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        let (ops, mut waiters): (Vec<_>, Vec<_>) = self.shared.take_batch().into_iter().map(|queued| queued.split()).unzip();
        let count = ops.len();
        let mut result = Ok(());
        if self.files.build.acks_before_sync() {
            waiters.drain(..).for_each(|waiter| waiter.complete(Ok(())));
        }
        if count > 0 {
            result = self.write_batch(&ops);
            waiters.into_iter().for_each(|waiter| waiter.complete(result.clone()));
        }
        let result = result.and_then(|()| self.settle());
        self.publish_space();
        match result {
            Ok(()) => Ok(count),
            Err(fault) => {
                tracing::error!(%fault, dir = %self.dir.display(), "the log stops");
                self.shared.stop(&fault);
                Err(fault)
            }
        }
    }

    fn write_batch(&mut self, ops: &[Op]) -> Result<(), Fault> {
        for op in ops {
            self.write(op)?;
        }
        let needs_sync = ops.iter().any(|op| match op {
            Op::SaveCommitted(_) => false,
            Op::SaveVote(_) => !self.files.build.leaves_votes_unsynced(),
            Op::Append(_) | Op::Truncate { .. } | Op::Purge { .. } => true,
        });
        if needs_sync {
            self.active.sync()?
        } else {
            self.active.flush()?
        }
        self.shared.locate(&std::mem::take(&mut self.places));
        Ok(())
    }

    fn write(&mut self, op: &Op) -> Result<(), Fault> {
        match op {
            Op::Append(records) => records.iter().try_for_each(|record| self.write_entry(record)),
            Op::SaveVote(vote) => {
                self.put(Kind::Vote, &[vote])?;
                self.written.vote = Some(vote.to_vec());
                Ok(())
            }
            Op::SaveCommitted(committed) => {
                let mut body = Vec::new();
                segment::put_id(&mut body, *committed);
                self.put(Kind::Committed, &[&body])?;
                self.written.committed = *committed;
                Ok(())
            }
            Op::Truncate { from } => {
                self.put(Kind::Truncate, &[&from.to_le_bytes()])?;
                self.written.last_index = self.written.last_index.min(from.checked_sub(1));
                Ok(())
            }
            Op::Purge { upto } => self.write_purge(*upto),
        }
    }

    fn write_entry(&mut self, record: &LogRecord) -> Result<(), Fault> {
        let offset = self.put(Kind::Entry, &[&segment::entry_head(record.id), &record.payload])?;
        let payload_len = u32::try_from(record.payload.len()).expect("bounded by the segment");
        self.places.push((record.id, Place { segment: self.active.sequence, offset, payload_len }));
        self.active.max_index = self.active.max_index.max(Some(record.id.index));
        self.written.last_index = Some(record.id.index);
        Ok(())
    }

    fn write_purge(&mut self, upto: LogId) -> Result<(), Fault> {
        if self.written.purged.is_some_and(|purged| purged.index >= upto.index) {
            return Ok(());
        }
        if self.files.build.purges_before_mark() {
            self.written.purged = Some(upto);
            self.give_back()?;
        }
        let mut body = Vec::new();
        segment::put_id(&mut body, Some(upto));
        self.put(Kind::Purge, &[&body])?;
        self.written.purged = Some(upto);
        self.written.last_index = self.written.last_index.filter(|last| *last > upto.index);
        Ok(())
    }

    /// Buffers a record, in the next segment if it does not fit into this one.
    pub(crate) fn put(&mut self, kind: Kind, body: &[&[u8]]) -> Result<u32, Fault> {
        let len = body.iter().map(|part| part.len()).sum();
        if !self.active.fits(kind, len) {
            self.rotate()?;
        }
        Ok(self.active.put(kind, body))
    }

    /// Begins the next segment. Each step is durable before the one that relies on it: the old content, then the new
    /// segment's beginning, then its name, then the seal that says that it must be there.
    fn rotate(&mut self) -> Result<(), Fault> {
        let is_careless = self.files.build.leaves_rotation_unsynced();
        if is_careless {
            self.active.flush()?
        } else {
            self.active.sync()?
        }
        let header = Header { sequence: self.active.sequence + 1, ..self.header };
        let spare = self.spare()?;
        let state = StateRecord {
            purged: self.written.purged,
            last_index: self.written.last_index,
            vote: self.written.vote.clone(),
            committed: self.written.committed,
            opens: self.opens,
            previous_end: self.active.tail(),
            previous_chain: self.active.chain(),
        };
        let next = begin_segment(&self.files, &self.dir, &header, &state, spare)?;
        self.active.put(Kind::Seal, &[]);
        if is_careless {
            self.active.flush()?
        } else {
            self.active.sync()?
        }

        let (path, file) = (next.path.clone(), Arc::clone(&next.file));
        self.shared.lock().segments.insert(next.sequence, OpenSegment { path, file });
        let full = std::mem::replace(&mut self.active, next);
        let spare = Spare { path: full.path, file: full.file };
        self.full.push_back(Full { sequence: full.sequence, spare, max_index: full.max_index });
        Ok(())
    }

    /// A segment to go on in. A full disk is no fault: nothing is lost by waiting, and nobody was told that it is durable.
    fn spare(&mut self) -> Result<Spare, Fault> {
        loop {
            match self.pool.take() {
                Err(fault) if fault.is_full() && self.when_full == WhenFull::Wait => {
                    self.publish_waiting(true);
                    if self.shared.wait_for_room() == Wake::Closed {
                        return Err(fault);
                    }
                }
                taken => {
                    self.publish_waiting(false);
                    return taken;
                }
            }
        }
    }

    fn publish_waiting(&self, is_waiting: bool) {
        self.publish_space();
        let mut inner = self.shared.lock();
        if std::mem::replace(&mut inner.space.is_waiting, is_waiting) != is_waiting {
            tracing::warn!(is_waiting, dir = %self.dir.display(), "log waits for room on the disk");
        }
    }

    /// What follows a batch and nobody waits for: segments are given back, and the batch is marked as durable.
    fn settle(&mut self) -> Result<(), Fault> {
        if !self.active.is_synced() {
            // The purge mark, if there is a new one, is not durable yet.
            return Ok(());
        }
        self.give_back()?;
        if !self.active.ends_marked() && self.active.fits(Kind::Mark, 0) && !self.shared.has_queued() {
            // Not synced: it becomes durable sooner or later by itself, and lets damage to the last batch be told from a
            // torn tail from then on.
            self.active.put(Kind::Mark, &[]);
            self.active.flush()?;
        }
        Ok(())
    }

    /// Gives back the oldest segments as long as all their entries are purged.
    pub(crate) fn give_back(&mut self) -> Result<(), Fault> {
        let purged = self.written.purged.map(|purged| purged.index);
        let mut free = Vec::new();
        while self.full.front().is_some_and(|full| full.max_index <= purged) {
            free.extend(self.full.pop_front());
        }
        if free.is_empty() {
            return Ok(());
        }
        {
            let mut inner = self.shared.lock();
            free.iter().for_each(|full| drop(inner.segments.remove(&full.sequence)));
        }
        self.pool.give_back(free.into_iter().map(|full| full.spare).collect())
    }

    /// Does a small part of the work that may wait: spare segments. Says whether there is more.
    pub fn idle(&mut self) -> Result<bool, Fault> {
        if self.shared.take_look_again() {
            self.pool.forget_starvation();
        }
        let result = self.pool.step();
        self.publish_space();
        result.inspect_err(|fault| self.shared.stop(fault))
    }

    pub(crate) fn publish_space(&self) {
        let free_segments = u32::try_from(self.pool.ready()).unwrap_or(u32::MAX);
        let below_low_mark = free_segments < self.low_mark && self.pool.is_starved();
        let mut inner = self.shared.lock();
        if inner.space.below_low_mark != below_low_mark {
            tracing::warn!(below_low_mark, free_segments, dir = %self.dir.display(), "log space changed");
        }
        inner.space = Space { free_segments, below_low_mark, ..inner.space };
    }

    /// Drives until every handle is gone and the queue is empty, blocking this thread; or until a fault. Where there is no
    /// room for another segment, it waits until there is.
    pub fn run(mut self) -> Result<(), Fault> {
        self.when_full = WhenFull::Wait;
        self.fill_idle_time()?;
        while self.shared.wait_blocking() != Wake::Closed {
            self.work()?;
        }
        Ok(())
    }

    /// As [`LogWriter::run`], in a task: file operations happen inline, for the simulation.
    pub async fn run_inline(mut self) -> Result<(), Fault> {
        self.fill_idle_time()?;
        while self.shared.wait().await != Wake::Closed {
            self.work()?;
        }
        Ok(())
    }

    /// Starts [`LogWriter::run`] on a thread of its own; `ended` is called with how it ended.
    pub fn spawn(self, spawner: &dyn Spawner, ended: Box<dyn FnOnce(Result<(), Fault>) + Send>) {
        spawner.spawn_blocking("store-log", Box::new(move || ended(self.run())));
    }

    fn work(&mut self) -> Result<(), Fault> {
        self.drive()?;
        self.fill_idle_time()
    }

    fn fill_idle_time(&mut self) -> Result<(), Fault> {
        while !self.shared.has_queued() && self.idle()? {}
        Ok(())
    }
}

impl Drop for LogWriter {
    /// Without its driver the log can keep no promise: whoever waits learns it, and nothing more is taken.
    fn drop(&mut self) {
        if self.shared.fault().is_none() {
            self.shared.stop(&Fault::Closed);
        }
    }
}

/// Turns a spare into the segment of `header`, durable in content and then in name.
pub(crate) fn begin_segment(
    files: &Files,
    dir: &std::path::Path,
    header: &Header,
    state: &StateRecord,
    spare: Spare,
) -> Result<Active, Fault> {
    let (bytes, chain) = segment::begin(header, state);
    let Spare { path, file } = spare;
    file.write_at(0, &bytes).map_err(|e| Fault::io("writing", &path, e))?;
    file.sync_data().map_err(|e| Fault::io("syncing", &path, e))?;
    let named = segment::path_of(dir, header.sequence);
    files.rename(&path, &named)?;
    files.sync_dir(dir)?;
    let tail = u32::try_from(bytes.len()).expect("a header and a state record are small");
    Ok(Active::resume(header.sequence, named, file, header.segment_bytes, header.seed(), tail, chain))
}
