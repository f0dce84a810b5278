//! The header of a backup file. What follows it, records and trailer, is as in a snapshot.
//!
//! ```text
//! magic "TGBACKUP", format u32, length of the fields u32,
//! fields   group u64, cluster id 16 bytes, epoch u64, config version u64, applied index u64, taken at (ms) u64,
//!          name of the build: length u16 and UTF-8
//! CRC32C u32 of all that
//! ```
//!
//! Numbers are little endian.

use std::path::Path;

use crate::fault::{Damage, Fault};
use crate::home::ClusterId;
use crate::limits::BACKUP_BUILD_BYTES_MAX;
use crate::log::frame::BodyReader;
use crate::prelude::{self, PRELUDE_BYTES};

const MAGIC: [u8; 8] = *b"TGBACKUP";
/// The format that this build writes, and the highest that it reads.
const FORMAT: u32 = 1;
/// Bytes before the fields.
pub(super) const FIXED: usize = PRELUDE_BYTES + 4;
/// Bytes of the fields without the name of the build.
const FIELDS: usize = 8 + 16 + 8 + 8 + 8 + 8 + 2;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHeader {
    /// Consensus group whose state it is.
    pub group: u64,
    /// The cluster.
    pub cluster: ClusterId,
    /// Epoch of the cluster when it was taken.
    pub epoch: u64,
    /// Config version of the state.
    pub config_version: u64,
    /// Last log entry whose effect it contains.
    pub applied_index: u64,
    /// When it was taken by the wall clock of the node that did: milliseconds since 1970.
    pub taken_at_ms: u64,
    /// Version of the program that wrote it, at most `limits::BACKUP_BUILD_BYTES_MAX` bytes.
    pub build: String,
}

pub(super) fn encode(header: &BackupHeader) -> Result<Vec<u8>, Fault> {
    let (build, max) = (header.build.len() as u64, BACKUP_BUILD_BYTES_MAX as u64);
    if build > max {
        return Err(Fault::TooLarge { what: "name of the build", bytes: build, max });
    }
    let mut bytes = Vec::with_capacity(FIXED + FIELDS + header.build.len() + 4);
    prelude::put(&mut bytes, &MAGIC, FORMAT);
    bytes.extend_from_slice(&u32::try_from(FIELDS + header.build.len()).expect("bounded above").to_le_bytes());
    bytes.extend_from_slice(&header.group.to_le_bytes());
    bytes.extend_from_slice(&header.cluster.0);
    for number in [header.epoch, header.config_version, header.applied_index, header.taken_at_ms] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&u16::try_from(header.build.len()).expect("bounded above").to_le_bytes());
    bytes.extend_from_slice(header.build.as_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    Ok(bytes)
}

/// Bytes that follow the first [`FIXED`] ones of a header.
pub(super) fn rest(path: &Path, fixed: &[u8]) -> Result<usize, Fault> {
    let damaged = || Fault::damaged(path, 0, Damage::Header);
    let mut reader = BodyReader(fixed);
    prelude::take(path, &mut reader, &MAGIC, FORMAT..=FORMAT)?;
    let len = reader.u32().and_then(|len| usize::try_from(len).ok()).ok_or_else(damaged)?;
    if !(FIELDS..=FIELDS + BACKUP_BUILD_BYTES_MAX).contains(&len) {
        return Err(damaged());
    }
    Ok(len + 4)
}

/// Reads a whole header, whose length [`rest`] told.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<BackupHeader, Fault> {
    let damaged = || Fault::damaged(path, 0, Damage::Header);
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(damaged());
    }
    let mut reader = BodyReader(body.get(FIXED..).ok_or_else(damaged)?);
    let fields = || {
        let group = reader.u64()?;
        let cluster = ClusterId(reader.bytes(16)?.try_into().ok()?);
        let (epoch, config_version, applied_index) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let taken_at_ms = reader.u64()?;
        let len = u16::from_le_bytes(reader.bytes(2)?.try_into().ok()?);
        let build = String::from_utf8(reader.bytes(usize::from(len))?.to_vec()).ok()?;
        reader.end(BackupHeader { group, cluster, epoch, config_version, applied_index, taken_at_ms, build })
    };
    fields().ok_or_else(damaged)
}
