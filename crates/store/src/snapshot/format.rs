//! The bytes of a snapshot file.
//!
//! ```text
//! header   magic "TGSNAPSH", format u32, group u64, cluster id 16 bytes, epoch u64,
//!          last log id (flag u8, term u64, node u64, index u64), membership length u32 and bytes,
//!          CRC32C u32 of all that
//! records  length u32, CRC32C u32 of length and payload, payload
//! trailer  0xffffffff u32, count u64, SHA-256 of header and records, CRC32C u32 of the trailer
//! ```
//!
//! Numbers are little endian. A snapshot names no node and no store: it travels between nodes as it is.

use std::path::Path;

use bytes::Bytes;

use crate::fault::{Damage, Fault};
use crate::home::ClusterId;
use crate::limits::SNAPSHOT_MEMBERSHIP_BYTES_MAX;
use crate::log::LogId;
use crate::log::frame::BodyReader;
use crate::prelude::{self, PRELUDE_BYTES};

const MAGIC: [u8; 8] = *b"TGSNAPSH";
/// The format that this build writes, and the highest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Bytes of the header before the membership.
pub(crate) const FIXED: usize = PRELUDE_BYTES + 8 + 16 + 8 + 25 + 4;
/// In place of a record's length: the trailer follows.
pub(crate) const TRAILER: u32 = u32::MAX;
/// Bytes of the trailer after that mark.
pub(crate) const TRAILER_BODY: usize = 8 + 32 + 4;
/// Bytes of a record before its payload.
pub(crate) const RECORD_HEAD: usize = 8;

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Epoch of the cluster when it was taken.
    pub epoch: u64,
    /// Last entry whose effect it contains; `None` before the first.
    pub last: Option<LogId>,
    /// The membership at that entry, opaque here.
    pub membership: Bytes,
}

pub(crate) fn encode_header(cluster: &ClusterId, group: u64, header: &SnapshotHeader) -> Result<Vec<u8>, Fault> {
    let len = u32::try_from(header.membership.len()).ok().filter(|len| *len <= SNAPSHOT_MEMBERSHIP_BYTES_MAX);
    let len = len.ok_or(Fault::TooLarge {
        what: "snapshot membership",
        bytes: header.membership.len() as u64,
        max: u64::from(SNAPSHOT_MEMBERSHIP_BYTES_MAX),
    })?;
    let mut bytes = Vec::with_capacity(FIXED + header.membership.len() + 4);
    prelude::put(&mut bytes, &MAGIC, FORMAT);
    bytes.extend_from_slice(&group.to_le_bytes());
    bytes.extend_from_slice(&cluster.0);
    bytes.extend_from_slice(&header.epoch.to_le_bytes());
    let id = header.last.unwrap_or(LogId { term: 0, node: 0, index: 0 });
    bytes.push(u8::from(header.last.is_some()));
    for number in [id.term, id.node, id.index] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&header.membership);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// Bytes of membership and checksum that follow the first [`FIXED`] bytes of a header.
pub(crate) fn header_rest(path: &Path, fixed: &[u8]) -> Result<usize, Fault> {
    let damaged = || Fault::damaged(path, 0, Damage::Header);
    prelude::take(path, &mut BodyReader(fixed), &MAGIC, FORMAT..=FORMAT)?;
    let len = fixed.last_chunk::<4>().map(|len| u32::from_le_bytes(*len)).ok_or_else(damaged)?;
    if len > SNAPSHOT_MEMBERSHIP_BYTES_MAX {
        return Err(damaged());
    }
    Ok(len as usize + 4)
}

/// Reads a whole header, whose length [`header_rest`] told.
pub(crate) fn decode_header(path: &Path, bytes: &[u8], cluster: &ClusterId, group: u64) -> Result<SnapshotHeader, Fault> {
    let damaged = || Fault::damaged(path, 0, Damage::Header);
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(damaged());
    }
    let mut reader = BodyReader(body.get(PRELUDE_BYTES..).ok_or_else(damaged)?);
    let mut fields = || {
        let group = reader.u64()?;
        let cluster = ClusterId(reader.bytes(16)?.try_into().ok()?);
        let epoch = reader.u64()?;
        let is_set = reader.is_set()?;
        let id = LogId { term: reader.u64()?, node: reader.u64()?, index: reader.u64()? };
        let len = usize::try_from(reader.u32()?).ok()?;
        let membership = Bytes::copy_from_slice(reader.bytes(len)?);
        let header = SnapshotHeader { epoch, last: Some(id).filter(|_| is_set), membership };
        reader.0.is_empty().then_some((group, cluster, header))
    };
    let (found_group, found_cluster, header) = fields().ok_or_else(damaged)?;
    let foreign = |field, found: String, expected: String| Fault::Foreign { path: path.to_owned(), field, found, expected };
    if found_cluster != *cluster {
        return Err(foreign("cluster", found_cluster.to_string(), cluster.to_string()));
    }
    if found_group != group {
        return Err(foreign("group", found_group.to_string(), group.to_string()));
    }
    Ok(header)
}

pub(crate) fn record_crc(len: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&len.to_le_bytes()), payload)
}

pub(crate) fn encode_trailer(count: u64, hash: &[u8; 32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + TRAILER_BODY);
    bytes.extend_from_slice(&TRAILER.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(hash);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Count and hash of the trailer whose body follows its mark; `None` if its checksum does not fit.
pub(crate) fn decode_trailer(body: &[u8]) -> Option<(u64, [u8; 32])> {
    let (head, crc) = body.split_last_chunk::<4>()?;
    if crc32c::crc32c_append(crc32c::crc32c(&TRAILER.to_le_bytes()), head) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut reader = BodyReader(head);
    let count = reader.u64()?;
    let hash = reader.bytes(32)?.try_into().ok()?;
    reader.end((count, hash))
}
