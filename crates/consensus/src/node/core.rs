//! The node behind a handle: proposals, read barriers, asks, status.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use tidegate_platform::Random;
use tidegate_proto::peer::v1 as wire;
use tidegate_store::LogStore as _;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::health::Health;
use super::log::RaftLog;
use super::machine::{Machine, Retired};
use super::rounds::{Confirmation, Rounds};
use super::tally::Tally;
use super::types::{Payload, Raft, RaftMetrics};
use crate::application::Application;
use crate::ask::{AskError, AskHandler, AskRefused, NotDelivered, Target};
use crate::codec;
use crate::freshness::Freshness;
use crate::freshness::probe::{Answer, Questions};
use crate::freshness::wall::Walls;
use crate::handle::{ChangeError, DiscoverError, Port, Priority, ProposeError, Proposed, ReadError};
use crate::limits::{ASK_BYTES_MAX, CLOCK_SKEW_MAX, PAYLOAD_BYTES_MAX, PROBE_QUESTION_MAX, PROPOSALS_IN_FLIGHT_MAX};
use crate::peer::link::{CallError, Client};
use crate::peer::network::Peers;
use crate::peer::route::Gate;
use crate::roster::Roster;
use crate::runtime::Runtime;
use crate::status::{Counters, Leadership, Member, MemberStatus, Role, Status};

/// One running node. Held by the service, the handle and the node's own tasks.
pub(crate) struct Core<Rt: Runtime, A: Application> {
    pub(crate) raft: Raft<Rt, Machine<A>>,
    /// Let go at the end, so that the log can close while handles live on.
    pub(crate) log: ArcSwapOption<RaftLog>,
    pub(crate) peers: Peers,
    pub(crate) gate: Arc<Gate>,
    pub(crate) roster: Roster,
    pub(crate) retired: Retired,
    pub(crate) rounds: Arc<Rounds<Rt, A>>,
    pub(crate) walls: Arc<Walls>,
    pub(crate) freshness: Freshness,
    pub(crate) asks: Arc<dyn AskHandler>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) published: watch::Receiver<Option<u64>>,
    pub(crate) health: Arc<Health>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) slots: Slots,
    pub(crate) election_max: Duration,
    pub(crate) supported_version: u32,
}

/// Bounds on what is under way.
pub(crate) struct Slots {
    pub(crate) proposals: Semaphore,
    pub(crate) reads: Semaphore,
    pub(crate) asks: Semaphore,
}

/// What a port method captures, so that its future outlives the handle.
pub(crate) struct Shared<Rt: Runtime, A: Application>(pub(crate) Arc<Core<Rt, A>>);

impl<Rt: Runtime, A: Application> Core<Rt, A> {
    pub(crate) fn me(&self) -> u64 {
        self.gate.identity().me.id
    }

    /// Reads the metrics without keeping them borrowed.
    pub(crate) fn metrics<T>(&self, read: impl FnOnce(&RaftMetrics<Rt>) -> T) -> T {
        let receiver = self.raft.metrics();
        let metrics = receiver.borrow_watched();
        read(&metrics)
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        self.metrics(|metrics| metrics.current_leader)
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.leader() == Some(self.me())
    }

    fn is_disk_low(&self) -> bool {
        self.log.load().as_ref().is_some_and(|log| log.store().space().below_low_mark)
    }

    /// Whether the log waits for room on the disk, which is not the silence of a disk that stalls.
    pub(crate) fn is_disk_waited_for(&self) -> bool {
        self.log.load().as_ref().is_some_and(|log| log.store().space().is_waiting)
    }

    fn check_proposal(&self, payload: &Bytes, priority: Priority) -> Result<(), ProposeError> {
        if self.health.is_stopped() {
            return Err(ProposeError::Stopped);
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: payload.len(), max: PAYLOAD_BYTES_MAX });
        }
        if !self.is_leader() {
            return Err(ProposeError::NotLeader { leader: self.leader() });
        }
        if priority == Priority::Ordinary && self.is_disk_low() {
            return Err(ProposeError::DiskLow);
        }
        if let Some(ahead_ms) = self.clock_skew_ms() {
            let max_ms = CLOCK_SKEW_MAX.as_millis().try_into().unwrap_or(u64::MAX);
            return Err(ProposeError::ClockSkewed { ahead_ms, max_ms });
        }
        Ok(())
    }

    /// How far this leader's wall clock is ahead of the others', if that is too far to stamp entries. Looked up at every
    /// proposal: the alarm is raised by probes, and log time would never come back from what was stamped before it.
    pub(crate) fn clock_skew_ms(&self) -> Option<i64> {
        let ahead_ms = self.walls.ahead_ms();
        (u128::from(ahead_ms.unsigned_abs()) > CLOCK_SKEW_MAX.as_millis()).then_some(ahead_ms)
    }

    async fn propose(&self, payload: Bytes, priority: Priority, deadline: Instant) -> Result<Proposed, ProposeError> {
        self.check_proposal(&payload, priority)?;
        let Ok(_slot) = self.slots.proposals.try_acquire() else {
            return Err(ProposeError::Busy { in_flight: PROPOSALS_IN_FLIGHT_MAX, max: PROPOSALS_IN_FLIGHT_MAX });
        };
        self.tally.proposals.one();
        match tokio::time::timeout_at(deadline, self.raft.client_write(Payload(payload))).await {
            Ok(Ok(response)) => Ok(Proposed { index: response.log_id.index, response: response.data.0 }),
            Ok(Err(RaftError::APIError(error))) => Err(match error {
                // Refused before it was appended.
                ClientWriteError::ForwardToLeader(forward) => ProposeError::NotLeader { leader: forward.leader_id },
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_) => ProposeError::UnknownOutcome,
            }),
            // The entry may have reached the others before this node failed, or may yet be committed.
            Ok(Err(RaftError::Fatal(_))) | Err(_) => Err(ProposeError::UnknownOutcome),
        }
    }

    async fn propose_counted(&self, payload: Bytes, priority: Priority, deadline: Instant) -> Result<Proposed, ProposeError> {
        self.propose(payload, priority, deadline).await.inspect_err(|error| match error {
            ProposeError::UnknownOutcome => self.tally.proposals_unknown.one(),
            ProposeError::NotLeader { .. }
            | ProposeError::TooLarge { .. }
            | ProposeError::Busy { .. }
            | ProposeError::DiskLow
            | ProposeError::ClockSkewed { .. }
            | ProposeError::Stopped => self.tally.proposals_refused.one(),
        })
    }

    /// Asks the leader once for a confirmed index, from whichever node.
    async fn confirm(&self, nonce: u64, limit: Duration) -> Result<Answer, Option<u64>> {
        match self.leader() {
            None => Err(None),
            Some(leader) if leader == self.me() => match self.rounds.confirm().await {
                Confirmation::Confirmed { index } => Ok(Answer { index, reference_wall_ms: self.walls.reference_ms() }),
                Confirmation::NotLeader { leader } => Err(leader),
                Confirmation::NotConfirmed => Err(None),
            },
            Some(leader) => self.confirm_at(leader, nonce, limit).await,
        }
    }

    async fn confirm_at(&self, leader: u64, nonce: u64, limit: Duration) -> Result<Answer, Option<u64>> {
        use wire::read_index_response::Result as Outcome;
        let member = self.roster.load().get(leader).map(|entry| entry.member.clone()).ok_or(None)?;
        let peer = self.peers.peer(&member);
        let request = wire::ReadIndexRequest {
            route: Some(self.peers.identity().route_to(&member)),
            nonce,
            wall_ms: self.walls.local_ms(),
            supported_version: self.supported_version,
        };
        let call = |mut client: Client| async move { client.read_index(request).await };
        let answer = peer.calls.call(limit, call).await.map_err(|error| {
            tracing::debug!(leader, %error, "read index not answered");
            None
        })?;
        if answer.nonce != nonce {
            return Err(None);
        }
        self.walls.heard(leader, answer.wall_ms, answer.supported_version);
        match answer.result {
            Some(Outcome::Confirmed(confirmed)) => {
                Ok(Answer { index: confirmed.index, reference_wall_ms: confirmed.reference_wall_ms })
            }
            Some(Outcome::NotLeader(wire::NotLeader { leader })) => Err((leader != 0).then_some(leader)),
            Some(Outcome::NotConfirmed(_)) | None => Err(None),
        }
    }

    async fn read_index(&self, deadline: Instant) -> Result<u64, ReadError> {
        let Ok(_slot) = self.slots.reads.try_acquire() else { return Err(ReadError::Busy) };
        let needed = self.confirmed_before(deadline).await?;
        let mut published = self.published.clone();
        let covered = published.wait_for(|applied| applied.is_some_and(|applied| applied >= needed));
        match tokio::time::timeout_at(deadline, covered).await {
            Ok(Ok(applied)) => Ok(applied.unwrap_or(needed)),
            Ok(Err(_)) => Err(ReadError::Stopped),
            Err(_) => Err(ReadError::Behind { applied: self.published.borrow().unwrap_or(0), needed }),
        }
    }

    /// Asks until a leader confirms or the deadline passes: a read has no effect, so it may be asked again.
    async fn confirmed_before(&self, deadline: Instant) -> Result<u64, ReadError> {
        let mut has_known_leader = false;
        loop {
            if self.health.is_stopped() {
                return Err(ReadError::Stopped);
            }
            has_known_leader |= self.leader().is_some();
            let left = deadline.saturating_duration_since(Instant::now());
            let question = self.confirm(self.random.u64(), PROBE_QUESTION_MAX.min(left));
            if let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, question).await {
                return Ok(answer.index);
            }
            let pause = Instant::now() + Duration::from_millis(20);
            if pause >= deadline {
                return Err(if has_known_leader { ReadError::NotConfirmed } else { ReadError::NoLeader });
            }
            tokio::time::sleep_until(pause).await;
        }
    }

    async fn ask(&self, target: Target, request: Bytes, deadline: Instant) -> Result<Bytes, AskError> {
        let not_delivered = |reason| Err(AskError::NotDelivered { reason });
        if self.health.is_stopped() {
            return not_delivered(NotDelivered::Stopped);
        }
        if request.len() > ASK_BYTES_MAX {
            return not_delivered(NotDelivered::TooLarge { bytes: request.len(), max: ASK_BYTES_MAX });
        }
        let node = match target {
            Target::Node(node) => node,
            Target::Leader => match self.leader() {
                Some(leader) => leader,
                None => return not_delivered(NotDelivered::NoLeader),
            },
        };
        let Ok(_slot) = self.slots.asks.try_acquire() else { return not_delivered(NotDelivered::Busy) };
        if Instant::now() >= deadline {
            return not_delivered(NotDelivered::Deadline);
        }
        if node == self.me() {
            let answer = tokio::time::timeout_at(deadline, self.asks.handle(node, request)).await;
            return match answer {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(refused)) => Err(AskError::Refused { node, refused }),
                Err(_) => Err(AskError::Unknown { node }),
            };
        }
        let Some(member) = self.roster.load().get(node).map(|entry| entry.member.clone()) else {
            return not_delivered(NotDelivered::NoMember { node });
        };
        self.ask_member(&member, request, deadline).await
    }

    async fn ask_member(&self, member: &Member, request: Bytes, deadline: Instant) -> Result<Bytes, AskError> {
        use wire::ask_response::Result as Outcome;
        let node = member.id;
        let message = wire::AskRequest { route: Some(self.peers.identity().route_to(member)), request };
        let call = |mut client: Client| async move { client.ask(message).await };
        let limit = deadline.saturating_duration_since(Instant::now());
        let refused = |refused| Err(AskError::Refused { node, refused });
        match self.peers.peer(member).calls.call(limit, call).await {
            Ok(answer) => match answer.result {
                Some(Outcome::Answer(answer)) => Ok(answer),
                Some(Outcome::NotLeader(wire::NotLeader { leader })) => {
                    refused(AskRefused::NotLeader { leader: (leader != 0).then_some(leader) })
                }
                Some(Outcome::Busy(_)) => refused(AskRefused::Busy),
                Some(Outcome::Invalid(reason)) => refused(AskRefused::Invalid { reason }),
                None => Err(AskError::Unknown { node }),
            },
            Err(CallError::NotConnected(_)) => Err(AskError::NotDelivered { reason: NotDelivered::Unreachable { node } }),
            Err(CallError::Answered(status)) if status.code() == tonic::Code::FailedPrecondition => {
                Err(AskError::NotDelivered { reason: NotDelivered::Identity { node } })
            }
            Err(CallError::Answered(_) | CallError::Broken(_) | CallError::TimedOut(_)) => Err(AskError::Unknown { node }),
        }
    }

    async fn discover(&self, address: String, deadline: Instant) -> Result<Member, DiscoverError> {
        let identity = self.peers.identity();
        if address == identity.me.peer_addr {
            return Ok(identity.me.clone());
        }
        self.identify(address, deadline).await.map(|(member, _)| member)
    }

    /// Who listens there, and whether that node knows a membership already.
    pub(crate) async fn identify(&self, address: String, deadline: Instant) -> Result<(Member, bool), DiscoverError> {
        let identity = self.peers.identity();
        let message = wire::IdentifyRequest { route: Some(identity.route_to_unknown()) };
        let call = |mut client: Client| async move { client.identify(message).await };
        let limit = deadline.saturating_duration_since(Instant::now());
        match self.peers.link_to(&address).call(limit, call).await {
            Ok(answer) => {
                let member = answer.member.map(codec::member_in);
                let member = member.and_then(Result::ok).ok_or(DiscoverError::Unreachable { address })?;
                Ok((member, answer.is_in_cluster))
            }
            Err(CallError::Answered(status)) if status.code() == tonic::Code::FailedPrecondition => {
                Err(DiscoverError::OtherCluster { address })
            }
            Err(error) => {
                tracing::debug!(address, %error, "node not identified");
                Err(DiscoverError::Unreachable { address })
            }
        }
    }

    fn status(&self) -> Status {
        let identity = self.gate.identity();
        let is_disk_low = self.is_disk_low();
        self.metrics(|m| {
            let index = |id: &Option<super::types::LogId>| id.map_or(0, |id| id.index);
            let role = match (m.running_state.is_ok(), m.state) {
                (false, _) | (true, ServerState::Shutdown) => Role::Stopped,
                (true, ServerState::Leader) => Role::Leader,
                (true, ServerState::Follower) => Role::Follower,
                (true, ServerState::Candidate) => Role::Candidate,
                (true, ServerState::Learner) => Role::Learner,
            };
            Status {
                node: identity.me.id,
                store_uuid: identity.me.store_uuid,
                cluster_id: identity.cluster_id,
                epoch: identity.epoch,
                term: m.current_term,
                leader: m.current_leader,
                role,
                last_index: m.last_log_index.unwrap_or(0),
                committed_index: index(&m.local_committed),
                applied_index: self.published.borrow().unwrap_or(0),
                snapshot_index: index(&m.snapshot),
                purged_index: index(&m.purged),
                members: self.member_lines(m),
                is_disk_low,
                clock_alarm: self.freshness.clock_alarm(),
            }
        })
    }

    fn member_lines(&self, metrics: &RaftMetrics<Rt>) -> Vec<MemberStatus> {
        let last = metrics.last_log_index.unwrap_or(0);
        let members = self.roster.load();
        let line = |entry: &crate::roster::Entry| {
            let id = entry.member.id;
            let matched = metrics.replication.as_ref().and_then(|replication| replication.get(&id));
            let matched_index = matched.and_then(|matched| matched.as_ref().map(|id| id.index));
            let report = self.walls.report(id);
            MemberStatus {
                member: entry.member.clone(),
                kind: entry.kind,
                matched_index,
                lag: matched_index.map(|matched| last.saturating_sub(matched)),
                supported_version: if id == self.me() {
                    Some(self.supported_version)
                } else {
                    report.map(|report| report.supported_version)
                },
                wall_offset_ms: report.map(|report| self.walls.offset_ms(&report)),
                heard_ago: report.map(|report| self.walls.age(&report)),
            }
        };
        members.iter().map(line).collect()
    }

    fn counters(&self) -> Counters {
        let t = &self.tally;
        Counters {
            proposals: t.proposals.get(),
            proposals_unknown: t.proposals_unknown.get(),
            proposals_refused: t.proposals_refused.get(),
            entries_applied: t.entries_applied.get(),
            batches_published: t.batches_published.get(),
            snapshots_built: t.snapshots_built.get(),
            snapshots_installed: t.snapshots_installed.get(),
            read_rounds: t.read_rounds.get(),
            reads_confirmed: t.reads_confirmed.get(),
            probes_ok: t.probes_ok.get(),
            probes_failed: t.probes_failed.get(),
            freshness_dropped: self.freshness.dropped_count(),
            leader_changes: t.leader_changes.get(),
            peer_calls_refused: self.gate.refused_count(),
        }
    }
}

impl<Rt: Runtime, A: Application> Shared<Rt, A> {
    /// Runs `call` on the core inside the runtime's scope.
    fn run<T, F>(&self, call: impl FnOnce(Arc<Core<Rt, A>>) -> F) -> BoxFuture<'static, T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let core = Arc::clone(&self.0);
        let random = Arc::clone(&core.random);
        let future = call(core);
        async move { Rt::scope(|| random.u64(), future).await }.boxed()
    }
}

impl<Rt: Runtime, A: Application> Questions for Shared<Rt, A> {
    fn ask(&self, nonce: u64) -> BoxFuture<'static, Option<Answer>> {
        self.run(|core| async move { core.confirm(nonce, PROBE_QUESTION_MAX).await.ok() })
    }
}

impl<Rt: Runtime, A: Application> Port for Shared<Rt, A> {
    fn node(&self) -> u64 {
        self.0.me()
    }

    fn propose(
        &self,
        payload: Bytes,
        priority: Priority,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Proposed, ProposeError>> {
        self.run(|core| async move { core.propose_counted(payload, priority, deadline).await })
    }

    fn read_index(&self, deadline: Instant) -> BoxFuture<'static, Result<u64, ReadError>> {
        self.run(|core| async move { core.read_index(deadline).await })
    }

    fn ask(&self, target: Target, request: Bytes, deadline: Instant) -> BoxFuture<'static, Result<Bytes, AskError>> {
        self.run(|core| async move { core.ask(target, request, deadline).await })
    }

    fn discover(&self, peer_addr: String, deadline: Instant) -> BoxFuture<'static, Result<Member, DiscoverError>> {
        self.run(|core| async move { core.discover(peer_addr, deadline).await })
    }

    fn initialize(&self, members: Vec<Member>) -> BoxFuture<'static, Result<(), ChangeError>> {
        self.run(|core| async move { core.initialize(members).await })
    }

    fn add_learner(&self, member: Member, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>> {
        self.run(|core| async move { core.add_learner(member, deadline).await })
    }

    fn promote(&self, node: u64, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>> {
        self.run(|core| async move { core.promote(node, deadline).await })
    }

    fn remove(&self, node: u64, deadline: Instant) -> BoxFuture<'static, Result<(), ChangeError>> {
        self.run(|core| async move { core.remove(node, deadline).await })
    }

    fn transfer_leader(&self, to: Option<u64>, deadline: Instant) -> BoxFuture<'static, Result<u64, ChangeError>> {
        self.run(|core| async move { core.transfer_leader(to, deadline).await })
    }

    fn build_snapshot(&self) -> BoxFuture<'static, ()> {
        self.run(|core| async move {
            // Refused only by a node that has stopped, and then there is nothing to ask for.
            let _ = core.raft.trigger().snapshot().await;
        })
    }

    fn status(&self) -> Status {
        self.0.status()
    }

    fn counters(&self) -> Counters {
        self.0.counters()
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.health.leadership()
    }
}
