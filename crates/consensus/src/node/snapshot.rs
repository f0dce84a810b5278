//! Snapshot files in the form that openraft wants: built from a frozen state, read into the application, sent and received.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::Spawner;
use tidegate_store as store;
use tidegate_store::{SnapshotHeader, Snapshots};

use super::blocking;
use super::types::{CommittedLeaderId, Record, SnapshotMeta, StoredMembership, log_id, term_of};
use crate::application::Frozen;
use crate::codec::{retired_from_disk, stored_membership_from_disk, stored_membership_to_disk};
use crate::limits::{SNAPSHOT_CHUNK_BYTES, SNAPSHOT_RECORD_BYTES_MAX};

/// A snapshot with its description.
pub(crate) type Snapshot = openraft::Snapshot<CommittedLeaderId, u64, Record, SnapshotData>;

/// A snapshot as openraft passes it around.
pub(crate) enum SnapshotData {
    /// A complete, verified file.
    Stored {
        /// The folder it lies in.
        snapshots: Snapshots,
        /// Which one.
        meta: store::SnapshotMeta,
    },
    /// Bytes received from the leader, complete but not yet verified.
    Received(store::snapshot::Incoming),
}

impl SnapshotData {
    /// Ids of former members, as the header names them.
    pub(crate) fn retired(&self) -> io::Result<BTreeSet<u64>> {
        match self {
            Self::Stored { meta, .. } => retired_from_disk(&meta.membership).map_err(io::Error::other),
            Self::Received(_) => Err(io::Error::other("a received snapshot is read only after it was kept")),
        }
    }

    /// The records, verified as they are read: the last one is an error if the whole does not fit.
    pub(crate) fn records(&self) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
        match self {
            Self::Stored { snapshots, meta } => {
                let reader = snapshots.read(meta).map_err(io::Error::other)?;
                Ok(reader.map(|record| record.map_err(io::Error::other)))
            }
            Self::Received(_) => Err(io::Error::other("a received snapshot is read only after it was kept")),
        }
    }
}

/// The snapshot folder of one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SnapshotFiles {
    snapshots: Snapshots,
    spawner: Arc<dyn Spawner>,
    epoch: u64,
}

impl SnapshotFiles {
    pub(crate) fn new(snapshots: Snapshots, spawner: Arc<dyn Spawner>, epoch: u64) -> Self {
        Self { snapshots, spawner, epoch }
    }

    pub(crate) fn store(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Runs work that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        blocking::run(&*self.spawner, name, work).await
    }

    /// The newest snapshot, if there is one.
    pub(crate) async fn latest(&self) -> io::Result<Option<(SnapshotMeta, SnapshotData)>> {
        let Some(meta) = self.snapshots.latest() else { return Ok(None) };
        if meta.epoch != self.epoch {
            let (path, found, expected) = (meta.path().display(), meta.epoch, self.epoch);
            return Err(io::Error::other(format!("{path} is of epoch {found}, this node is in epoch {expected}")));
        }
        let raft_meta = meta_from_store(&meta)?;
        Ok(Some((raft_meta, SnapshotData::Stored { snapshots: self.snapshots.clone(), meta })))
    }

    /// Writes a frozen state into a new file, verified and durable when this returns.
    pub(crate) async fn build<F: Frozen>(
        &self,
        meta: SnapshotMeta,
        retired: Arc<BTreeSet<u64>>,
        frozen: F,
    ) -> io::Result<SnapshotData> {
        let (snapshots, epoch) = (self.snapshots.clone(), self.epoch);
        let work = move || {
            let header = header_of(&meta, &retired, epoch);
            let mut writer = snapshots.begin(&header).map_err(io::Error::other)?;
            frozen.write(&mut |record| {
                if record.len() > SNAPSHOT_RECORD_BYTES_MAX {
                    let len = record.len();
                    return Err(io::Error::other(format!(
                        "snapshot record of {len} bytes must be <= {SNAPSHOT_RECORD_BYTES_MAX}"
                    )));
                }
                writer.record(record).map_err(io::Error::other)
            })?;
            let meta = writer.finish().map_err(io::Error::other)?;
            Ok(SnapshotData::Stored { snapshots, meta })
        };
        self.blocking("build-snapshot", work).await?
    }

    /// Verifies received bytes and makes them the newest snapshot, durably. One that lies here is kept already; one of
    /// another folder, as openraft's own suite hands over, is copied.
    pub(crate) async fn keep(&self, data: SnapshotData) -> io::Result<SnapshotData> {
        match data {
            SnapshotData::Stored { ref meta, .. } if self.snapshots.list().contains(meta) => Ok(data),
            SnapshotData::Stored { snapshots: other, meta } => {
                let snapshots = self.snapshots.clone();
                let copied = self.blocking("copy-snapshot", move || copy(&other, &meta, &snapshots)).await?;
                let meta = copied.map_err(io::Error::other)?;
                Ok(SnapshotData::Stored { snapshots: self.snapshots.clone(), meta })
            }
            SnapshotData::Received(incoming) => {
                let snapshots = self.snapshots.clone();
                let work = move || incoming.finish().map_err(io::Error::other);
                let meta = self.blocking("keep-snapshot", work).await??;
                Ok(SnapshotData::Stored { snapshots, meta })
            }
        }
    }
}

fn copy(from: &Snapshots, meta: &store::SnapshotMeta, to: &Snapshots) -> Result<store::SnapshotMeta, store::Fault> {
    let bytes = from.bytes(meta)?;
    let mut incoming = to.begin_install()?;
    while incoming.received() < bytes.len() {
        let offset = incoming.received();
        incoming.write(offset, &bytes.chunk(offset, SNAPSHOT_CHUNK_BYTES)?)?;
    }
    incoming.finish()
}

fn header_of(meta: &SnapshotMeta, retired: &BTreeSet<u64>, epoch: u64) -> SnapshotHeader {
    let last = meta.last_log_id.as_ref().map(|id| store::LogId { term: term_of(id), node: 0, index: id.index });
    SnapshotHeader { epoch, last, membership: stored_membership_to_disk(&meta.last_membership, retired) }
}

fn meta_from_store(meta: &store::SnapshotMeta) -> io::Result<SnapshotMeta> {
    Ok(SnapshotMeta {
        last_log_id: meta.last.map(|id| log_id(id.term, id.index)),
        last_membership: membership_of(&meta.membership).map_err(|reason| {
            io::Error::other(format!("the membership in {} cannot be understood: {reason}", meta.path().display()))
        })?,
    })
}

fn membership_of(stored: &Bytes) -> Result<StoredMembership, crate::codec::CodecError> {
    stored_membership_from_disk(stored)
}
