//! How old this node's published snapshot provably is at most, and the time that decisions are made at.
//!
//! The promise: at the moment a decision was made, the snapshot contained every change acknowledged at least X before
//! that moment. No clocks of two machines are compared for it: a probe notes the boot clock, asks the leader for an index
//! confirmed by a majority round that starts after the question arrived, and counts once the published snapshot covers
//! that index. `probe` runs the loop; this file keeps its result.
//!
//! The order for whoever answers checks: take [`Freshness::fresh`] **first**, then load the snapshot, decide, and only
//! then call [`Freshness::staleness`], which reads the clocks. A stop anywhere in between makes the answer older, never
//! falsely fresh. Everything doubtful (no probe yet, a stepped clock, a lost leader) is `None` or growing age.

#[cfg(any(test, feature = "testing"))]
pub use self::sabotage::Sabotage;

pub(crate) mod probe;
pub(crate) mod sabotage;
pub(crate) mod wall;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tidegate_platform::{BootTime, Clock};
use tokio::sync::{Notify, watch};

use self::sabotage::Faults;
use crate::limits::{CLOCK_STEP_MAX, FRESHNESS_FAILURE_MEMORY, FRESHNESS_WAIT_MAX, FRESHNESS_WAITERS_MAX};
use crate::status::ClockAlarm;

/// A proof: the snapshot published at or after [`applied_index`](Self::applied_index) contains everything that was
/// acknowledged before [`as_of`](Self::as_of).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Boot time just before the probe's question left.
    pub as_of: BootTime,
    /// Index that the proof is about. A snapshot loaded after the proof was taken covers it.
    pub applied_index: u64,
    /// Wall minus boot clock at `as_of`, in milliseconds: a later difference is a stepped clock.
    offset_ms: i64,
    /// When this copy was taken; only the broken build that reads the clock before deciding looks at it.
    taken_at: BootTime,
}

/// The snapshot is too old, or of unknown age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("snapshot age {staleness:?} must be <= {bound:?}")]
pub struct Stale {
    /// Proven age, if there is any proof.
    pub staleness: Option<Duration>,
    /// The bound asked for.
    pub bound: Duration,
}

/// This node's freshness. Cheap to clone.
#[derive(Clone)]
pub struct Freshness {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    max_staleness: Duration,
    proof: ArcSwapOption<Fresh>,
    /// Leader's wall time and the boot time it belongs to, for the decision time. Outlives the proof.
    reference: ArcSwapOption<Reference>,
    /// Counts up when freshness is dropped, so that a probe begun before does not count after. Guards `proof` writes.
    generation: Mutex<u64>,
    attempts: watch::Sender<Attempt>,
    wanted: Notify,
    waiters: AtomicUsize,
    dropped: AtomicU64,
    alarm: ArcSwapOption<ClockAlarm>,
    faults: Faults,
}

#[derive(Clone, Copy)]
struct Reference {
    wall_ms: i64,
    at: BootTime,
}

/// The newest finished probe.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    failed_at: Option<BootTime>,
}

impl Freshness {
    pub(crate) fn new(clock: Arc<dyn Clock>, max_staleness: Duration, faults: Faults) -> Self {
        let inner = Inner {
            clock,
            max_staleness,
            proof: ArcSwapOption::empty(),
            reference: ArcSwapOption::empty(),
            generation: Mutex::new(0),
            attempts: watch::Sender::new(Attempt::default()),
            wanted: Notify::new(),
            waiters: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            alarm: ArcSwapOption::empty(),
            faults,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The bound that this node was configured with.
    #[must_use]
    pub fn max_staleness(&self) -> Duration {
        self.inner.max_staleness
    }

    /// The newest proof, of any age; `None` before the first probe and after a clock step. Take it before loading the
    /// snapshot.
    #[must_use]
    pub fn fresh(&self) -> Option<Fresh> {
        let mut proof = **self.inner.proof.load().as_ref()?;
        if self.inner.faults.reads_clock_first() {
            proof.taken_at = self.inner.clock.boot();
        }
        Some(proof)
    }

    /// Age of a snapshot loaded after `proof` was taken, as of now: reads the clocks, so call it after deciding. Padded
    /// by a thousandth for the clock's rate. `None` when the clocks disagree about the time since the proof: then it
    /// counts no more, and a new probe is on its way.
    #[must_use]
    pub fn staleness(&self, proof: &Fresh) -> Option<Duration> {
        if self.inner.faults.never_expires() {
            return Some(Duration::ZERO);
        }
        let (now, wall_ms) = self.inner.clock.both();
        if is_apart(proof.offset_ms, offset_ms(wall_ms, now)) {
            self.drop_proof(Some(proof));
            return None;
        }
        let now = if self.inner.faults.reads_clock_first() { proof.taken_at } else { now };
        Some(padded(now.since(proof.as_of)))
    }

    /// Age of the newest proof now, for `/readyz` and metrics; answers of checks use [`staleness`](Self::staleness).
    #[must_use]
    pub fn current_staleness(&self) -> Option<Duration> {
        self.fresh().and_then(|proof| self.staleness(&proof))
    }

    /// Makes sure of a proof at most `bound` old: at once if there is one; otherwise waits for the probe under way, at
    /// most [`FRESHNESS_WAIT_MAX`]. Answers at once if the last probe failed lately or too many are waiting.
    ///
    /// # Errors
    /// [`Stale`] if there is no such proof in time.
    pub async fn ensure_fresh(&self, bound: Duration) -> Result<Fresh, Stale> {
        if let Some(proof) = self.within(bound) {
            return Ok(proof);
        }
        let mut attempts = self.inner.attempts.subscribe();
        let Some(_slot) = self.waiting_slot() else {
            return Err(self.stale(bound));
        };
        if self.failed_lately(*attempts.borrow_and_update()) {
            return Err(self.stale(bound));
        }
        self.inner.wanted.notify_one();
        let wait = async {
            while attempts.changed().await.is_ok() {
                let attempt = *attempts.borrow_and_update();
                if let Some(proof) = self.within(bound) {
                    return Some(proof);
                }
                if attempt.failed_at.is_some() {
                    return None;
                }
            }
            None
        };
        let proof = tokio::time::timeout(FRESHNESS_WAIT_MAX, wait).await.ok().flatten();
        proof.or_else(|| self.within(bound)).ok_or_else(|| self.stale(bound))
    }

    /// The time to decide at, in milliseconds since the Unix epoch: the smaller of the local wall clock and the
    /// cluster's wall time carried on by the boot clock, so that a fast clock opens nothing early. Before the first
    /// probe it is the local clock; no check may be answered then.
    #[must_use]
    pub fn decision_wall_ms(&self) -> i64 {
        let local = self.inner.clock.wall_ms();
        match *self.inner.reference.load() {
            None => local,
            Some(ref reference) => {
                let since = self.inner.clock.boot().since(reference.at);
                local.min(reference.wall_ms.saturating_add(whole_ms(since)))
            }
        }
    }

    /// Set while this node's wall clock is too far from the cluster's.
    #[must_use]
    pub fn clock_alarm(&self) -> Option<ClockAlarm> {
        self.inner.alarm.load().as_deref().copied()
    }

    fn within(&self, bound: Duration) -> Option<Fresh> {
        self.fresh().filter(|proof| self.staleness(proof).is_some_and(|age| age <= bound))
    }

    fn stale(&self, bound: Duration) -> Stale {
        Stale { staleness: self.current_staleness(), bound }
    }

    fn failed_lately(&self, attempt: Attempt) -> bool {
        let now = self.inner.clock.boot();
        attempt.failed_at.is_some_and(|at| now.since(at) < FRESHNESS_FAILURE_MEMORY)
    }

    fn waiting_slot(&self) -> Option<WaitingSlot<'_>> {
        let waiting = self.inner.waiters.fetch_add(1, Ordering::Relaxed);
        let slot = WaitingSlot(&self.inner.waiters);
        (waiting < FRESHNESS_WAITERS_MAX).then_some(slot)
    }

    /// Forgets the proof: `only` that one if given, else whichever there is. Probes under way count no more.
    pub(crate) fn drop_proof(&self, only: Option<&Fresh>) {
        let mut generation = self.inner.generation.lock().expect("no panic happens under this lock");
        let current = self.inner.proof.load().as_deref().copied();
        let is_meant = match (current, only) {
            (Some(current), Some(only)) => current.as_of == only.as_of,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if is_meant {
            self.inner.proof.store(None);
        }
        if is_meant || only.is_none() {
            *generation += 1;
            self.inner.dropped.fetch_add(1, Ordering::Relaxed);
            self.inner.wanted.notify_one();
        }
    }

    /// Records a proof, unless freshness was dropped since `generation` or a newer proof is there.
    fn prove(&self, generation: u64, proof: Fresh, reference: Reference) -> bool {
        let current = self.inner.generation.lock().expect("no panic happens under this lock");
        if *current != generation {
            return false;
        }
        self.inner.reference.store(Some(Arc::new(reference)));
        if self.inner.proof.load().as_deref().is_none_or(|known| known.as_of < proof.as_of) {
            self.inner.proof.store(Some(Arc::new(proof)));
        }
        true
    }

    fn generation(&self) -> u64 {
        *self.inner.generation.lock().expect("no panic happens under this lock")
    }

    pub(crate) fn dropped_count(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }
}

struct WaitingSlot<'a>(&'a AtomicUsize);

impl Drop for WaitingSlot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Staleness with the allowance for clock rate.
fn padded(age: Duration) -> Duration {
    age + age / 1_000
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Wall minus boot clock.
fn offset_ms(wall_ms: i64, boot: BootTime) -> i64 {
    wall_ms.saturating_sub(whole_ms(boot.0))
}

/// Whether wall and boot clock moved apart between two looks.
fn is_apart(offset_before_ms: i64, offset_now_ms: i64) -> bool {
    u128::from(offset_now_ms.abs_diff(offset_before_ms)) > CLOCK_STEP_MAX.as_millis()
}

#[cfg(test)]
mod tests;
