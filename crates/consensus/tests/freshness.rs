//! What a leader that is cut off believes of itself: in the product nothing, in the build that asks no majority too much.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use support::{Cluster, eventually, in_secs};
use tidegate_consensus::freshness::Sabotage;
use tidegate_platform::{Clock as _, SystemClock};

/// Longer than any answer that was on its way when the leader was cut off.
const MARGIN: Duration = Duration::from_millis(1_000);

/// Whether a leader proves itself fresh as of a moment at which nobody could hear it.
async fn believes_itself_without_a_majority(sabotage: Option<Sabotage>) -> bool {
    let cluster = Cluster::led_with(sabotage).await;
    let leader = cluster.leader().await;
    let freshness = cluster.handle(leader).freshness().clone();
    eventually("a proof", 10, async || freshness.fresh()).await;
    cluster.wires.cut(leader);
    let cut = SystemClock::new().boot();
    let (end, mut looks) = (in_secs(3), tokio::time::interval(Duration::from_millis(20)));
    while looks.tick().await < end {
        if freshness.fresh().is_some_and(|proof| proof.as_of.since(cut) > MARGIN) {
            return true;
        }
    }
    false
}

/// P-41: the build whose leader confirms reads from memory is caught, the whole one passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p_41_a_leader_that_asks_no_majority_is_told_from_one_that_does() {
    assert!(!believes_itself_without_a_majority(None).await);
    assert!(believes_itself_without_a_majority(Some(Sabotage::NoQuorumRound)).await);
}
