//! The folder of one node: its lock, its identity, and where the rest lies.
//!
//! ```text
//! lock                          held while a process has the folder open
//! identity                      cluster id, node id, store uuid, epoch; written last, so that a folder with one is complete
//! group-0/log/                  the write-ahead log of Raft group 0
//! group-0/snapshots/            its snapshots
//! journal/                      history and audit, rebuildable
//! ```
//!
//! The store uuid is drawn once per folder. The cluster records it with the member, so that a node whose folder was
//! wiped cannot come back under its old id with nothing of what it promised. The epoch is that of the cluster for which
//! the folder was made and never changes: what was kept in one epoch must not speak in the next, whatever the
//! configuration says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_platform::{OpenMode, Vfs, VfsFile};

use crate::fault::{Damage, Fault};
use crate::files::Files;
use crate::log::frame::BodyReader;
use crate::log::{self, Log, LogOptions, LogWriter};
use crate::prelude;
use crate::snapshot::Snapshots;

const MAGIC: [u8; 8] = *b"TGIDENTY";
/// The format that this build writes, and the highest that it reads. Format 1 had no epoch: there was only the first.
const FORMAT: u32 = 2;
const FIRST_EPOCH: u64 = 1;
const IDENTITY_BYTES: usize = 64;

/// Names a cluster for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// Names one store folder for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreUuid(pub [u8; 16]);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for StoreUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// Who a store belongs to. In the identity file and in the header of every segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node, never used again after it left.
    pub node: u64,
    /// The folder.
    pub store: StoreUuid,
}

impl Identity {
    /// Says which part of what `path` contains differs from `expected`, if any.
    pub fn check(&self, path: &Path, expected: &Self) -> Result<(), Fault> {
        let fields = [
            ("cluster", self.cluster.to_string(), expected.cluster.to_string()),
            ("node", self.node.to_string(), expected.node.to_string()),
            ("store", self.store.to_string(), expected.store.to_string()),
        ];
        match fields.into_iter().find(|(_, found, expected)| found != expected) {
            None => Ok(()),
            Some((field, found, expected)) => Err(Fault::Foreign { path: path.to_owned(), field, found, expected }),
        }
    }

    fn encode(&self, epoch: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(IDENTITY_BYTES);
        prelude::put(&mut bytes, &MAGIC, FORMAT);
        bytes.extend_from_slice(&self.cluster.0);
        bytes.extend_from_slice(&self.node.to_le_bytes());
        bytes.extend_from_slice(&self.store.0);
        bytes.extend_from_slice(&epoch.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Identity and epoch.
    fn decode(path: &Path, bytes: &[u8]) -> Result<(Self, u64), Fault> {
        let damaged = || Fault::damaged(path, 0, Damage::Header);
        let (head, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(head) != u32::from_le_bytes(*crc) {
            return Err(damaged());
        }
        let mut reader = BodyReader(head);
        let found = prelude::take(path, &mut reader, &MAGIC, 1..=FORMAT)?;
        let mut fields = || {
            let cluster = ClusterId(reader.bytes(16)?.try_into().ok()?);
            let node = reader.u64()?;
            let store = StoreUuid(reader.bytes(16)?.try_into().ok()?);
            let epoch = if found == 1 { FIRST_EPOCH } else { reader.u64()? };
            reader.0.is_empty().then_some((Self { cluster, node, store }, epoch))
        };
        fields().ok_or_else(damaged)
    }
}

/// The folder of one node, locked.
#[derive(Debug)]
pub struct Home {
    files: Files,
    dir: PathBuf,
    identity: Option<(Identity, u64)>,
    /// Held for its lock.
    _lock: Arc<dyn VfsFile>,
}

impl Home {
    /// Opens and locks `dir`, creating it if it is not there. `Locked` if another process has it; `Damaged` or `Format`
    /// if its identity cannot be read.
    pub fn open(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<Self, Fault> {
        let files = Files::new(vfs, crate::sabotage::Build::default());
        files.ensure_dir(dir)?;
        let lock = Self::lock(&files, &dir.join("lock"))?;
        // A process that was killed between renaming and syncing leaves an identity that looks durable and is not.
        files.sync_dir(dir)?;
        let path = dir.join("identity");
        let identity = match files.exists(&path)? {
            true => Some(Identity::decode(&path, &files.read_all(&path, 4096)?)?),
            false => None,
        };
        Ok(Self { files, dir: dir.to_owned(), identity, _lock: lock })
    }

    fn lock(files: &Files, path: &Path) -> Result<Arc<dyn VfsFile>, Fault> {
        let mode = if files.exists(path)? { OpenMode::Write } else { OpenMode::CreateNew };
        let file = files.open(path, mode)?;
        match file.try_lock().map_err(|e| Fault::io("locking", path, e))? {
            true => Ok(file),
            false => Err(Fault::Locked { path: path.to_owned() }),
        }
    }

    /// Who the folder belongs to; `None` before [`Home::initialize`].
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref().map(|(identity, _)| identity)
    }

    /// The epoch of the cluster for which the folder was made; `None` before [`Home::initialize`].
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.identity.as_ref().map(|(_, epoch)| *epoch)
    }

    /// Makes the folder that of `identity` in `epoch`, with an empty log for `group`. A crash in between leaves a folder
    /// without identity, where this starts over. `Initialized` if it has one.
    pub fn initialize(&mut self, identity: Identity, epoch: u64, group: u64, options: &LogOptions) -> Result<(), Fault> {
        self.prepare(&identity, group, options)?;
        self.give_identity(identity, epoch)
    }

    /// The same with something in it: `fill` puts snapshots and log operations in before the folder gets its identity,
    /// so that a crash leaves a folder with all of it, or one without identity. `fill` drives the log itself, and ends
    /// with an operation that is synced.
    pub fn initialize_with<E: From<Fault>>(
        &mut self,
        identity: Identity,
        epoch: u64,
        group: u64,
        options: &LogOptions,
        fill: impl FnOnce(&Snapshots, &Log, &mut LogWriter) -> Result<(), E>,
    ) -> Result<(), E> {
        self.prepare(&identity, group, options)?;
        let vfs = || Arc::clone(&self.files.vfs);
        let snapshots = Snapshots::open(vfs(), &self.snapshot_dir(group), identity.cluster, group)?;
        let (log, mut writer) = log::open(vfs(), &self.log_dir(group), &identity, group, options)?;
        fill(&snapshots, &log, &mut writer)?;
        Ok(self.give_identity(identity, epoch)?)
    }

    /// Makes everything but the identity.
    fn prepare(&self, identity: &Identity, group: u64, options: &LogOptions) -> Result<(), Fault> {
        if self.identity.is_some() {
            return Err(Fault::Initialized { path: self.dir.clone(), is_initialized: true });
        }
        let group_dir = self.group_dir(group);
        if self.files.exists(&group_dir)? {
            self.files.vfs.remove_dir_all(&group_dir).map_err(|e| Fault::io("removing", &group_dir, e))?;
            self.files.sync_dir(&self.dir)?;
        }
        self.files.ensure_dir(&self.snapshot_dir(group))?;
        let log_dir = self.log_dir(group);
        self.files.ensure_dir(&log_dir)?;
        log::create(Arc::clone(&self.files.vfs), &log_dir, identity, group, options)
    }

    fn give_identity(&mut self, identity: Identity, epoch: u64) -> Result<(), Fault> {
        self.files.replace(&self.dir.join("identity"), &identity.encode(epoch))?;
        self.identity = Some((identity, epoch));
        Ok(())
    }

    fn initialized(&self) -> Result<&Identity, Fault> {
        self.identity().ok_or_else(|| Fault::Initialized { path: self.dir.clone(), is_initialized: false })
    }

    /// Opens the log of `group`, as [`log::open`] does.
    pub fn open_log(&self, group: u64, options: &LogOptions) -> Result<(Log, LogWriter), Fault> {
        log::open(Arc::clone(&self.files.vfs), &self.log_dir(group), self.initialized()?, group, options)
    }

    /// Opens the snapshots of `group`, as [`Snapshots::open`] does.
    pub fn open_snapshots(&self, group: u64) -> Result<Snapshots, Fault> {
        let cluster = self.initialized()?.cluster;
        Snapshots::open(Arc::clone(&self.files.vfs), &self.snapshot_dir(group), cluster, group)
    }

    /// Where the journal goes.
    #[must_use]
    pub fn journal_dir(&self) -> PathBuf {
        self.dir.join("journal")
    }

    fn group_dir(&self, group: u64) -> PathBuf {
        self.dir.join(format!("group-{group}"))
    }

    fn log_dir(&self, group: u64) -> PathBuf {
        self.group_dir(group).join("log")
    }

    fn snapshot_dir(&self, group: u64) -> PathBuf {
        self.group_dir(group).join("snapshots")
    }
}
