//! What is known of the objects that were written lately, so that one that is written over and over costs no look into the
//! table each time: how many versions it has, and the keys of the oldest of them, which go next.

use std::collections::{BTreeMap, VecDeque};

use super::codec::{self, NumberV1};
use super::pack::Stored;
use super::rows::{Changes, count_key, damaged, history_range};
use super::table::{Order, Table, TableError};
use crate::limits::{OBJECTS_KNOWN_MAX, OLDEST_KNOWN_MAX, PURGE_SLICE_MAX};

/// Kind and id of an object.
type Name = (String, String);

/// See the module text. It belongs to one table; when a change to that fails, what is known is worth nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    objects: BTreeMap<Name, Kept>,
}

/// What is known of one object.
#[derive(Clone, Debug, Default)]
struct Kept {
    versions: u64,
    /// The values of the oldest rows, in order, all parts of each.
    oldest: VecDeque<Old>,
}

/// A value that goes soon.
#[derive(Clone, Debug)]
struct Old {
    key: Vec<u8>,
    /// Rows that begin in it: none in a further part of one, several in a pack.
    rows: u64,
}

impl Known {
    /// Notes that an object gets `added` versions, and adds what follows to `changes`: its new number of versions, and the
    /// removal of those before them that are beyond `versions_max`.
    pub(super) fn add(
        &mut self,
        table: &dyn Table,
        (kind, id): (&str, &str),
        added: u64,
        versions_max: u64,
        changes: &mut Changes,
    ) -> Result<(), TableError> {
        let count = count_key(kind, id);
        let kept = self.kept(table, (kind.to_owned(), id.to_owned()), &count)?;
        let before = kept.versions;
        let excess = (before + added).saturating_sub(versions_max).min(before).min(PURGE_SLICE_MAX as u64);
        let mut removed = 0;
        let mut last = None;
        while removed < excess && kept.refill(table, kind, id, last.as_deref())? {
            while let Some(old) = kept.oldest.front_mut() {
                let left = excess - removed;
                if old.rows > left {
                    if left > 0 {
                        changes.insert(old.key.clone(), Some(without_first(table, &old.key, left)?));
                        old.rows -= left;
                        removed = excess;
                    }
                    break;
                }
                removed += old.rows;
                last = kept.oldest.pop_front().map(|old| old.key);
                changes.extend(last.clone().map(|key| (key, None)));
            }
        }
        kept.versions = before + added - removed;
        // An object that has as many versions as are kept stays at that number.
        if kept.versions != before {
            changes.insert(count, Some(codec::encode(&NumberV1 { number: kept.versions })));
        }
        Ok(())
    }

    fn kept(&mut self, table: &dyn Table, name: Name, count: &[u8]) -> Result<&mut Kept, TableError> {
        if self.objects.len() >= OBJECTS_KNOWN_MAX && !self.objects.contains_key(&name) {
            self.objects.clear();
        }
        match self.objects.entry(name) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => {
                let versions = match table.get(count)? {
                    Some(bytes) => codec::decode::<NumberV1>(&bytes).ok_or_else(|| damaged(count))?.number,
                    None => 0,
                };
                Ok(new.insert(Kept { versions, oldest: VecDeque::new() }))
            }
        }
    }
}

impl Kept {
    /// Reads the oldest keys behind `last`, which is on its way out, if none are known; false if there are none.
    fn refill(&mut self, table: &dyn Table, kind: &str, id: &str, last: Option<&[u8]>) -> Result<bool, TableError> {
        if !self.oldest.is_empty() {
            return Ok(true);
        }
        let (mut start, end) = history_range(kind, id);
        if let Some(last) = last {
            // The key after it.
            start = [last, &[0]].concat();
        }
        let mut rows = 0;
        let mut bad = None;
        table.scan(&(start, end), Order::Ascending, &mut |(key, value)| {
            let Some(begun) = Stored::read(&key, &value).map(|stored| stored.rows()) else {
                bad = Some(key);
                return false;
            };
            // All parts of the last row, and none of the next.
            if begun > 0 && rows >= OLDEST_KNOWN_MAX {
                return false;
            }
            rows += begun;
            self.oldest.push_back(Old { key, rows: begun });
            true
        })?;
        match bad {
            Some(key) => Err(damaged(&key)),
            None => Ok(!self.oldest.is_empty()),
        }
    }
}

/// The pack at `key` without its first rows.
fn without_first(table: &dyn Table, key: &[u8], count: u64) -> Result<Vec<u8>, TableError> {
    let value = table.get(key)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match value.as_ref().and_then(|value| Stored::read(key, value)) {
        Some(Stored::Pack(pack)) => pack.without_first(count).ok_or_else(|| damaged(key)),
        _ => Err(damaged(key)),
    }
}
