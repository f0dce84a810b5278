//! The folder of a node that does not run: reading back what it had, and making one in which a new epoch begins.
//!
//! Start with [`Folder::open`] and [`found`]. Nothing here talks to anybody. A new epoch begins with one voter and a
//! snapshot; its log begins behind that. Terms begin anew, because nobody of an earlier epoch is ever listened to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openraft::EntryPayload;
use tidegate_platform::{Platform, Vfs};
use tidegate_store as store;
use tidegate_store::{Log, LogStore as _, LogWriter, Op, Snapshots};

use crate::application::{Application, Frozen, InstallError};
use crate::codec::{CodecError, payload_from_disk, stored_membership_from_disk, stored_membership_to_disk, vote_to_disk};
use crate::limits::{APPLY_BATCH_ENTRIES_MAX, REPLICATION_BYTES_MAX, SNAPSHOT_RECORD_BYTES_MAX};
use crate::node::types::{Membership, Record, StoredMembership, Vote, log_id};
use crate::settings::{Settings, SettingsError};
use crate::status::Member;

/// Term of the snapshot with which an epoch begins.
const FIRST_TERM: u64 = 1;

/// Why a folder cannot be read back, or made.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A rule between settings is broken.
    #[error("invalid settings")]
    Settings(#[from] SettingsError),
    /// No node has ever kept anything there.
    #[error("{} holds no node's data", folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
    },
    /// The disk failed, or what is on it is damaged; names file and place.
    #[error(transparent)]
    Store(#[from] store::Fault),
    /// The newest snapshot cannot be read into the application.
    #[error("cannot install the newest snapshot")]
    Install(#[from] InstallError),
    /// The log or a snapshot holds something that this build cannot read.
    #[error("{what} cannot be understood: {reason}")]
    NotUnderstood {
        /// Which part.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The log begins behind what the snapshots hold.
    #[error("entries {first} to {last} are neither in a snapshot nor in the log")]
    Hole {
        /// First missing index.
        first: u64,
        /// Last missing index.
        last: u64,
    },
    /// The new state could not be written.
    #[error("cannot write the state")]
    Write(#[source] std::io::Error),
}

/// What a node has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Last entry in its newest snapshot.
    pub snapshot_index: Option<u64>,
    /// Last entry that it knew as committed. What comes after it may or may not have been acknowledged.
    pub committed_index: Option<u64>,
    /// Last entry of its log. All of them were read back.
    pub last_index: u64,
    /// The members that it knew.
    pub members: Vec<Member>,
}

/// The folder of a node that does not run, locked.
#[derive(Debug)]
pub struct Folder {
    home: store::Home,
    identity: store::Identity,
    epoch: u64,
}

impl Folder {
    /// Opens and locks the folder.
    ///
    /// # Errors
    /// There is none, a process has it, or its identity is damaged.
    pub fn open(vfs: Arc<dyn Vfs>, folder: &Path) -> Result<Self, OfflineError> {
        let no_store = || OfflineError::NoStore { folder: folder.to_owned() };
        let path = folder.join("identity");
        // Opening would make the folder.
        if !vfs.exists(&path).map_err(|_| no_store())? {
            return Err(no_store());
        }
        let home = store::Home::open(vfs, folder)?;
        let (identity, epoch) = home.identity().copied().zip(home.epoch()).ok_or_else(no_store)?;
        Ok(Self { home, identity, epoch })
    }

    /// The cluster that it belongs to.
    #[must_use]
    pub fn cluster_id(&self) -> u128 {
        u128::from_be_bytes(self.identity.cluster.0)
    }

    /// The node that it belongs to.
    #[must_use]
    pub fn node(&self) -> u64 {
        self.identity.node
    }

    /// The epoch in which it was made.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Brings `application` forward by everything that the folder holds: its newest snapshot, then every entry of the log,
    /// known as committed or not. The log is verified on the way.
    ///
    /// # Errors
    /// The first thing that is damaged, missing or not understood; the application is of no use then.
    pub fn replay<A: Application>(&self, group: u32, application: &mut A) -> Result<Left, OfflineError> {
        let group = u64::from(group);
        // The writer stays: without it the log would close.
        let (log, _writer) = self.home.open_log(group, &store::LogOptions::production())?;
        let snapshots = self.home.open_snapshots(group)?;
        let mut members = Membership::default();
        let mut next = 0;
        let snapshot = snapshots.latest();
        if let Some(meta) = &snapshot {
            let stored = stored_membership_from_disk(&meta.membership);
            members = stored.map_err(not_understood(&meta.path().display()))?.membership().clone();
            let mut records = snapshots.read(meta)?.map(|record| record.map_err(std::io::Error::other));
            application.install(&mut records)?;
            next = meta.last.map_or(0, |last| last.index + 1);
        }
        let state = log.state();
        if let Some(last) = state.purged.map(|purged| purged.index).filter(|purged| *purged >= next) {
            return Err(OfflineError::Hole { first: next, last });
        }
        next = replay_log(&log, next, application, &mut members)?;
        application.publish(next.saturating_sub(1));
        Ok(Left {
            snapshot_index: snapshot.and_then(|meta| meta.last).map(|last| last.index),
            committed_index: state.committed.map(|committed| committed.index),
            last_index: next.saturating_sub(1),
            members: members.nodes().map(|(id, record)| record.member(*id)).collect(),
        })
    }
}

/// Applies the entries from `next` on; returns the index after the last one.
fn replay_log<A: Application>(
    log: &Log,
    mut next: u64,
    application: &mut A,
    members: &mut Membership,
) -> Result<u64, OfflineError> {
    loop {
        let records = log.get(next..u64::MAX, REPLICATION_BYTES_MAX)?;
        if records.is_empty() {
            return Ok(next);
        }
        for record in records {
            if record.id.index != next {
                return Err(OfflineError::Hole { first: next, last: record.id.index.saturating_sub(1) });
            }
            let name = format!("log entry {}", record.id);
            match payload_from_disk(&record.payload).map_err(not_understood(&name))? {
                EntryPayload::Blank => {}
                EntryPayload::Normal(payload) => drop(application.apply(record.id.index, &payload.0)),
                EntryPayload::Membership(membership) => *members = membership,
            }
            next = record.id.index + 1;
            if next.is_multiple_of(APPLY_BATCH_ENTRIES_MAX as u64) {
                application.publish(record.id.index);
            }
        }
    }
}

fn not_understood(what: &impl std::fmt::Display) -> impl FnOnce(CodecError) -> OfflineError {
    let what = what.to_string();
    move |error| OfflineError::NotUnderstood { what, reason: error.to_string() }
}

/// Makes the empty folder of `settings` that of the only voter of a cluster in the epoch of `settings`, whose state at
/// `index` is `state`. A crash leaves a folder with all of it, or one without identity.
///
/// # Errors
/// The folder has an owner, the disk failed, or the state could not be written.
pub fn found(settings: &Settings, platform: &Platform, index: u64, state: &impl Frozen) -> Result<Member, OfflineError> {
    settings.validate()?;
    let mut uuid = [0; 16];
    platform.random.fill(&mut uuid);
    let me = Member {
        id: settings.node,
        store_uuid: u128::from_be_bytes(uuid),
        peer_addr: settings.peer_addr.clone(),
        admin_addr: settings.admin_addr.clone(),
        device_addr: settings.device_addr.clone(),
    };
    let cluster = store::ClusterId(settings.cluster_id.to_be_bytes());
    let identity = store::Identity { cluster, node: settings.node, store: store::StoreUuid(uuid) };
    let mut options = store::LogOptions::production();
    options.segment_bytes = u32::try_from(settings.retention.segment_bytes).unwrap_or(u32::MAX);
    let last = store::LogId { term: FIRST_TERM, node: 0, index };
    let header = store::SnapshotHeader { epoch: settings.epoch, last: Some(last), membership: alone(&me, index)? };
    let mut home = store::Home::open(Arc::clone(&platform.vfs), &settings.data_dir)?;
    home.initialize_with(identity, settings.epoch, u64::from(settings.group), &options, |snapshots, log, writer| {
        write_snapshot(snapshots, &header, state)?;
        begin_log(log, writer, last, me.id)
    })?;
    Ok(me)
}

/// The membership of one voter, as a snapshot's header carries it.
fn alone(me: &Member, index: u64) -> Result<bytes::Bytes, OfflineError> {
    let nodes = BTreeMap::from([Record::of(me.clone())]);
    let membership = Membership::new(vec![BTreeSet::from([me.id])], nodes);
    let membership = membership.expect("the only voter is among the nodes");
    let stored = StoredMembership::new(Some(log_id(FIRST_TERM, index)), membership);
    Ok(stored_membership_to_disk(&stored, &BTreeSet::new()))
}

fn write_snapshot(snapshots: &Snapshots, header: &store::SnapshotHeader, state: &impl Frozen) -> Result<(), OfflineError> {
    let mut writer = snapshots.begin(header)?;
    let mut fault = None;
    let mut sink = |record: &[u8]| {
        if record.len() > SNAPSHOT_RECORD_BYTES_MAX {
            let len = record.len();
            return Err(std::io::Error::other(format!("snapshot record of {len} bytes must be <= {SNAPSHOT_RECORD_BYTES_MAX}")));
        }
        writer.record(record).map_err(|error| {
            let told = std::io::Error::other(error.to_string());
            fault = Some(error);
            told
        })
    };
    let written = state.write(&mut sink);
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    written.map_err(OfflineError::Write)?;
    writer.finish()?;
    Ok(())
}

/// A log in which nothing is left, whose vote is above the snapshot's term.
fn begin_log(log: &Log, writer: &mut LogWriter, last: store::LogId, node: u64) -> Result<(), OfflineError> {
    let vote = vote_to_disk(&Vote::new(FIRST_TERM, node));
    for op in [Op::Purge { upto: last }, Op::SaveCommitted(Some(last)), Op::SaveVote(vote)] {
        // A fault stops the writer, which says so itself.
        let taken = log.submit(op, Box::new(drop));
        taken.expect("an empty log takes a purge mark, and its queue has room for three operations");
    }
    writer.drive()?;
    Ok(())
}
