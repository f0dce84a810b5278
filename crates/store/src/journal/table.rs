//! The port under the journal: an ordered map of bytes with atomic batches. Two implementations, one conformance suite.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, RwLock};

/// What a table may come up with.
#[derive(Clone, Debug)]
pub(crate) enum TableError {
    /// The disk is full.
    Full,
    /// Anything else, a panic included.
    Broken(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the disk is full"),
            Self::Broken(source) => write!(f, "{source}"),
        }
    }
}

/// Which end a scan begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A key and its value; in a batch, no value means removal.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Keys from the first (included) to the second (not included).
pub(crate) type KeyRange = (Vec<u8>, Vec<u8>);

/// An ordered map of bytes.
pub(crate) trait Table: Send + Sync + fmt::Debug {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError>;
    /// Does all of it or nothing, across a crash too.
    fn apply(&self, batch: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), TableError>;
    /// Shows pairs to `see` until it returns `false`.
    fn scan(&self, range: &KeyRange, order: Order, see: &mut dyn FnMut(Pair) -> bool) -> Result<(), TableError>;
    /// Asks for everything to go to disk; the embedded database gives its word, which is not to be relied on.
    fn flush(&self) -> Result<(), TableError>;
}

/// The twin in memory.
#[derive(Debug, Default)]
pub(crate) struct MemTable(RwLock<BTreeMap<Vec<u8>, Vec<u8>>>);

const UNPOISONED: &str = "no panic happens under this lock";

impl Table for MemTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        Ok(self.0.read().expect(UNPOISONED).get(key).cloned())
    }

    fn apply(&self, batch: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), TableError> {
        let mut map = self.0.write().expect(UNPOISONED);
        for (key, value) in batch {
            match value {
                Some(value) => drop(map.insert(key.clone(), value.clone())),
                None => drop(map.remove(key)),
            }
        }
        Ok(())
    }

    fn scan(&self, range: &KeyRange, order: Order, see: &mut dyn FnMut(Pair) -> bool) -> Result<(), TableError> {
        if range.0 >= range.1 {
            return Ok(());
        }
        let map = self.0.read().expect(UNPOISONED);
        let mut pairs = map.range(range.0.clone()..range.1.clone()).map(|(key, value)| (key.clone(), value.clone()));
        loop {
            let pair = match order {
                Order::Ascending => pairs.next(),
                Order::Descending => pairs.next_back(),
            };
            if !pair.is_some_and(&mut *see) {
                return Ok(());
            }
        }
    }

    fn flush(&self) -> Result<(), TableError> {
        Ok(())
    }
}
