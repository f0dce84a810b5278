//! The probe loop: asks for a confirmed read index, waits until the published snapshot covers it, and records the proof.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidegate_platform::{BootTime, Random};
use tokio::sync::watch;

use super::{Attempt, Fresh, Freshness, Reference, is_apart, offset_ms};
use crate::limits::{CLOCK_SKEW_MAX, PROBE_QUESTION_MAX};
use crate::node::tally::Tally;
use crate::status::ClockAlarm;

/// A leader's answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) index: u64,
    /// The cluster's wall time when the leader answered.
    pub(crate) reference_wall_ms: i64,
}

/// Asks the leader, wherever it is.
pub(crate) trait Questions: Send + Sync + 'static {
    /// Asks once; `None` if no leader confirmed.
    fn ask(&self, nonce: u64) -> BoxFuture<'static, Option<Answer>>;
}

/// One node's probe.
pub(crate) struct Probe {
    pub(crate) freshness: Freshness,
    pub(crate) questions: Arc<dyn Questions>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) published: watch::Receiver<Option<u64>>,
    pub(crate) interval: Duration,
    pub(crate) tally: Arc<Tally>,
}

/// Wall minus boot clock at the last look.
struct Look {
    offset_ms: i64,
}

impl Probe {
    /// Probes until `stop` becomes true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut look = self.look();
        // Only the broken build keeps a question here from one attempt to the next.
        let mut late: Option<BoxFuture<'static, Option<Answer>>> = None;
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.freshness.inner.wanted.notified() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
            let now = self.look();
            if is_apart(look.offset_ms, now.offset_ms) {
                tracing::warn!(moved_ms = now.offset_ms - look.offset_ms, "wall and boot clock disagree, freshness dropped");
                self.freshness.drop_proof(None);
            }
            look = now;
            let is_proven = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                is_proven = self.attempt(&mut late) => is_proven,
            };
            let count = if is_proven { &self.tally.probes_ok } else { &self.tally.probes_failed };
            count.one();
            let failed_at = (!is_proven).then(|| self.boot());
            self.freshness.inner.attempts.send_replace(Attempt { failed_at });
        }
    }

    fn boot(&self) -> BootTime {
        self.freshness.inner.clock.boot()
    }

    fn look(&self) -> Look {
        let (boot, wall_ms) = self.freshness.inner.clock.both();
        Look { offset_ms: offset_ms(wall_ms, boot) }
    }

    /// One probe, with a nonce of its own: a repeated question is a new question.
    async fn attempt(&mut self, late: &mut Option<BoxFuture<'static, Option<Answer>>>) -> bool {
        let generation = self.freshness.generation();
        let offset_ms = self.look().offset_ms;
        let as_of = self.boot();
        let Some(answer) = self.question(late).await else { return false };
        let reference = Reference { wall_ms: answer.reference_wall_ms, at: self.boot() };
        self.judge_clock(&reference);
        let bound = self.freshness.max_staleness();
        let covered = self.published.wait_for(|applied| applied.is_some_and(|applied| applied >= answer.index));
        let is_covered = matches!(tokio::time::timeout(bound, covered).await, Ok(Ok(_)));
        if !is_covered {
            return false;
        }
        let proof = Fresh { as_of, applied_index: answer.index, offset_ms, taken_at: as_of };
        self.freshness.prove(generation, proof, reference)
    }

    async fn question(&self, late: &mut Option<BoxFuture<'static, Option<Answer>>>) -> Option<Answer> {
        let ask = || self.questions.ask(self.random.u64());
        if !self.freshness.inner.faults.reuses_start() {
            return tokio::time::timeout(PROBE_QUESTION_MAX, ask()).await.ok().flatten();
        }
        let question = late.get_or_insert_with(ask);
        let answer = tokio::time::timeout(PROBE_QUESTION_MAX, question.as_mut()).await;
        if answer.is_ok() {
            *late = None;
        }
        answer.ok().flatten()
    }

    /// Raises or clears the alarm.
    fn judge_clock(&self, reference: &Reference) {
        let ahead_ms = self.freshness.inner.clock.wall_ms().saturating_sub(reference.wall_ms);
        let is_off = u128::from(ahead_ms.unsigned_abs()) > CLOCK_SKEW_MAX.as_millis();
        let was_off = self.freshness.clock_alarm().is_some();
        if is_off != was_off {
            if is_off {
                tracing::error!(ahead_ms, "this node's wall clock is wrong");
            } else {
                tracing::info!(ahead_ms, "this node's wall clock is right again");
            }
        }
        self.freshness.inner.alarm.store(is_off.then(|| Arc::new(ClockAlarm { ahead_ms })));
    }
}
