//! The machine's own file system, over `std` and, for what `std` lacks, `rustix`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::{OpenMode, Vfs, VfsFile};

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdVfs;

#[derive(Debug)]
struct StdFile(File);

impl Vfs for StdVfs {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(StdFile(options.open(path)?)))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl VfsFile for StdFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Some file systems (NFS, older overlay ones) cannot reserve. The caller writes the zeros anyway, and learns
            // then what it could have learnt here.
            Err(rustix::io::Errno::OPNOTSUPP) => {
                if self.0.metadata()?.len() < len {
                    self.0.set_len(len)?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn files_keep_what_was_written_and_names_come_sorted() {
        let dir = tempfile::tempdir().unwrap();
        let vfs = StdVfs;
        let folder = dir.path().join("a/b");
        vfs.create_dir_all(&folder).unwrap();
        for name in ["z", "m", "a"] {
            let file = vfs.open(&folder.join(name), OpenMode::CreateNew).unwrap();
            file.write_at(3, name.as_bytes()).unwrap();
            file.sync_data().unwrap();
            assert_eq!(file.len().unwrap(), 4);
        }
        vfs.sync_dir(&folder).unwrap();
        assert_eq!(vfs.read_dir(&folder).unwrap(), ["a", "m", "z"]);

        let mut bytes = [9; 4];
        vfs.open(&folder.join("m"), OpenMode::Read).unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0m");

        vfs.rename(&folder.join("m"), &folder.join("a")).unwrap();
        assert_eq!(vfs.read_dir(&folder).unwrap(), ["a", "z"]);
        assert_eq!(vfs.len(&folder.join("a")).unwrap(), 4);
        vfs.remove_file(&folder.join("z")).unwrap();
        assert!(!vfs.exists(&folder.join("z")).unwrap());
        vfs.remove_dir_all(&dir.path().join("a")).unwrap();
        assert!(!vfs.exists(&folder).unwrap());
    }

    #[test]
    fn opening_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert_eq!(StdVfs.open(&path, OpenMode::Write).unwrap_err().kind(), io::ErrorKind::NotFound);
        let file = StdVfs.open(&path, OpenMode::CreateNew).unwrap();
        assert_eq!(StdVfs.open(&path, OpenMode::CreateNew).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(file.read_at(0, &mut [0; 1]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let reader = StdVfs.open(&path, OpenMode::Read).unwrap();
        assert!(reader.write_at(0, b"x").is_err(), "a file opened for reading is not written");
    }

    #[test]
    fn allocation_grows_the_file_with_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let file = StdVfs.open(&dir.path().join("f"), OpenMode::CreateNew).unwrap();
        file.write_at(0, b"head").unwrap();
        file.allocate(8_192).unwrap();
        assert_eq!(file.len().unwrap(), 8_192);
        let mut bytes = [1; 8];
        file.read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"head\0\0\0\0");
        file.set_len(2).unwrap();
        assert_eq!(file.len().unwrap(), 2);
        assert!(!file.is_empty().unwrap());
    }

    #[test]
    fn a_lock_is_held_by_one_handle_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = StdVfs.open(&path, OpenMode::CreateNew).unwrap();
        assert!(first.try_lock().unwrap());
        let second = StdVfs.open(&path, OpenMode::Write).unwrap();
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    }
}
