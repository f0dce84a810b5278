//! Snapshot files: the whole state at one log index, as length-delimited records.
//!
//! Start with [`Snapshots`]. A snapshot is written under a temporary name, synced, read back and verified, renamed, and
//! the folder synced; so whatever has a snapshot's name is whole, and the log may be purged up to it. The one before
//! stays until the next. `format` knows the bytes, `transfer` carries them to other nodes.

pub(crate) mod format;
mod reader;
mod transfer;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tidegate_platform::{OpenMode, Vfs};

use self::writer::Temporary;
use crate::fault::Fault;
use crate::files::Files;
use crate::home::ClusterId;
use crate::limits::SNAPSHOTS_KEPT;
use crate::log::LogId;
use crate::sabotage::Build;

pub use format::SnapshotHeader;
pub use reader::SnapshotReader;
pub use transfer::{Incoming, SnapshotBytes};
pub use writer::SnapshotWriter;

const SUFFIX: &str = ".snapshot";
const TEMPORARY: &str = ".tmp";

/// One snapshot on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// Epoch of the cluster when it was taken.
    pub epoch: u64,
    /// Last entry whose effect it contains.
    pub last: Option<LogId>,
    /// The membership at that entry, opaque here.
    pub membership: Bytes,
    /// Length of the file, in bytes.
    pub bytes: u64,
    path: PathBuf,
}

impl SnapshotMeta {
    /// A name for this snapshot, the same on every node that has it.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(self.last)
    }

    /// Where it lies, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn order(&self) -> Option<(u64, u64, u64)> {
        self.last.map(|last| (last.index, last.term, last.node))
    }
}

fn name_of(last: Option<LogId>) -> String {
    match last {
        Some(last) => format!("{:020}-{:020}-{:020}", last.index, last.term, last.node),
        // Sorts before every digit.
        None => "+none".to_owned(),
    }
}

/// The snapshots of one group. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshots {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Files,
    dir: PathBuf,
    cluster: ClusterId,
    group: u64,
    /// Oldest first.
    list: Mutex<Vec<SnapshotMeta>>,
    attempts: AtomicU64,
}

impl Snapshots {
    /// Opens the existing folder `dir`, and removes what attempts that never ended left there.
    ///
    /// Headers are read, not whole files: reading the state back verifies it. `Damaged`, `Format` or `Foreign` if the
    /// newest snapshot's header says so; an older one like that is left out of the list and logged.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path, cluster: ClusterId, group: u64) -> Result<Self, Fault> {
        Self::open_built(Files::new(vfs, Build::default()), dir, cluster, group)
    }

    /// As [`Snapshots::open`], with one step of durability left out.
    #[cfg(any(test, feature = "testing"))]
    pub fn open_broken(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        cluster: ClusterId,
        group: u64,
        step: crate::Sabotage,
    ) -> Result<Self, Fault> {
        Self::open_built(Files::new(vfs, Build::broken(step)), dir, cluster, group)
    }

    fn open_built(files: Files, dir: &Path, cluster: ClusterId, group: u64) -> Result<Self, Fault> {
        files.ensure_dir(dir)?;
        // A process that was killed between renaming and syncing leaves a name that looks durable and is not.
        files.sync_dir(dir)?;
        let mut found = Vec::new();
        for name in files.read_dir(dir)? {
            let path = dir.join(&name);
            if name.ends_with(TEMPORARY) {
                files.remove(&path)?;
            } else if name.ends_with(SUFFIX) {
                found.push(describe(&files, &path, &cluster, group).map_err(|fault| (name, fault)));
            }
        }
        let newest_readable = found.iter().flatten().max_by_key(|meta| meta.order()).map(SnapshotMeta::name);
        let mut list = Vec::new();
        for result in found {
            match result {
                Ok(meta) => list.push(meta),
                // Names sort as the snapshots do, so the name tells whether an unreadable one is the newest.
                Err((name, fault)) if newest_readable.as_ref().is_none_or(|newest| newest < &name) => return Err(fault),
                Err((_, fault)) => tracing::warn!(%fault, "an old snapshot cannot be read"),
            }
        }
        list.sort_by_key(SnapshotMeta::order);
        let inner = Inner { files, dir: dir.to_owned(), cluster, group, list: Mutex::new(list), attempts: AtomicU64::new(0) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// All snapshots, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<SnapshotMeta> {
        self.locked().iter().rev().cloned().collect()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn latest(&self) -> Option<SnapshotMeta> {
        self.locked().last().cloned()
    }

    /// Begins a snapshot. Several may be under way.
    pub fn begin(&self, header: &SnapshotHeader) -> Result<SnapshotWriter, Fault> {
        let bytes = format::encode_header(&self.inner.cluster, self.inner.group, header)?;
        Ok(SnapshotWriter::begin(self.temporary("building")?, bytes))
    }

    /// Begins to receive a snapshot's bytes from another node.
    pub fn begin_install(&self) -> Result<Incoming, Fault> {
        Ok(Incoming::begin(self.temporary("incoming")?))
    }

    /// The records of a snapshot.
    pub fn read(&self, meta: &SnapshotMeta) -> Result<SnapshotReader, Fault> {
        self.reader(&meta.path)
    }

    /// Reads a snapshot to its end; `Damaged` names what is wrong.
    pub fn verify(&self, meta: &SnapshotMeta) -> Result<(), Fault> {
        self.read(meta)?.verify().map(drop)
    }

    /// The bytes of a snapshot, to be sent to another node.
    pub fn bytes(&self, meta: &SnapshotMeta) -> Result<SnapshotBytes, Fault> {
        let file = self.inner.files.open(&meta.path, OpenMode::Read)?;
        Ok(SnapshotBytes { path: meta.path.clone(), file, len: meta.bytes })
    }

    fn reader(&self, path: &Path) -> Result<SnapshotReader, Fault> {
        let file = self.inner.files.open(path, OpenMode::Read)?;
        SnapshotReader::open(path, file, &self.inner.cluster, self.inner.group)
    }

    pub(crate) fn files(&self) -> &Files {
        &self.inner.files
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Vec<SnapshotMeta>> {
        self.inner.list.lock().expect("no panic happens under this lock")
    }

    fn temporary(&self, purpose: &str) -> Result<Temporary, Fault> {
        let attempt = self.inner.attempts.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.dir.join(format!("{purpose}-{attempt}{TEMPORARY}"));
        let file = self.inner.files.create_anew(&path)?;
        Ok(Temporary { owner: self.clone(), path, file, is_kept: false })
    }

    /// Makes a complete temporary file a snapshot: each step is durable before the one that relies on it.
    pub(crate) fn publish(&self, mut temporary: Temporary) -> Result<SnapshotMeta, Fault> {
        let files = &self.inner.files;
        let sync = |temporary: &Temporary| temporary.file.sync_data().map_err(|e| Fault::io("syncing", &temporary.path, e));
        if !files.build.renames_before_sync() {
            sync(&temporary)?;
        }
        let header = self.reader(&temporary.path)?.verify()?;
        let path = self.inner.dir.join(format!("{}{SUFFIX}", name_of(header.last)));
        files.rename(&temporary.path, &path)?;
        temporary.is_kept = true;
        files.sync_dir(&self.inner.dir)?;
        if files.build.renames_before_sync() {
            sync(&temporary)?;
        }
        let meta = describe(files, &path, &self.inner.cluster, self.inner.group)?;
        let mut list = self.locked();
        list.retain(|other| other.last != meta.last);
        list.push(meta.clone());
        list.sort_by_key(SnapshotMeta::order);
        drop(list);
        self.collect()?;
        Ok(meta)
    }

    /// Removes all but the newest and the one before it.
    fn collect(&self) -> Result<(), Fault> {
        let old: Vec<SnapshotMeta> = {
            let mut list = self.locked();
            let kept = list.len().saturating_sub(SNAPSHOTS_KEPT);
            list.drain(..kept).collect()
        };
        for meta in &old {
            self.inner.files.remove(&meta.path)?;
        }
        if old.is_empty() { Ok(()) } else { self.inner.files.sync_dir(&self.inner.dir) }
    }
}

fn describe(files: &Files, path: &Path, cluster: &ClusterId, group: u64) -> Result<SnapshotMeta, Fault> {
    let file = files.open(path, OpenMode::Read)?;
    let bytes = file.len().map_err(|e| Fault::io("measuring", path, e))?;
    let header = SnapshotReader::open(path, file, cluster, group)?.header().clone();
    Ok(SnapshotMeta { epoch: header.epoch, last: header.last, membership: header.membership, bytes, path: path.to_owned() })
}
