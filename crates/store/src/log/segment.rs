//! One segment file: its header, and the state record that makes each segment understandable without those before it.
//!
//! ```text
//! 0    magic "TGSEGMNT"     8 bytes
//! 8    format               u32
//! 12   segment bytes        u32
//! 16   group                u64
//! 24   cluster id           16 bytes
//! 40   node id              u64
//! 48   store uuid           16 bytes
//! 64   sequence number      u64
//! 72   checksum of 0..72    u32    CRC32C; the first record's chain
//! 76   zeros
//! 128  records
//! ```

use std::path::{Path, PathBuf};

use super::frame::{self, BodyReader, Kind};
use super::op::LogId;
use crate::fault::{Damage, Fault};
use crate::home::{ClusterId, Identity, StoreUuid};
use crate::limits::{SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, VOTE_BYTES_MAX};
use crate::prelude;

const MAGIC: [u8; 8] = *b"TGSEGMNT";
/// The format that this build writes, and the highest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Where records begin.
pub(crate) const RECORDS_START: u32 = 128;
const CRC_AT: usize = 72;

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: Identity,
    pub(crate) group: u64,
    pub(crate) segment_bytes: u32,
    pub(crate) sequence: u64,
}

impl Header {
    /// The header's bytes, up to where records begin, and the chain value for the first record.
    pub(crate) fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(RECORDS_START as usize);
        prelude::put(&mut bytes, &MAGIC, FORMAT);
        bytes.extend_from_slice(&self.segment_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.group.to_le_bytes());
        bytes.extend_from_slice(&self.identity.cluster.0);
        bytes.extend_from_slice(&self.identity.node.to_le_bytes());
        bytes.extend_from_slice(&self.identity.store.0);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.resize(RECORDS_START as usize, 0);
        (bytes, crc)
    }

    /// Reads the header at the start of `bytes`, the content of `path`, and the chain value for the first record.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<(Self, u32), Fault> {
        let damaged = || Fault::damaged(path, 0, Damage::Header);
        let head = bytes.get(..CRC_AT).ok_or_else(damaged)?;
        let crc = bytes.get(CRC_AT..).and_then(|rest| rest.first_chunk::<4>()).map(|crc| u32::from_le_bytes(*crc));
        if crc != Some(crc32c::crc32c(head)) {
            return Err(damaged());
        }
        let mut reader = BodyReader(head);
        prelude::take(path, &mut reader, &MAGIC, FORMAT..=FORMAT)?;
        let header = Self::decode_fields(reader).ok_or_else(damaged)?;
        let sizes = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        if !sizes.contains(&header.segment_bytes) || !(header.segment_bytes as usize).is_multiple_of(frame::ALIGN) {
            return Err(damaged());
        }
        Ok((header, crc32c::crc32c(head)))
    }

    fn decode_fields(mut reader: BodyReader<'_>) -> Option<Self> {
        let segment_bytes = reader.u32()?;
        let group = reader.u64()?;
        let cluster = ClusterId(reader.bytes(16)?.try_into().ok()?);
        let node = reader.u64()?;
        let store = StoreUuid(reader.bytes(16)?.try_into().ok()?);
        let sequence = reader.u64()?;
        reader.end(Self { identity: Identity { cluster, node, store }, group, segment_bytes, sequence })
    }

    /// Says if the segment is not the one that is expected here.
    pub(crate) fn check(&self, path: &Path, expected: &Self) -> Result<(), Fault> {
        self.identity.check(path, &expected.identity)?;
        if self.group != expected.group {
            return Err(Fault::Foreign {
                path: path.to_owned(),
                field: "group",
                found: self.group.to_string(),
                expected: expected.group.to_string(),
            });
        }
        if self.sequence != expected.sequence {
            return Err(Fault::damaged(path, 0, Damage::Header));
        }
        Ok(())
    }

    /// The seed of the segment's checksums.
    pub(crate) fn seed(&self) -> u32 {
        frame::seed(&self.identity.store.0, self.sequence)
    }
}

/// Everything that earlier segments said and that still matters, repeated at the head of each segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateRecord {
    pub(crate) purged: Option<LogId>,
    pub(crate) last_index: Option<u64>,
    pub(crate) vote: Option<Vec<u8>>,
    pub(crate) committed: Option<LogId>,
    /// How often the log was opened before.
    pub(crate) opens: u64,
    /// Up to where the previous segment was durable when this one was begun; 0 for the first.
    pub(crate) previous_end: u32,
    /// Chain value of the previous segment's last record.
    pub(crate) previous_chain: u32,
}

impl StateRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_id(&mut out, self.purged);
        out.push(u8::from(self.last_index.is_some()));
        out.extend_from_slice(&self.last_index.unwrap_or(0).to_le_bytes());
        out.push(u8::from(self.vote.is_some()));
        let vote = self.vote.as_deref().unwrap_or_default();
        out.extend_from_slice(&u32::try_from(vote.len()).expect("votes are bounded").to_le_bytes());
        out.extend_from_slice(vote);
        put_id(&mut out, self.committed);
        out.extend_from_slice(&self.opens.to_le_bytes());
        out.extend_from_slice(&self.previous_end.to_le_bytes());
        out.extend_from_slice(&self.previous_chain.to_le_bytes());
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = BodyReader(body);
        let purged = get_id(&mut reader)?;
        let has_last = reader.is_set()?;
        let last_index = Some(reader.u64()?).filter(|_| has_last);
        let has_vote = reader.is_set()?;
        let vote_len = usize::try_from(reader.u32()?).ok()?;
        if vote_len > VOTE_BYTES_MAX {
            return None;
        }
        let vote = Some(reader.bytes(vote_len)?.to_vec()).filter(|_| has_vote);
        let committed = get_id(&mut reader)?;
        let opens = reader.u64().filter(|opens| *opens < u64::MAX)?;
        let previous_end = reader.u32()?;
        let previous_chain = reader.u32()?;
        reader.end(Self { purged, last_index, vote, committed, opens, previous_end, previous_chain })
    }
}

/// Writes a log id that may be absent: a flag, then 24 bytes either way.
pub(crate) fn put_id(out: &mut Vec<u8>, id: Option<LogId>) {
    out.push(u8::from(id.is_some()));
    let id = id.unwrap_or(LogId { term: 0, node: 0, index: 0 });
    for number in [id.term, id.node, id.index] {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Reads what [`put_id`] wrote; `None` if it is not that.
pub(crate) fn get_id(reader: &mut BodyReader<'_>) -> Option<Option<LogId>> {
    let is_set = reader.is_set()?;
    let id = LogId { term: reader.u64()?, node: reader.u64()?, index: reader.u64()? };
    Some(Some(id).filter(|_| is_set))
}

/// The fixed head of an entry's body, before its payload.
pub(crate) const ENTRY_HEAD: usize = 24;

pub(crate) fn entry_head(id: LogId) -> [u8; ENTRY_HEAD] {
    let mut head = [0; ENTRY_HEAD];
    head[..8].copy_from_slice(&id.term.to_le_bytes());
    head[8..16].copy_from_slice(&id.node.to_le_bytes());
    head[16..].copy_from_slice(&id.index.to_le_bytes());
    head
}

pub(crate) fn entry_parts(body: &[u8]) -> Option<(LogId, &[u8])> {
    let mut reader = BodyReader(body);
    let id = LogId { term: reader.u64()?, node: reader.u64()?, index: reader.u64()? };
    Some((id, reader.0))
}

/// The bytes that begin a segment: header and state record; and the chain value for the next record.
pub(crate) fn begin(header: &Header, state: &StateRecord) -> (Vec<u8>, u32) {
    let (mut bytes, chain) = header.encode();
    let chain = frame::encode(&mut bytes, header.seed(), Kind::State, RECORDS_START, chain, &[&state.encode()]);
    (bytes, chain)
}

pub(crate) fn path_of(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:020}.log"))
}

pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn header() -> Header {
        let identity = Identity { cluster: ClusterId([1; 16]), node: 2, store: StoreUuid([3; 16]) };
        Header { identity, group: 4, segment_bytes: 65_536, sequence: 5 }
    }

    #[test]
    fn a_header_reads_back_and_no_flipped_bit_passes() {
        let (bytes, chain) = header().encode();
        let path = Path::new("s");
        assert_eq!(Header::decode(path, &bytes).unwrap(), (header(), chain));
        for bit in 0..76 * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(path, &flipped).is_err(), "bit {bit}");
        }
        assert!(Header::decode(path, &bytes[..75]).is_err());
    }

    #[test]
    fn a_segment_of_another_node_group_or_place_is_refused() {
        let path = Path::new("s");
        let other_node = Header { identity: Identity { node: 9, ..header().identity }, ..header() };
        let error = other_node.check(path, &header()).unwrap_err().to_string();
        assert_eq!(error, "s belongs to node 9, this node is node 2");
        assert!(Header { group: 5, ..header() }.check(path, &header()).is_err());
        assert!(Header { sequence: 6, ..header() }.check(path, &header()).is_err());
        assert!(header().check(path, &header()).is_ok());
    }

    #[test]
    fn a_state_record_reads_back() {
        let id = LogId { term: 3, node: 1, index: 77 };
        let full = StateRecord {
            purged: Some(id),
            last_index: Some(99),
            vote: Some(b"v".to_vec()),
            committed: Some(id),
            opens: 4,
            previous_end: 5,
            previous_chain: 6,
        };
        for state in [full, StateRecord::default()] {
            let bytes = state.encode();
            assert_eq!(StateRecord::decode(&bytes), Some(state));
            assert_eq!(StateRecord::decode(&bytes[1..]), None);
        }
    }

    #[test]
    fn only_segment_names_are_taken_for_segments() {
        assert_eq!(sequence_of("00000000000000000012.log"), Some(12));
        for name in ["12.log", "0000000000000000001x.log", "00000000000000000012.tmp", "spare-1.zero"] {
            assert_eq!(sequence_of(name), None, "{name}");
        }
    }
}
