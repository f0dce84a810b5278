//! The log's twin in memory: the same bookkeeping without files. What was submitted survives as long as the value does;
//! callbacks are called by [`MemLog::drive`], in order, like those of the log on disk.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use super::op::{Done, LogRecord, LogState, LogStore, Op, Refused, Space};
use super::view::{Hit, View};
use crate::fault::Fault;
use crate::limits::QUEUE_OPS_MAX;

/// Largest entry that the twin takes, in bytes: that of the log on disk with segments of the default size, roughly.
const ENTRY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A log in memory, for tests of what stands on a log.
#[derive(Debug)]
pub struct MemLog {
    inner: Mutex<Inner>,
}

struct Inner {
    view: View,
    waiting: VecDeque<Done>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("view", &self.view).field("waiting", &self.waiting.len()).finish()
    }
}

impl Default for MemLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: Mutex::new(Inner { view: View::new(usize::MAX), waiting: VecDeque::new() }) }
    }

    /// Calls the callbacks of everything submitted so far; returns how many.
    pub fn drive(&self) -> usize {
        let waiting = std::mem::take(&mut self.lock().waiting);
        let count = waiting.len();
        waiting.into_iter().for_each(|done| done(Ok(())));
        count
    }

    /// Forgets the callbacks that wait, as a process that ends does.
    pub fn forget_waiting(&self) {
        self.lock().waiting.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic happens under this lock")
    }
}

impl LogStore for MemLog {
    fn submit(&self, op: Op, done: Done) -> Result<(), Refused> {
        let mut inner = self.lock();
        if inner.waiting.len() >= QUEUE_OPS_MAX {
            return Err(Refused::Busy);
        }
        inner.view.check(&op, ENTRY_BYTES_MAX)?;
        inner.view.take(&op);
        inner.waiting.push_back(done);
        Ok(())
    }

    fn get(&self, range: Range<u64>, bytes_max: u64) -> Result<Vec<LogRecord>, Fault> {
        let hits = self.lock().view.find(range, bytes_max);
        Ok(hits
            .into_iter()
            .map(|hit| match hit {
                Hit::Memory(record) => record,
                Hit::Disk(..) => unreachable!("the twin never lets a payload go"),
            })
            .collect())
    }

    fn state(&self) -> LogState {
        self.lock().view.state()
    }

    fn space(&self) -> Space {
        Space { free_segments: u32::MAX, below_low_mark: false, is_waiting: false }
    }
}
