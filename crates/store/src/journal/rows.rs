//! Rows over a table: splitting long ones into parts and putting them together, ranges, bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{self, PartV1};
use super::keys::{KeyWriter, RowKey, Space, after_prefix};
use super::known::Known;
use super::table::{KeyRange, Order, Table, TableError};
use super::{Row, Rows};
use crate::limits::{PURGE_SLICE_MAX, ROW_PART_BYTES, ROWS_PER_BATCH_MAX};

/// Changes to a table, by key; no value means removal.
pub(super) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A stored row is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("the row at key {key:02x?} is damaged")]
struct DamagedRow {
    key: Vec<u8>,
}

pub(super) fn damaged(key: &[u8]) -> TableError {
    TableError::Broken(Arc::new(DamagedRow { key: key.to_owned() }))
}

pub(super) fn count_key(kind: &str, id: &str) -> Vec<u8> {
    KeyWriter::new(Space::HistoryCount).text(kind).text(id).bytes()
}

fn history_prefix(kind: &str, id: &str) -> Vec<u8> {
    KeyWriter::new(Space::History).text(kind).text(id).bytes()
}

/// The keys of all versions of an object.
pub(super) fn history_range(kind: &str, id: &str) -> KeyRange {
    prefix_range(history_prefix(kind, id))
}

fn prefix_range(prefix: Vec<u8>) -> KeyRange {
    let end = after_prefix(&prefix);
    (prefix, end)
}

/// How many of these entries, at least one, go into one batch: the versions of an object that one batch adds must not
/// exceed those that are kept, for a batch removes only what was there before it.
pub(super) fn batch_len(entries: &[(u64, Vec<Row>)], versions_max: u64) -> usize {
    let mut objects: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut count = 0;
    for (at, (_, rows)) in entries.iter().enumerate() {
        count += rows.len();
        let added = rows.iter().filter_map(|row| match &row.key {
            RowKey::History { kind, id, .. } => Some((kind.as_str(), id.as_str())),
            RowKey::Audit { .. } => None,
        });
        let mut is_full = count > ROWS_PER_BATCH_MAX;
        for object in added {
            let versions = objects.entry(object).or_default();
            *versions += 1;
            is_full |= *versions > versions_max;
        }
        if is_full && at > 0 {
            return at;
        }
    }
    entries.len()
}

/// What adding `rows` changes, including the removal of versions beyond `versions_max`.
pub(super) fn additions<'r>(
    table: &dyn Table,
    known: &mut Known,
    rows: impl Iterator<Item = &'r Row>,
    versions_max: u64,
) -> Result<Changes, TableError> {
    let mut changes = Changes::new();
    let mut objects: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in rows {
        put(&mut changes, row);
        if let RowKey::History { kind, id, .. } = &row.key {
            *objects.entry((kind, id)).or_default() += 1;
        }
    }
    for (object, added) in objects {
        known.add(table, object, added, versions_max, &mut changes)?;
    }
    Ok(changes)
}

fn put(changes: &mut Changes, row: &Row) {
    let crc = crc32c::crc32c(&row.body);
    // An empty row has one empty part.
    let count = row.body.len().div_ceil(ROW_PART_BYTES).max(1);
    let parts = u32::try_from(count).expect("rows are bounded");
    for part in 0..count {
        let start = part * ROW_PART_BYTES;
        let end = row.body.len().min(start + ROW_PART_BYTES);
        let value = PartV1 { parts, crc, body: row.body[start..end].to_vec() };
        changes.insert(row.key.encode(part as u64), Some(codec::encode(&value)));
    }
}

/// Adds the removal of the first `count` rows of `range`, at most a slice of them; returns how many.
fn remove_oldest(table: &dyn Table, range: &KeyRange, count: u64, changes: &mut Changes) -> Result<u64, TableError> {
    let count = count.min(PURGE_SLICE_MAX as u64);
    let mut removed = 0;
    let mut bad = None;
    table.scan(range, Order::Ascending, &mut |(key, _)| {
        let Some((_, part)) = RowKey::decode(&key) else {
            bad = Some(key);
            return false;
        };
        if part == 0 {
            if removed == count {
                return false;
            }
            removed += 1;
        }
        changes.insert(key, None);
        true
    })?;
    match bad {
        Some(key) => Err(damaged(&key)),
        None => Ok(removed),
    }
}

/// The removal of the oldest audit records of entries up to `index`, at most `limit`; and how many they are.
pub(super) fn oldest_audit(table: &dyn Table, index: u64, limit: usize) -> Result<(Changes, u64), TableError> {
    let mut changes = Changes::new();
    let range = range(&Rows::Audit { first: 0, last: index }, None, Order::Ascending);
    let removed = remove_oldest(table, &range, limit as u64, &mut changes)?;
    Ok((changes, removed))
}

/// The keys of `rows` that come behind `after` in that order.
pub(super) fn range(rows: &Rows, after: Option<&RowKey>, order: Order) -> KeyRange {
    let audit = |index| KeyWriter::new(Space::Audit).number(index).bytes();
    let (mut start, mut end) = match rows {
        Rows::HistoryOf { kind, id } => history_range(kind, id),
        Rows::HistoryOfKind { kind } => prefix_range(KeyWriter::new(Space::History).text(kind).bytes()),
        Rows::Audit { first, last } => (audit(*first), after_prefix(&audit(*last))),
    };
    if let Some(after) = after {
        match order {
            Order::Ascending => start = start.max(after_prefix(&after.encode(u64::MAX))),
            Order::Descending => end = end.min(after.encode(0)),
        }
    }
    (start, end)
}

/// A row whose parts are still coming.
struct Gathering {
    key: RowKey,
    parts: u32,
    crc: u32,
    bodies: BTreeMap<u64, Vec<u8>>,
}

impl Gathering {
    /// The row, if all parts are there and fit together.
    fn finish(self) -> Option<Row> {
        let is_complete = self.bodies.keys().copied().eq(0..u64::from(self.parts));
        let body: Vec<u8> = self.bodies.into_values().flatten().collect();
        (is_complete && crc32c::crc32c(&body) == self.crc).then_some(Row { key: self.key, body: Bytes::from(body) })
    }
}

/// Up to `limit` whole rows of `range` from entries up to `index_max`. A row that does not fit together is an error.
pub(super) fn read(
    table: &dyn Table,
    range: &KeyRange,
    order: Order,
    index_max: u64,
    limit: usize,
) -> Result<Vec<Row>, TableError> {
    let mut rows = Vec::new();
    let mut gathering: Option<Gathering> = None;
    let mut bad = None;
    if limit == 0 {
        return Ok(rows);
    }
    table.scan(range, order, &mut |(bytes, value)| {
        let Some(((key, part), value)) = RowKey::decode(&bytes).zip(codec::decode::<PartV1>(&value)) else {
            bad = Some(bytes);
            return false;
        };
        if key.index() > index_max {
            return true;
        }
        if gathering.as_ref().is_none_or(|row| row.key != key) {
            if let Some(row) = gathering.take() {
                match row.finish() {
                    Some(row) => rows.push(row),
                    None => bad = Some(bytes.clone()),
                }
            }
            if bad.is_some() || rows.len() == limit {
                return false;
            }
            gathering = Some(Gathering { key, parts: value.parts, crc: value.crc, bodies: BTreeMap::new() });
        }
        if let Some(row) = &mut gathering {
            row.bodies.insert(part, value.body);
        }
        true
    })?;
    if let Some(row) = gathering.filter(|_| bad.is_none() && rows.len() < limit) {
        let key = row.key.encode(0);
        rows.push(row.finish().ok_or_else(|| damaged(&key))?);
    }
    match bad {
        Some(key) => Err(damaged(&key)),
        None => Ok(rows),
    }
}
