//! The few file habits that every part of the store shares, each with its sync, over the seam.

use std::path::Path;
use std::sync::Arc;

use tidegate_platform::{OpenMode, Vfs, VfsFile};

use crate::fault::Fault;
use crate::sabotage::Build;

/// The seam together with the names of what failed.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) build: Build,
}

impl Files {
    pub(crate) fn new(vfs: Arc<dyn Vfs>, build: Build) -> Self {
        Self { vfs, build }
    }

    /// Creates `path` and its missing ancestors, each durably. The name of a folder that is there already is synced too:
    /// a process that was killed between creating and syncing leaves one that looks durable and is not.
    pub(crate) fn ensure_dir(&self, path: &Path) -> Result<(), Fault> {
        let mut missing = Vec::new();
        let mut at = Some(path);
        while let Some(folder) = at {
            if folder.as_os_str().is_empty() || self.exists(folder)? {
                break;
            }
            missing.push(folder);
            at = folder.parent();
        }
        if missing.is_empty() {
            missing.push(path);
        }
        for folder in missing.into_iter().rev() {
            self.vfs.create_dir_all(folder).map_err(|e| Fault::io("creating", folder, e))?;
            if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
                self.sync_dir(above)?;
            }
        }
        Ok(())
    }

    pub(crate) fn exists(&self, path: &Path) -> Result<bool, Fault> {
        self.vfs.exists(path).map_err(|e| Fault::io("looking for", path, e))
    }

    pub(crate) fn read_dir(&self, path: &Path) -> Result<Vec<String>, Fault> {
        self.vfs.read_dir(path).map_err(|e| Fault::io("listing", path, e))
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn VfsFile>, Fault> {
        self.vfs.open(path, mode).map_err(|e| Fault::io("opening", path, e))
    }

    /// Opens a new file of that name; one left over from an attempt that never ended is removed first.
    pub(crate) fn create_anew(&self, path: &Path) -> Result<Arc<dyn VfsFile>, Fault> {
        if self.exists(path)? {
            self.remove(path)?;
        }
        self.open(path, OpenMode::CreateNew)
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), Fault> {
        self.vfs.remove_file(path).map_err(|e| Fault::io("removing", path, e))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.vfs.rename(from, to).map_err(|e| Fault::io("renaming", from, e))
    }

    pub(crate) fn sync_dir(&self, path: &Path) -> Result<(), Fault> {
        if self.build.never_syncs_folders() {
            return Ok(());
        }
        self.vfs.sync_dir(path).map_err(|e| Fault::io("syncing folder", path, e))
    }

    /// Reads a whole file of bounded size.
    pub(crate) fn read_all(&self, path: &Path, max: u64) -> Result<Vec<u8>, Fault> {
        let file = self.open(path, OpenMode::Read)?;
        let len = file.len().map_err(|e| Fault::io("measuring", path, e))?;
        if len > max {
            return Err(Fault::TooLarge { what: "file", bytes: len, max });
        }
        let mut bytes = vec![0; usize::try_from(len).expect("bounded above, and no file of ours reaches 4 GiB")];
        file.read_at(0, &mut bytes).map_err(|e| Fault::io("reading", path, e))?;
        Ok(bytes)
    }

    /// Puts `bytes` under `path` so that a crash leaves the old content or the new, never a part: temporary file, sync,
    /// rename, sync of the folder.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        let temporary = path.with_extension("tmp");
        let file = self.create_anew(&temporary)?;
        file.write_at(0, bytes).map_err(|e| Fault::io("writing", &temporary, e))?;
        file.sync_data().map_err(|e| Fault::io("syncing", &temporary, e))?;
        self.rename(&temporary, path)?;
        match path.parent() {
            Some(folder) => self.sync_dir(folder),
            None => Ok(()),
        }
    }
}
