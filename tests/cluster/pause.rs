//! A follower is cut off while a rollout is paused: an oracle outside judges when it stops offering.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;
use tidegate_harness::process::Build;
use tidegate_harness::wait;
use tidegate_model::{ReleaseId, Transition, Verb};
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use tidegate_harness::report;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

const BOUND: Duration = Duration::from_secs(5);

/// What the oracle saw of one node: when each check was sent, and what it heard.
struct Record {
    acknowledged: Instant,
    heard: Vec<(Instant, String)>,
}

/// Cuts one follower off, pauses the rollout on the others, and listens to the follower until well beyond the bound.
async fn listen_to_a_cut_off_follower(build: Build) -> Record {
    let cluster = Cluster::start_build(3, &format!("freshness.max_staleness = \"{}s\"", BOUND.as_secs()), build).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let follower = (leader + 1) % 3;
    let others: Vec<usize> = (0..3).filter(|index| *index != follower).collect();
    let mut device = cluster.device(follower);
    let before = device.check(&fleet::request("dev-1"), BOUND).await.expect("the follower answers");
    assert_eq!(before.body["reason"], "OFFER_LATEST", "{}", before.body);

    cluster.links.isolate(cluster.nodes[follower].id, cluster.nodes.iter().map(|node| node.id));
    let client = fleet::client(&cluster, &others, Duration::from_secs(10));
    let pause = Transition {
        release: ReleaseId::new(fleet::NEW).expect("a plain id"),
        expected_version: None,
        reason: Some("looks bad".to_owned()),
        verb: Verb::Pause,
    };
    client.transition(&pause, &client.request_id()).await.expect("two of three nodes are a majority");
    let acknowledged = Instant::now();

    let mut heard = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while acknowledged.elapsed() < BOUND + Duration::from_secs(2) {
        ticks.tick().await;
        let sent = Instant::now();
        let answer = device.check(&fleet::request("dev-1"), Duration::from_secs(2)).await.expect("a node never stops answering");
        assert_eq!(answer.status, 200);
        heard.push((sent, answer.body["reason"].as_str().expect("a decision has a reason").to_owned()));
    }
    Record { acknowledged, heard }
}

impl Record {
    /// Offers that were asked for after the bound: the decision came later still.
    fn late_offers(&self) -> usize {
        self.after_bound().filter(|reason| reason.starts_with("OFFER")).count()
    }

    fn after_bound(&self) -> impl Iterator<Item = &str> {
        self.heard.iter().filter(|(sent, _)| *sent > self.acknowledged + BOUND).map(|(_, reason)| reason.as_str())
    }
}

/// P-41: let pause be acknowledged at T; no node offers the release later than T + max_staleness.
#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_cut_off_follower_stops_offering_within_the_bound() {
    let _one = ONE_AT_A_TIME.lock().await;
    let record = listen_to_a_cut_off_follower(Build::Product).await;
    let last = record.heard.iter().filter(|(_, reason)| reason.starts_with("OFFER")).map(|(sent, _)| *sent).max();
    let last = last.map_or(0, |at| at.saturating_duration_since(record.acknowledged).as_millis());
    report::line(format!(
        "{} checks; last offer {last} ms after the acknowledgement, bound {} ms",
        record.heard.len(),
        BOUND.as_millis()
    ));
    assert_eq!(record.late_offers(), 0);
    assert!(record.after_bound().count() >= 50, "the oracle listened beyond the bound");
    assert!(record.after_bound().all(|reason| reason == "SNAPSHOT_STALE"));
}

/// The oracle is worth something: a build whose freshness never expires is caught by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_never_expires_is_caught() {
    let _one = ONE_AT_A_TIME.lock().await;
    let record = listen_to_a_cut_off_follower(Build::NeverExpires).await;
    assert!(record.late_offers() > 0, "the broken build was not caught");
}

/// Where everything is connected, a pause is everywhere within milliseconds of its acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_reaches_connected_nodes_at_once() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    cluster.run(&["rollout", "pause", fleet::NEW, "--reason", "looks bad"]).await;
    let acknowledged = Instant::now();
    for node in 0..3 {
        let device = Mutex::new(cluster.device(node));
        wait::until("the node has heard of the pause", Duration::from_secs(2), || async {
            let request = fleet::request("dev-1");
            let answer = device.lock().await.check(&request, Duration::from_secs(1)).await.ok()?;
            (answer.body["reason"] == "PAUSED").then_some(())
        })
        .await;
    }
    report::line(format!("paused on all nodes {} ms after the acknowledgement", acknowledged.elapsed().as_millis()));
}
