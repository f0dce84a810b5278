//! Evidence on its way: install events to every node at once, sightings in batches.
//!
//! The leader's answer counts. The others hear the same so that one of them can lead on; whoever misses something then
//! knows less, and a rollout waits longer or has fewer failures against it.

use std::sync::Weak;

use futures_util::future::join_all;
use tidegate_consensus::{AskError, AskRefused, Handle, Target};
use tidegate_model::Timestamp;
use tidegate_proto::device::v1 as device;
use tokio::time::{Instant, MissedTickBehavior};

use super::convert;
use crate::codec;
use crate::context::Context;
use crate::limits::{PEER_QUESTION_MAX, SIGHTING_WINDOW_TICKS, SIGHTINGS_INTERVAL, SIGHTINGS_PER_BATCH_MAX};
use crate::refusal::Door;
use crate::wire;

impl Context {
    /// Takes in install events and tells the other nodes.
    ///
    /// # Errors
    /// One of them is malformed, or no leader took them in.
    pub async fn record_events(&self, events: Vec<device::InstallEvent>) -> Result<wire::TakenIn, Door> {
        let at_ms = self.platform.clock.wall_ms();
        // Refused here, all of them, before anybody has taken in any.
        convert::events_in(events.clone(), Timestamp::from_millis(at_ms))?;
        let evidence = wire::Evidence { events, sightings: Vec::new(), at_ms };
        let handle = self.handle()?;
        let leader = handle.leadership().borrow().leader.ok_or(Door::NoLeader)?;
        let mut taken_in = Err(Door::NoLeader);
        for (node, answer) in self.tell_everybody(handle, &evidence).await {
            if node == leader {
                taken_in = answer;
            }
        }
        taken_in
    }

    /// Takes in what another node heard.
    pub(crate) fn evidence_forwarded(&self, evidence: wire::Evidence) -> Result<wire::TakenIn, AskRefused> {
        self.keep(evidence).map_err(|door| AskRefused::Invalid { reason: door.to_string() })
    }

    fn keep(&self, evidence: wire::Evidence) -> Result<wire::TakenIn, Door> {
        let at = Timestamp::from_millis(evidence.at_ms);
        let events = if evidence.events.is_empty() { Vec::new() } else { convert::events_in(evidence.events, at)? };
        let sightings = convert::sightings_in(evidence.sightings);
        let published = self.shelf.load();
        Ok(self.records.take_in(published.state.catalog(), &events, &sightings, at))
    }

    async fn tell_everybody(&self, handle: &Handle, evidence: &wire::Evidence) -> Vec<(u64, Result<wire::TakenIn, Door>)> {
        let request = codec::encode_question(wire::question::Kind::Evidence(evidence.clone()));
        let deadline = Instant::now() + PEER_QUESTION_MAX;
        let status = handle.status();
        let told = status.members.iter().map(|member| member.member.id).map(|node| {
            let request = request.clone();
            async move {
                if node == status.node {
                    return (node, self.keep(evidence.clone()));
                }
                let answer = handle.ask(Target::Node(node), request, deadline).await;
                (node, answer.map_err(|error| refusal(&error)).and_then(|answer| read(&answer)))
            }
        });
        join_all(told).await
    }
}

fn read(answer: &[u8]) -> Result<wire::TakenIn, Door> {
    match codec::decode_answer(answer) {
        Some(wire::answer::Kind::TakenIn(taken_in)) => Ok(taken_in),
        Some(_) | None => Err(Door::NoLeader),
    }
}

/// Whatever the reason, sending the same events again is safe: they are known by their ids.
fn refusal(error: &AskError) -> Door {
    match error {
        AskError::Refused { refused: AskRefused::Busy, .. } => Door::Busy,
        AskError::Refused { .. } | AskError::NotDelivered { .. } | AskError::Unknown { .. } => Door::NoLeader,
    }
}

/// Carries sightings to all nodes until the node is gone.
pub async fn spread(context: Weak<Context>) {
    let mut ticks = tokio::time::interval(SIGHTINGS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 1_u64.. {
        ticks.tick().await;
        let Some(context) = context.upgrade() else { return };
        if tick.is_multiple_of(SIGHTING_WINDOW_TICKS) {
            context.sightings.begin_window();
        }
        let sightings = context.sightings.take(SIGHTINGS_PER_BATCH_MAX);
        if sightings.is_empty() {
            continue;
        }
        let Ok(handle) = context.handle() else { continue };
        let at_ms = context.platform.clock.wall_ms();
        // Lossy by design: who could not be told hears of the device in the next window.
        let _told = context.tell_everybody(handle, &wire::Evidence { events: Vec::new(), sightings, at_ms }).await;
    }
}
