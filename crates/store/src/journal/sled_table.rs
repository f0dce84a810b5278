//! The embedded database as a table. Everything that it may do to us ends here: it panics on some damage, so every call is
//! guarded; it syncs nothing for certain, so nothing above relies on it; and none of its types leaves this file.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tidegate_platform::spawn::said;

use super::table::{KeyRange, Order, Pair, Table, TableError};
use crate::limits::{JOURNAL_CACHE_BYTES, JOURNAL_LOCK_TRIES};

/// How often its background thread writes out what it has, in milliseconds. Its segment collection runs there too.
const FLUSH_EVERY_MS: u64 = 500;

#[derive(Debug)]
pub(crate) struct SledTable {
    db: sled::Db,
}

impl SledTable {
    /// Opens or creates the database in `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self, TableError> {
        guarded(|| {
            let config = sled::Config::new().path(dir).cache_capacity(JOURNAL_CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS));
            config.open().map(|db| Self { db })
        })
    }
}

/// Waits until nobody holds the database at `file`. The threads of a handle that was dropped hold it for a moment longer, and
/// opening it meanwhile fails with an error that looks like damage. `ResourceBusy` when it stays held.
pub(crate) fn wait_until_free(file: &Path, mut pause: impl FnMut()) -> io::Result<()> {
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for _ in 0..JOURNAL_LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, TableError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if error.kind() == io::ErrorKind::StorageFull => Err(TableError::Full),
        Ok(Err(error)) => Err(TableError::Broken(Arc::new(error))),
        Err(panic) => Err(TableError::Broken(Arc::new(Panicked(said(panic.as_ref()).to_owned())))),
    }
}

/// The database panicked.
#[derive(Debug, thiserror::Error)]
#[error("the embedded database panicked: {0}")]
struct Panicked(String);

impl Table for SledTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        guarded(|| Ok(self.db.get(key)?.map(|value| value.to_vec())))
    }

    fn apply(&self, batch: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), TableError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => changes.insert(key.as_slice(), value.as_slice()),
                None => changes.remove(key.as_slice()),
            }
        }
        guarded(|| self.db.apply_batch(changes))
    }

    fn scan(&self, range: &KeyRange, order: Order, see: &mut dyn FnMut(Pair) -> bool) -> Result<(), TableError> {
        if range.0 >= range.1 {
            return Ok(());
        }
        guarded(|| {
            let mut pairs = self.db.range(range.0.as_slice()..range.1.as_slice());
            loop {
                let pair = match order {
                    Order::Ascending => pairs.next(),
                    Order::Descending => pairs.next_back(),
                };
                let Some(pair) = pair else { return Ok(()) };
                let (key, value) = pair?;
                if !see((key.to_vec(), value.to_vec())) {
                    return Ok(());
                }
            }
        })
    }

    fn flush(&self) -> Result<(), TableError> {
        guarded(|| self.db.flush().map(drop))
    }
}
