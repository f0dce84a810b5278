//! Small rows that are appended together lie together, in one value of the table: what an entry costs there is mostly the
//! number of values. The key of a pack is that of its last row, so that its first ones can be cut off in place.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_bytes::Bytes as BodyBytes;

use super::Row;
use super::codec::{self, PackV2, PackedV2, PartV1};
use super::keys::RowKey;
use super::rows::Changes;
use crate::limits::{PACK_BYTES_MAX, PACKED_ROW_BYTES_MAX, ROW_PART_BYTES};

/// Bytes that a row of a pack takes beside its body: two numbers and a length.
const PACKED_ROW_HEAD_BYTES: usize = 24;

/// What a stored value holds.
pub(super) enum Stored<'v> {
    /// A row, or one part of it.
    Part { key: RowKey, part: u64, value: PartV1<'v> },
    /// Several rows.
    Pack(Pack<'v>),
}

impl<'v> Stored<'v> {
    /// Reads a value; `None` if it is damaged.
    pub(super) fn read(key: &[u8], value: &'v [u8]) -> Option<Self> {
        let (key, part) = RowKey::decode(key)?;
        if let Some(value) = codec::decode::<PartV1<'_>>(value) {
            return Some(Self::Part { key, part, value });
        }
        let PackV2 { crc, rows } = codec::decode::<PackV2<'_>>(value).filter(|_| part == 0)?;
        let is_sorted = rows.is_sorted_by(|a, b| a.numbers < b.numbers);
        let is_whole = is_sorted && crc == crc_of(&rows) && rows.last()?.numbers == key.numbers();
        is_whole.then_some(Self::Pack(Pack { key, rows }))
    }

    /// How many rows begin here.
    pub(super) fn rows(&self) -> u64 {
        match self {
            Self::Part { part, .. } => u64::from(*part == 0),
            Self::Pack(pack) => pack.rows.len() as u64,
        }
    }
}

/// Several rows of one object, or of the audit, in the order of their keys.
pub(super) struct Pack<'v> {
    /// The key of the last one.
    key: RowKey,
    rows: Vec<PackedV2<'v>>,
}

impl Pack<'_> {
    /// The key of each.
    pub(super) fn keys(&self) -> impl Iterator<Item = RowKey> {
        self.rows.iter().map(|packed| self.key.with_numbers(packed.numbers))
    }

    /// All of them.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = Row> {
        let row =
            |packed: &PackedV2<'_>| Row { key: self.key.with_numbers(packed.numbers), body: Bytes::copy_from_slice(packed.body) };
        self.rows.iter().map(row)
    }

    /// The value without its first `count` rows; none if no row is left.
    pub(super) fn without_first(&self, count: usize) -> Option<Vec<u8>> {
        let left = self.rows.get(count..)?;
        (!left.is_empty()).then(|| value(left.to_vec()))
    }
}

fn crc_of(rows: &[PackedV2<'_>]) -> u32 {
    rows.iter().fold(0, |crc, row| crc32c::crc32c_append(crc, row.body))
}

/// The value of these rows, of one object or of the audit, sorted by key.
fn value(rows: Vec<PackedV2<'_>>) -> Vec<u8> {
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

impl<'r> Open<'r> {
    fn close(self, changes: &mut Changes) {
        match self.rows.as_slice() {
            [] => {}
            [row] => put_alone(row, changes),
            [.., last] => {
                let packed = |row: &&'r Row| PackedV2 { numbers: row.key.numbers(), body: BodyBytes::new(&row.body) };
                changes.insert(last.key.encode(0), Some(value(self.rows.iter().map(packed).collect())));
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
        let value = PartV1 { parts, crc, body: BodyBytes::new(&row.body[start..end]) };
        changes.insert(row.key.encode(part as u64), Some(codec::encode(&value)));
    }
}
