//! Disks that a test can fill up and stall: in memory, each behind a switch that holds back every sync.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tidegate_platform::{OpenMode, Vfs, VfsFile};
use tidegate_store::testing::FaultVfs;

/// One node's disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub inner: FaultVfs,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    is_stalled: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let stalled = self.is_stalled.lock().unwrap();
        drop(self.moved.wait_while(stalled, |is_stalled| *is_stalled).unwrap());
    }
}

impl Disk {
    /// From now on no sync ends, until [`go_on`](Self::go_on).
    pub fn stall(&self) {
        *self.gate.is_stalled.lock().unwrap() = true;
    }

    pub fn go_on(&self) {
        *self.gate.is_stalled.lock().unwrap() = false;
        self.gate.moved.notify_all();
    }

    /// Leaves no room for another byte.
    pub fn fill(&self) {
        self.inner.set_capacity(Some(self.inner.used()));
    }
}

impl Vfs for Disk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(File { inner, gate: Arc::clone(&self.gate) }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.inner.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_dir(path)
    }
}

#[derive(Debug)]
struct File {
    inner: Arc<dyn VfsFile>,
    gate: Arc<Gate>,
}

impl VfsFile for File {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.inner.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.inner.try_lock()
    }
}
