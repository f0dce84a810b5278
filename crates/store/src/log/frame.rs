//! One framed record of a segment: the only place that knows its bytes.
//!
//! ```text
//! 0   body length        u32   little endian, as all numbers here
//! 4   kind               u8    then three zero bytes
//! 8   durable            u32   bytes of this segment that were synced when this record was written
//! 12  chain              u32   header checksum of the record before it
//! 16  body checksum      u32   CRC32C of the body, seeded with the segment
//! 20  header checksum    u32   CRC32C of bytes 0..20, seeded with the segment
//! 24  body, then zeros up to a multiple of 8
//! ```
//!
//! Two questions are answered by this layout. *Does this record belong here?* The seed (store and segment) rejects what
//! an earlier life of a recycled segment left behind, and the chain rejects what was written behind a tail that a crash
//! tore off. *Is a bad record damage, or a write that never finished?* Any intact record further on whose `durable`
//! reaches past the bad one proves that the bad one had been synced.

use crate::fault::Damage;

pub(crate) const HEADER: usize = 24;
pub(crate) const ALIGN: usize = 8;

/// What a record says. Numbers are part of the format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everything that earlier segments said, repeated at the head of each segment.
    State = 1,
    /// One entry.
    Entry = 2,
    /// The vote.
    Vote = 3,
    /// The committed index.
    Committed = 4,
    /// Entries from an index on are gone.
    Truncate = 5,
    /// Entries up to one are gone.
    Purge = 6,
    /// The log was opened here: what follows was written by a later life of the process.
    Opened = 7,
    /// Nothing but its `durable`: written when the log falls idle, so that the last batch is covered too.
    Mark = 8,
    /// The segment ends here and the next exists.
    Seal = 9,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::State,
            2 => Self::Entry,
            3 => Self::Vote,
            4 => Self::Committed,
            5 => Self::Truncate,
            6 => Self::Purge,
            7 => Self::Opened,
            8 => Self::Mark,
            9 => Self::Seal,
            _ => return None,
        })
    }
}

/// The starting value of every checksum in one segment of one store.
pub(crate) fn seed(store: &[u8; 16], segment: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(store), &segment.to_le_bytes())
}

/// Bytes that a record with a body of this length takes.
pub(crate) const fn size(body: usize) -> usize {
    (HEADER + body).next_multiple_of(ALIGN)
}

/// A record header, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) body: usize,
    pub(crate) kind: u8,
    pub(crate) durable: u32,
    pub(crate) chain: u32,
    pub(crate) body_crc: u32,
    pub(crate) crc: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

impl Head {
    /// The header at the start of `bytes`, if there is one whose checksum fits.
    pub(crate) fn parse(bytes: &[u8], seed: u32) -> Option<Self> {
        let bytes = bytes.get(..HEADER)?;
        // The cheap questions first: scans ask this at every eighth byte.
        if bytes[4] == 0 || bytes[5..8] != [0; 3] {
            return None;
        }
        let crc = u32_at(bytes, 20);
        if crc32c::crc32c_append(seed, &bytes[..20]) != crc {
            return None;
        }
        let body = usize::try_from(u32_at(bytes, 0)).ok()?;
        Some(Self { body, kind: bytes[4], durable: u32_at(bytes, 8), chain: u32_at(bytes, 12), body_crc: u32_at(bytes, 16), crc })
    }

    /// The body that follows this header in `bytes`, if it is all there and its checksum fits.
    pub(crate) fn body<'b>(&self, bytes: &'b [u8], seed: u32) -> Option<&'b [u8]> {
        let body = bytes.get(HEADER..HEADER.checked_add(self.body)?)?;
        (crc32c::crc32c_append(seed, body) == self.body_crc).then_some(body)
    }
}

/// Appends a record to `out` and returns its header checksum, the next record's `chain`. `out` must hold whole records.
pub(crate) fn encode(out: &mut Vec<u8>, seed: u32, kind: Kind, durable: u32, chain: u32, body: &[&[u8]]) -> u32 {
    encode_raw(out, seed, kind as u8, durable, chain, body)
}

/// As [`encode`], for any kind.
pub(crate) fn encode_raw(out: &mut Vec<u8>, seed: u32, kind: u8, durable: u32, chain: u32, body: &[&[u8]]) -> u32 {
    let start = out.len();
    debug_assert_eq!(start % ALIGN, 0, "records start aligned");
    let body_len: usize = body.iter().map(|part| part.len()).sum();
    let body_crc = body.iter().fold(seed, |crc, part| crc32c::crc32c_append(crc, part));
    out.extend_from_slice(
        &u32::try_from(body_len).expect("bodies are bounded by the segment, which is below 4 GiB").to_le_bytes(),
    );
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(&chain.to_le_bytes());
    out.extend_from_slice(&body_crc.to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    for part in body {
        out.extend_from_slice(part);
    }
    out.resize(start + size(body_len), 0);
    crc
}

/// One intact record found in a segment.
#[derive(Debug)]
pub(crate) struct Found<'b> {
    pub(crate) offset: usize,
    pub(crate) kind: u8,
    pub(crate) durable: u32,
    pub(crate) body: &'b [u8],
}

/// Walks the records of a segment from `offset`, each chained to the one before, and ends at the first that does not fit.
#[derive(Debug)]
pub(crate) struct Walk<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) seed: u32,
    pub(crate) offset: usize,
    pub(crate) chain: u32,
}

impl<'b> Iterator for Walk<'b> {
    type Item = Found<'b>;

    fn next(&mut self) -> Option<Found<'b>> {
        let rest = self.bytes.get(self.offset..)?;
        let head = Head::parse(rest, self.seed)?;
        if head.chain != self.chain {
            return None;
        }
        let body = head.body(rest, self.seed)?;
        let found = Found { offset: self.offset, kind: head.kind, durable: head.durable, body };
        self.offset += size(head.body);
        self.chain = head.crc;
        Some(found)
    }
}

/// Whether an intact record at or after `offset` proves that the bytes at `offset` had been synced.
pub(crate) fn was_durable(bytes: &[u8], seed: u32, offset: usize) -> bool {
    let reaches = |head: &Head| usize::try_from(head.durable).is_ok_and(|durable| durable > offset);
    (offset..bytes.len()).step_by(ALIGN).any(|at| Head::parse(&bytes[at..], seed).is_some_and(|head| reaches(&head)))
}

/// Reads numbers from a body, in order.
#[derive(Debug)]
pub(crate) struct BodyReader<'b>(pub(crate) &'b [u8]);

impl<'b> BodyReader<'b> {
    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*head))
    }

    pub(crate) fn is_set(&mut self) -> Option<bool> {
        let (head, rest) = self.0.split_first()?;
        self.0 = rest;
        match head {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// Ends the reading; trailing bytes are as wrong as missing ones.
    pub(crate) fn end<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

/// The kind of an intact record, or the damage that an unknown one is.
pub(crate) fn known(kind: u8, record: u64) -> Result<Kind, Damage> {
    Kind::from_byte(kind).ok_or(Damage::Kind { record, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_records() -> (Vec<u8>, u32) {
        let seed = seed(&[7; 16], 3);
        let mut bytes = Vec::new();
        let first = encode(&mut bytes, seed, Kind::Vote, 0, 99, &[b"one"]);
        encode(&mut bytes, seed, Kind::Entry, 32, first, &[b"tw", b"o and more"]);
        bytes.resize(bytes.len() + 64, 0);
        (bytes, seed)
    }

    #[test]
    fn records_are_found_in_order_until_they_end() {
        let (bytes, seed) = two_records();
        let found: Vec<_> = Walk { bytes: &bytes, seed, offset: 0, chain: 99 }.collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].offset, found[0].body), (0, &b"one"[..]));
        assert_eq!((found[1].offset, found[1].body), (32, &b"two and more"[..]));
    }

    #[test]
    fn a_record_of_another_segment_store_or_chain_does_not_fit() {
        let (bytes, seed) = two_records();
        let count = |seed, chain| Walk { bytes: &bytes, seed, offset: 0, chain }.count();
        assert_eq!(count(seed, 99), 2);
        assert_eq!(count(seed, 98), 0);
        assert_eq!(count(super::seed(&[7; 16], 4), 99), 0);
        assert_eq!(count(super::seed(&[8; 16], 3), 99), 0);
    }

    #[test]
    fn every_flipped_bit_is_seen_or_lies_in_padding() {
        let (bytes, seed) = two_records();
        for bit in 0..(32 + 40) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let intact = Walk { bytes: &flipped, seed, offset: 0, chain: 99 }.count() == 2;
            let is_padding = (27..32).contains(&(bit / 8)) || (32 + 24 + 12..).contains(&(bit / 8));
            assert_eq!(intact, is_padding, "bit {bit}");
        }
    }

    #[test]
    fn a_later_record_tells_damage_from_a_torn_tail() {
        let (mut bytes, seed) = two_records();
        assert!(was_durable(&bytes, seed, 0), "the second record knows that 32 bytes were synced");
        assert!(!was_durable(&bytes, seed, 32), "nothing knows that of the second");
        bytes[32] ^= 1;
        assert!(!was_durable(&bytes, seed, 0), "without it nothing is known");
    }
}
