//! History and audit: rows that grow, and that neither apply nor decide ever reads.
//!
//! Start with [`Journal`]. Rows are keyed by the log index that they come from, so that "all rows up to N" is a stable
//! set, and appending an entry twice changes nothing. What is here can be lost: it is rebuilt from the log, or from a
//! peer. So nothing in this module stops the node: when the database below does not open, fails its check, panics or has
//! no room, the journal says [`Journal::needs_rebuild`], is emptied, and goes on.
//!
//! `table` is the port to an ordered map, with the embedded database (`sled_table`) and a map in memory behind it; `keys`
//! and `codec` know the bytes.

mod codec;
mod keys;
mod known;
mod pack;
mod rows;
mod sled_table;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use self::codec::NumberV1;
use self::keys::{KeyWriter, Space, after_prefix};
use self::known::Known;
use self::sled_table::{SledTable, wait_until_free};
use self::table::{KeyRange, MemTable, Table, TableError};
use crate::limits::{
    CHECK_ROWS_MAX, JOURNAL_LOCK_PAUSE, PURGE_SLICE_MAX, ROW_BYTES_MAX, ROW_TEXT_BYTES_MAX, ROWS_PER_APPEND_MAX, SCAN_ROWS_MAX,
};

pub use keys::RowKey;
pub use table::Order;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub key: RowKey,
    /// Its content, opaque here.
    pub body: Bytes,
}

/// Which rows a query is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All versions of one object.
    HistoryOf {
        /// Kind of the object.
        kind: String,
        /// Its id.
        id: String,
    },
    /// Audit records of the entries from the first index to the last, both included.
    Audit {
        /// First index.
        first: u64,
        /// Last index.
        last: u64,
    },
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which rows.
    pub rows: Rows,
    /// Only rows of entries up to this index.
    pub index_max: u64,
    /// From which end.
    pub order: Order,
    /// How many rows, at most `limits::SCAN_ROWS_MAX`.
    pub limit: usize,
}

/// What a purge step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Records removed.
    pub records: u64,
    /// Whether nothing that was asked for is left to do.
    pub is_done: bool,
}

/// Why the journal did not do something. Never a reason to fail apply.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// It was found damaged or full and must be rebuilt first.
    #[error("the journal needs to be rebuilt")]
    NeedsRebuild,
    /// Larger than its bound. Nothing was stored.
    #[error("{what} of {found} exceeds {max}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        found: usize,
        /// The bound.
        max: usize,
    },
    /// The folder cannot even be replaced by an empty one.
    #[error("the journal at {} cannot be opened: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Bounds of the journal's content; cluster settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalBounds {
    /// Versions kept of one object, at least 1: the oldest ones go with the append that exceeds it.
    pub history_versions: u64,
}

impl JournalBounds {
    /// What a cluster begins with.
    #[must_use]
    pub fn initial() -> Self {
        Self { history_versions: crate::limits::HISTORY_VERSIONS_MAX as u64 }
    }
}

/// The journal of one node. One writer, any number of readers.
#[derive(Debug)]
pub struct Journal {
    history_versions: AtomicU64,
    /// `None` in memory.
    dir: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    table: Arc<dyn Table>,
    known: Known,
    applied_to: Option<u64>,
    audit_records: u64,
    needs_rebuild: bool,
    /// A failure of the table below: nothing is asked of it any more.
    is_broken: bool,
}

/// The journal's numbers about itself, by name in the space of meta keys.
const META_FORMAT: &str = "format";
const META_APPLIED_TO: &str = "applied-to";
const META_AUDIT_RECORDS: &str = "audit-records";
const META_NEEDS_REBUILD: &str = "needs-rebuild";

/// The file that the database keeps its content in.
const DATABASE_FILE: &str = "db";

fn meta_key(name: &str) -> Vec<u8> {
    KeyWriter::new(Space::Meta).text(name).bytes()
}

fn whole(space: Space) -> KeyRange {
    let start = vec![space as u8];
    let end = after_prefix(&start);
    (start, end)
}

/// The check of an opened table failed.
#[derive(Debug, thiserror::Error)]
#[error("its content fails the check")]
struct FailedCheck;

impl Journal {
    /// Opens or creates the journal in `dir`. A database that does not open or fails its check is moved aside (the one
    /// moved aside before is removed), and an empty one takes its place that needs to be rebuilt. `Unusable` if somebody
    /// else keeps it open.
    pub fn open(dir: &Path, bounds: JournalBounds) -> Result<Self, JournalError> {
        let database = dir.join(DATABASE_FILE);
        wait_until_free(&database, || std::thread::sleep(JOURNAL_LOCK_PAUSE))
            .map_err(|error| JournalError::Unusable { path: dir.to_owned(), source: Arc::new(error) })?;
        // The database takes files that it cannot read for the remains of a crash, and begins anew without a word.
        let is_new = !database.exists();
        let opened = SledTable::open(dir).and_then(|table| if is_new { begin(Arc::new(table)) } else { load(Arc::new(table)) });
        let inner = match opened {
            Ok(inner) => inner,
            Err(error) => {
                tracing::error!(%error, dir = %dir.display(), "the journal is damaged, it will be rebuilt");
                start_over(dir)?
            }
        };
        let history_versions = AtomicU64::new(bounds.history_versions);
        Ok(Self { history_versions, dir: Some(dir.to_owned()), inner: Mutex::new(inner) })
    }

    /// A journal in memory, the twin for tests and the simulation.
    #[must_use]
    pub fn in_memory(bounds: JournalBounds) -> Self {
        let inner = begin(Arc::new(MemTable::default())).expect("a map in memory takes every write");
        Self { history_versions: AtomicU64::new(bounds.history_versions), dir: None, inner: Mutex::new(inner) }
    }

    /// Sets the bounds that appends keep from now on. Lowered ones take hold of an object when it changes next, a slice of
    /// `limits::PURGE_SLICE_MAX` versions at a time.
    pub fn set_bounds(&self, bounds: JournalBounds) {
        self.history_versions.store(bounds.history_versions, Ordering::Relaxed);
    }

    /// The index of the last entry appended.
    #[must_use]
    pub fn applied_to(&self) -> Option<u64> {
        self.lock().applied_to
    }

    /// How many audit records there are.
    #[must_use]
    pub fn audit_records(&self) -> u64 {
        self.lock().audit_records
    }

    /// Whether rows are missing that were here once. True until [`Journal::rebuilt`].
    #[must_use]
    pub fn needs_rebuild(&self) -> bool {
        let inner = self.lock();
        inner.needs_rebuild || inner.is_broken
    }

    /// Index of the entry to append next, if entries from `first_available` on can still be read from the log.
    /// `NeedsRebuild` if entries in between are gone: after a power loss the database may have forgotten its newest rows,
    /// which is noticed here and nowhere else.
    pub fn resume(&self, first_available: u64) -> Result<u64, JournalError> {
        let mut inner = self.lock();
        let next = inner.applied_to.map_or(0, |applied| applied + 1);
        if next < first_available && !inner.needs_rebuild {
            tracing::error!(next, first_available, "the journal misses entries that are gone, it will be rebuilt");
            inner.is_broken = true;
        }
        if inner.is_broken { Err(JournalError::NeedsRebuild) } else { Ok(next.max(first_available)) }
    }

    /// Adds the rows of the log entry at `index`, all or none. An index that was appended before changes nothing, so a
    /// log may be replayed. `NeedsRebuild` if the journal broke: call [`Journal::reset`], then append from the start.
    pub fn append(&self, index: u64, rows: &[Row]) -> Result<(), JournalError> {
        self.append_all(&[(index, rows.to_vec())])
    }

    /// As [`Journal::append`] for several entries in the order of their indices, in as few batches of the table as the
    /// bounds allow: one batch costs hardly more than one entry. Each batch is there as a whole or not at all.
    pub fn append_all(&self, entries: &[(u64, Vec<Row>)]) -> Result<(), JournalError> {
        entries.iter().try_for_each(|(_, rows)| check_rows(rows))?;
        let mut inner = self.lock();
        if inner.is_broken {
            return Err(JournalError::NeedsRebuild);
        }
        let known = inner.applied_to;
        let new = entries.partition_point(|(index, _)| known.is_some_and(|applied| *index <= applied));
        let versions_max = self.history_versions.load(Ordering::Relaxed).max(1);
        let mut rest = &entries[new..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rows::batch_len(rest, versions_max));
            inner.store(batch, versions_max)?;
            rest = later;
        }
        Ok(())
    }

    /// The rows that `query` asks for.
    pub fn scan(&self, query: &Query) -> Result<Vec<Row>, JournalError> {
        let limit = query.limit.min(SCAN_ROWS_MAX);
        let table = self.table()?;
        let found = rows::find(table.as_ref(), query, limit);
        self.lock().judge(found)
    }

    /// Removes up to `limits::PURGE_SLICE_MAX` of the audit records of entries up to `index`, oldest first. Whoever calls
    /// has exported them.
    pub fn purge_audit(&self, index: u64) -> Result<Purged, JournalError> {
        let mut inner = self.lock();
        if inner.is_broken {
            return Err(JournalError::NeedsRebuild);
        }
        let slice = rows::oldest_audit(inner.table.as_ref(), index, PURGE_SLICE_MAX);
        let (mut changes, records) = inner.judge(slice)?;
        let left = inner.audit_records.saturating_sub(records);
        changes.insert(meta_key(META_AUDIT_RECORDS), Some(codec::encode(&NumberV1 { number: left })));
        let stored = inner.table.apply(&changes);
        inner.judge(stored)?;
        inner.audit_records = left;
        Ok(Purged { records, is_done: records < PURGE_SLICE_MAX as u64 })
    }

    /// Asks the database to write out what it has. No promise is made of it.
    pub fn flush(&self) -> Result<(), JournalError> {
        let flushed = self.table()?.flush();
        self.lock().judge(flushed)
    }

    /// Empties the journal; it needs to be rebuilt from then on. The way out of a broken one.
    pub fn reset(&self) -> Result<(), JournalError> {
        let mut inner = self.lock();
        // Every handle of the old database goes before its folder does.
        inner.table = Arc::new(MemTable::default());
        *inner = match &self.dir {
            Some(dir) => start_over(dir)?,
            None => begin_again(Arc::new(MemTable::default())).expect("a map in memory takes every write"),
        };
        Ok(())
    }

    /// Says that everything that was missing has been appended again.
    pub fn rebuilt(&self) -> Result<(), JournalError> {
        let mut inner = self.lock();
        if inner.is_broken {
            return Err(JournalError::NeedsRebuild);
        }
        let stored = inner.table.apply(&BTreeMap::from([(meta_key(META_NEEDS_REBUILD), None)]));
        inner.judge(stored)?;
        inner.needs_rebuild = false;
        Ok(())
    }

    fn table(&self) -> Result<Arc<dyn Table>, JournalError> {
        let inner = self.lock();
        if inner.is_broken { Err(JournalError::NeedsRebuild) } else { Ok(Arc::clone(&inner.table)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic happens under this lock: the database's own are caught below it")
    }
}

impl Inner {
    /// Stores entries that follow those stored before, all or none.
    fn store(&mut self, batch: &[(u64, Vec<Row>)], versions_max: u64) -> Result<(), JournalError> {
        let Some((index, _)) = batch.last() else { return Ok(()) };
        let rows = || batch.iter().flat_map(|(_, rows)| rows);
        let audit_records = self.audit_records + rows().filter(|row| matches!(row.key, RowKey::Audit { .. })).count() as u64;
        let changes = rows::additions(self.table.as_ref(), &mut self.known, rows(), versions_max);
        let stored = changes.and_then(|mut changes| {
            changes.insert(meta_key(META_APPLIED_TO), Some(codec::encode(&NumberV1 { number: *index })));
            changes.insert(meta_key(META_AUDIT_RECORDS), Some(codec::encode(&NumberV1 { number: audit_records })));
            self.table.apply(&changes)
        });
        self.judge(stored)?;
        self.applied_to = Some(*index);
        self.audit_records = audit_records;
        Ok(())
    }

    /// Notes if the table below failed, which is the end of it.
    fn judge<T>(&mut self, result: Result<T, TableError>) -> Result<T, JournalError> {
        result.map_err(|error| {
            if !self.is_broken {
                tracing::error!(%error, "the journal failed, it will be rebuilt");
            }
            self.is_broken = true;
            JournalError::NeedsRebuild
        })
    }
}

fn check_rows(rows: &[Row]) -> Result<(), JournalError> {
    let check = |what, found, max| if found <= max { Ok(()) } else { Err(JournalError::TooLarge { what, found, max }) };
    check("rows of one entry", rows.len(), ROWS_PER_APPEND_MAX)?;
    for row in rows {
        check("row", row.body.len(), ROW_BYTES_MAX)?;
        check("text of a row key", row.key.text_bytes(), ROW_TEXT_BYTES_MAX)?;
    }
    Ok(())
}

/// Takes an opened table into use after a check: all it says about itself, and the rows at both ends.
fn load(table: Arc<dyn Table>) -> Result<Inner, TableError> {
    let failed = || TableError::Broken(Arc::new(FailedCheck));
    let number = |name: &str| -> Result<Option<u64>, TableError> {
        let Some(bytes) = table.get(&meta_key(name))? else { return Ok(None) };
        codec::decode::<NumberV1>(&bytes).map(|value| Some(value.number)).ok_or_else(failed)
    };
    let format = number(META_FORMAT)?.and_then(|format| u8::try_from(format).ok()).ok_or_else(failed)?;
    if !(1..=codec::FORMAT).contains(&format) {
        return Err(failed());
    }
    for (space, order) in [Space::History, Space::Audit].into_iter().flat_map(|s| [(s, Order::Ascending), (s, Order::Descending)])
    {
        rows::read(table.as_ref(), &whole(space), order, CHECK_ROWS_MAX, |_| true)?;
    }
    let applied_to = number(META_APPLIED_TO)?;
    let audit_records = number(META_AUDIT_RECORDS)?.unwrap_or(0);
    let needs_rebuild = number(META_NEEDS_REBUILD)?.is_some();
    if format < codec::FORMAT {
        // What is there stays as it is; a build that does not know what comes now must not read on.
        table.apply(&BTreeMap::from([format_mark()]))?;
    }
    Ok(Inner { table, known: Known::default(), applied_to, audit_records, needs_rebuild, is_broken: false })
}

/// Takes a new table into use.
fn begin(table: Arc<dyn Table>) -> Result<Inner, TableError> {
    table.apply(&BTreeMap::from([format_mark()]))?;
    load(table)
}

fn format_mark() -> (Vec<u8>, Option<Vec<u8>>) {
    (meta_key(META_FORMAT), Some(codec::encode(&NumberV1 { number: u64::from(codec::FORMAT) })))
}

/// Takes a new table into use that stands where a full one did.
fn begin_again(table: Arc<dyn Table>) -> Result<Inner, TableError> {
    let mark = codec::encode(&NumberV1 { number: 1 });
    table.apply(&BTreeMap::from([(meta_key(META_NEEDS_REBUILD), Some(mark))]))?;
    begin(table)
}

/// Moves the folder aside and opens an empty database in its place. The database keeps to no seam, nor does this.
fn start_over(dir: &Path) -> Result<Inner, JournalError> {
    let unusable = |source| JournalError::Unusable { path: dir.to_owned(), source };
    let aside = dir.with_extension("damaged");
    let moved = match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => match std::fs::rename(dir, &aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    };
    moved.map_err(|error| unusable(Arc::new(error)))?;
    SledTable::open(dir).and_then(|table| begin_again(Arc::new(table))).map_err(|error| match error {
        TableError::Full => unusable(Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull))),
        TableError::Broken(source) => unusable(source),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
