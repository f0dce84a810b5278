//! The one place where stored values of the journal become bytes: a format byte, then bincode with fixed-size integers,
//! little endian, a limit, and no bytes left over.
//!
//! Format 1 has a row, or a part of one, in each value. Format 2 adds packs: several small rows in one value.

use bincode::Options;
use serde::{Deserialize, Serialize};
use serde_bytes::Bytes;

use crate::limits::ROW_PART_BYTES;

/// Format of a journal that this build writes, and the highest that it reads. Each value is led by that of its own kind.
pub(crate) const FORMAT: u8 = 2;

/// A value that knows the format which it came with. Its bodies lie where it was read from.
pub(crate) trait Value<'v>: Serialize + Deserialize<'v> {
    /// That format; it leads the value's bytes.
    const FORMAT: u8;
}

impl<'v> Value<'v> for PartV1<'v> {
    const FORMAT: u8 = 1;
}

impl Value<'_> for NumberV1 {
    const FORMAT: u8 = 1;
}

impl<'v> Value<'v> for PackV2<'v> {
    const FORMAT: u8 = 2;
}

/// Several rows of one object, or of the audit, in the order of their keys. The key of the value is that of the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackV2<'v> {
    /// CRC32C of all bodies, one after the other.
    pub(crate) crc: u32,
    /// The rows, at least one.
    #[serde(borrow)]
    pub(crate) rows: Vec<PackedV2<'v>>,
}

/// One row of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedV2<'v> {
    /// What tells its key from those of the other rows: version and index of an object's row, index and number of a record.
    pub(crate) numbers: (u64, u64),
    /// Its content.
    #[serde(borrow)]
    pub(crate) body: &'v Bytes,
}

/// One part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartV1<'v> {
    /// How many parts the row has.
    pub(crate) parts: u32,
    /// CRC32C of the whole row.
    pub(crate) crc: u32,
    /// This part of it.
    #[serde(borrow)]
    pub(crate) body: &'v Bytes,
}

/// A number that the journal keeps about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NumberV1 {
    pub(crate) number: u64,
}

fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(ROW_PART_BYTES as u64 + 64)
        .reject_trailing_bytes()
}

/// Bytes of a value.
pub(crate) fn encode<'v, T: Value<'v>>(value: &T) -> Vec<u8> {
    let size = options().serialized_size(value).expect("values are bounded");
    let mut bytes = Vec::with_capacity(1 + size as usize);
    bytes.push(T::FORMAT);
    // The limit was judged with the size.
    options().with_no_limit().serialize_into(&mut bytes, value).expect("a vector takes all bytes");
    bytes
}

/// The value of some bytes; `None` if they are not exactly one.
pub(crate) fn decode<'v, T: Value<'v>>(bytes: &'v [u8]) -> Option<T> {
    let (format, body) = bytes.split_first()?;
    if *format != T::FORMAT {
        return None;
    }
    options().deserialize(body).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_and_nothing_else_does() {
        let part = PartV1 { parts: 2, crc: 7, body: Bytes::new(&[1, 2, 3]) };
        let bytes = encode(&part);
        assert_eq!(decode::<PartV1>(&bytes), Some(part));
        assert_eq!(bytes, [1, 2, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode::<PartV1>(&longer), None, "trailing bytes");
        assert_eq!(decode::<PartV1>(&bytes[..bytes.len() - 1]), None, "missing bytes");
        let mut newer = bytes.clone();
        newer[0] = 2;
        assert_eq!(decode::<PartV1>(&newer), None, "another format");
        let mut huge = bytes;
        huge[9..17].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(decode::<PartV1>(&huge), None, "a length that cannot be is refused before it is allocated");
    }
}
