//! A backup on its way into a file: all of it, or no file of that name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_platform::{Vfs, VfsFile};

use super::{BackupHeader, BackupReader};
use crate::fault::Fault;
use crate::files::Files;
use crate::sabotage::Build;

/// A backup being received. Dropped before [`BackupFile::finish`], it leaves nothing.
#[derive(Debug)]
pub struct BackupFile {
    files: Files,
    path: PathBuf,
    temporary: PathBuf,
    file: Arc<dyn VfsFile>,
    written: u64,
    is_kept: bool,
}

impl BackupFile {
    /// Begins a file that is to be called `path`. `Exists` if there is something of that name: a backup is never
    /// overwritten by another.
    pub fn begin(vfs: Arc<dyn Vfs>, path: &Path) -> Result<Self, Fault> {
        let files = Files::new(vfs, Build::default());
        refuse_existing(&files, path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let temporary = PathBuf::from(name);
        let file = files.create_anew(&temporary)?;
        Ok(Self { files, path: path.to_owned(), temporary, file, written: 0, is_kept: false })
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds the next bytes. `Full` if the disk is.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_at(self.written, bytes).map_err(|e| Fault::io("writing", &self.temporary, e))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Ends the file: synced, read back and verified, and only then given its name, durably.
    pub fn finish(mut self) -> Result<BackupHeader, Fault> {
        self.file.sync_data().map_err(|e| Fault::io("syncing", &self.temporary, e))?;
        let header = BackupReader::open(&*self.files.vfs, &self.temporary)?.verify()?;
        refuse_existing(&self.files, &self.path)?;
        self.files.rename(&self.temporary, &self.path)?;
        self.is_kept = true;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.files.sync_dir(folder.unwrap_or(Path::new(".")))?;
        Ok(header)
    }
}

fn refuse_existing(files: &Files, path: &Path) -> Result<(), Fault> {
    if files.exists(path)? { Err(Fault::Exists { path: path.to_owned() }) } else { Ok(()) }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(fault) = self.files.remove(&self.temporary)
        {
            tracing::warn!(%fault, "a part of a backup stays behind");
        }
    }
}
