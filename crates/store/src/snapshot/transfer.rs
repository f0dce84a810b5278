//! Snapshots on their way between nodes: the bytes of the file as they are, and on the other side all or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_platform::VfsFile;

use super::SnapshotMeta;
use super::writer::Temporary;
use crate::fault::Fault;
use crate::limits::SNAPSHOT_INCOMING_BYTES_MAX;

/// The bytes of a snapshot, to be sent. They stay readable while this lives, even if the snapshot is removed.
#[derive(Clone, Debug)]
pub struct SnapshotBytes {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) len: u64,
}

impl SnapshotBytes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none; a snapshot has a header, so this is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Up to `len_max` bytes from `offset` on; fewer at the end, none behind it.
    pub fn chunk(&self, offset: u64, len_max: usize) -> Result<Vec<u8>, Fault> {
        let len = self.len.saturating_sub(offset).min(len_max as u64);
        let mut bytes = vec![0; usize::try_from(len).expect("no more than was asked for")];
        self.file.read_at(offset, &mut bytes).map_err(|e| Fault::io("reading", &self.path, e))?;
        Ok(bytes)
    }
}

/// A snapshot being received. Dropped before [`Incoming::finish`], it leaves nothing.
#[derive(Debug)]
pub struct Incoming {
    temporary: Temporary,
    received: u64,
}

impl Incoming {
    pub(crate) fn begin(temporary: Temporary) -> Self {
        Self { temporary, received: 0 }
    }

    /// Bytes received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Adds the bytes at `offset`, which must follow those before: `ChunkOrder` if not. `TooLarge` beyond
    /// `limits::SNAPSHOT_INCOMING_BYTES_MAX`; `Full` if the disk is.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        if offset != self.received {
            return Err(Fault::ChunkOrder { expected: self.received, found: offset });
        }
        let end = offset.saturating_add(bytes.len() as u64);
        if end > SNAPSHOT_INCOMING_BYTES_MAX {
            return Err(Fault::TooLarge { what: "snapshot", bytes: end, max: SNAPSHOT_INCOMING_BYTES_MAX });
        }
        let Temporary { file, path, .. } = &self.temporary;
        file.write_at(offset, bytes).map_err(|e| Fault::io("writing", path, e))?;
        self.received = end;
        Ok(())
    }

    /// Ends the transfer: what came is synced, read back and verified, and only then becomes the newest snapshot, with
    /// the guarantees of [`super::SnapshotWriter::finish`].
    pub fn finish(self) -> Result<SnapshotMeta, Fault> {
        let owner = self.temporary.owner.clone();
        owner.publish(self.temporary)
    }
}
