//! Writes a snapshot record by record into a temporary file; only [`SnapshotWriter::finish`] gives it its name.

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tidegate_platform::VfsFile;

use super::format;
use super::{SnapshotMeta, Snapshots};
use crate::fault::Fault;
use crate::limits::{SNAPSHOT_BUFFER_BYTES, SNAPSHOT_RECORD_BYTES_MAX};

/// A file that is removed unless it got its name.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) owner: Snapshots,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) is_kept: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(fault) = self.owner.files().remove(&self.path)
        {
            // The next opening removes it.
            tracing::warn!(%fault, "a temporary snapshot stays behind");
        }
    }
}

/// A snapshot being built. Dropped before [`SnapshotWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct SnapshotWriter {
    temporary: Temporary,
    buffer: Vec<u8>,
    flushed: u64,
    count: u64,
    hash: Sha256,
}

impl SnapshotWriter {
    pub(crate) fn begin(temporary: Temporary, header: Vec<u8>) -> Self {
        Self { temporary, buffer: header, flushed: 0, count: 0, hash: Sha256::new() }
    }

    /// Adds a record. `TooLarge` beyond `limits::SNAPSHOT_RECORD_BYTES_MAX`; `Full` if the disk is.
    pub fn record(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let len = u32::try_from(payload.len()).ok().filter(|len| *len <= SNAPSHOT_RECORD_BYTES_MAX);
        let len = len.ok_or(Fault::TooLarge {
            what: "snapshot record",
            bytes: payload.len() as u64,
            max: u64::from(SNAPSHOT_RECORD_BYTES_MAX),
        })?;
        self.buffer.extend_from_slice(&len.to_le_bytes());
        self.buffer.extend_from_slice(&format::record_crc(len, payload).to_le_bytes());
        self.buffer.extend_from_slice(payload);
        self.count += 1;
        if self.buffer.len() >= SNAPSHOT_BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Fault> {
        self.hash.update(&self.buffer);
        self.write_buffer()
    }

    fn write_buffer(&mut self) -> Result<(), Fault> {
        let Temporary { file, path, .. } = &self.temporary;
        file.write_at(self.flushed, &self.buffer).map_err(|e| Fault::io("writing", path, e))?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Ends the snapshot: trailer, sync, verification by reading it back, name, sync of the folder. It is the newest one
    /// when this returns, and older ones than the one before it are removed. On an error nothing has changed.
    pub fn finish(mut self) -> Result<SnapshotMeta, Fault> {
        self.flush()?;
        let hash = self.hash.clone().finalize().into();
        self.buffer = format::encode_trailer(self.count, &hash);
        self.write_buffer()?;
        let owner = self.temporary.owner.clone();
        owner.publish(self.temporary)
    }
}
