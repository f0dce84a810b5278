//! How a cluster goes on in a new epoch: from a backup ([`restore`]), or from what one node has left behind ([`recover`]).
//!
//! Both make a fresh data folder for one node, which is the only voter of the new epoch; the other nodes join it with
//! empty folders. What is read is never changed, so that it can be tried again and looked into afterwards. The number of
//! the epoch comes from the configuration, where it has to be raised first: it is what keeps everybody of an earlier
//! epoch out, and two restores of one backup apart. Nothing here runs beside a node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_consensus::offline::{self, Folder, Left, OfflineError};
use tidegate_machine::{EpochError, NewEpoch, Origin, State, begin_epoch};
use tidegate_model::{Principal, RequestId, Timestamp};
use tidegate_platform::{OpenMode, Platform, Vfs};
use tidegate_store::journal::JournalBounds;
use tidegate_store::{Journal, JournalError};

use crate::application::Tidegate;
use crate::backup::{self, BackupError};
use crate::codec::FrozenState;
use crate::config::Config;
use crate::journal::{self, Books, Rows};
use crate::limits::{COPY_BUFFER_BYTES, COPY_DEPTH_MAX, GROUP};

/// In whose name a new epoch begins: nobody could be asked for a token.
const PRINCIPAL: &str = "offline";

/// Why no new epoch was begun. The new folder is of no use then and may be removed; what was read is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NewEpochError {
    /// The backup cannot be used.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The folder cannot be read back, or the new one not be made.
    #[error(transparent)]
    Folder(#[from] OfflineError),
    /// The new data folder has something in it.
    #[error("the data folder {} must be empty or missing, it holds {found}", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// The first thing found there.
        found: String,
    },
    /// What is read belongs to another cluster than the configuration names.
    #[error("the configuration names cluster {configured:032x}, what is read belongs to cluster {found:032x}")]
    OtherCluster {
        /// The cluster of `cluster.name`.
        configured: u128,
        /// The cluster of the backup or folder.
        found: u128,
    },
    /// An address at which the others are to find the node has no port: the system would choose another one at each start.
    #[error("{setting} is {address}, must have a port: it is recorded as where node {node} is found in the new epoch")]
    NoPort {
        /// The setting that has to name a port.
        setting: &'static str,
        /// What is configured.
        address: String,
        /// The node.
        node: u64,
    },
    /// The configured epoch is not above the old one, or leads too far.
    #[error("cluster.epoch does not begin a new epoch")]
    Epoch(#[from] EpochError),
    /// The log holds an entry of a newer build.
    #[error("{reason}")]
    NotUnderstood {
        /// Which, and why.
        reason: String,
    },
    /// The new journal cannot be made.
    #[error("cannot make the journal")]
    Journal(#[from] JournalError),
    /// A file cannot be copied or listed.
    #[error("cannot copy {}", path.display())]
    Copy {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A cluster in its new epoch, as it lies in the new folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// The only voter.
    pub node: u64,
    /// The old epoch.
    pub epoch_before: u64,
    /// The new one.
    pub epoch: u64,
    /// The last config version of what was read.
    pub config_version_before: u64,
    /// The config version with which the new epoch begins.
    pub config_version: u64,
    /// Objects in the catalog.
    pub objects: usize,
}

/// What a stopped node's folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Whose it is.
    pub node: u64,
    /// The epoch in which it was made.
    pub epoch: u64,
    /// Log and snapshot.
    pub left: Left,
    /// Config version of the state that they make.
    pub config_version: u64,
    /// Objects in its catalog.
    pub objects: usize,
}

/// Makes the data folder of `config` from the backup at `path`.
///
/// # Errors
/// See [`NewEpochError`].
pub fn restore(config: &Config, platform: &Platform, path: &Path) -> Result<Founded, NewEpochError> {
    let (header, state) = backup::read(&*platform.vfs, path)?;
    check_cluster(config, u128::from_be_bytes(header.cluster.0))?;
    check_addresses(config)?;
    let (from, version) = (header.epoch, header.config_version);
    let new = new_epoch(config, platform, Origin::Restored, format!("a backup of epoch {from}, config version {version}"));
    // Judged before anything is written.
    begin_epoch(&state, &new)?;
    make_folder(&*platform.vfs, &config.data_dir)?;
    let journal = Journal::open(&journal_of(&config.data_dir), JournalBounds::initial())?;
    let (mut writer, books) = journal::open_inline(journal);
    writer.jumped(state.applied_index());
    found(config, platform, &state, &new, &mut writer, &books)
}

/// Makes the data folder of `config` from what the node whose folder is `from` has left: everything in its snapshot and
/// log, whether or not it was known as committed, and its history and audit.
///
/// # Errors
/// See [`NewEpochError`].
pub fn recover(config: &Config, platform: &Platform, from: &Path) -> Result<Founded, NewEpochError> {
    let folder = Folder::open(Arc::clone(&platform.vfs), from)?;
    check_cluster(config, folder.cluster_id())?;
    check_addresses(config)?;
    // Read once without consequences: whatever is wrong with it is known before anything is written.
    let (remains, application) = look(&folder, Journal::in_memory(JournalBounds::initial()))?;
    let last = remains.left.last_index;
    let reason = format!("what node {} had left in epoch {}: entry {last}", remains.node, remains.epoch);
    let new = new_epoch(config, platform, Origin::Recovered, reason);
    begin_epoch(application.state(), &new)?;
    drop(application);
    make_folder(&*platform.vfs, &config.data_dir)?;
    copy_folder(&*platform.vfs, &journal_of(from), &journal_of(&config.data_dir), COPY_DEPTH_MAX)?;
    let (writer, books) = journal::open_inline(Journal::open(&journal_of(&config.data_dir), JournalBounds::initial())?);
    let mut application = application_of(&folder, writer);
    folder.replay(GROUP, &mut application)?;
    let state = application.state().clone();
    found(config, platform, &state, &new, application.books(), &books)
}

/// What the folder of a stopped node holds, read and verified to its end. Nothing is changed but that its log notes, as at
/// each start, that it was opened.
///
/// # Errors
/// It cannot be read back.
pub fn remains(platform: &Platform, from: &Path) -> Result<Remains, NewEpochError> {
    let folder = Folder::open(Arc::clone(&platform.vfs), from)?;
    look(&folder, Journal::in_memory(JournalBounds::initial())).map(|(remains, _)| remains)
}

fn application_of(folder: &Folder, writer: journal::BookWriter) -> Tidegate {
    Tidegate::new(folder.cluster_id(), folder.epoch(), writer, Arc::default()).0
}

fn look(folder: &Folder, journal: Journal) -> Result<(Remains, Tidegate), NewEpochError> {
    let (writer, _books) = journal::open_inline(journal);
    let (mut application, shelf) = Tidegate::new(folder.cluster_id(), folder.epoch(), writer, Arc::default());
    let left = folder.replay(GROUP, &mut application)?;
    if let Some(reason) = shelf.poison_reason() {
        return Err(NewEpochError::NotUnderstood { reason: reason.to_owned() });
    }
    let state = application.state();
    let remains = Remains {
        node: folder.node(),
        epoch: folder.epoch(),
        left,
        config_version: state.config_version(),
        objects: state.catalog().len(),
    };
    Ok((remains, application))
}

fn new_epoch(config: &Config, platform: &Platform, origin: Origin, reason: String) -> NewEpoch {
    NewEpoch {
        epoch: config.epoch,
        origin,
        at: Timestamp::from_millis(platform.clock.wall_ms()),
        principal: Principal::new(PRINCIPAL).expect("letters"),
        request_id: RequestId::new(&format!("epoch-{}", config.epoch)).expect("letters, digits and a dash"),
        reason,
    }
}

fn check_cluster(config: &Config, found: u128) -> Result<(), NewEpochError> {
    let configured = config.cluster_id;
    if found == configured { Ok(()) } else { Err(NewEpochError::OtherCluster { configured, found }) }
}

/// Where the others find the node in the new epoch, each with the setting that it comes from unless one is advertised.
fn addresses(config: &Config) -> [(&'static str, String); 3] {
    let told =
        |advertised: &Option<String>, listens: std::net::SocketAddr| advertised.clone().unwrap_or_else(|| listens.to_string());
    let (advertise, listen) = (&config.advertise, &config.listen);
    [
        ("listen.admin", told(&advertise.admin, listen.admin)),
        ("listen.device", told(&advertise.device, listen.device)),
        ("listen.peer", config.peer_addr()),
    ]
}

/// What is advertised has a port, by the rules of the configuration.
fn check_addresses(config: &Config) -> Result<(), NewEpochError> {
    let has_no_port = |(_, address): &(&str, String)| address.ends_with(":0");
    match addresses(config).into_iter().find(has_no_port) {
        None => Ok(()),
        Some((setting, address)) => Err(NewEpochError::NoPort { setting, address, node: config.node }),
    }
}

/// Begins the epoch: the audit record first, the folder's identity last.
fn found(
    config: &Config,
    platform: &Platform,
    state: &State,
    new: &NewEpoch,
    writer: &mut journal::BookWriter,
    books: &Books,
) -> Result<Founded, NewEpochError> {
    let (next, record) = begin_epoch(state, new)?;
    // Rows that this journal lacks are nowhere.
    writer.give_up();
    writer.write(Rows::audit_only(record));
    writer.give_up();
    books.flush()?;
    let [(_, admin), (_, device), _] = addresses(config);
    let settings = config.consensus_settings(admin, device);
    let frozen = FrozenState::new(next.clone(), config.cluster_id);
    let me = offline::found(&settings, platform, next.applied_index(), &frozen)?;
    Ok(Founded {
        node: me.id,
        epoch_before: state.epoch(),
        epoch: next.epoch(),
        config_version_before: state.config_version(),
        config_version: next.config_version(),
        objects: next.catalog().len(),
    })
}

fn journal_of(folder: &Path) -> PathBuf {
    folder.join("journal")
}

/// Makes a folder in which nothing is.
fn make_folder(vfs: &dyn Vfs, folder: &Path) -> Result<(), NewEpochError> {
    let failed = |source| NewEpochError::Copy { path: folder.to_owned(), source };
    vfs.create_dir_all(folder).map_err(failed)?;
    match vfs.read_dir(folder).map_err(failed)?.into_iter().next() {
        None => Ok(()),
        Some(found) => Err(NewEpochError::NotEmpty { folder: folder.to_owned(), found }),
    }
}

/// Copies what is in a folder, if there is one. Without promise of durability: the journal is a view.
fn copy_folder(vfs: &dyn Vfs, from: &Path, to: &Path, depth: usize) -> Result<(), NewEpochError> {
    let failed = |source| NewEpochError::Copy { path: from.to_owned(), source };
    if !vfs.exists(from).map_err(failed)? || depth == 0 {
        return Ok(());
    }
    vfs.create_dir_all(to).map_err(failed)?;
    for name in vfs.read_dir(from).map_err(failed)? {
        let (from, to) = (from.join(&name), to.join(&name));
        // Only a folder can be listed.
        if vfs.read_dir(&from).is_ok() {
            copy_folder(vfs, &from, &to, depth - 1)?;
        } else {
            copy_file(vfs, &from, &to).map_err(|source| NewEpochError::Copy { path: from, source })?;
        }
    }
    Ok(())
}

fn copy_file(vfs: &dyn Vfs, from: &Path, to: &Path) -> std::io::Result<()> {
    let (from, to) = (vfs.open(from, OpenMode::Read)?, vfs.open(to, OpenMode::CreateNew)?);
    let (len, mut at) = (from.len()?, 0);
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    while at < len {
        let part = usize::try_from(len - at).unwrap_or(COPY_BUFFER_BYTES).min(COPY_BUFFER_BYTES);
        from.read_at(at, &mut buffer[..part])?;
        to.write_at(at, &buffer[..part])?;
        at += part as u64;
    }
    Ok(())
}
