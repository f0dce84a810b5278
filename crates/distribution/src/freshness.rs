//! How old a followed copy provably is at most, and the time that decisions are made at on it.
//!
//! The same promise as on a node of the cluster, one step further out: a probe notes the boot clock e0 and asks; the
//! upstream answers, after all changes that it knew, with its own age s; once the copy has taken in what came before the
//! answer it is fresh as of e0 - s. Bounds add up along a chain, and no clocks of two machines are compared.
//!
//! Whoever answers checks takes [`Freshness::proof`] **first**, then loads the snapshot, decides, and only then calls
//! [`Freshness::staleness`]. Everything doubtful (no probe yet, a stepped clock, an upstream that does not know its own
//! age) is `None` or growing age. Nothing of this is kept across a restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tidegate_platform::{BootTime, Clock};
use tokio::sync::{Notify, watch};

use crate::limits::{CLOCK_SKEW_MAX, CLOCK_STEP_MAX, FRESHNESS_WAIT_MAX, FRESHNESS_WAITERS_MAX};

/// What is known of a copy that is loaded after this was taken: it holds everything acknowledged before `as_of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    as_of: BootTime,
    /// Wall minus boot clock when the probe was sent, in milliseconds: a later difference is a stepped clock.
    offset_ms: i64,
}

/// A probe on its way: what was read before it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    at: BootTime,
    offset_ms: i64,
    generation: u64,
}

/// The age of one copy. Cheap to clone.
#[derive(Clone)]
pub struct Freshness {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    proof: ArcSwapOption<Proof>,
    /// The upstream's wall time and the boot time that it belongs to. Outlives the proof.
    reference: ArcSwapOption<(i64, BootTime)>,
    /// Counts up when freshness is dropped, so that a probe sent before does not count after. Guards `proof` writes.
    generation: Mutex<u64>,
    /// Counts answered probes; false while no upstream answers.
    answered: watch::Sender<(u64, bool)>,
    wanted: Notify,
    waiters: AtomicUsize,
}

impl Freshness {
    /// Of a copy that nobody has vouched for.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            clock,
            proof: ArcSwapOption::empty(),
            reference: ArcSwapOption::empty(),
            generation: Mutex::new(0),
            answered: watch::Sender::new((0, false)),
            wanted: Notify::new(),
            waiters: AtomicUsize::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The newest proof, of any age. Take it before loading the snapshot.
    #[must_use]
    pub fn proof(&self) -> Option<Proof> {
        self.inner.proof.load().as_deref().copied()
    }

    /// Age of a snapshot loaded after `proof` was taken, as of now: reads the clocks, so call it after deciding. Padded by
    /// a thousandth for the clock's rate. `None` when the clocks disagree about the time since: then it counts no more.
    #[must_use]
    pub fn staleness(&self, proof: &Proof) -> Option<Duration> {
        let (now, wall_ms) = self.inner.clock.both();
        let offset_ms = offset_ms(wall_ms, now);
        if is_apart(proof.offset_ms, offset_ms) {
            self.forget();
            return None;
        }
        let age = now.since(proof.as_of);
        Some(age + age / 1_000)
    }

    /// Age of the newest proof now.
    #[must_use]
    pub fn current_staleness(&self) -> Option<Duration> {
        self.proof().and_then(|proof| self.staleness(&proof))
    }

    /// Tries to have a proof at most `bound` old: asks for a probe and waits for answers, [`FRESHNESS_WAIT_MAX`] at most.
    /// Returns at once if there is one, if no upstream answers now, or if too many wait already.
    pub async fn ensure_fresh(&self, bound: Duration) {
        let is_there = || self.current_staleness().is_some_and(|age| age <= bound);
        let mut answered = self.inner.answered.subscribe();
        if is_there() || !answered.borrow_and_update().1 {
            return;
        }
        let waiting = self.inner.waiters.fetch_add(1, Ordering::Relaxed);
        if waiting < FRESHNESS_WAITERS_MAX {
            self.inner.wanted.notify_one();
            let wait = async { while !is_there() && answered.changed().await.is_ok() && answered.borrow_and_update().1 {} };
            // Whether it worked is read from the clock afterwards.
            let _is_in_time = tokio::time::timeout(FRESHNESS_WAIT_MAX, wait).await.is_ok();
        }
        self.inner.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    /// The time to decide at, in milliseconds since the Unix epoch: the smaller of the local wall clock and the upstream's
    /// time carried on by the boot clock, so that a fast local clock opens nothing early. The way back of the answer makes
    /// it a little late, never early. Before the first probe it is the local clock; no check is answered then.
    #[must_use]
    pub fn decision_wall_ms(&self) -> i64 {
        let local = self.inner.clock.wall_ms();
        self.reference_ms().map_or(local, |reference| local.min(reference))
    }

    /// How far the local wall clock is ahead of the upstream's time, if that is far enough to raise an alarm.
    #[must_use]
    pub fn clock_alarm_ms(&self) -> Option<i64> {
        let ahead_ms = self.inner.clock.wall_ms().saturating_sub(self.reference_ms()?);
        (u128::from(ahead_ms.unsigned_abs()) > CLOCK_SKEW_MAX.as_millis()).then_some(ahead_ms)
    }

    fn reference_ms(&self) -> Option<i64> {
        let (wall_ms, at) = **self.inner.reference.load().as_ref()?;
        let since = self.inner.clock.boot().since(at);
        Some(wall_ms.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Reads the clocks for a probe that is about to be sent. A clock that was stepped since the last proof ends it here.
    #[must_use]
    pub fn asking(&self) -> Asked {
        let at = self.inner.clock.boot();
        // The time of asking comes first: the age counts from it.
        let (boot, wall_ms) = self.inner.clock.both();
        let offset_ms = offset_ms(wall_ms, boot);
        if self.proof().is_some_and(|proof| is_apart(proof.offset_ms, offset_ms)) {
            tracing::warn!("wall and boot clock disagree, freshness dropped");
            self.forget();
        }
        Asked { at, offset_ms, generation: *self.generation() }
    }

    /// The copy has taken in everything that came before the answer to this probe. Says whether that proves anything: it
    /// does not if the upstream did not know its own age, or if freshness was dropped meanwhile.
    pub fn answered(&self, asked: Asked, staleness: Option<Duration>, decision_time_ms: i64) -> bool {
        self.inner.reference.store(Some(Arc::new((decision_time_ms, self.inner.clock.boot()))));
        let as_of = staleness.and_then(|age| asked.at.0.checked_sub(age)).map(BootTime);
        let is_proven = as_of.is_some_and(|as_of| self.prove(asked, as_of));
        self.inner.answered.send_modify(|(count, is_answering)| (*count, *is_answering) = (count.wrapping_add(1), true));
        is_proven
    }

    fn prove(&self, asked: Asked, as_of: BootTime) -> bool {
        let generation = self.generation();
        if *generation != asked.generation {
            return false;
        }
        if self.proof().is_none_or(|known| known.as_of < as_of) {
            self.inner.proof.store(Some(Arc::new(Proof { as_of, offset_ms: asked.offset_ms })));
        }
        true
    }

    /// No upstream answers for the moment: checks that find the copy too old need not wait.
    pub fn unanswered(&self) {
        self.inner.answered.send_modify(|(count, is_answering)| (*count, *is_answering) = (count.wrapping_add(1), false));
    }

    /// Resolves when somebody wants a probe at once.
    pub async fn wanted(&self) {
        self.inner.wanted.notified().await;
    }

    fn forget(&self) {
        let mut generation = self.generation();
        *generation += 1;
        self.inner.proof.store(None);
        self.inner.wanted.notify_one();
    }

    fn generation(&self) -> std::sync::MutexGuard<'_, u64> {
        self.inner.generation.lock().expect("no panic happens under this lock")
    }
}

/// Whole milliseconds, rounded up: nobody claims to be fresher than it is.
pub(crate) fn whole_ms_up(age: Duration) -> u64 {
    u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Wall minus boot clock.
fn offset_ms(wall_ms: i64, boot: BootTime) -> i64 {
    wall_ms.saturating_sub(i64::try_from(boot.0.as_millis()).unwrap_or(i64::MAX))
}

/// Whether wall and boot clock moved apart between two looks.
fn is_apart(before_ms: i64, now_ms: i64) -> bool {
    u128::from(now_ms.abs_diff(before_ms)) > CLOCK_STEP_MAX.as_millis()
}

#[cfg(test)]
mod tests;
