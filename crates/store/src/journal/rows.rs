//! Rows over a table: which of them go into one batch, and which a query finds, out of parts and packs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::keys::{KeyWriter, RowKey, Space, after_prefix};
use super::known::Known;
use super::pack::{Packer, Stored};
use super::table::{KeyRange, Order, Table, TableError};
use super::{Query, Row, Rows};
use crate::limits::ROWS_PER_BATCH_MAX;

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
    let mut packer = Packer::default();
    for row in rows {
        packer.take(row, &mut changes);
        if let RowKey::History { kind, id, .. } = &row.key {
            *objects.entry((kind, id)).or_default() += 1;
        }
    }
    packer.finish(&mut changes);
    for (object, added) in objects {
        known.add(table, object, added, versions_max, &mut changes)?;
    }
    Ok(changes)
}

/// The removal of the oldest audit records of entries up to `index`, at most `limit`; and how many they are.
pub(super) fn oldest_audit(table: &dyn Table, index: u64, limit: usize) -> Result<(Changes, u64), TableError> {
    let mut changes = Changes::new();
    let (mut removed, limit) = (0, limit as u64);
    let mut bad = None;
    table.scan(&audit_range(table, 0, index)?, Order::Ascending, &mut |(key, value)| {
        match Stored::read(&key, &value) {
            None => bad = Some(key),
            Some(Stored::Part { key, part, .. }) if key.index() > index || part == 0 && removed == limit => return false,
            Some(stored @ Stored::Part { .. }) => {
                removed += stored.rows();
                changes.insert(key, None);
            }
            Some(Stored::Pack(pack)) => {
                let going = pack.keys().take_while(|key| key.index() <= index).count().min((limit - removed) as usize);
                removed += going as u64;
                let left = pack.without_first(going);
                let is_empty = left.is_none();
                changes.insert(key, left);
                return is_empty && removed < limit;
            }
        }
        bad.is_none()
    })?;
    match bad {
        Some(key) => Err(damaged(&key)),
        None => Ok((changes, removed)),
    }
}

/// The keys of all values that may hold audit records of these entries: the last of them may lie in a pack with later ones.
fn audit_range(table: &dyn Table, first: u64, last: u64) -> Result<KeyRange, TableError> {
    let prefix = |index| KeyWriter::new(Space::Audit).number(index).bytes();
    let mut end = after_prefix(&prefix(last));
    let behind = (end.clone(), after_prefix(&[Space::Audit as u8]));
    table.scan(&behind, Order::Ascending, &mut |(mut key, _)| {
        key.push(0);
        end = key;
        false
    })?;
    Ok((prefix(first), end))
}

/// The rows that a query asks for, at most `limit`.
pub(super) fn find(table: &dyn Table, query: &Query, limit: usize) -> Result<Vec<Row>, TableError> {
    match &query.rows {
        Rows::HistoryOf { kind, id } => {
            let mut rows = read(table, &history_range(kind, id), query.order, usize::MAX, |key| key.index() <= query.index_max)?;
            // An object that is created anew counts its versions from one again: they lie between those of the earlier one.
            match query.order {
                Order::Ascending => rows.sort_by(|a, b| a.key.cmp(&b.key)),
                Order::Descending => rows.sort_by(|a, b| b.key.cmp(&a.key)),
            }
            rows.truncate(limit);
            Ok(rows)
        }
        Rows::Audit { first, last } => {
            let entries = *first..=(*last).min(query.index_max);
            read(table, &audit_range(table, *first, *last)?, query.order, limit, |key| entries.contains(&key.index()))
        }
    }
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

/// Up to `limit` whole rows among the values of `range`, those that are `wanted`. One that does not fit together is an error.
pub(super) fn read(
    table: &dyn Table,
    range: &KeyRange,
    order: Order,
    limit: usize,
    wanted: impl Fn(&RowKey) -> bool,
) -> Result<Vec<Row>, TableError> {
    let mut rows = Vec::new();
    let mut gathering: Option<Gathering> = None;
    let mut bad = None;
    table.scan(range, order, &mut |(bytes, value)| {
        let stored = Stored::read(&bytes, &value);
        let is_next = match (&gathering, &stored) {
            (Some(row), Some(Stored::Part { key, .. })) => row.key != *key,
            _ => true,
        };
        if let Some(row) = gathering.take_if(|_| is_next) {
            match row.finish() {
                Some(row) => rows.push(row),
                None => bad = Some(bytes.clone()),
            }
        }
        if bad.is_some() || rows.len() >= limit {
            return false;
        }
        match stored {
            None => bad = Some(bytes),
            Some(Stored::Part { key, .. }) if !wanted(&key) => {}
            Some(Stored::Part { key, part, value }) => {
                let new = || Gathering { key, parts: value.parts, crc: value.crc, bodies: BTreeMap::new() };
                gathering.get_or_insert_with(new).bodies.insert(part, value.body.to_vec());
            }
            Some(Stored::Pack(pack)) => {
                let wanted = |row: &Row| wanted(&row.key);
                let room = limit - rows.len();
                match order {
                    Order::Ascending => rows.extend(pack.rows().filter(wanted).take(room)),
                    Order::Descending => rows.extend(pack.rows().rev().filter(wanted).take(room)),
                }
            }
        }
        bad.is_none()
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
