//! The disk copy: the last good catalog of an edge, so that a restart pulls changes and not everything.
//!
//! It is never believed for its age, only for its content: an edge that starts from it offers nothing until an upstream has
//! vouched for it. The file is written beside the old one, synced, renamed, and the folder synced; so one of the two is
//! there after any crash. Format `copy/v1`: eight bytes of magic, then records of a length (4 bytes, little endian) and that
//! many bytes of `tidegate.edge.v1.FollowResponse` (header, records, trailer), a length of zero, and the SHA-256 of all of
//! it. What does not hash to it, or to the roots in the trailer, is set aside under another name and pulled anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tidegate_distribution::replica::{self, Replica, Step};
use tidegate_distribution::{Held, Scope, Whole};
use tidegate_platform::{OpenMode, Vfs, VfsFile};
use tidegate_proto::edge::v1 as edge;

use crate::limits::{COPY_BYTES_MAX, COPY_RECORD_BYTES_MAX, COPY_WRITE_BYTES};

const MAGIC: &[u8; 8] = b"TGCOPY1\n";
const NAME: &str = "catalog.copy";
const TEMPORARY: &str = "catalog.copy.new";
const ASIDE: &str = "catalog.copy.damaged";

/// The folder of one edge.
#[derive(Clone)]
pub struct Copy {
    vfs: Arc<dyn Vfs>,
    folder: PathBuf,
}

/// Why a copy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The disk.
    #[error("{} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The bytes are not those that were written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The content is not what this edge may begin with.
    #[error("{} holds no catalog for this edge", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: replica::Refused,
    },
}

impl Copy {
    /// The copy in `folder`, which is created if it is not there.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(vfs: Arc<dyn Vfs>, folder: &Path) -> Result<Self, CopyError> {
        vfs.create_dir_all(folder).map_err(|source| CopyError::Io { path: folder.to_owned(), source })?;
        Ok(Self { vfs, folder: folder.to_owned() })
    }

    /// A replica that holds what is on the disk; one that holds nothing if there is no copy. A copy that cannot be used is
    /// set aside, and the second value says why.
    ///
    /// # Errors
    /// A copy that cannot be used cannot be set aside either.
    pub fn load(&self, scope: &Scope) -> Result<(Replica, Option<CopyError>), CopyError> {
        let path = self.folder.join(NAME);
        let failed = |source| CopyError::Io { path: path.clone(), source };
        if !self.vfs.exists(&path).map_err(failed)? {
            return Ok((Replica::new(scope.clone(), None), None));
        }
        match self.read(&path, scope) {
            Ok(replica) => Ok((replica, None)),
            Err(error) => {
                self.vfs.rename(&path, &self.folder.join(ASIDE)).map_err(failed)?;
                self.vfs.sync_dir(&self.folder).map_err(failed)?;
                Ok((Replica::new(scope.clone(), None), Some(error)))
            }
        }
    }

    fn read(&self, path: &Path, scope: &Scope) -> Result<Replica, CopyError> {
        let failed = |source| CopyError::Io { path: path.to_owned(), source };
        let damaged = |what: String| CopyError::Damaged { path: path.to_owned(), what };
        let file = self.vfs.open(path, OpenMode::Read).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        if len > COPY_BYTES_MAX {
            return Err(damaged(format!("{len} bytes must be <= {COPY_BYTES_MAX}")));
        }
        let mut reader = Reader { file: file.as_ref(), offset: 0, hash: Sha256::new() };
        let magic = reader.take(MAGIC.len()).map_err(|error| damaged(error.to_string()))?;
        if magic != MAGIC {
            return Err(damaged("it does not begin as a copy of version 1 does".to_owned()));
        }
        let mut replica = Replica::new(scope.clone(), None);
        let mut is_whole = false;
        while let Some(record) = reader.record().map_err(&damaged)? {
            let message = edge::FollowResponse::decode(&record[..]).map_err(|error| damaged(error.to_string()))?;
            let message = message.message.ok_or_else(|| damaged("a record holds nothing that is known".to_owned()))?;
            let step = replica.take(message).map_err(|source| CopyError::Refused { path: path.to_owned(), source })?;
            is_whole |= matches!(step, Step::Replaced);
        }
        reader.end().map_err(&damaged)?;
        if is_whole { Ok(replica) } else { Err(damaged("it ends before the trailer".to_owned())) }
    }

    /// Writes the catalog in the place of the one before, durably.
    ///
    /// # Errors
    /// The disk; the copy before is still there then.
    pub fn write(&self, held: &Held, scope: &Scope) -> Result<(), CopyError> {
        let (path, temporary) = (self.folder.join(NAME), self.folder.join(TEMPORARY));
        let failed = |source| CopyError::Io { path: path.clone(), source };
        self.fill(&temporary, held, scope).map_err(failed)?;
        self.vfs.rename(&temporary, &path).map_err(failed)?;
        self.vfs.sync_dir(&self.folder).map_err(failed)
    }

    fn fill(&self, path: &Path, held: &Held, scope: &Scope) -> io::Result<()> {
        // What a crash left half written is of no use.
        if self.vfs.exists(path)? {
            self.vfs.remove_file(path)?;
        }
        let file = self.vfs.open(path, OpenMode::CreateNew)?;
        let mut writer = Writer { file: file.as_ref(), offset: 0, buffer: Vec::new(), hash: Sha256::new() };
        writer.put(MAGIC)?;
        for message in Whole::of(held.cluster_id, held.present(), scope) {
            let record = edge::FollowResponse { message: Some(message) }.encode_to_vec();
            let length = u32::try_from(record.len()).map_err(io::Error::other)?;
            writer.put(&length.to_le_bytes())?;
            writer.put(&record)?;
        }
        writer.put(&0_u32.to_le_bytes())?;
        writer.end()?;
        file.sync_data()
    }
}

struct Writer<'f> {
    file: &'f dyn VfsFile,
    offset: u64,
    buffer: Vec<u8>,
    hash: Sha256,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= COPY_WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.offset, &self.buffer)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        let hash = std::mem::take(&mut self.hash).finalize();
        self.buffer.extend_from_slice(&hash);
        self.flush()
    }
}

struct Reader<'f> {
    file: &'f dyn VfsFile,
    offset: u64,
    hash: Sha256,
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_at(self.offset, &mut bytes)?;
        self.offset += len as u64;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    /// The next record; `None` at the mark of the end.
    fn record(&mut self) -> Result<Option<Vec<u8>>, String> {
        let at = self.offset;
        let broken = |error: io::Error| format!("the record at byte {at} cannot be read: {error}");
        let length = self.take(4).map_err(broken)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length > COPY_RECORD_BYTES_MAX {
            return Err(format!("the record at byte {at} says {length} bytes, must be <= {COPY_RECORD_BYTES_MAX}"));
        }
        if length == 0 { Ok(None) } else { self.take(length).map(Some).map_err(broken) }
    }

    /// The hash of all that was read must follow, and nothing else.
    fn end(self) -> Result<(), String> {
        let mut written = [0; 32];
        self.file.read_at(self.offset, &mut written).map_err(|error| format!("its hash cannot be read: {error}"))?;
        let len = self.file.len().map_err(|error| error.to_string())?;
        if len != self.offset + 32 {
            return Err(format!("it has {len} bytes, must have {}", self.offset + 32));
        }
        let hash: [u8; 32] = self.hash.finalize().into();
        if hash == written { Ok(()) } else { Err("its content does not hash to the SHA-256 at its end".to_owned()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
