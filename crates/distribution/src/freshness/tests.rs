//! Ages and decision times, on clocks that the test moves.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Clocks that the test moves: both together, or the wall clock alone.
#[derive(Default)]
struct Hands {
    boot_ms: Mutex<u64>,
    wall_ms: Mutex<i64>,
}

impl Clock for Hands {
    fn boot(&self) -> BootTime {
        BootTime(MS * u32::try_from(*self.boot_ms.lock().unwrap()).unwrap())
    }
    fn wall_ms(&self) -> i64 {
        *self.wall_ms.lock().unwrap()
    }
}

impl Hands {
    fn pass(&self, ms: u32) {
        *self.boot_ms.lock().unwrap() += u64::from(ms);
        *self.wall_ms.lock().unwrap() += i64::from(ms);
    }
    fn step(&self, ms: i64) {
        *self.wall_ms.lock().unwrap() += ms;
    }
}

fn bench() -> (Arc<Hands>, Freshness) {
    let hands = Arc::new(Hands::default());
    hands.pass(100_000);
    let freshness = Freshness::new(Arc::clone(&hands) as Arc<dyn Clock>);
    (hands, freshness)
}

/// P-41 at an edge: the way of the probe and the upstream's own age count, padded for the clock's rate.
#[test]
fn p_41_ages_add_up_and_grow() {
    let (hands, freshness) = bench();
    assert_eq!(freshness.current_staleness(), None, "never fresh before the first answer");
    let asked = freshness.asking();
    hands.pass(150);
    assert!(freshness.answered(asked, Some(MS * 400), 0));
    let age = freshness.current_staleness().unwrap();
    assert!(age >= MS * 550 && age <= MS * 551, "{age:?}");
    hands.pass(2_000);
    assert!(freshness.current_staleness().unwrap() >= MS * 2_552);
}

#[test]
fn an_upstream_that_does_not_know_its_age_proves_nothing() {
    let (_hands, freshness) = bench();
    assert!(!freshness.answered(freshness.asking(), None, 0));
    assert_eq!(freshness.proof(), None);
    // Older than this machine has been up: not a time that its clock can name.
    assert!(!freshness.answered(freshness.asking(), Some(Duration::from_secs(1_000)), 0));
    assert_eq!(freshness.proof(), None);
}

#[test]
fn an_older_answer_does_not_take_a_newer_proof_back() {
    let (hands, freshness) = bench();
    let first = freshness.asking();
    hands.pass(200);
    let second = freshness.asking();
    assert!(freshness.answered(second, Some(MS), 0));
    let proof = freshness.proof();
    assert!(freshness.answered(first, Some(MS), 0));
    assert_eq!(freshness.proof(), proof);
}

#[test]
fn a_stepped_wall_clock_ends_a_proof_and_the_probes_under_way() {
    for step_ms in [3_600_000, -3_600_000, 101] {
        let (hands, freshness) = bench();
        assert!(freshness.answered(freshness.asking(), Some(MS), 0));
        let under_way = freshness.asking();
        hands.step(step_ms);
        assert_eq!(freshness.current_staleness(), None, "step of {step_ms} ms");
        assert!(!freshness.answered(under_way, Some(MS), 0), "asked before the step");
        assert!(freshness.answered(freshness.asking(), Some(MS), 0));
        assert!(freshness.current_staleness().is_some());
    }
    let (hands, freshness) = bench();
    assert!(freshness.answered(freshness.asking(), Some(MS), 0));
    hands.step(99);
    assert!(freshness.current_staleness().is_some(), "small corrections are no steps");
}

/// P-43 at an edge: a fast local clock opens nothing early, a slow one counts as it is.
#[test]
fn p_43_decision_time_is_never_ahead_of_the_upstream() {
    let (hands, freshness) = bench();
    let cluster_ms = hands.wall_ms();
    hands.step(3_600_000);
    assert!(freshness.answered(freshness.asking(), Some(MS), cluster_ms));
    hands.pass(500);
    assert_eq!(freshness.decision_wall_ms(), cluster_ms + 500);
    assert!(freshness.clock_alarm_ms().is_some_and(|ahead_ms| ahead_ms > 3_590_000));
    hands.step(-3_600_000 - 7_000);
    assert_eq!(freshness.decision_wall_ms(), cluster_ms + 500 - 7_000);
}

#[tokio::test(start_paused = true)]
async fn a_stale_check_waits_briefly_for_an_upstream_that_answers_and_not_at_all_for_one_that_does_not() {
    let (hands, freshness) = bench();
    let begun = tokio::time::Instant::now();
    freshness.ensure_fresh(MS * 5).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "no upstream answers");
    assert!(freshness.answered(freshness.asking(), Some(MS), 0));
    hands.pass(1_000);
    freshness.ensure_fresh(MS * 5).await;
    assert_eq!(begun.elapsed(), FRESHNESS_WAIT_MAX);
    let waiting = {
        let freshness = freshness.clone();
        tokio::spawn(async move { freshness.ensure_fresh(MS * 5).await })
    };
    freshness.wanted().await;
    assert!(freshness.answered(freshness.asking(), Some(MS), 0));
    waiting.await.unwrap();
    assert!(begun.elapsed() < FRESHNESS_WAIT_MAX + MS * 50);
    freshness.unanswered();
    hands.pass(1_000);
    let again = tokio::time::Instant::now();
    freshness.ensure_fresh(MS * 5).await;
    assert_eq!(again.elapsed(), Duration::ZERO);
}
