//! History and audit: what grows, and what neither applying nor deciding reads.
//!
//! The application hands over the rows of each entry ([`BookWriter`]) and goes on; one thread appends them to the store's
//! journal (`writer`). Every message names the entry before it, so the thread notices when rows are missing: because a
//! snapshot was installed, the queue was full, or the journal had to be emptied. It then has them fetched from another
//! node (`refill`) before it goes on. Readers ([`Books`]) see whole entries, in order.

mod queue;
mod refill;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use tidegate_machine::{Applied, AuditRecord, Settings};
use tidegate_model::{Catalog, CatalogChange, ObjectRef};
use tidegate_platform::Spawner;
use tidegate_proto::storage::v1 as storage;
use tidegate_store::journal::{Order, Query, Rows as RowsOf};
use tidegate_store::{Journal, JournalError};
use tokio::sync::{broadcast, watch};

use crate::codec;
use crate::limits::{AUDIT_TAIL_MAX, HISTORY_SCAN_MAX, PAGE_BYTES_MAX, ROWS_PER_PAGE_MAX};
use crate::refusal::Door;
use crate::wire;

use queue::{Full, Sender, queue};
pub use refill::refill;
use writer::Writer;

/// What one entry adds to the books.
#[derive(Clone, Debug)]
pub struct Rows {
    history: Vec<(ObjectRef, storage::HistoryRow)>,
    audit: storage::AuditRow,
    /// Bounds of the cluster's settings after the entry; absent in rows that another node had.
    bounds: Option<Bounds>,
}

/// How much the journal keeps, as the replicated settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    history_versions_max: u64,
    audit_records_max: u64,
}

impl Rows {
    /// The rows of an applied entry. `before` is the catalog that it was applied to.
    #[must_use]
    pub fn of(applied: &Applied, before: &Catalog, config_version: u64, settings: Settings) -> Self {
        let row = |change: &CatalogChange| {
            let reference = change.reference();
            let version = match change {
                CatalogChange::Put(object) => object.version(),
                CatalogChange::Remove(reference) => before.get(reference).map_or(0, |object| object.version()),
            };
            (reference, codec::history_row(&applied.audit, config_version, change, version))
        };
        let history = applied.changes.iter().map(row).collect();
        let bounds =
            Bounds { history_versions_max: settings.history_versions_max.into(), audit_records_max: settings.audit_records_max };
        Self { history, audit: codec::audit_row(&applied.audit), bounds: Some(bounds) }
    }

    /// The record of something that changed no object.
    #[must_use]
    pub fn audit_only(record: &AuditRecord) -> Self {
        Self { history: Vec::new(), audit: codec::audit_row(record), bounds: None }
    }

    fn index(&self) -> u64 {
        self.audit.index
    }
}

/// What the writing thread is told.
pub(super) enum Message {
    /// An entry was applied; `previous` is the index before it.
    Entry { previous: u64, rows: Box<Rows> },
    /// Entries up to here were applied, and the last ones have no rows.
    Reached { previous: u64, index: u64 },
    /// Rows that another node had for a gap.
    Page(wire::RowsAnswer),
    /// No node has the rows of the present gap: go on without them.
    GiveUp,
    /// Somebody waits for what was handed over before.
    Hurry,
}

impl Message {
    /// Whether it is not to wait for more.
    fn is_urgent(&self) -> bool {
        matches!(self, Self::Hurry | Self::Page(_) | Self::GiveUp)
    }
}

/// Entries whose rows are missing, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Shared by writer and readers.
pub(super) struct Shared {
    pub(super) journal: Journal,
    /// Rows are complete up to here.
    pub(super) through: watch::Sender<u64>,
    pub(super) gap: watch::Sender<Option<Gap>>,
    pub(super) news: broadcast::Sender<Arc<storage::AuditRow>>,
}

/// The way to the writer.
#[derive(Clone)]
enum Hand {
    /// It has a thread of its own.
    Queue(Sender),
    /// It works on the caller's time.
    Inline(Arc<Mutex<Writer>>),
}

impl Hand {
    /// Hands a message over without waiting for a place in the queue.
    fn offer(&self, message: Message) -> Result<(), Full> {
        match self {
            Self::Queue(sender) => sender.try_send(message),
            Self::Inline(writer) => {
                let mut writer = writer.lock().expect("no panic happens under this lock");
                writer.take(message);
                writer.commit();
                Ok(())
            }
        }
    }
}

/// The reading side. Cheap to clone.
#[derive(Clone)]
pub struct Books {
    shared: Arc<Shared>,
    hand: Hand,
}

/// The writing side, held by the application.
pub struct BookWriter {
    hand: Hand,
    /// Index of the last entry that was handed over, or would have been.
    last: u64,
    dropped: AtomicU64,
}

/// Opens the books over `journal` and starts their thread, which ends with the [`BookWriter`] and all [`Books`].
#[must_use]
pub fn open(journal: Journal, spawner: &dyn Spawner) -> (BookWriter, Books) {
    let shared = Arc::new(Shared::over(journal));
    let (sender, receiver) = queue();
    let writing = Arc::clone(&shared);
    spawner.spawn_blocking("journal", Box::new(move || writer::run(writing, &receiver)));
    both_sides(shared, Hand::Queue(sender))
}

/// Opens the books without a thread: whoever hands rows over writes them. For simulations, where nothing may run beside
/// the simulated tasks, and over a journal in memory, because applying must not wait for a disk.
#[must_use]
pub fn open_inline(journal: Journal) -> (BookWriter, Books) {
    let shared = Arc::new(Shared::over(journal));
    let writer = Writer::new(Arc::clone(&shared));
    both_sides(shared, Hand::Inline(Arc::new(Mutex::new(writer))))
}

fn both_sides(shared: Arc<Shared>, hand: Hand) -> (BookWriter, Books) {
    (BookWriter { hand: hand.clone(), last: 0, dropped: AtomicU64::new(0) }, Books { shared, hand })
}

impl Shared {
    fn over(journal: Journal) -> Self {
        let through = journal.applied_to().unwrap_or(0);
        Self {
            journal,
            through: watch::Sender::new(through),
            gap: watch::Sender::new(None),
            news: broadcast::Sender::new(AUDIT_TAIL_MAX),
        }
    }
}

impl BookWriter {
    /// Hands over the rows of an entry. Never waits: when the queue is full they are dropped, and fetched later.
    pub fn write(&mut self, rows: Rows) {
        let previous = std::mem::replace(&mut self.last, rows.index());
        self.send(Message::Entry { previous, rows: Box::new(rows) });
    }

    /// Says that everything up to `index` was applied.
    pub fn reached(&mut self, index: u64) {
        if index > self.last {
            let previous = std::mem::replace(&mut self.last, index);
            self.send(Message::Reached { previous, index });
        }
    }

    /// Says that a snapshot replaced the state: the rows up to `index` are not to be had from here.
    pub fn jumped(&mut self, index: u64) {
        self.last = index;
        self.send(Message::Reached { previous: index, index });
    }

    /// Says that rows which are missing by now are not to be had from anybody.
    pub(crate) fn give_up(&self) {
        self.send(Message::GiveUp);
    }

    fn send(&self, message: Message) {
        if self.hand.offer(message) == Err(Full) && self.dropped.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
            tracing::warn!(index = self.last, "the journal is too slow, its rows will be fetched later");
        }
    }
}

impl Books {
    /// Rows are complete up to this log index.
    #[must_use]
    pub fn applied_to(&self) -> u64 {
        *self.shared.through.borrow()
    }

    /// Waits until the rows of all entries up to `index` are there.
    ///
    /// # Errors
    /// [`Door::Rebuilding`] after `timeout`.
    pub async fn wait_for(&self, index: u64, timeout: Duration) -> Result<(), Door> {
        let mut through = self.shared.through.subscribe();
        if *through.borrow() < index {
            // A full queue is written without delay anyway.
            let _is_told = self.hand.offer(Message::Hurry).is_ok();
        }
        let reached = tokio::time::timeout(timeout, through.wait_for(|through| *through >= index)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Door::Rebuilding),
        }
    }

    /// Writes to disk what was handed over before.
    ///
    /// # Errors
    /// The journal's own.
    pub(crate) fn flush(&self) -> Result<(), JournalError> {
        self.shared.journal.flush()
    }

    /// Versions of one object from entries before `below`, newest first. Blocks on the disk.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn history(&self, reference: &ObjectRef, below: Option<u64>, limit: usize) -> Result<Vec<storage::HistoryRow>, Door> {
        let (kind, id) = (reference.kind().as_str().to_owned(), reference.id());
        // Few versions are kept of one object. They lie in the order of their numbers, which begin again when an object
        // of an earlier name is created; time goes by log index.
        let mut rows: Vec<storage::HistoryRow> =
            self.scan(RowsOf::HistoryOf { kind, id }, below, Order::Descending, HISTORY_SCAN_MAX)?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.index));
        rows.truncate(limit);
        Ok(rows)
    }

    /// Audit records of entries before `below`, newest first. Blocks on the disk.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn audit(&self, below: Option<u64>, limit: usize) -> Result<Vec<storage::AuditRow>, Door> {
        let last = below.map_or(u64::MAX, |below| below.saturating_sub(1));
        if below == Some(0) {
            return Ok(Vec::new());
        }
        self.scan(RowsOf::Audit { first: 0, last }, below, Order::Descending, limit)
    }

    fn scan<R: prost::Message + Default>(
        &self,
        rows: RowsOf,
        below: Option<u64>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<R>, Door> {
        let index_max = below.map_or(u64::MAX, |below| below.saturating_sub(1));
        let found = self.shared.journal.scan(&Query { rows, index_max, order, limit });
        let found = found.map_err(|error| door(&error))?;
        found.iter().map(|row| R::decode(row.body.clone()).map_err(|_| Door::Journal)).collect()
    }

    /// Follows audit records as they are written here.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<storage::AuditRow>> {
        self.shared.news.subscribe()
    }

    /// Rows of the entries from `from` to `to`, oldest first, as many as fit an answer. Blocks on the disk.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(crate) fn rows(&self, from: u64, to: u64) -> Result<wire::RowsAnswer, Door> {
        let applied_to = self.applied_to();
        let mut answer = wire::RowsAnswer { applied_to, ..wire::RowsAnswer::default() };
        let audits: Vec<storage::AuditRow> = {
            let rows = RowsOf::Audit { first: from, last: to.min(applied_to) };
            self.scan(rows, None, Order::Ascending, ROWS_PER_PAGE_MAX)?
        };
        let mut bytes = 0;
        let is_full_page = audits.len() == ROWS_PER_PAGE_MAX;
        for audit in audits {
            let index = audit.index;
            let mut history = Vec::new();
            for object in &audit.objects {
                let Ok(reference) = ObjectRef::try_from(object.clone()) else { return Err(Door::Journal) };
                // The newest version up to this entry; kept only if it is this entry's.
                let row = self.history(&reference, Some(index.saturating_add(1)), 1)?.pop();
                history.extend(row.filter(|row| row.index == index && row.encoded_len() <= PAGE_BYTES_MAX / 2));
            }
            let size = audit.encoded_len() + history.iter().map(prost::Message::encoded_len).sum::<usize>();
            if bytes + size > PAGE_BYTES_MAX / 2 && bytes > 0 {
                answer.next_index = index;
                return Ok(answer);
            }
            bytes += size;
            if size <= PAGE_BYTES_MAX / 2 {
                answer.history.extend(history);
            }
            answer.audit.push(audit);
        }
        if is_full_page {
            answer.next_index = answer.audit.last().map_or(0, |audit| audit.index + 1);
        }
        Ok(answer)
    }
}

fn door(error: &JournalError) -> Door {
    match error {
        JournalError::NeedsRebuild => Door::Rebuilding,
        JournalError::TooLarge { .. } | JournalError::Unusable { .. } => Door::Journal,
    }
}

#[cfg(test)]
mod tests;
