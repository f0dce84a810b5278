//! A file system in memory that loses power, for tests and the simulation.
//!
//! It keeps exactly what [`Vfs`] promises and nothing more. [`FaultVfs::crash`] draws, from a seed, what a power loss
//! leaves: unsynced bytes survive or not in blocks of 512 bytes, within pages of 4096 that survive whole, not at all or
//! torn; unsynced creations, renames and removals survive or not, each by itself. [`FaultVfs::kill`] ends only the
//! process: everything written is there, and still not durable. The same calls with the same seeds give the same bytes.
//!
//! `disk` is the model; this file is the seam over it and the switches that tests turn.

mod disk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use tidegate_platform::{OpenMode, Vfs, VfsFile};

use self::disk::{Disk, NodeId};

/// One operation, as the trace sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOp {
    /// Name of the call.
    pub call: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Offset, or new length, or 0.
    pub offset: u64,
    /// Bytes concerned.
    pub len: u64,
    /// CRC32C of the bytes written, else 0.
    pub digest: u32,
}

/// Sees every operation before it happens.
pub type Trace = Arc<dyn Fn(&FileOp) + Send + Sync>;

/// The file system. Clones are views of the same one.
#[derive(Clone)]
pub struct FaultVfs {
    disk: Arc<Mutex<Disk>>,
    trace: Option<Trace>,
}

impl std::fmt::Debug for FaultVfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultVfs").finish_non_exhaustive()
    }
}

impl Default for FaultVfs {
    fn default() -> Self {
        Self::new()
    }
}

impl FaultVfs {
    /// An empty file system without bounds or faults.
    #[must_use]
    pub fn new() -> Self {
        Self { disk: Arc::new(Mutex::new(Disk::new())), trace: None }
    }

    /// The same file system; operations through this view are shown to `trace`, which must not use the file system.
    #[must_use]
    pub fn traced(&self, trace: Trace) -> Self {
        Self { disk: Arc::clone(&self.disk), trace: Some(trace) }
    }

    /// Loses power: this view and its files fail from now on, and what a power loss left is in the returned one.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        self.next_life(Disk::after_power_loss(&mut self.lock(), seed))
    }

    /// Ends the process: this view and its files fail from now on; the returned one sees everything written, of which
    /// only what was synced would survive a later power loss.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.next_life(Disk::after_kill(&mut self.lock()))
    }

    fn next_life(&self, disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)), trace: self.trace.clone() }
    }

    /// Cuts the power in the middle of the `count`-th changing operation from now (1 is the next): it and everything after
    /// it fails, until [`FaultVfs::crash`].
    pub fn cut_power_after(&self, count: u64) {
        let mut disk = self.lock();
        disk.power_ends_at = Some(disk.changes + count);
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.lock().is_off
    }

    /// Lets the `count`-th sync of a file from now fail (1 is the next). As on real systems, the bytes it covered stay
    /// lost even if a later sync of that file succeeds.
    pub fn fail_sync_after(&self, count: u64) {
        let mut disk = self.lock();
        disk.sync_fails_at = Some(disk.syncs + count);
    }

    /// Limits the bytes of all files together; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Bytes of all files together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// How many changing operations there were.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Inverts the bits of `mask` in one stored byte. `NotFound` or `UnexpectedEof` if there is no such byte.
    pub fn flip(&self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        self.lock().flip(path, offset, mask)
    }

    /// All files, sorted by path.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        self.lock().files()
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no panic happens under this lock")
    }

    fn note(&self, call: &'static str, path: &Path, offset: u64, data: &[u8], len: u64) {
        if let Some(trace) = &self.trace {
            let digest = if data.is_empty() { 0 } else { crc32c::crc32c(data) };
            trace(&FileOp { call, path: path.to_owned(), offset, len, digest });
        }
    }
}

impl Vfs for FaultVfs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.note("create_dir_all", path, 0, &[], 0);
        self.lock().change(|disk| disk.create_dir_all(path))
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        self.note("read_dir", path, 0, &[], 0);
        self.lock().look(|disk| disk.names(path))
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        self.note("open", path, 0, &[], 0);
        let node = match mode {
            OpenMode::Read | OpenMode::Write => self.lock().look(|disk| disk.open(path))?,
            OpenMode::CreateNew => self.lock().change(|disk| disk.create(path))?,
        };
        let handle = self.lock().handle_opened(node);
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(FaultFile { vfs: self.clone(), path: path.to_owned(), node, handle, writable }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.note("exists", path, 0, &[], 0);
        self.lock().look(|disk| Ok(disk.find(path).is_some()))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.note("len", path, 0, &[], 0);
        self.lock().look(|disk| disk.open(path).and_then(|node| disk.len(node)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note("rename", from, 0, &[], 0);
        self.note("rename-to", to, 0, &[], 0);
        self.lock().change(|disk| disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.note("remove_file", path, 0, &[], 0);
        self.lock().change(|disk| disk.remove(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.note("remove_dir_all", path, 0, &[], 0);
        self.lock().change(|disk| disk.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.note("sync_dir", path, 0, &[], 0);
        self.lock().sync(|disk| disk.sync_dir(path))
    }
}

#[derive(Debug)]
struct FaultFile {
    vfs: FaultVfs,
    path: PathBuf,
    node: NodeId,
    handle: u64,
    writable: bool,
}

impl FaultFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl VfsFile for FaultFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.vfs.note("read_at", &self.path, offset, &[], out.len() as u64);
        self.vfs.lock().look(|disk| disk.read(self.node, offset, out))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.vfs.note("write_at", &self.path, offset, data, data.len() as u64);
        self.check_writable()?;
        self.vfs.lock().change(|disk| disk.write(self.node, offset, data))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.vfs.note("set_len", &self.path, len, &[], 0);
        self.check_writable()?;
        self.vfs.lock().change(|disk| disk.set_len(self.node, len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.vfs.note("allocate", &self.path, len, &[], 0);
        self.check_writable()?;
        self.vfs.lock().change(|disk| {
            let grown = disk.len(self.node)?.max(len);
            disk.set_len(self.node, grown)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.vfs.note("sync_data", &self.path, 0, &[], 0);
        self.vfs.lock().sync(|disk| disk.sync_file(self.node))
    }

    fn len(&self) -> io::Result<u64> {
        self.vfs.note("len", &self.path, 0, &[], 0);
        self.vfs.lock().look(|disk| disk.len(self.node))
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.vfs.note("try_lock", &self.path, 0, &[], 0);
        self.vfs.lock().look(|disk| disk.try_lock(self.node, self.handle))
    }
}

impl Drop for FaultFile {
    fn drop(&mut self) {
        self.vfs.lock().handle_closed(self.node, self.handle);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
