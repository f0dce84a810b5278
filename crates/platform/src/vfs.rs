//! The file seam: every byte that Tidegate keeps goes to disk through [`Vfs`] and [`VfsFile`].
//!
//! Synchronous on purpose: the callers are a thread of their own in production and an inline step in the simulation.
//! Nothing here knows what is stored. The contract is the weakest one that real file systems keep across a power loss,
//! so that code which is right here is right there:
//! - bytes written with [`VfsFile::write_at`] survive only after [`VfsFile::sync_data`] returned `Ok`;
//! - a name that was created, renamed or removed is so durably only after [`Vfs::sync_dir`] on its folder;
//! - after a failed sync nothing is known about the bytes it covered, and calling it again proves nothing.
//!
//! Start with [`Vfs`]; [`StdVfs`] is the machine's own file system. The one that loses power lives with the store's tests.

mod std_vfs;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use std_vfs::StdVfs;

/// How [`Vfs::open`] treats a file that is, or is not, there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; only read.
    Read,
    /// Must exist; read and written.
    Write,
    /// Must not exist; read and written. The name is durable after [`Vfs::sync_dir`] on its folder.
    CreateNew,
}

/// A file system.
///
/// Errors are those of the operating system: `NotFound` for a missing path, `AlreadyExists` for
/// [`OpenMode::CreateNew`] on a file that is there, `StorageFull` when no space is left.
pub trait Vfs: Send + Sync + Debug + 'static {
    /// Creates `path` and its missing ancestors; succeeds if it is there. Each new folder's name is durable only after
    /// [`Vfs::sync_dir`] on the folder above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Names (not paths) in `path`, sorted bytewise, folders included. A name that is not UTF-8 is shown with replacement
    /// characters: nothing of ours is called so.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>>;
    /// Whether a file or folder of that name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Length of a file, in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// Renames a file or folder, replacing a file of the new name at once: a reader sees one or the other.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file. Open handles go on working.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder and everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// One open file. Reads and writes name their offset, so that a handle can be shared.
pub trait VfsFile: Send + Sync + Debug + 'static {
    /// Fills `out` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `data` at `offset`, growing the file if needed. Durable only after [`VfsFile::sync_data`].
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Cuts or grows (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves blocks for the first `len` bytes, so that writing them cannot run out of space later, and grows the file
    /// to at least that length. `StorageFull` if there are not enough.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Makes written bytes and the length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Length, in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Takes the exclusive advisory lock of this file, held until the last handle is dropped or the process ends.
    /// `false` if another handle holds it.
    fn try_lock(&self) -> io::Result<bool>;
}
