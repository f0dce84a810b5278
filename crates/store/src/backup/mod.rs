//! Backup files: the whole state at one log index in one file that knows what it is, without the log around it.
//!
//! [`BackupEncoder`] makes the bytes where the state is; they travel as they are; [`BackupFile`] takes them in where the
//! file is to lie, under a temporary name until everything has been synced and read back; [`BackupReader`] reads one.
//! The records are those of a snapshot, and opaque here.

mod file;
mod format;

use std::path::Path;

use sha2::{Digest, Sha256};
use tidegate_platform::{OpenMode, Vfs};

use crate::fault::Fault;
use crate::limits::SNAPSHOT_RECORD_BYTES_MAX;
use crate::records::{Records, Source};
use crate::snapshot::format as records;

pub use file::BackupFile;
pub use format::BackupHeader;

/// Makes the bytes of a backup, piece by piece.
#[derive(Debug)]
pub struct BackupEncoder {
    ready: Vec<u8>,
    count: u64,
    hash: Sha256,
}

impl BackupEncoder {
    /// Begins with the header. `TooLarge` if the name of the build is.
    pub fn begin(header: &BackupHeader) -> Result<Self, Fault> {
        Ok(Self { ready: format::encode(header)?, count: 0, hash: Sha256::new() })
    }

    /// Adds a record. `TooLarge` beyond `limits::SNAPSHOT_RECORD_BYTES_MAX`.
    pub fn record(&mut self, payload: &[u8]) -> Result<(), Fault> {
        let bytes = payload.len() as u64;
        let len = u32::try_from(payload.len()).ok().filter(|len| *len <= SNAPSHOT_RECORD_BYTES_MAX);
        let max = u64::from(SNAPSHOT_RECORD_BYTES_MAX);
        let len = len.ok_or(Fault::TooLarge { what: "backup record", bytes, max })?;
        self.ready.extend_from_slice(&len.to_le_bytes());
        self.ready.extend_from_slice(&records::record_crc(len, payload).to_le_bytes());
        self.ready.extend_from_slice(payload);
        self.count += 1;
        Ok(())
    }

    /// Bytes that wait to be taken.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.ready.len()
    }

    /// Takes the bytes made since the last time.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.hash.update(&self.ready);
        std::mem::take(&mut self.ready)
    }

    /// Ends the backup: the last bytes, with its trailer.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let mut last = self.take();
        last.extend(records::encode_trailer(self.count, &self.hash.finalize().into()));
        last
    }
}

/// The records of a backup, in order. The last item is an error if count or hash of the whole file do not fit, so what is
/// made of the records may be used only once the iterator has ended without one.
#[derive(Debug)]
pub struct BackupReader {
    header: BackupHeader,
    records: Records,
}

impl BackupReader {
    /// Opens a backup file. `Io` if it cannot be read, `Damaged` if it is none or its header is damaged, `Format` if a
    /// newer build wrote it.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<Self, Fault> {
        let file = vfs.open(path, OpenMode::Read).map_err(|e| Fault::io("opening", path, e))?;
        let mut source = Source::open(path, file)?;
        let mut bytes = source.take(format::FIXED)?.to_vec();
        let rest = format::rest(path, &bytes)?;
        bytes.extend_from_slice(source.take(rest)?);
        let header = format::decode(path, &bytes)?;
        Ok(Self { header, records: Records::after(&bytes, source) })
    }

    /// What the backup says about itself.
    #[must_use]
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// Records read so far.
    #[must_use]
    pub fn read_count(&self) -> u64 {
        self.records.read_count()
    }

    /// Reads everything to the end and says what is wrong, if anything.
    pub fn verify(mut self) -> Result<BackupHeader, Fault> {
        self.records.verify()?;
        Ok(self.header)
    }
}

impl Iterator for BackupReader {
    type Item = Result<Vec<u8>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next()
    }
}
