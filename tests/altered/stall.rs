//! The machine's files, which a test stops: every call that changes something hangs until the files go on, as on a disk whose
//! controller does not answer.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use tidegate_platform::{OpenMode, StdVfs, Vfs, VfsFile};

/// Whether files stand still. Shared by all of them.
#[derive(Debug, Default)]
struct Gate {
    is_stalled: Mutex<bool>,
    goes_on: Condvar,
}

impl Gate {
    fn pass(&self) {
        let stalled = self.is_stalled.lock().expect("no panic under this lock");
        drop(self.goes_on.wait_while(stalled, |is_stalled| *is_stalled).expect("no panic under this lock"));
    }
}

/// The machine's own file system with a gate before it.
#[derive(Clone, Debug, Default)]
pub struct StallingVfs {
    gate: Arc<Gate>,
}

impl StallingVfs {
    /// Stops all files, or lets them go on.
    pub fn set_stalled(&self, is_stalled: bool) {
        *self.gate.is_stalled.lock().expect("no panic under this lock") = is_stalled;
        self.gate.goes_on.notify_all();
    }

    fn passed(&self) -> StdVfs {
        self.gate.pass();
        StdVfs
    }
}

impl Vfs for StallingVfs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.passed().create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        StdVfs.read_dir(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let file = self.passed().open(path, mode)?;
        Ok(Arc::new(StallingFile { file, gate: Arc::clone(&self.gate) }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        StdVfs.exists(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        StdVfs.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.passed().rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.passed().remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.passed().remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.passed().sync_dir(path)
    }
}

#[derive(Debug)]
struct StallingFile {
    file: Arc<dyn VfsFile>,
    gate: Arc<Gate>,
}

impl StallingFile {
    fn passed(&self) -> &dyn VfsFile {
        self.gate.pass();
        &*self.file
    }
}

impl VfsFile for StallingFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.passed().write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.passed().set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.passed().allocate(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.passed().sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }
}
