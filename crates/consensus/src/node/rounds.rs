//! Read indexes on the leader: each is confirmed by a round to a majority that starts after the question arrived.
//!
//! One round runs at a time. Questions that arrive meanwhile share the next one, so that their number does not matter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::LinearizerOption;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};
use tidegate_platform::Spawner;
use tokio::sync::oneshot;

use super::machine::Machine;
use super::tally::Tally;
use super::types::Raft;
use crate::application::Application;
use crate::freshness::sabotage::Faults;
use crate::limits::{READ_ROUND_MAX, READS_IN_FLIGHT_MAX};
use crate::runtime::Runtime;

/// What the leader says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// Everything acknowledged before the question arrived lies at or below this index.
    Confirmed { index: u64 },
    /// This node does not lead.
    NotLeader { leader: Option<u64> },
    /// No majority answered in time, or too many questions wait.
    NotConfirmed,
}

/// See the module text.
pub(crate) struct Rounds<Rt: Runtime, A: Application> {
    raft: Raft<Rt, Machine<A>>,
    spawner: Arc<dyn Spawner>,
    tally: Arc<Tally>,
    faults: Faults,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<Confirmation>>,
    is_running: bool,
}

impl<Rt: Runtime, A: Application> Rounds<Rt, A> {
    pub(crate) fn new(raft: Raft<Rt, Machine<A>>, spawner: Arc<dyn Spawner>, tally: Arc<Tally>, faults: Faults) -> Self {
        Self { raft, spawner, tally, faults, queue: Mutex::default() }
    }

    /// Asks for a read index; the round starts after this call.
    pub(crate) async fn confirm(self: &Arc<Self>) -> Confirmation {
        if self.faults.skips_quorum_round() {
            return self.answer_from_memory();
        }
        let (sender, answer) = oneshot::channel();
        if !self.enqueue(sender) {
            return Confirmation::NotConfirmed;
        }
        answer.await.unwrap_or(Confirmation::NotConfirmed)
    }

    fn enqueue(self: &Arc<Self>, sender: oneshot::Sender<Confirmation>) -> bool {
        let mut queue = self.queue.lock().expect("no panic happens under this lock");
        if queue.waiting.len() >= READS_IN_FLIGHT_MAX {
            return false;
        }
        queue.waiting.push(sender);
        if !queue.is_running {
            queue.is_running = true;
            self.spawner.spawn("read-rounds", Box::pin(Arc::clone(self).run()));
        }
        true
    }

    async fn run(self: Arc<Self>) {
        while let Some(waiting) = self.next_round() {
            let confirmation = self.round().await;
            self.tally.read_rounds.one();
            if matches!(confirmation, Confirmation::Confirmed { .. }) {
                self.tally.reads_confirmed.add(waiting.len() as u64);
            }
            for sender in waiting {
                // The one who asked may have given up.
                let _ = sender.send(confirmation);
            }
        }
    }

    fn next_round(&self) -> Option<Vec<oneshot::Sender<Confirmation>>> {
        let mut queue = self.queue.lock().expect("no panic happens under this lock");
        queue.is_running = !queue.waiting.is_empty();
        queue.is_running.then(|| std::mem::take(&mut queue.waiting))
    }

    async fn round(&self) -> Confirmation {
        // No age of a former acknowledgement is accepted, and heartbeats go out at once.
        let option = LinearizerOption::new(Some(Duration::ZERO), true).with_wait_timeout(READ_ROUND_MAX);
        match self.raft.get_read_linearizer(option).await {
            Ok(linearizer) => Confirmation::Confirmed { index: linearizer.read_log_id().index() },
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Confirmation::NotLeader { leader: forward.leader_id }
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) | RaftError::Fatal(_)) => {
                Confirmation::NotConfirmed
            }
        }
    }

    /// The broken build's answer: what this node believes, without asking anybody.
    fn answer_from_memory(&self) -> Confirmation {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        if metrics.current_leader != Some(metrics.id) {
            return Confirmation::NotLeader { leader: metrics.current_leader };
        }
        metrics.last_applied.map_or(Confirmation::NotConfirmed, |applied| Confirmation::Confirmed { index: applied.index })
    }
}
