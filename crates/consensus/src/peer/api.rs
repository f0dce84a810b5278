//! Answers peer calls: checks the route, hands the call to consensus, and says what came of it.
//!
//! Handlers run on whatever task the connection uses; everything that reaches openraft goes through the runtime's scope.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use openraft::base::BoxStream;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest, VoteRequest};
use tidegate_platform::{PeerIdentity, Random};
use tidegate_proto::peer::v1 as wire;
use tidegate_proto::peer::v1::peer_service_server::PeerService;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, Streaming};

use super::append;
use super::install::Receiver;
use super::route::{Gate, Trust};
use super::server::Certificate;
use crate::application::Application;
use crate::ask::{AskHandler, AskRefused};
use crate::codec::{CodecError, entry_in, log_id_in, log_id_out, member_out, uuid_bytes, vote_in, vote_out};
use crate::freshness::wall::Walls;
use crate::limits::{ASK_BYTES_MAX, ASKS_IN_FLIGHT_MAX};
use crate::node::machine::Machine;
use crate::node::rounds::{Confirmation, Rounds};
use crate::node::types::{Raft, Types};
use crate::runtime::Runtime;

/// The peer service of one node.
pub(crate) struct Api<Rt: Runtime, A: Application> {
    pub(crate) raft: Raft<Rt, Machine<A>>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) rounds: Arc<Rounds<Rt, A>>,
    pub(crate) walls: Arc<Walls>,
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) asks: Arc<dyn AskHandler>,
    pub(crate) ask_slots: Semaphore,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) supported_version: u32,
}

/// Slots for asks served at the same time.
pub(crate) fn ask_slots() -> Semaphore {
    Semaphore::new(ASKS_IN_FLIGHT_MAX)
}

fn certificate<T>(request: &Request<T>) -> Option<PeerIdentity> {
    request.extensions().get::<Certificate>().and_then(|certificate| certificate.0.clone())
}

fn malformed(error: CodecError) -> Status {
    Status::invalid_argument(error.to_string())
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(format!("the node has stopped: {error}"))
}

fn append_in<Rt: Runtime>(append: wire::Append) -> Result<AppendEntriesRequest<Types<Rt>>, CodecError> {
    Ok(AppendEntriesRequest {
        vote: vote_in(append.ballot)?,
        prev_log_id: append.previous.map(log_id_in),
        entries: append.entries.into_iter().map(entry_in).collect::<Result<_, _>>()?,
        leader_commit: append.leader_commit.map(log_id_in),
    })
}

/// The appends of a stream until it ends, breaks, or carries something that is none.
fn appends<Rt: Runtime>(
    messages: Streaming<wire::StreamAppendRequest>,
) -> impl Stream<Item = AppendEntriesRequest<Types<Rt>>> + Send + 'static {
    use wire::stream_append_request::Message;
    let parsed = messages.map(|message| match message.map(|message| message.message) {
        Ok(Some(Message::Append(append))) => append_in(append).inspect_err(|error| tracing::warn!(%error, "append refused")).ok(),
        Ok(Some(Message::Open(_)) | None) => None,
        Err(status) => {
            tracing::debug!(%status, "append stream ended");
            None
        }
    });
    parsed.take_while(|parsed| std::future::ready(parsed.is_some())).filter_map(std::future::ready)
}

impl<Rt: Runtime, A: Application> Api<Rt, A> {
    fn admit(&self, route: Option<&wire::Route>, certificate: Option<&PeerIdentity>, trust: Trust) -> Result<u64, Status> {
        self.gate.admit(route, certificate, trust).map_err(|refused| Status::failed_precondition(refused.to_string()))
    }

    fn seed(&self) -> impl FnOnce() -> u64 + use<'_, Rt, A> {
        || self.random.u64()
    }

    async fn answer_read(&self, request: &wire::ReadIndexRequest) -> wire::read_index_response::Result {
        use wire::read_index_response::Result as Outcome;
        match Rt::scope(self.seed(), self.rounds.confirm()).await {
            Confirmation::Confirmed { index } => {
                Outcome::Confirmed(wire::Confirmed { index, reference_wall_ms: self.walls.reference_ms() })
            }
            Confirmation::NotLeader { leader } => Outcome::NotLeader(wire::NotLeader { leader: leader.unwrap_or(0) }),
            Confirmation::NotConfirmed => {
                tracing::debug!(nonce = request.nonce, "no majority confirmed a read");
                Outcome::NotConfirmed(wire::NotConfirmed {})
            }
        }
    }
}

#[tonic::async_trait]
impl<Rt: Runtime, A: Application> PeerService for Api<Rt, A> {
    type StreamAppendStream = BoxStream<'static, Result<wire::StreamAppendResponse, Status>>;

    async fn stream_append(
        &self,
        request: Request<Streaming<wire::StreamAppendRequest>>,
    ) -> Result<Response<Self::StreamAppendStream>, Status> {
        use wire::stream_append_request::Message;
        let certificate = certificate(&request);
        let mut messages = request.into_inner();
        let first = messages.message().await?.and_then(|message| message.message);
        let route = match &first {
            Some(Message::Open(route)) => Some(route),
            Some(Message::Append(_)) | None => None,
        };
        self.admit(route, certificate.as_ref(), Trust::Consensus)?;
        // The stream's own task starts inside the scope.
        let results = Rt::scope(self.seed(), async { self.raft.stream_append(appends::<Rt>(messages)) }).await;
        let answers = results.map(|result| result.map(|result| append::result_out::<Rt>(&result)).map_err(stopped));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn append(&self, request: Request<wire::AppendRequest>) -> Result<Response<wire::AppendResponse>, Status> {
        use wire::append_response::Result as Outcome;
        let certificate = certificate(&request);
        let message = request.into_inner();
        self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Consensus)?;
        let append = message.append.ok_or(CodecError::Missing { field: "append" }).map_err(malformed)?;
        let append = append_in::<Rt>(append).map_err(malformed)?;
        let answer = Rt::scope(self.seed(), self.raft.append_entries(append)).await.map_err(stopped)?;
        let outcome = match answer {
            AppendEntriesResponse::Success => Outcome::Success(wire::Success {}),
            AppendEntriesResponse::PartialSuccess(matched) => {
                Outcome::Partial(wire::Matched { log_id: matched.as_ref().map(log_id_out) })
            }
            AppendEntriesResponse::Conflict => Outcome::Conflict(wire::Conflict {}),
            AppendEntriesResponse::HigherVote(vote) => Outcome::Higher(vote_out(&vote)),
        };
        Ok(Response::new(wire::AppendResponse { result: Some(outcome) }))
    }

    async fn vote(&self, request: Request<wire::VoteRequest>) -> Result<Response<wire::VoteResponse>, Status> {
        let certificate = certificate(&request);
        let message = request.into_inner();
        self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Consensus)?;
        let mut rpc = VoteRequest::new(vote_in(message.ballot).map_err(malformed)?, message.last.map(log_id_in));
        rpc.leadership_transfer = message.is_transfer;
        let answer = Rt::scope(self.seed(), self.raft.vote(rpc)).await.map_err(stopped)?;
        Ok(Response::new(wire::VoteResponse {
            ballot: Some(vote_out(&answer.vote)),
            is_granted: answer.vote_granted,
            last: answer.last_log_id.as_ref().map(log_id_out),
        }))
    }

    async fn pre_vote(&self, request: Request<wire::PreVoteRequest>) -> Result<Response<wire::PreVoteResponse>, Status> {
        let certificate = certificate(&request);
        let message = request.into_inner();
        self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Consensus)?;
        let rpc = VoteRequest::new(vote_in(message.ballot).map_err(malformed)?, message.last.map(log_id_in));
        let answer = Rt::scope(self.seed(), self.raft.pre_vote(rpc)).await.map_err(stopped)?;
        Ok(Response::new(wire::PreVoteResponse {
            ballot: Some(vote_out(&answer.vote)),
            is_granted: answer.vote_granted,
            last: answer.last_log_id.as_ref().map(log_id_out),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        use wire::transfer_leader_response::Result as Outcome;
        let certificate = certificate(&request);
        let message = request.into_inner();
        self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Consensus)?;
        let from = vote_in(message.from).map_err(malformed)?;
        let rpc = TransferLeaderRequest::new(from, message.to, message.last.map(log_id_in));
        let answer = Rt::scope(self.seed(), self.raft.handle_transfer_leader(rpc)).await.map_err(stopped)?;
        let outcome = match answer {
            Ok(()) => Outcome::Success(wire::Success {}),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => Outcome::BallotChanged(wire::BallotChanged {
                expected: Some(vote_out(&expected)),
                actual: Some(vote_out(&actual)),
            }),
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => Outcome::LogNotFlushed(wire::LogNotFlushed {
                expected: expected.as_ref().map(log_id_out),
                actual: actual.as_ref().map(log_id_out),
            }),
        };
        Ok(Response::new(wire::TransferLeaderResponse { result: Some(outcome) }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::InstallSnapshotRequest>>,
    ) -> Result<Response<wire::InstallSnapshotResponse>, Status> {
        use wire::install_snapshot_request::Message;
        let certificate = certificate(&request);
        let mut pieces = request.into_inner();
        let begin = match pieces.message().await?.and_then(|message| message.message) {
            Some(Message::Begin(begin)) => begin,
            Some(Message::Chunk(_) | Message::End(_)) | None => {
                return Err(malformed(CodecError::Missing { field: "install_snapshot.begin" }));
            }
        };
        self.admit(begin.route.as_ref(), certificate.as_ref(), Trust::Consensus)?;
        let vote = vote_in(begin.ballot).map_err(malformed)?;
        let committed = {
            let metrics = self.raft.metrics();
            let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics);
            metrics.local_committed
        };
        let snapshot = self.receiver.receive(begin, vote, committed, &mut pieces).await?;
        let answer = Rt::scope(self.seed(), self.raft.install_full_snapshot(vote, snapshot)).await.map_err(stopped)?;
        Ok(Response::new(wire::InstallSnapshotResponse { ballot: Some(vote_out(&answer.vote)) }))
    }

    async fn read_index(&self, request: Request<wire::ReadIndexRequest>) -> Result<Response<wire::ReadIndexResponse>, Status> {
        let certificate = certificate(&request);
        let message = request.into_inner();
        let sender = self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Members)?;
        self.walls.heard(sender, message.wall_ms, message.supported_version);
        let result = self.answer_read(&message).await;
        Ok(Response::new(wire::ReadIndexResponse {
            nonce: message.nonce,
            wall_ms: self.walls.local_ms(),
            supported_version: self.supported_version,
            result: Some(result),
        }))
    }

    async fn ask(&self, request: Request<wire::AskRequest>) -> Result<Response<wire::AskResponse>, Status> {
        use wire::ask_response::Result as Outcome;
        let certificate = certificate(&request);
        let message = request.into_inner();
        let sender = self.admit(message.route.as_ref(), certificate.as_ref(), Trust::Members)?;
        let answer = match self.ask_slots.try_acquire() {
            Ok(_slot) => Rt::scope(self.seed(), self.asks.handle(sender, message.request)).await,
            Err(_) => Err(AskRefused::Busy),
        };
        let outcome = match answer {
            Ok(answer) if answer.len() > ASK_BYTES_MAX => {
                return Err(Status::out_of_range(format!("answer of {} bytes must be <= {ASK_BYTES_MAX}", answer.len())));
            }
            Ok(answer) => Outcome::Answer(answer),
            Err(AskRefused::NotLeader { leader }) => Outcome::NotLeader(wire::NotLeader { leader: leader.unwrap_or(0) }),
            Err(AskRefused::Busy) => Outcome::Busy(wire::Busy {}),
            Err(AskRefused::Invalid { reason }) => Outcome::Invalid(reason),
        };
        Ok(Response::new(wire::AskResponse { result: Some(outcome) }))
    }

    async fn identify(&self, request: Request<wire::IdentifyRequest>) -> Result<Response<wire::IdentifyResponse>, Status> {
        let message = request.into_inner();
        self.gate.admit_identify(message.route.as_ref()).map_err(|refused| Status::failed_precondition(refused.to_string()))?;
        let identity = self.gate.identity();
        Ok(Response::new(wire::IdentifyResponse {
            cluster_id: uuid_bytes(identity.cluster_id),
            epoch: identity.epoch,
            group: identity.group,
            member: Some(member_out(&identity.me)),
            is_in_cluster: self.gate.knows_members(),
        }))
    }
}
