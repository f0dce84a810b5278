//! The segment being written: records collect in a buffer, go to the file in one write, and are durable with one sync.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_platform::VfsFile;

use super::frame::{self, Kind};
use super::segment::RECORDS_START;
use crate::fault::Fault;
use crate::limits::SEGMENT_TAIL_ROOM;

/// Invariant: `synced <= flushed <= tail <= segment_bytes`, and the buffer holds the bytes `flushed..tail`.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) segment_bytes: u32,
    pub(crate) seed: u32,
    pub(crate) max_index: Option<u64>,
    chain: u32,
    tail: u32,
    flushed: u32,
    synced: u32,
    buffer: Vec<u8>,
    ends_marked: bool,
}

/// Room behind the ordinary records: for marks, and for the seal.
const SEAL_ROOM: u32 = 64;

/// The largest entry payload that fits into a segment of this size, in bytes.
pub(crate) fn entry_bytes_max(segment_bytes: u32) -> usize {
    // Header, state record with the largest vote, the entry's own heads, alignment; rounded up generously.
    const AROUND: u32 = RECORDS_START + 1024;
    (segment_bytes - SEGMENT_TAIL_ROOM - AROUND) as usize
}

impl Active {
    /// Goes on writing at `tail`; nothing of the file counts as synced until [`Active::sync`].
    pub(crate) fn resume(
        sequence: u64,
        path: PathBuf,
        file: Arc<dyn VfsFile>,
        segment_bytes: u32,
        seed: u32,
        tail: u32,
        chain: u32,
    ) -> Self {
        Self {
            sequence,
            path,
            file,
            segment_bytes,
            seed,
            max_index: None,
            chain,
            tail,
            flushed: tail,
            synced: RECORDS_START.min(tail),
            buffer: Vec::new(),
            ends_marked: false,
        }
    }

    pub(crate) fn tail(&self) -> u32 {
        self.tail
    }

    pub(crate) fn chain(&self) -> u32 {
        self.chain
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced == self.tail
    }

    pub(crate) fn ends_marked(&self) -> bool {
        self.ends_marked
    }

    /// Whether a record with a body of that length may still be written here.
    pub(crate) fn fits(&self, kind: Kind, body: usize) -> bool {
        let reserved = match kind {
            Kind::State | Kind::Seal => 0,
            Kind::Mark | Kind::Opened => SEAL_ROOM,
            Kind::Entry | Kind::Vote | Kind::Committed | Kind::Truncate | Kind::Purge => SEGMENT_TAIL_ROOM,
        };
        let end = u64::from(self.tail) + frame::size(body) as u64;
        end <= u64::from(self.segment_bytes - reserved)
    }

    /// Adds a record to the buffer and returns its offset. The caller asked [`Active::fits`].
    pub(crate) fn put(&mut self, kind: Kind, body: &[&[u8]]) -> u32 {
        let offset = self.tail;
        let before = self.buffer.len();
        self.chain = frame::encode(&mut self.buffer, self.seed, kind, self.synced, self.chain, body);
        let written = self.buffer.len() - before;
        self.tail += u32::try_from(written).expect("a record is smaller than its segment");
        assert!(self.tail <= self.segment_bytes, "a record was put where it does not fit");
        self.ends_marked = kind == Kind::Mark;
        offset
    }

    /// Writes the last bytes before the tail again.
    pub(crate) fn rewrite(&mut self, last: &[u8]) -> Result<(), Fault> {
        let offset = u64::from(self.flushed) - last.len() as u64;
        self.file.write_at(offset, last).map_err(|e| Fault::io("writing", &self.path, e))
    }

    /// Writes the buffer to the file.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_at(u64::from(self.flushed), &self.buffer).map_err(|e| Fault::io("writing", &self.path, e))?;
        self.flushed = self.tail;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the buffer and makes everything so far durable.
    pub(crate) fn sync(&mut self) -> Result<(), Fault> {
        self.flush()?;
        self.file.sync_data().map_err(|e| Fault::io("syncing", &self.path, e))?;
        self.synced = self.tail;
        Ok(())
    }
}
