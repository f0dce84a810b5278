//! Backups: sent while writes go on, and read back.
//!
//! A backup is the published state, which never changes, so it is consistent whatever is written meanwhile. It begins
//! behind a read barrier and so holds everything acknowledged before the call. Sending needs a thread, for the state is
//! encoded as it goes; the reader's pace bounds how far ahead that thread is.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tidegate_consensus::{Frozen as _, InstallError};
use tidegate_distribution::{Fated, FatedSender, fated};
use tidegate_machine::State;
use tidegate_platform::Vfs;
use tidegate_proto::admin::v1 as admin;
use tidegate_store::{BackupEncoder, BackupHeader, BackupReader, ClusterId, Fault};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::codec::{FrozenState, read_state};
use crate::context::Context;
use crate::limits::{BACKUP_CHUNK_BYTES, BACKUP_CHUNKS_AHEAD, GROUP};
use crate::refusal::Door;

pub use tidegate_store::BackupFile;

/// Sends the state as a backup file.
pub(crate) fn send(context: &Context, state: State, slot: OwnedSemaphorePermit) -> Fated<admin::BackupResponse> {
    let cluster_id = context.config.cluster_id;
    let header = BackupHeader {
        group: u64::from(GROUP),
        cluster: ClusterId(cluster_id.to_be_bytes()),
        epoch: state.epoch(),
        config_version: state.config_version(),
        applied_index: state.applied_index(),
        taken_at_ms: u64::try_from(context.platform.clock.wall_ms()).unwrap_or(0),
        build: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (made, chunks) = mpsc::channel(BACKUP_CHUNKS_AHEAD);
    let (sender, stream) = fated(BACKUP_CHUNKS_AHEAD);
    let spawner = &context.platform.spawner;
    let work = move || encode(&header, &FrozenState::new(state, cluster_id), &made);
    spawner.spawn_blocking("backup", Box::new(work));
    spawner.spawn("backup stream", Box::pin(forward(chunks, sender, slot)));
    stream
}

/// Hands the chunks on; ends with the reader, and then the encoding thread finds nobody to make them for.
async fn forward(
    mut chunks: mpsc::Receiver<Result<Vec<u8>, Door>>,
    sender: FatedSender<admin::BackupResponse>,
    _slot: OwnedSemaphorePermit,
) {
    while let Some(chunk) = chunks.recv().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(door) => return sender.end(door.into()),
        };
        for part in pieces(chunk.into()) {
            if !sender.send(admin::BackupResponse { chunk: part }).await {
                return sender.end(Door::Busy.into());
            }
        }
    }
}

/// One record may be longer than a message.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let len = bytes.len().min(BACKUP_CHUNK_BYTES);
        (len > 0).then(|| bytes.split_to(len))
    })
}

fn encode(header: &BackupHeader, state: &FrozenState, made: &mpsc::Sender<Result<Vec<u8>, Door>>) {
    let gone = |_| io::Error::other("the reader is gone");
    let work = || -> io::Result<()> {
        let mut encoder = BackupEncoder::begin(header).map_err(io::Error::other)?;
        state.write(&mut |record| {
            encoder.record(record).map_err(io::Error::other)?;
            if encoder.ready_bytes() >= BACKUP_CHUNK_BYTES {
                made.blocking_send(Ok(encoder.take())).map_err(gone)?;
            }
            Ok(())
        })?;
        made.blocking_send(Ok(encoder.finish())).map_err(gone)
    };
    if let Err(error) = work() {
        tracing::warn!(%error, "a backup was not sent to its end");
        // If the reader is gone, nobody wants to know.
        let _is_wanted = made.blocking_send(Err(Door::NotReady)).is_ok();
    }
}

/// Why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It cannot be read, is damaged, is cut short, or a newer build wrote it; names the place.
    #[error(transparent)]
    Unreadable(#[from] Fault),
    /// The file is whole, and its records do not make a state.
    #[error("{path} does not hold a state")]
    NoState {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: InstallError,
    },
    /// The header says something else than the records.
    #[error("{path} names {field} {header} in its header, its records have {found}")]
    Contradiction {
        /// The file.
        path: String,
        /// What differs.
        field: &'static str,
        /// According to the header.
        header: u64,
        /// According to the records.
        found: u64,
    },
}

/// Reads a whole backup: every checksum, every record, and that they make a state with the digest that it had.
///
/// # Errors
/// The first thing that is wrong.
pub fn read(vfs: &dyn Vfs, path: &Path) -> Result<(BackupHeader, State), BackupError> {
    let mut reader = BackupReader::open(vfs, path)?;
    let header = reader.header().clone();
    let mut fault = None;
    let mut records = reader.by_ref().map(|record| {
        record.map_err(|error| {
            let told = io::Error::other(error.to_string());
            fault = Some(error);
            told
        })
    });
    let state = read_state(&mut records, u128::from_be_bytes(header.cluster.0));
    let name = path.display().to_string();
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    let state = state.map_err(|source| BackupError::NoState { path: name.clone(), source })?;
    for (field, said, found) in [
        ("epoch", header.epoch, state.epoch()),
        ("config version", header.config_version, state.config_version()),
        ("applied index", header.applied_index, state.applied_index()),
    ] {
        if said != found {
            return Err(BackupError::Contradiction { path: name, field, header: said, found });
        }
    }
    Ok((header, state))
}
