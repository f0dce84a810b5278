//! Membership and leadership on behalf of administrators: carried out on the leader, whichever node is asked, once.

use std::time::Duration;

use tidegate_consensus::{AskRefused, ChangeError, Handle, Member, Target};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::codec;
use crate::context::Context;
use crate::limits::{CONFIG_LIST_MAX, MEMBERSHIP_WAIT_MAX, PEER_QUESTION_MAX};
use crate::refusal::{Door, Refusal};
use crate::wire::{self, change};

/// Pause between two looks at a learner that catches up.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(100);

impl Context {
    /// Makes a cluster of the nodes at these peer addresses; this node is one of them, named or not.
    ///
    /// # Errors
    /// One of them cannot be reached or belongs to another cluster, or this node has a cluster already.
    pub async fn initialize(&self, peer_addrs: &[String]) -> Result<Vec<Member>, Refusal> {
        if peer_addrs.len() > CONFIG_LIST_MAX {
            let rule = format!("must name <= {CONFIG_LIST_MAX} nodes");
            return Err(Door::field("peer_addrs", peer_addrs.len().to_string(), rule).into());
        }
        let handle = self.handle()?;
        if handle.status().is_member() {
            return Err(ChangeError::AlreadyInitialized { node: handle.node() }.into());
        }
        let deadline = Instant::now() + PEER_QUESTION_MAX;
        let mut members: Vec<Member> = Vec::new();
        let own = self.config.peer_addr();
        for peer_addr in std::iter::once(&own).chain(peer_addrs.iter().filter(|addr| **addr != own)) {
            let member = handle.discover(peer_addr, deadline).await?;
            if members.iter().all(|known| known.id != member.id) {
                members.push(member);
            }
        }
        members.sort();
        handle.initialize(members.clone()).await?;
        tracing::info!(voters = members.len(), "cluster initialized");
        Ok(members)
    }

    /// Takes a node in: as a learner, and as a voter once it has caught up.
    ///
    /// # Errors
    /// Why not; after a time-out the node may have stayed a learner.
    pub async fn join(&self, caller: &Caller, peer_addr: &str) -> Result<u64, Refusal> {
        let deadline = Instant::now() + MEMBERSHIP_WAIT_MAX;
        let node = self.change(caller, change::Kind::AddLearner(peer_addr.to_owned())).await?;
        loop {
            match self.change(caller, change::Kind::Promote(node)).await {
                Err(refusal) if refusal.code() == "NOT_CAUGHT_UP" && Instant::now() < deadline => {
                    tokio::time::sleep(CATCH_UP_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    /// Carries out one change on the leader; returns the node that it is about.
    ///
    /// # Errors
    /// Why not, or that the outcome is unknown.
    pub async fn change(&self, caller: &Caller, kind: change::Kind) -> Result<u64, Refusal> {
        let handle = self.handle()?;
        let deadline = Instant::now() + MEMBERSHIP_WAIT_MAX;
        if handle.leadership().borrow().is_here {
            return carry_out(handle, &kind, deadline).await;
        }
        let question = wire::Change { principal: caller.principal.to_string(), kind: Some(kind) };
        let request = codec::encode_question(wire::question::Kind::Change(question));
        let answer = handle.ask(Target::Leader, request, deadline).await.map_err(|error| {
            let refusal = Refusal::of_ask(&error, "");
            if refusal.code() == "UNKNOWN_OUTCOME" { Door::UnknownChange.into() } else { refusal }
        })?;
        match codec::decode_answer(&answer) {
            Some(wire::answer::Kind::Changed(node)) => Ok(node),
            Some(wire::answer::Kind::Refused(refused)) => Err(codec::refusal_in(refused, "")),
            Some(_) | None => Err(Door::UnknownChange.into()),
        }
    }

    /// Answers a change that another node forwarded.
    pub(crate) async fn change_forwarded(&self, change: wire::Change) -> Result<wire::answer::Kind, AskRefused> {
        let kind = change.kind.ok_or_else(|| AskRefused::Invalid { reason: "no change".to_owned() })?;
        let handle = self.handle().map_err(|_| AskRefused::NotLeader { leader: None })?;
        match carry_out(handle, &kind, Instant::now() + MEMBERSHIP_WAIT_MAX).await {
            Ok(node) => Ok(wire::answer::Kind::Changed(node)),
            Err(Refusal::Door(Door::NoLeader)) => {
                let leader = handle.leadership().borrow().leader;
                Err(AskRefused::NotLeader { leader })
            }
            Err(refusal) => Ok(wire::answer::Kind::Refused(codec::refusal_out(refusal))),
        }
    }
}

async fn carry_out(handle: &Handle, kind: &change::Kind, deadline: Instant) -> Result<u64, Refusal> {
    match kind {
        change::Kind::AddLearner(peer_addr) => {
            let member = handle.discover(peer_addr, Instant::now() + PEER_QUESTION_MAX).await?;
            let node = member.id;
            handle.add_learner(member, deadline).await?;
            tracing::info!(node, %peer_addr, "learner added");
            Ok(node)
        }
        change::Kind::Promote(node) => {
            handle.promote(*node, deadline).await?;
            tracing::info!(node, "learner promoted");
            Ok(*node)
        }
        change::Kind::Remove(node) => {
            handle.remove(*node, deadline).await?;
            tracing::info!(node, "member removed");
            Ok(*node)
        }
        change::Kind::Transfer(to) => {
            let to = (*to != 0).then_some(*to);
            let leader = handle.transfer_leader(to, deadline).await?;
            tracing::info!(leader, "leadership transferred");
            Ok(leader)
        }
    }
}
