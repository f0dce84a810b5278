//! History and audit: what grows, and what neither applying nor deciding reads.
//!
//! The application hands over the rows of each entry ([`BookWriter`]) and goes on; one thread appends them to the store's
//! journal (`writer`). Every message names the entry before it, so the thread notices when rows are missing: because a
//! snapshot was installed, the queue was full, or the journal had to be emptied. It then has them fetched from another
//! node (`refill`) before it goes on. Readers ([`Books`]) see whole entries, in order.

mod queue;
mod refill;
mod writer;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use tidegate_machine::{Applied, AuditRecord, Replaced, Settings};
use tidegate_model::{CatalogChange, ObjectRef};
use tidegate_platform::Spawner;
use tidegate_proto::storage::v1 as storage;
use tidegate_store::journal::{Order, Query, Row, RowKey, Rows as RowsOf};
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
    content: Content,
    /// Bounds of the cluster's settings after the entry; absent in rows that another node had.
    bounds: Option<Bounds>,
}

/// Where the rows come from.
#[derive(Clone, Debug)]
enum Content {
    /// From the state machine, in its own terms: the thread that stores rows makes them of it, so that applying is not
    /// kept waiting, and memory is mostly given back where it was taken.
    Applied { audit: AuditRecord, changes: Arc<[CatalogChange]>, versions: Vec<u64>, config_version: u64 },
    /// From another node, as it had stored them.
    Received { audit: storage::AuditRow, history: Vec<(ObjectRef, storage::HistoryRow)> },
}

/// How much the journal keeps, as the replicated settings say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    history_versions_max: u64,
    audit_records_max: u64,
}

impl Rows {
    /// The rows of an applied entry. `config_version` is that after the entry.
    #[must_use]
    pub fn of(applied: Applied, config_version: u64, settings: Settings) -> Self {
        let Applied { changes, replaced, audit, .. } = applied;
        let version = |(change, replaced): (&CatalogChange, &Replaced)| match change {
            CatalogChange::Put(object) => object.version(),
            CatalogChange::Remove(_) => replaced.version,
        };
        let versions = changes.iter().zip(&replaced).map(version).collect();
        let bounds =
            Bounds { history_versions_max: settings.history_versions_max.into(), audit_records_max: settings.audit_records_max };
        Self { content: Content::Applied { audit, changes, versions, config_version }, bounds: Some(bounds) }
    }

    /// The record of something that changed no object.
    #[must_use]
    pub fn audit_only(audit: AuditRecord) -> Self {
        let content = Content::Applied { audit, changes: Arc::new([]), versions: Vec::new(), config_version: 0 };
        Self { content, bounds: None }
    }

    fn index(&self) -> u64 {
        match &self.content {
            Content::Applied { audit, .. } => audit.index,
            Content::Received { audit, .. } => audit.index,
        }
    }

    /// The audit row, made anew if it has to be.
    fn audit(&self) -> Cow<'_, storage::AuditRow> {
        match &self.content {
            Content::Applied { audit, .. } => Cow::Owned(codec::audit_row(audit)),
            Content::Received { audit, .. } => Cow::Borrowed(audit),
        }
    }

    /// As they are stored.
    fn stored(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = match &self.content {
            Content::Applied { audit, changes, versions, config_version } => {
                let row = |(change, version): (&CatalogChange, &u64)| {
                    stored_version(&change.reference(), &codec::history_row(audit, *config_version, change, *version))
                };
                changes.iter().zip(versions).map(row).collect()
            }
            Content::Received { history, .. } => history.iter().map(|(object, row)| stored_version(object, row)).collect(),
        };
        rows.push(Row { key: RowKey::Audit { index: self.index(), seq: 0 }, body: self.audit().encode_to_vec().into() });
        rows
    }
}

fn stored_version(object: &ObjectRef, row: &storage::HistoryRow) -> Row {
    let (kind, id) = (object.kind().as_str().to_owned(), object.id());
    Row { key: RowKey::History { kind, id, version: row.version, index: row.index }, body: row.encode_to_vec().into() }
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
