//! What the log's handles and its driver share: the view, the queue, the open segment files, and the ways to wake each
//! other. The lock is never held across a file operation or a callback.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tidegate_platform::VfsFile;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::op::{Done, LogId, Op, Refused, Space};
use super::view::{Place, View};
use crate::fault::Fault;
use crate::limits::{
    COMMITTED_QUEUED_MAX, DRIVE_BYTES_MAX, DRIVE_OPS_MAX, QUEUE_BYTES_UNIT, QUEUE_BYTES_UNITS_MAX, QUEUE_OPS_MAX, ROOM_PAUSE,
};

/// The place in the queue that an operation takes; given back when it has been completed.
#[derive(Debug)]
pub(crate) struct Room {
    _op: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

pub(crate) struct Queued {
    pub(crate) op: Op,
    pub(crate) done: Done,
    room: Room,
}

impl Queued {
    pub(crate) fn split(self) -> (Op, Waiter) {
        (self.op, Waiter { done: self.done, room: self.room })
    }
}

/// Whoever waits for an operation.
pub(crate) struct Waiter {
    done: Done,
    room: Room,
}

impl Waiter {
    pub(crate) fn complete(self, result: Result<(), Fault>) {
        drop(self.room);
        (self.done)(result);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct OpenSegment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
}

pub(crate) struct Inner {
    pub(crate) view: View,
    pub(crate) segments: BTreeMap<u64, OpenSegment>,
    pub(crate) space: Space,
    queue: VecDeque<Queued>,
    /// Whether a driver on a thread waits for work. While it writes it needs no call of the system to be told of more.
    is_awaited: bool,
    looks_again: bool,
    is_closed: bool,
    fault: Option<Fault>,
}

pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Wakes a driver on a thread.
    condvar: Condvar,
    /// Wakes a driver in a task.
    notify: Notify,
    ops: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    pub(crate) store: [u8; 16],
    pub(crate) entry_bytes_max: usize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("entry_bytes_max", &self.entry_bytes_max).finish_non_exhaustive()
    }
}

/// What the driver finds when it looks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Operations, or a question about space.
    Work,
    /// Nothing, and no handle is left that could bring any.
    Closed,
    /// Nothing yet.
    Wait,
}

impl Shared {
    pub(crate) fn new(
        view: View,
        segments: BTreeMap<u64, OpenSegment>,
        store: [u8; 16],
        space: Space,
        entry_bytes_max: usize,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                view,
                segments,
                space,
                queue: VecDeque::new(),
                is_awaited: false,
                looks_again: false,
                is_closed: false,
                fault: None,
            }),
            condvar: Condvar::new(),
            notify: Notify::new(),
            ops: Arc::new(Semaphore::new(QUEUE_OPS_MAX)),
            bytes: Arc::new(Semaphore::new(QUEUE_BYTES_UNITS_MAX)),
            store,
            entry_bytes_max,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic happens under this lock")
    }

    fn units(op: &Op) -> u32 {
        let units = op.bytes().div_ceil(QUEUE_BYTES_UNIT).min(QUEUE_BYTES_UNITS_MAX);
        u32::try_from(units).expect("bounded by QUEUE_BYTES_UNITS_MAX")
    }

    /// Room in the queue, if there is some now.
    pub(crate) fn try_room(&self, op: &Op) -> Result<Room, Refused> {
        let slot = Arc::clone(&self.ops).try_acquire_owned().map_err(|_| Refused::Busy)?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(Self::units(op)).map_err(|_| Refused::Busy)?;
        Ok(Room { _op: slot, _bytes: bytes })
    }

    /// Waits for room in the queue.
    pub(crate) async fn room(&self, op: &Op) -> Room {
        const OPEN: &str = "the queue's semaphores are never closed";
        let slot = Arc::clone(&self.ops).acquire_owned().await.expect(OPEN);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(Self::units(op)).await.expect(OPEN);
        Room { _op: slot, _bytes: bytes }
    }

    /// Takes an operation into view and queue, in one step, so that both have the same order. A committed index alone wakes
    /// nobody: it is written with what comes next, for it only saves the next start some work.
    pub(crate) fn submit(&self, op: Op, done: Done, room: Room) -> Result<(), Refused> {
        let mut inner = self.lock();
        if let Some(fault) = &inner.fault {
            return Err(Refused::Stopped(fault.clone()));
        }
        inner.view.check(&op, self.entry_bytes_max)?;
        inner.view.take(&op);
        let can_wait = matches!(op, Op::SaveCommitted(_)) && inner.queue.len() < COMMITTED_QUEUED_MAX;
        inner.queue.push_back(Queued { op, done, room });
        let is_awaited = inner.is_awaited;
        drop(inner);
        if can_wait {
            return Ok(());
        }
        if is_awaited {
            self.condvar.notify_one();
        }
        self.notify.notify_one();
        Ok(())
    }

    pub(crate) fn wake(&self) {
        self.condvar.notify_one();
        self.notify.notify_one();
    }

    /// The oldest operations of the queue, as many as one sync may cover.
    pub(crate) fn take_batch(&self) -> Vec<Queued> {
        let mut inner = self.lock();
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < DRIVE_OPS_MAX
            && bytes < DRIVE_BYTES_MAX
            && let Some(queued) = inner.queue.pop_front()
        {
            bytes += queued.op.bytes();
            batch.push(queued);
        }
        batch
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Tells the driver that nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.wake();
    }

    /// Asks the driver to look for space again.
    pub(crate) fn look_again(&self) {
        self.lock().looks_again = true;
        self.wake();
    }

    pub(crate) fn take_look_again(&self) -> bool {
        std::mem::take(&mut self.lock().looks_again)
    }

    fn peek(inner: &Inner) -> Wake {
        if !inner.queue.is_empty() || inner.looks_again {
            Wake::Work
        } else if inner.is_closed {
            Wake::Closed
        } else {
            Wake::Wait
        }
    }

    /// Blocks until there is work, or none can come.
    pub(crate) fn wait_blocking(&self) -> Wake {
        let mut inner = self.lock();
        loop {
            match Self::peek(&inner) {
                Wake::Wait => {
                    inner.is_awaited = true;
                    inner = self.condvar.wait(inner).expect("no panic happens under this lock");
                    inner.is_awaited = false;
                }
                found => return found,
            }
        }
    }

    /// Blocks for a while, after which the disk may have room again. `Closed` if nobody waits for that any more.
    pub(crate) fn wait_for_room(&self) -> Wake {
        let inner = self.lock();
        let waited = self.condvar.wait_timeout_while(inner, ROOM_PAUSE, |inner| !inner.is_closed);
        let (inner, _) = waited.expect("no panic happens under this lock");
        if inner.is_closed { Wake::Closed } else { Wake::Work }
    }

    /// As [`Shared::wait_blocking`], in a task.
    pub(crate) async fn wait(&self) -> Wake {
        loop {
            let found = Self::peek(&self.lock());
            if found != Wake::Wait {
                return found;
            }
            self.notify.notified().await;
        }
    }

    /// Notes where records were written.
    pub(crate) fn locate(&self, places: &[(LogId, Place)]) {
        let mut inner = self.lock();
        for (id, place) in places {
            inner.view.locate(*id, *place);
        }
        inner.view.evict();
    }

    /// Stops the log: everything queued fails with `fault`, and whatever comes is refused with it.
    pub(crate) fn stop(&self, fault: &Fault) {
        let queued = {
            let mut inner = self.lock();
            inner.fault = Some(fault.clone());
            std::mem::take(&mut inner.queue)
        };
        for queued in queued {
            queued.split().1.complete(Err(fault.clone()));
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.lock().fault.clone()
    }
}
