//! Reads the part that snapshots and backups have in common: a header of some kind, length-delimited records, and a
//! trailer with count and hash of all that came before it. Everything is checked on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tidegate_platform::VfsFile;

use crate::fault::{Damage, Fault};
use crate::limits::{SNAPSHOT_BUFFER_BYTES, SNAPSHOT_RECORD_BYTES_MAX};
use crate::snapshot::format;

/// Buffered reading from an offset on.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    len: u64,
    /// Offset in the file of the first byte of `buffer[at..]`.
    offset: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Source {
    pub(crate) fn open(path: &Path, file: Arc<dyn VfsFile>) -> Result<Self, Fault> {
        let len = file.len().map_err(|e| Fault::io("measuring", path, e))?;
        Ok(Self { path: path.to_owned(), file, len, offset: 0, buffer: Vec::new(), at: 0 })
    }

    fn damaged(&self, damage: Damage) -> Fault {
        Fault::damaged(&self.path, self.offset, damage)
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&[u8], Fault> {
        if self.buffer.len() - self.at < len {
            self.refill(len)?;
        }
        let bytes = &self.buffer[self.at..self.at + len];
        self.at += len;
        self.offset += len as u64;
        Ok(bytes)
    }

    fn refill(&mut self, len: usize) -> Result<(), Fault> {
        let left = self.len - self.offset;
        if left < len as u64 {
            return Err(self.damaged(Damage::Short));
        }
        let want = left.min(len.max(SNAPSHOT_BUFFER_BYTES) as u64);
        self.buffer.resize(usize::try_from(want).expect("bounded by a record and the buffer"), 0);
        self.at = 0;
        self.file.read_at(self.offset, &mut self.buffer).map_err(|e| Fault::io("reading", &self.path, e))
    }
}

/// The records behind a header, in order. The last item is an error if count or hash of the whole file do not fit.
#[derive(Debug)]
pub(crate) struct Records {
    source: Source,
    hash: Sha256,
    count: u64,
    is_ended: bool,
}

impl Records {
    /// The records that follow `header`, which was just taken from `source`.
    pub(crate) fn after(header: &[u8], source: Source) -> Self {
        Self { source, hash: Sha256::new_with_prefix(header), count: 0, is_ended: false }
    }

    /// Records read so far.
    pub(crate) fn read_count(&self) -> u64 {
        self.count
    }

    /// Reads everything to the end and says what is wrong, if anything.
    pub(crate) fn verify(&mut self) -> Result<(), Fault> {
        self.try_for_each(|record| record.map(drop))
    }

    fn read(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let record = self.count;
        let mark: [u8; 4] = self.source.take(4)?.try_into().expect("four bytes were asked for");
        let len = u32::from_le_bytes(mark);
        if len == format::TRAILER {
            return self.trailer().map(|()| None);
        }
        if len > SNAPSHOT_RECORD_BYTES_MAX {
            return Err(self.source.damaged(Damage::Record { record }));
        }
        let crc: [u8; 4] = self.source.take(format::RECORD_HEAD - 4)?.try_into().expect("four bytes were asked for");
        let payload = self.source.take(len as usize)?.to_vec();
        if format::record_crc(len, &payload) != u32::from_le_bytes(crc) {
            let offset = self.source.offset - payload.len() as u64 - format::RECORD_HEAD as u64;
            return Err(Fault::damaged(&self.source.path, offset, Damage::Record { record }));
        }
        self.hash.update(mark);
        self.hash.update(crc);
        self.hash.update(&payload);
        self.count += 1;
        Ok(Some(payload))
    }

    fn trailer(&mut self) -> Result<(), Fault> {
        let trailer = format::decode_trailer(self.source.take(format::TRAILER_BODY)?);
        let record = self.count;
        let (expected, hash) = trailer.ok_or_else(|| self.source.damaged(Damage::Record { record }))?;
        if expected != self.count {
            return Err(self.source.damaged(Damage::Count { expected, found: self.count }));
        }
        let found: [u8; 32] = self.hash.clone().finalize().into();
        if found != hash || self.source.offset != self.source.len {
            return Err(self.source.damaged(Damage::Hash));
        }
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<Vec<u8>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let item = self.read().transpose();
        self.is_ended = !matches!(item, Some(Ok(_)));
        item
    }
}
