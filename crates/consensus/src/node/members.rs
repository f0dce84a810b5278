//! Membership changes and leadership transfer, with the rules that openraft does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::{ChangeMembers, Instant as _, LinearizerOption};
use tokio::time::Instant;

use super::core::Core;
use super::types::{CommittedLeaderId, Record, Types};
use crate::application::Application;
use crate::handle::ChangeError;
use crate::limits::{CLOCK_SKEW_MAX, PROBE_QUESTION_MAX, PROMOTE_LAG_MAX, RETIRED_MAX};
use crate::roster::Members;
use crate::runtime::Runtime;
use crate::status::{Member, MemberKind};

type WriteError<Rt> = RaftError<Types<Rt>, ClientWriteError<Types<Rt>>>;

fn change_error<Rt: Runtime>(error: WriteError<Rt>) -> ChangeError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => ChangeError::NotLeader { leader: forward.leader_id },
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => refused(error),
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_)) => {
            ChangeError::UnknownOutcome
        }
        RaftError::Fatal(_) => ChangeError::UnknownOutcome,
    }
}

fn refused(error: ChangeMembershipError<CommittedLeaderId, u64>) -> ChangeError {
    match error {
        ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_) => ChangeError::InProgress,
        ChangeMembershipError::LearnerNotFound(not_found) => ChangeError::NoMember { node: not_found.node_id },
        ChangeMembershipError::EmptyMembership(_) => ChangeError::MajorityAtRisk { healthy: 0, needed: 1 },
        other @ (ChangeMembershipError::UnsupportedMembershipTransition(_) | ChangeMembershipError::NodeMetadataChanged(_)) => {
            ChangeError::InvalidMembers { rule: other.to_string() }
        }
    }
}

impl<Rt: Runtime, A: Application> Core<Rt, A> {
    pub(crate) async fn initialize(&self, members: Vec<Member>) -> Result<(), ChangeError> {
        let me = self.gate.identity().me.clone();
        check_members(&members, &me)?;
        // Two empty nodes would outvote one that has a state: that of a cluster restored or recovered in this epoch.
        let deadline = Instant::now() + PROBE_QUESTION_MAX;
        for member in members.iter().filter(|member| member.id != me.id) {
            if let Ok((_, true)) = self.identify(member.peer_addr.clone(), deadline).await {
                return Err(ChangeError::AlreadyInitialized { node: member.id });
            }
        }
        let nodes: BTreeMap<u64, Record> = members.into_iter().map(Record::of).collect();
        match self.raft.initialize(nodes).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Err(ChangeError::AlreadyInitialized { node: me.id }),
            Err(RaftError::APIError(InitializeError::NotInMembers(_))) => {
                Err(ChangeError::InvalidMembers { rule: format!("node {} must be among the members", me.id) })
            }
            Err(RaftError::Fatal(_)) => Err(ChangeError::Stopped),
        }
    }

    pub(crate) async fn add_learner(&self, member: Member, deadline: Instant) -> Result<(), ChangeError> {
        self.require_leadership()?;
        if let Some(known) = self.roster.load().get(member.id) {
            return if known.member == member { Ok(()) } else { Err(ChangeError::IdTaken { node: member.id }) };
        }
        self.check_unused(member.id, deadline).await?;
        let (id, record) = Record::of(member);
        self.in_time(deadline, self.raft.add_learner(id, record, false)).await
    }

    /// Ids of former members are not given again: whoever remembers one would take the new node for the old one.
    async fn check_unused(&self, node: u64, deadline: Instant) -> Result<(), ChangeError> {
        // A new leader may not have applied yet what its predecessors committed.
        let committed = self.raft.ensure_linearizable(LinearizerOption::new(Some(Duration::ZERO), true));
        match tokio::time::timeout_at(deadline, committed).await {
            Ok(Ok(_)) if self.retired.contains(node) => Err(ChangeError::IdTaken { node }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ChangeError::NotLeader { leader: self.leader() }),
            Err(_) => Err(ChangeError::InProgress),
        }
    }

    pub(crate) async fn promote(&self, node: u64, deadline: Instant) -> Result<(), ChangeError> {
        self.require_leadership()?;
        match self.roster.load().get(node).map(|entry| entry.kind) {
            None => return Err(ChangeError::NoMember { node }),
            Some(MemberKind::Voter) => return Ok(()),
            Some(MemberKind::Learner) => {}
        }
        let lag = self.metrics(|metrics| {
            let matched = metrics.replication.as_ref().and_then(|replication| replication.get(&node).copied().flatten());
            let next = matched.map_or(0, |matched| matched.index + 1);
            metrics.last_log_index.map_or(0, |last| last + 1).saturating_sub(next)
        });
        if lag > PROMOTE_LAG_MAX {
            return Err(ChangeError::NotCaughtUp { node, lag, max: PROMOTE_LAG_MAX });
        }
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
        self.in_time(deadline, self.raft.change_membership(change, true)).await
    }

    pub(crate) async fn remove(&self, node: u64, deadline: Instant) -> Result<(), ChangeError> {
        self.require_leadership()?;
        let kind = self.roster.load().get(node).map(|entry| entry.kind).ok_or(ChangeError::NoMember { node })?;
        if self.retired.count() >= RETIRED_MAX {
            return Err(ChangeError::InvalidMembers {
                rule: format!("at most {RETIRED_MAX} nodes can be removed in a cluster's life"),
            });
        }
        if kind == MemberKind::Voter {
            self.check_majority_without(node).await?;
            let change = ChangeMembers::RemoveVoters(BTreeSet::from([node]));
            return self.in_time(deadline, self.raft.change_membership(change, false)).await;
        }
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([node]));
        self.in_time(deadline, self.raft.change_membership(change, false)).await
    }

    /// The voters that would remain have to hold a majority of healthy ones: those that answer a heartbeat sent from now
    /// on, within one election timeout. An earlier answer proves nothing about a node that died since.
    async fn check_majority_without(&self, node: u64) -> Result<(), ChangeError> {
        let members = self.roster.load_full();
        let remaining: Vec<u64> = members.voters().map(|voter| voter.id).filter(|id| *id != node).collect();
        let needed = remaining.len() / 2 + 1;
        let (asked, patience) = (Rt::Instant::now(), Instant::now() + self.election_max);
        // Refused only by a node that has stopped, which the change itself reports.
        let _ = self.raft.trigger().heartbeat().await;
        loop {
            let has_answered = |id: &&u64| **id == self.me() || self.answered(**id).is_some_and(|at| at >= asked);
            let healthy = remaining.iter().filter(has_answered).count();
            if healthy >= needed && !remaining.is_empty() {
                return Ok(());
            }
            if Instant::now() >= patience {
                return Err(ChangeError::MajorityAtRisk { healthy, needed });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// When the newest heartbeat that the follower answered was sent.
    fn answered(&self, node: u64) -> Option<Rt::Instant> {
        let at = self.metrics(|metrics| metrics.heartbeat.as_ref().and_then(|heartbeat| heartbeat.get(&node).cloned().flatten()));
        at.map(|at| *at)
    }

    /// Whether the follower answered within the last two election timeouts.
    fn is_answering(&self, node: u64) -> bool {
        self.answered(node).is_some_and(|at| openraft::Instant::elapsed(&at) <= self.election_max * 2)
    }

    /// Whether a majority of the voters, this node among them, answered within the last election timeout.
    pub(crate) fn is_majority_answering(&self) -> bool {
        let members = self.roster.load_full();
        let voters: Vec<u64> = members.voters().map(|voter| voter.id).collect();
        let has_answered = |id: u64| self.answered(id).is_some_and(|at| openraft::Instant::elapsed(&at) <= self.election_max);
        let answering = voters.iter().filter(|id| **id == self.me() || has_answered(**id)).count();
        answering * 2 > voters.len()
    }

    /// The other voters, the one with most of the log first, whether they answer or not.
    pub(crate) fn possible_successors(&self) -> Vec<u64> {
        let members = self.roster.load_full();
        let mut others: Vec<u64> = members.voters().map(|voter| voter.id).filter(|id| *id != self.me()).collect();
        others.sort_by_key(|id| std::cmp::Reverse(self.matched_index(*id)));
        others
    }

    /// The last index that the follower is known to have, while this node leads.
    fn matched_index(&self, node: u64) -> Option<u64> {
        let matched = self.metrics(|metrics| metrics.replication.as_ref().and_then(|known| known.get(&node).copied().flatten()));
        matched.map(|matched| matched.index)
    }

    pub(crate) async fn transfer_leader(&self, to: Option<u64>, deadline: Instant) -> Result<u64, ChangeError> {
        self.require_leadership()?;
        let is_anybody_fine = to.is_none();
        let to = match to {
            Some(to) => to,
            None => self.best_successor().ok_or(ChangeError::NotTakenOver)?,
        };
        if to == self.me() {
            return Ok(to);
        }
        let members = self.roster.load_full();
        if !members.voters().any(|voter| voter.id == to) {
            return Err(ChangeError::NoMember { node: to });
        }
        drop(members);
        self.raft.trigger().transfer_leader(to).await.map_err(|_| ChangeError::Stopped)?;
        self.wait_for_leader(to, is_anybody_fine, deadline).await
    }

    /// Waits until somebody else leads. The one asked may be late and lose to another: then nobody has to wait for it.
    async fn wait_for_leader(&self, to: u64, is_anybody_fine: bool, deadline: Instant) -> Result<u64, ChangeError> {
        let mut metrics = self.raft.metrics();
        let taken_over = async {
            loop {
                let leader = metrics.borrow_watched().current_leader.filter(|leader| *leader != self.me());
                match leader {
                    Some(leader) if leader == to || is_anybody_fine => return Ok(leader),
                    Some(_) => return Err(ChangeError::NotTakenOver),
                    None => metrics.changed().await.map_err(|_| ChangeError::Stopped)?,
                }
            }
        };
        tokio::time::timeout_at(deadline, taken_over).await.unwrap_or(Err(ChangeError::NotTakenOver))
    }

    /// The voter that has most of the log, and answers.
    pub(crate) fn best_successor(&self) -> Option<u64> {
        self.best_successor_if(|_| true)
    }

    /// The best voter whose clock agrees with the cluster's, which this node's is `ahead_ms` ahead of.
    pub(crate) fn successor_with_clock(&self, ahead_ms: i64) -> Option<u64> {
        self.best_successor_if(|id| {
            let offset_ms = self.walls.report(id).map(|report| self.walls.offset_ms(&report));
            let off_ms = offset_ms.map(|offset_ms| offset_ms.saturating_add(ahead_ms).unsigned_abs());
            off_ms.is_some_and(|off_ms| u128::from(off_ms) <= CLOCK_SKEW_MAX.as_millis())
        })
    }

    fn best_successor_if(&self, is_fit: impl Fn(u64) -> bool) -> Option<u64> {
        let members = self.roster.load_full();
        let others = members.voters().map(|voter| voter.id);
        let others = others.filter(|id| *id != self.me() && self.is_answering(*id) && is_fit(*id));
        others.max_by_key(|id| self.matched_index(*id))
    }

    fn require_leadership(&self) -> Result<(), ChangeError> {
        if self.health.is_stopped() {
            return Err(ChangeError::Stopped);
        }
        if self.is_leader() { Ok(()) } else { Err(ChangeError::NotLeader { leader: self.leader() }) }
    }

    /// Awaits a change; past the deadline its outcome is unknown, for it goes on without us.
    async fn in_time<T>(
        &self,
        deadline: Instant,
        change: impl Future<Output = Result<T, WriteError<Rt>>>,
    ) -> Result<(), ChangeError> {
        match tokio::time::timeout_at(deadline, change).await {
            Ok(Ok(_)) => self.wait_for_roster(deadline).await,
            Ok(Err(error)) => Err(change_error(error)),
            Err(_) => Err(ChangeError::UnknownOutcome),
        }
    }

    /// The change is committed; the roster follows in a moment, and callers may rely on it.
    async fn wait_for_roster(&self, deadline: Instant) -> Result<(), ChangeError> {
        loop {
            let recorded = self.metrics(|metrics| Members::of(metrics.membership_config.membership()));
            if **self.roster.load() == recorded || Instant::now() >= deadline {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

fn check_members(members: &[Member], me: &Member) -> Result<(), ChangeError> {
    let invalid = |rule: String| Err(ChangeError::InvalidMembers { rule });
    let ids: BTreeSet<u64> = members.iter().map(|member| member.id).collect();
    if ids.len() != members.len() {
        return invalid("node ids must differ".to_owned());
    }
    let stores: BTreeSet<u128> = members.iter().map(|member| member.store_uuid).collect();
    if stores.len() != members.len() {
        return invalid("stores must differ".to_owned());
    }
    if ids.contains(&0) {
        return invalid("node ids must be >= 1".to_owned());
    }
    match members.iter().find(|member| member.id == me.id) {
        None => invalid(format!("node {} must be among the members", me.id)),
        Some(listed) if listed != me => invalid(format!("node {} is listed with another store or address than its own", me.id)),
        Some(_) => Ok(()),
    }
}
