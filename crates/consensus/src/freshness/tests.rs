//! The staleness promise on a clock and a leader of the test's own; time stands still except where a test waits.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tidegate_platform::SeededRandom;
use tokio::time::{Instant, timeout};

use super::probe::{Answer, Probe, Questions};
use super::*;
use crate::node::tally::Tally;

const MAX: Duration = Duration::from_secs(5);
const MS: Duration = Duration::from_millis(1);
const EPOCH_MS: i64 = 1_700_000_000_000;

/// Tokio's paused time, plus what a test adds: suspends to the boot clock, steps to the wall clock.
struct TestClock {
    start: Instant,
    suspended: Mutex<Duration>,
    stepped_ms: Mutex<i64>,
}

impl TestClock {
    fn suspend(&self, by: Duration) {
        *self.suspended.lock().unwrap() += by;
    }

    fn step(&self, by_ms: i64) {
        *self.stepped_ms.lock().unwrap() += by_ms;
    }

    fn true_wall_ms(&self) -> i64 {
        EPOCH_MS + whole_ms(self.boot().0)
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        BootTime(self.start.elapsed() + *self.suspended.lock().unwrap())
    }

    fn wall_ms(&self) -> i64 {
        self.true_wall_ms() + *self.stepped_ms.lock().unwrap()
    }
}

/// Lets simulated time pass; everything that falls due in it happens at its own instant.
async fn pass(by: Duration) {
    let _elapsed = timeout(by, std::future::pending::<()>()).await.is_err();
}

/// A leader that knows what was acknowledged when a question arrives, and takes its time to answer.
struct Leader {
    clock: Arc<TestClock>,
    acknowledged: Mutex<u64>,
    takes: Mutex<Duration>,
    is_silent: Mutex<bool>,
    asked: AtomicU64,
}

impl Questions for Leader {
    fn ask(&self, _nonce: u64) -> BoxFuture<'static, Option<Answer>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (index, takes) = (*self.acknowledged.lock().unwrap(), *self.takes.lock().unwrap());
        let is_silent = *self.is_silent.lock().unwrap();
        let clock = Arc::clone(&self.clock);
        async move {
            pass(takes).await;
            (!is_silent).then(|| Answer { index, reference_wall_ms: clock.true_wall_ms() })
        }
        .boxed()
    }
}

/// A node under test: its freshness, and the levers that move its world.
struct Bench {
    clock: Arc<TestClock>,
    leader: Arc<Leader>,
    freshness: Freshness,
    published: watch::Sender<Option<u64>>,
    stop: watch::Sender<bool>,
}

impl Bench {
    /// A probing node that has published index 1, which is all that was acknowledged.
    fn new(sabotage: Option<Sabotage>) -> Self {
        let start = Instant::now();
        let clock = Arc::new(TestClock { start, suspended: Mutex::default(), stepped_ms: Mutex::default() });
        let leader = Arc::new(Leader {
            clock: Arc::clone(&clock),
            acknowledged: Mutex::new(1),
            takes: Mutex::new(MS * 10),
            is_silent: Mutex::new(false),
            asked: AtomicU64::new(0),
        });
        let freshness = Freshness::new(Arc::clone(&clock) as Arc<dyn Clock>, MAX, Faults { chosen: sabotage });
        let (published, stop) = (watch::Sender::new(Some(1)), watch::Sender::new(false));
        let probe = Probe {
            freshness: freshness.clone(),
            questions: Arc::clone(&leader) as Arc<dyn Questions>,
            random: Arc::new(SeededRandom::new(1)),
            published: published.subscribe(),
            interval: MS * 200,
            tally: Arc::new(Tally::default()),
        };
        tokio::spawn(probe.run(stop.subscribe()));
        Self { clock, leader, freshness, published, stop }
    }

    async fn proven(&self) -> Fresh {
        self.freshness.ensure_fresh(MS * 500).await.unwrap()
    }

    fn acknowledge(&self, index: u64) {
        *self.leader.acknowledged.lock().unwrap() = index;
    }

    fn silence(&self) {
        *self.leader.is_silent.lock().unwrap() = true;
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[tokio::test(start_paused = true)]
async fn age_counts_from_before_the_question_and_is_padded() {
    let bench = Bench::new(None);
    *bench.leader.takes.lock().unwrap() = MS * 150;
    let proof = bench.proven().await;
    bench.silence();
    let age = bench.freshness.staleness(&proof).unwrap();
    assert!(age >= MS * 150, "the way to the leader and back counts: {age:?}");
    pass(MS * 1_000).await;
    let later = bench.freshness.staleness(&proof).unwrap();
    assert!(later >= age + MS * 1_001, "a thousandth is added for the clock's rate: {later:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fresh_before_the_published_snapshot_covers_the_answer() {
    let bench = Bench::new(None);
    bench.acknowledge(7);
    assert!(bench.freshness.ensure_fresh(MAX).await.is_err());
    assert_eq!(bench.freshness.fresh(), None);
    bench.published.send_replace(Some(7));
    pass(MS * 300).await;
    assert_eq!(bench.freshness.fresh().unwrap().applied_index, 7);
}

#[tokio::test(start_paused = true)]
async fn time_suspended_counts() {
    let bench = Bench::new(None);
    let proof = bench.proven().await;
    bench.clock.suspend(Duration::from_secs(3_600));
    assert!(bench.freshness.staleness(&proof).unwrap() >= Duration::from_secs(3_600));
}

#[tokio::test(start_paused = true)]
async fn a_stepped_wall_clock_ends_a_proof_at_once_and_a_new_one_follows() {
    for step_ms in [3_600_000, -3_600_000, 101] {
        let bench = Bench::new(None);
        let proof = bench.proven().await;
        bench.clock.step(step_ms);
        assert_eq!(bench.freshness.staleness(&proof), None, "step of {step_ms} ms");
        assert_eq!(bench.freshness.fresh(), None);
        let again = bench.proven().await;
        assert!(again.as_of > proof.as_of);
    }
    let bench = Bench::new(None);
    let proof = bench.proven().await;
    bench.clock.step(99);
    assert!(bench.freshness.staleness(&proof).is_some(), "small corrections are no steps");
}

#[tokio::test(start_paused = true)]
async fn checks_share_the_probe_under_way_and_wait_briefly() {
    let bench = Bench::new(None);
    *bench.leader.takes.lock().unwrap() = MS * 100;
    let waiting = (0..500).map(|_| {
        let freshness = bench.freshness.clone();
        tokio::spawn(async move { freshness.ensure_fresh(MAX).await })
    });
    for check in waiting.collect::<Vec<_>>() {
        check.await.unwrap().unwrap();
    }
    assert!(bench.leader.asked.load(Ordering::Relaxed) <= 2, "five hundred checks, one probe");
    let slow = Bench::new(None);
    *slow.leader.takes.lock().unwrap() = MS * 700;
    let begun = Instant::now();
    assert!(slow.freshness.ensure_fresh(MAX).await.is_err());
    assert!(begun.elapsed() <= FRESHNESS_WAIT_MAX + MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_probe_checks_are_answered_at_once() {
    let bench = Bench::new(None);
    bench.silence();
    pass(MS * 250).await;
    let begun = Instant::now();
    let stale = bench.freshness.ensure_fresh(MAX).await.unwrap_err();
    assert_eq!((begun.elapsed(), stale.staleness), (Duration::ZERO, None));
}

#[tokio::test(start_paused = true)]
async fn more_waiting_checks_than_the_bound_are_answered_at_once() {
    let bench = Bench::new(None);
    *bench.leader.takes.lock().unwrap() = MS * 150;
    let waiting = (0..FRESHNESS_WAITERS_MAX).map(|_| {
        let freshness = bench.freshness.clone();
        tokio::spawn(async move { freshness.ensure_fresh(MAX).await })
    });
    let waiting: Vec<_> = waiting.collect();
    pass(MS).await;
    let begun = Instant::now();
    assert!(bench.freshness.ensure_fresh(MAX).await.is_err());
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for check in waiting {
        check.await.unwrap().unwrap();
    }
}

/// P-43 in one direction: whatever a node's own clock says, nothing is decided at a later time than the cluster's.
#[tokio::test(start_paused = true)]
async fn a_fast_clock_opens_nothing_early_and_raises_the_alarm() {
    let bench = Bench::new(None);
    bench.clock.step(3_600_000);
    bench.proven().await;
    pass(MS * 700).await;
    let (decided, true_time) = (bench.freshness.decision_wall_ms(), bench.clock.true_wall_ms());
    assert!(decided <= true_time && decided > true_time - 1_000, "decided at {decided}, it was {true_time}");
    assert!(bench.freshness.clock_alarm().unwrap().ahead_ms > 3_590_000);
    bench.clock.step(-3_600_000 - 7_000);
    assert_eq!(bench.freshness.decision_wall_ms(), bench.clock.true_wall_ms() - 7_000, "a slow clock counts as it is");
    pass(MS * 500).await;
    assert!(bench.freshness.clock_alarm().unwrap().ahead_ms < -6_000);
}

/// Everything that a gateway does for one check, stopped for a while between deciding and reading the clock; says
/// whether the answer's claim was true. Index 2 is acknowledged while it is stopped.
async fn check_stopped_in_the_middle(sabotage: Option<Sabotage>) -> bool {
    let bench = Bench::new(sabotage);
    bench.proven().await;
    let proof = bench.freshness.fresh().unwrap();
    let decided_on = 1;
    bench.silence();
    bench.acknowledge(2);
    let acknowledged = bench.clock.boot();
    bench.clock.suspend(MS * 4_000);
    let Some(claimed) = bench.freshness.staleness(&proof) else { return true };
    let covered = bench.clock.boot().0.saturating_sub(claimed);
    decided_on >= 2 || acknowledged.0 >= covered
}

/// An answer that is late by more than a question lives, while index 2 is acknowledged and not yet published here.
async fn late_answer(sabotage: Option<Sabotage>) -> bool {
    let bench = Bench::new(sabotage);
    *bench.leader.takes.lock().unwrap() = MS * 2_500;
    pass(MS * 1_000).await;
    bench.acknowledge(2);
    let acknowledged = bench.clock.boot();
    let mut is_true = true;
    for _ in 0..60 {
        pass(MS * 50).await;
        let claimed = bench.freshness.fresh().and_then(|proof| bench.freshness.staleness(&proof));
        is_true &= claimed.is_none_or(|claimed| acknowledged.0 >= bench.clock.boot().0.saturating_sub(claimed));
    }
    is_true
}

/// A node that hears nothing any more; says whether it calls itself stale in the end.
async fn goes_stale(sabotage: Option<Sabotage>) -> bool {
    let bench = Bench::new(sabotage);
    let proof = bench.proven().await;
    bench.silence();
    pass(MAX * 2).await;
    bench.freshness.staleness(&proof).is_none_or(|age| age > MAX)
}

/// P-41: each broken build makes a claim that is false, and the whole one does not.
#[tokio::test(start_paused = true)]
async fn broken_builds_are_told_from_the_whole_one() {
    assert!(check_stopped_in_the_middle(None).await);
    assert!(!check_stopped_in_the_middle(Some(Sabotage::ClockReadFirst)).await);
    assert!(late_answer(None).await);
    assert!(!late_answer(Some(Sabotage::ReusedStart)).await);
    assert!(goes_stale(None).await);
    assert!(!goes_stale(Some(Sabotage::NeverExpires)).await);
}
