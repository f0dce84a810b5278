//! What openraft calls to reach its peers: votes, pre-votes, heartbeats, leadership transfer; streams and snapshots are
//! in `append` and `install`.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption, RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tidegate_platform::{Network, Spawner};
use tidegate_proto::peer::v1 as wire;

use super::link::{CallError, Link};
use super::route::Identity;
use super::{append, install};
use crate::codec::{CodecError, entry_out, log_id_in, log_id_out, vote_in, vote_out};
use crate::node::snapshot::{Snapshot, SnapshotData};
use crate::node::types::{LogId, Record, Types, Vote};
use crate::runtime::Runtime;
use crate::status::Member;

/// The connections to one peer, one per purpose.
pub(crate) struct Peer {
    pub(crate) member: Member,
    /// Log replication.
    pub(crate) replication: Link,
    /// Heartbeats, votes, leadership transfer.
    pub(crate) control: Link,
    /// Snapshots.
    pub(crate) snapshot: Link,
    /// Read indexes and asks.
    pub(crate) calls: Link,
}

/// All peers, made when first asked for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers {
    inner: Arc<PeersInner>,
}

struct PeersInner {
    identity: Identity,
    network: Arc<dyn Network>,
    spawner: Arc<dyn Spawner>,
    /// By node id; an entry is replaced when the node's store or address changed, so it is as large as the membership
    /// ever was.
    by_id: Mutex<BTreeMap<u64, Arc<Peer>>>,
}

impl Peers {
    pub(crate) fn new(identity: Identity, network: Arc<dyn Network>, spawner: Arc<dyn Spawner>) -> Self {
        let by_id = Mutex::new(BTreeMap::new());
        Self { inner: Arc::new(PeersInner { identity, network, spawner, by_id }) }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    pub(crate) fn spawner(&self) -> &Arc<dyn Spawner> {
        &self.inner.spawner
    }

    pub(crate) fn link_to(&self, authority: &str) -> Link {
        Link::new(authority, Arc::clone(&self.inner.network), Arc::clone(&self.inner.spawner))
    }

    pub(crate) fn peer(&self, member: &Member) -> Arc<Peer> {
        let mut by_id = self.inner.by_id.lock().expect("no panic happens under this lock");
        if let Some(peer) = by_id.get(&member.id)
            && peer.member == *member
        {
            return Arc::clone(peer);
        }
        let link = || self.link_to(&member.peer_addr);
        let peer =
            Arc::new(Peer { member: member.clone(), replication: link(), control: link(), snapshot: link(), calls: link() });
        by_id.insert(member.id, Arc::clone(&peer));
        peer
    }
}

/// Makes clients for openraft.
pub(crate) struct Factory {
    pub(crate) peers: Peers,
}

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Replication,
    Heartbeat,
    Snapshot,
}

/// One client of openraft's.
pub(crate) struct PeerClient {
    peers: Peers,
    peer: Arc<Peer>,
    purpose: Purpose,
}

impl Factory {
    fn client(&self, member: &Member, purpose: Purpose) -> PeerClient {
        PeerClient { peers: self.peers.clone(), peer: self.peers.peer(member), purpose }
    }
}

impl<Rt: Runtime> RaftNetworkFactory<Types<Rt>> for Factory {
    type Network = PeerClient;

    async fn new_client(&mut self, target: u64, node: &Record) -> PeerClient {
        self.client(&node.member(target), Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &Record) -> PeerClient {
        self.client(&node.member(target), Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &Record) -> PeerClient {
        self.client(&node.member(target), Purpose::Snapshot)
    }
}

/// How openraft is told about a failed call: nothing that it could mend at once is worth retrying at once.
pub(crate) fn unreachable<Rt: Runtime>(error: &CallError) -> RPCError<Types<Rt>> {
    RPCError::Unreachable(Unreachable::new(error))
}

pub(crate) fn malformed<Rt: Runtime>(error: &CodecError) -> RPCError<Types<Rt>> {
    RPCError::Network(NetworkError::new(error))
}

pub(crate) fn append_out<Rt: Runtime>(request: &AppendEntriesRequest<Types<Rt>>) -> wire::Append {
    wire::Append {
        ballot: Some(vote_out(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id_out),
        entries: request.entries.iter().map(entry_out).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_out),
    }
}

fn vote_response_in<Rt: Runtime>(
    ballot: Option<wire::Ballot>,
    last: Option<wire::LogId>,
    is_granted: bool,
) -> Result<VoteResponse<Types<Rt>>, RPCError<Types<Rt>>> {
    let vote: Vote = vote_in(ballot).map_err(|error| malformed(&error))?;
    Ok(VoteResponse::new(vote, last.map(log_id_in), is_granted))
}

impl PeerClient {
    fn route(&self) -> Option<wire::Route> {
        Some(self.peers.identity().route_to(&self.peer.member))
    }

    /// One append call on the control link: a heartbeat.
    async fn append_once<Rt: Runtime>(
        &self,
        request: AppendEntriesRequest<Types<Rt>>,
        limit: Duration,
    ) -> Result<StreamAppendResult<Types<Rt>>, RPCError<Types<Rt>>> {
        let last: Option<LogId> = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let previous = request.prev_log_id;
        let message = wire::AppendRequest { route: self.route(), append: Some(append_out(&request)) };
        let call = |mut client: super::link::Client| async move { client.append(message).await };
        let response = self.peer.control.call(limit, call).await.map_err(|error| unreachable(&error))?;
        append::single_result_in(response, previous, last).map_err(|error| malformed(&error))
    }
}

impl<Rt: Runtime> NetStreamAppend<Types<Rt>> for PeerClient {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<Types<Rt>>, RPCError<Types<Rt>>>>, RPCError<Types<Rt>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types<Rt>>> + Send + Unpin + 'static,
    {
        match self.purpose {
            Purpose::Replication => {
                let (peer, route) = (Arc::clone(&self.peer), self.route());
                Box::pin(append::stream(peer, route, input))
            }
            // One request at a time on a link without a queue: what a heartbeat is for.
            Purpose::Heartbeat | Purpose::Snapshot => Box::pin(async move {
                let limit = option.hard_ttl();
                let this = &*self;
                let responses = Box::pin(input.then(move |request| this.append_once(request, limit)));
                let until_refused = stream::unfold(Some(responses), |state| async move {
                    let mut responses = state?;
                    let result = responses.next().await?;
                    let goes_on = matches!(result, Ok(Ok(_)));
                    Some((result, goes_on.then_some(responses)))
                });
                Ok(Box::pin(until_refused) as BoxStream<'s, _>)
            }),
        }
    }
}

impl<Rt: Runtime> NetVote<Types<Rt>> for PeerClient {
    async fn vote(
        &mut self,
        rpc: VoteRequest<Types<Rt>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<Rt>>, RPCError<Types<Rt>>> {
        let message = wire::VoteRequest {
            route: self.route(),
            ballot: Some(vote_out(&rpc.vote)),
            last: rpc.last_log_id.as_ref().map(log_id_out),
            is_transfer: rpc.leadership_transfer,
        };
        let call = |mut client: super::link::Client| async move { client.vote(message).await };
        let answer = self.peer.control.call(option.soft_ttl(), call).await.map_err(|error| unreachable(&error))?;
        vote_response_in(answer.ballot, answer.last, answer.is_granted)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types<Rt>>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types<Rt>>, RPCError<Types<Rt>>> {
        let message = wire::PreVoteRequest {
            route: self.route(),
            ballot: Some(vote_out(&rpc.vote)),
            last: rpc.last_log_id.as_ref().map(log_id_out),
        };
        let call = |mut client: super::link::Client| async move { client.pre_vote(message).await };
        let answer = self.peer.control.call(option.soft_ttl(), call).await.map_err(|error| unreachable(&error))?;
        vote_response_in(answer.ballot, answer.last, answer.is_granted)
    }
}

impl<Rt: Runtime> NetTransferLeader<Types<Rt>> for PeerClient {
    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types<Rt>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types<Rt>>, RPCError<Types<Rt>>> {
        use wire::transfer_leader_response::Result as Outcome;
        let message = wire::TransferLeaderRequest {
            route: self.route(),
            from: Some(vote_out(req.from_leader())),
            to: *req.to_node_id(),
            last: req.last_log_id().map(log_id_out),
        };
        let call = |mut client: super::link::Client| async move { client.transfer_leader(message).await };
        let answer = self.peer.control.call(option.soft_ttl(), call).await.map_err(|error| unreachable(&error))?;
        let ballot = |ballot| vote_in(ballot).map_err(|error| malformed(&error));
        match answer.result {
            Some(Outcome::Success(wire::Success {})) => Ok(Ok(())),
            Some(Outcome::BallotChanged(changed)) => {
                Ok(Err(TransferLeaderError::VoteChanged { expected: ballot(changed.expected)?, actual: ballot(changed.actual)? }))
            }
            Some(Outcome::LogNotFlushed(log)) => Ok(Err(TransferLeaderError::LogNotFlushed {
                expected: log.expected.map(log_id_in),
                actual: log.actual.map(log_id_in),
            })),
            None => Err(malformed(&CodecError::Missing { field: "transfer_leader.result" })),
        }
    }
}

impl<Rt: Runtime> NetSnapshot<Types<Rt>> for PeerClient {
    type SnapshotData = SnapshotData;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types<Rt>>, StreamingError<Types<Rt>>> {
        let send = install::send::<Rt>(&self.peers, &self.peer, self.route(), vote, snapshot);
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            result = send => result,
        }
    }
}

impl<Rt: Runtime> NetBackoff<Types<Rt>> for PeerClient {
    fn backoff(&self) -> Option<Backoff> {
        // Doubling from 50 ms to half a second: a peer that came back is found before an election would be due.
        let growing = [50u64, 100, 200, 400].into_iter().map(Duration::from_millis);
        Some(Backoff::new(growing.chain(std::iter::repeat(Duration::from_millis(500)))))
    }
}
