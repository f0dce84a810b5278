//! A snapshot from one node to another: its file in pieces, kept only if it came whole.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use openraft::StorageError;
use openraft::errors::{ErrorSource, NetworkError, StreamingError, Unreachable};
use openraft::raft::SnapshotResponse;
use tidegate_platform::Spawner;
use tidegate_proto::peer::v1 as wire;
use tidegate_store::snapshot::{Incoming, SnapshotBytes};
use tokio::sync::{Semaphore, watch};
use tonic::{Status, Streaming};

use super::link::CallError;
use super::network::{Peer, Peers};
use crate::codec::{log_id_in, log_id_out, stored_membership_in, stored_membership_out, vote_in, vote_out};
use crate::limits::{SNAPSHOT_CHUNK_BYTES, SNAPSHOT_INSTALL_MAX, SNAPSHOT_STALL_MAX};
use crate::node::blocking;
use crate::node::snapshot::{Snapshot, SnapshotData, SnapshotFiles};
use crate::node::types::{LogId, SnapshotMeta, Types, Vote, term_of};
use crate::runtime::Runtime;

/// Sends a snapshot and waits until the other side has installed or refused it.
pub(crate) async fn send<Rt: Runtime>(
    peers: &Peers,
    peer: &Arc<Peer>,
    route: Option<wire::Route>,
    vote: Vote,
    snapshot: Snapshot,
) -> Result<SnapshotResponse<Types<Rt>>, StreamingError<Types<Rt>>> {
    let bytes = open_verified::<Rt>(peers, snapshot.snapshot).await?;
    let begin = wire::SnapshotBegin {
        route,
        ballot: Some(vote_out(&vote)),
        last: snapshot.meta.last_log_id.as_ref().map(log_id_out),
        membership: Some(stored_membership_out(&snapshot.meta.last_membership)),
    };
    let (progress, watched) = watch::channel(0);
    let pieces = pieces(begin, bytes, Arc::clone(peers.spawner()), progress);
    let call = |mut client: super::link::Client| async move { client.install_snapshot(pieces).await };
    let transfer = peer.snapshot.call(SNAPSHOT_INSTALL_MAX, call);
    let answer = tokio::select! {
        biased;
        answer = transfer => answer.map_err(|error| unreachable(&error))?,
        stalled = stalled(watched) => {
            peer.snapshot.distrust();
            return Err(unreachable(&CallError::TimedOut(stalled)));
        }
    };
    let vote = vote_in(answer.ballot).map_err(|error| StreamingError::Network(NetworkError::new(&error)))?;
    Ok(SnapshotResponse::new(vote))
}

fn unreachable<Rt: Runtime>(error: &CallError) -> StreamingError<Types<Rt>> {
    StreamingError::Unreachable(Unreachable::new(error))
}

/// The bytes of a file that was read once more: damage on this node's disk is this node's fault, not the receiver's.
async fn open_verified<Rt: Runtime>(peers: &Peers, data: SnapshotData) -> Result<SnapshotBytes, StreamingError<Types<Rt>>> {
    let SnapshotData::Stored { snapshots, meta } = data else {
        let error = io::Error::other("a received snapshot is sent on only after it was kept");
        return Err(StreamingError::Network(NetworkError::new(&error)));
    };
    let work = move || {
        let bytes = snapshots.bytes(&meta)?;
        snapshots.verify(&meta).map(|()| bytes)
    };
    let verified = blocking::run(&**peers.spawner(), "verify-snapshot", work).await;
    match verified {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(fault)) => Err(storage_error(&fault)),
        Err(error) => Err(storage_error(&error)),
    }
}

fn storage_error<Rt: Runtime>(error: &(impl std::error::Error + 'static)) -> StreamingError<Types<Rt>> {
    let source = openraft::impls::BoxedErrorSource::from_error(error);
    StreamingError::StorageError(StorageError::read_snapshot(None, source))
}

/// Ends when the number of bytes sent has not moved for too long.
async fn stalled(mut progress: watch::Receiver<u64>) -> std::time::Duration {
    loop {
        match tokio::time::timeout(SNAPSHOT_STALL_MAX, progress.changed()).await {
            Ok(Ok(())) => {}
            // All pieces are out; the receiver may take its time to install.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return SNAPSHOT_STALL_MAX,
        }
    }
}

/// Begin, chunks and end, each chunk read when it is wanted.
fn pieces(
    begin: wire::SnapshotBegin,
    bytes: SnapshotBytes,
    spawner: Arc<dyn Spawner>,
    progress: watch::Sender<u64>,
) -> impl futures_util::Stream<Item = wire::InstallSnapshotRequest> + Send + 'static {
    use wire::install_snapshot_request::Message;
    let request = |message| wire::InstallSnapshotRequest { message: Some(message) };
    let rest = stream::unfold(Some((bytes, 0, spawner, progress)), move |state| async move {
        let (bytes, offset, spawner, progress) = state?;
        if offset >= bytes.len() {
            return Some((request(Message::End(wire::SnapshotEnd { bytes: offset })), None));
        }
        let source = bytes.clone();
        let read = blocking::run(&*spawner, "read-snapshot", move || source.chunk(offset, SNAPSHOT_CHUNK_BYTES)).await;
        // A file that cannot be read ends the stream early, which the receiver takes for a broken transfer.
        let chunk = read.ok()?.inspect_err(|fault| tracing::error!(%fault, "a snapshot cannot be read")).ok()?;
        let next = offset + chunk.len() as u64;
        progress.send_replace(next);
        Some((request(Message::Chunk(Bytes::from(chunk))), Some((bytes, next, spawner, progress))))
    });
    futures_util::StreamExt::chain(stream::iter([request(Message::Begin(begin))]), rest)
}

/// Receives snapshots, one at a time.
pub(crate) struct Receiver {
    files: SnapshotFiles,
    spawner: Arc<dyn Spawner>,
    slot: Semaphore,
}

impl Receiver {
    pub(crate) fn new(files: SnapshotFiles, spawner: Arc<dyn Spawner>) -> Self {
        Self { files, spawner, slot: Semaphore::new(1) }
    }

    /// Writes the pieces into a file; it becomes a snapshot only when openraft accepts it.
    pub(crate) async fn receive(
        &self,
        begin: wire::SnapshotBegin,
        vote: Vote,
        committed: Option<LogId>,
        pieces: &mut Streaming<wire::InstallSnapshotRequest>,
    ) -> Result<Snapshot, Status> {
        let meta = meta_in(begin, &vote, committed)?;
        let _slot = self.slot.try_acquire().map_err(|_| Status::resource_exhausted("another snapshot is being received"))?;
        let begun = self.files.store().begin_install().map_err(|fault| disk(&fault))?;
        let incoming = self.write_all(begun, pieces).await?;
        Ok(Snapshot { meta, snapshot: SnapshotData::Received(incoming) })
    }

    async fn write_all(
        &self,
        mut incoming: Incoming,
        pieces: &mut Streaming<wire::InstallSnapshotRequest>,
    ) -> Result<Incoming, Status> {
        use wire::install_snapshot_request::Message;
        loop {
            let piece = tokio::time::timeout(SNAPSHOT_STALL_MAX, pieces.message()).await;
            let piece = piece.map_err(|_| Status::deadline_exceeded("the snapshot's next piece did not come"))??;
            match piece.and_then(|piece| piece.message) {
                Some(Message::Chunk(chunk)) => {
                    let write = move || {
                        let offset = incoming.received();
                        incoming.write(offset, &chunk).map(|()| incoming)
                    };
                    let written = blocking::run(&*self.spawner, "write-snapshot", write).await;
                    incoming = written.map_err(|error| disk(&error))?.map_err(|fault| disk(&fault))?;
                }
                Some(Message::End(end)) if end.bytes == incoming.received() => return Ok(incoming),
                Some(Message::End(end)) => {
                    let received = incoming.received();
                    return Err(Status::data_loss(format!("snapshot of {} bytes came as {received} bytes", end.bytes)));
                }
                Some(Message::Begin(_)) | None => return Err(Status::data_loss("the snapshot ends before its end")),
            }
        }
    }
}

fn disk(error: &impl std::fmt::Display) -> Status {
    Status::internal(format!("the snapshot cannot be written: {error}"))
}

/// Checks what openraft would take for a broken cluster and stop at.
fn meta_in(begin: wire::SnapshotBegin, vote: &Vote, committed: Option<LogId>) -> Result<SnapshotMeta, Status> {
    let missing = |field: &'static str| Status::invalid_argument(format!("snapshot lacks {field}"));
    let membership = begin.membership.ok_or_else(|| missing("membership"))?;
    let last = begin.last.map(log_id_in).ok_or_else(|| missing("last"))?;
    if term_of(&last) > vote.leader_id.term {
        let (snapshot, leader) = (term_of(&last), vote.leader_id.term);
        return Err(Status::invalid_argument(format!("snapshot of term {snapshot} must be <= term {leader} of its sender")));
    }
    if let Some(committed) = committed
        && last > committed
        && last.index <= committed.index
    {
        return Err(Status::failed_precondition(format!("snapshot {last} contradicts entry {committed} committed here")));
    }
    let last_membership = stored_membership_in(membership).map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(SnapshotMeta { last_log_id: Some(last), last_membership })
}
