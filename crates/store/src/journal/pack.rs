//! Small rows that are appended together lie together, in one value of the table: what an entry costs there is mostly the
//! number of values. The key of a pack is that of its last row, so that its first ones can be cut off in place.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Row;
use super::codec::{self, PackV2, PackedV2, PartV1};
use super::keys::RowKey;
use super::rows::Changes;
use crate::limits::{PACK_BYTES_MAX, PACKED_ROW_BYTES_MAX, ROW_PART_BYTES};

/// Bytes that a row of a pack takes beside its body: two numbers and a length.
const PACKED_ROW_HEAD_BYTES: usize = 24;

/// What a stored value holds.
pub(super) enum Stored {
    /// A row, or one part of it.
    Part { key: RowKey, part: u64, value: PartV1 },
    /// Several rows, in order.
    Pack(Vec<Row>),
}

impl Stored {
    /// Reads a value; `None` if it is damaged.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (key, part) = RowKey::decode(key)?;
        if let Some(value) = codec::decode::<PartV1>(value) {
            return Some(Self::Part { key, part, value });
        }
        let pack = codec::decode::<PackV2>(value).filter(|pack| part == 0 && pack.crc == crc_of(&pack.rows))?;
        let is_sorted = pack.rows.is_sorted_by(|a, b| a.numbers < b.numbers);
        if !is_sorted || pack.rows.last()?.numbers != key.numbers() {
            return None;
        }
        let row = |packed: PackedV2| Row { key: key.with_numbers(packed.numbers), body: Bytes::from(packed.body) };
        Some(Self::Pack(pack.rows.into_iter().map(row).collect()))
    }

    /// How many rows begin here.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Part { part, .. } => u64::from(*part == 0),
            Self::Pack(rows) => rows.len() as u64,
        }
    }
}

fn crc_of(rows: &[PackedV2]) -> u32 {
    rows.iter().fold(0, |crc, row| crc32c::crc32c_append(crc, &row.body))
}

/// The value of these rows, of one object or of the audit, sorted by key.
pub(super) fn value<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<u8> {
    let packed = |row: &Row| PackedV2 { numbers: row.key.numbers(), body: row.body.to_vec() };
    let rows: Vec<PackedV2> = rows.into_iter().map(packed).collect();
    codec::encode(&PackV2 { crc: crc_of(&rows), rows })
}

/// Rows on their way into values.
#[derive(Default)]
pub(super) struct Packer<'r> {
    /// By object; the audit has none.
    open: BTreeMap<Option<(&'r str, &'r str)>, Open<'r>>,
}

#[derive(Default)]
struct Open<'r> {
    rows: Vec<&'r Row>,
    bytes: usize,
}

impl<'r> Packer<'r> {
    /// Takes a row in. It lies with the one of its object that came before it, if it sorts behind it and both are small.
    pub(super) fn take(&mut self, row: &'r Row, changes: &mut Changes) {
        let object = match &row.key {
            RowKey::History { kind, id, .. } => Some((kind.as_str(), id.as_str())),
            RowKey::Audit { .. } => None,
        };
        let open = self.open.entry(object).or_default();
        let is_small = row.body.len() <= PACKED_ROW_BYTES_MAX;
        let bytes = row.body.len() + PACKED_ROW_HEAD_BYTES;
        let is_next = open.rows.last().is_none_or(|last| last.key < row.key) && open.bytes + bytes <= PACK_BYTES_MAX;
        if !is_small || !is_next {
            std::mem::take(open).close(changes);
        }
        if is_small {
            open.bytes += bytes;
            open.rows.push(row);
        } else {
            put_alone(row, changes);
        }
    }

    /// Ends all packs.
    pub(super) fn finish(self, changes: &mut Changes) {
        self.open.into_values().for_each(|open| open.close(changes));
    }
}

impl Open<'_> {
    fn close(self, changes: &mut Changes) {
        match self.rows.as_slice() {
            [] => {}
            [row] => put_alone(row, changes),
            [.., last] => {
                changes.insert(last.key.encode(0), Some(value(self.rows.iter().copied())));
            }
        }
    }
}

fn put_alone(row: &Row, changes: &mut Changes) {
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
