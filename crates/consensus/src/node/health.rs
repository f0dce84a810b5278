//! What may end a node, and who leads: the disk, openraft itself, the log's driver and the listener report here.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::Fatal;
use tokio::sync::watch;

use super::core::Core;
use super::log::Pending;
use crate::application::Application;
use crate::limits::{CLOCK_WATCH_INTERVAL, DISK_SLOW_MAX, DISK_STALL_MAX, MAJORITY_WATCH_INTERVAL};
use crate::roster::Members;
use crate::runtime::Runtime;
use crate::service::Fault;
use crate::status::Leadership;

/// Shared by everything that can fail.
pub(crate) struct Health {
    fault: watch::Sender<Option<Fault>>,
    stop: watch::Sender<bool>,
    leadership: watch::Sender<Leadership>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            fault: watch::Sender::new(None),
            stop: watch::Sender::new(false),
            leadership: watch::Sender::new(Leadership::default()),
        }
    }

    /// Reports a fault; the first one counts, and is logged here, once.
    pub(crate) fn fail(&self, fault: Fault) {
        self.fault.send_if_modified(|known| {
            if known.is_some() || *self.stop.borrow() {
                return false;
            }
            tracing::error!(%fault, "the node cannot go on");
            *known = Some(fault);
            true
        });
    }

    pub(crate) fn faults(&self) -> watch::Receiver<Option<Fault>> {
        self.fault.subscribe()
    }

    /// Tells all tasks to end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.fault.borrow().is_some()
    }

    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }
}

/// Follows openraft's metrics: roster, leadership, and whether it still runs.
pub(crate) async fn follow_metrics<Rt: Runtime, A: Application>(core: Arc<Core<Rt, A>>) {
    let mut metrics = core.raft.metrics();
    let mut stop = core.health.stopping();
    loop {
        let (members, leadership, running) = {
            let m = metrics.borrow_and_update();
            let leadership =
                Leadership { term: m.current_term, leader: m.current_leader, is_here: m.current_leader == Some(m.id) };
            (Members::of(m.membership_config.membership()), leadership, m.running_state.clone())
        };
        if **core.roster.load() != members {
            core.roster.store(members);
        }
        core.health.leadership.send_if_modified(|known| {
            if *known == leadership {
                return false;
            }
            if known.leader != leadership.leader {
                tracing::info!(term = leadership.term, leader = ?leadership.leader, "leadership changed");
                core.tally.leader_changes.one();
            }
            *known = leadership;
            true
        });
        match running {
            Ok(()) => {}
            Err(Fatal::StorageError(error)) => core.health.fail(Fault::Storage { reason: error.to_string() }),
            Err(Fatal::Panicked) => core.health.fail(Fault::Panicked),
            // Orderly, if we asked for it; `fail` knows.
            Err(Fatal::Stopped) => core.health.fail(Fault::Panicked),
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            changed = metrics.changed() => {
                if changed.is_err() {
                    core.health.fail(Fault::Panicked);
                    return;
                }
            }
        }
    }
}

/// Watches the disk: a slow one costs the leadership, a stalled one the node.
pub(crate) async fn watch_disk<Rt: Runtime, A: Application>(core: Arc<Core<Rt, A>>, pending: Pending) {
    let mut stop = core.health.stopping();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
        }
        let stalled = pending.stalled_for();
        // A full disk does what it is asked: it says that it is full. The log goes on when there is room.
        if stalled > DISK_STALL_MAX && !core.is_disk_waited_for() {
            let stalled_ms = stalled.as_millis().try_into().unwrap_or(u64::MAX);
            core.health.fail(Fault::DiskStalled { stalled_ms });
            return;
        }
        if stalled > DISK_SLOW_MAX
            && core.is_leader()
            && let Some(successor) = core.best_successor()
        {
            tracing::warn!(?stalled, successor, "the disk is slow, handing leadership on");
            // Refused only by a node that has stopped.
            let _ = core.raft.trigger().transfer_leader(successor).await;
        }
    }
}

/// Watches the majority: a leader that hears nobody may still be heard, and what it sends would keep the others from finding
/// one that they can answer. It asks them to, one after the other; if it is not heard either, they have done so by themselves.
pub(crate) async fn watch_majority<Rt: Runtime, A: Application>(core: Arc<Core<Rt, A>>) {
    let mut stop = core.health.stopping();
    let mut alone_since: Option<tokio::time::Instant> = None;
    let mut asked = 0_usize;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(MAJORITY_WATCH_INTERVAL) => {}
        }
        if !core.is_leader() || core.is_majority_answering() {
            (alone_since, asked) = (None, 0);
            continue;
        }
        let now = tokio::time::Instant::now();
        let alone = now - *alone_since.get_or_insert(now);
        // Nobody has answered a new leader yet; each successor is given the time of an election, too.
        let successors = core.possible_successors();
        let patience = core.election_max * (u32::try_from(asked).unwrap_or(u32::MAX).saturating_add(1));
        if alone >= patience
            && let Some(successor) = successors.get(asked % successors.len().max(1)).copied()
        {
            asked += 1;
            tracing::warn!(?alone, successor, "no majority answers this leader, asking another voter to lead");
            // Refused only by a node that has stopped.
            let _ = core.raft.trigger().transfer_leader(successor).await;
        }
    }
}

/// Watches the wall clock: a leader that does not trust its own may not stamp entries, so it hands leadership to a voter
/// whose clock agrees with the cluster's.
pub(crate) async fn watch_clock<Rt: Runtime, A: Application>(core: Arc<Core<Rt, A>>) {
    let mut stop = core.health.stopping();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(CLOCK_WATCH_INTERVAL) => {}
        }
        if core.is_leader()
            && let Some(ahead_ms) = core.clock_skew_ms()
            && let Some(successor) = core.successor_with_clock(ahead_ms)
        {
            tracing::warn!(ahead_ms, successor, "this leader's clock is wrong, handing leadership on");
            // Refused only by a node that has stopped.
            let _ = core.raft.trigger().transfer_leader(successor).await;
        }
    }
}
