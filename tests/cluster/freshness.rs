//! Faults of one member while a rollout is paused on the others: an oracle outside judges what the member says.

use std::time::{Duration, Instant};

use tidegate_client::Client;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::http::Device;
use tidegate_harness::{report, wait};
use tidegate_model::{ReleaseId, Transition, Verb};
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

const BOUND: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node said, and when it was asked.
type Heard = Vec<(Instant, String)>;

fn settings() -> String {
    format!("freshness.max_staleness = \"{}s\"", BOUND.as_secs())
}

async fn transition(client: &Client, verb: Verb) -> Instant {
    let release = ReleaseId::new(fleet::NEW).expect("a plain id");
    let transition = Transition { release, expected_version: None, reason: Some("a fault is tried".to_owned()), verb };
    client.transition(&transition, &client.request_id()).await.expect("two of three nodes are a majority");
    Instant::now()
}

async fn reason(device: &mut Device) -> String {
    let answer = device.check(&fleet::request("dev-1"), PATIENCE).await.expect("a node that runs never stops answering");
    assert_eq!(answer.status, 200);
    answer.body["reason"].as_str().expect("a decision has a reason").to_owned()
}

/// Asks every few milliseconds until `end`.
async fn listen(device: &mut Device, end: Instant) -> Heard {
    let mut heard = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < end {
        ticks.tick().await;
        let sent = Instant::now();
        heard.push((sent, reason(device).await));
    }
    heard
}

async fn until_everywhere(cluster: &Cluster, wanted: &str) {
    for node in 0..3 {
        let device = Mutex::new(cluster.device(node));
        wait::until(&format!("node index {node} says {wanted}"), PATIENCE, || async {
            (reason(&mut *device.lock().await).await == wanted).then_some(())
        })
        .await;
    }
}

/// Stops the process of a node for longer than the bound, and pauses the rollout meanwhile. Then it must not offer what was
/// paused, from the first answer on, and the others must not have become stale.
async fn stop_and_go_on(cluster: &Cluster, victim: usize) {
    until_everywhere(cluster, "OFFER_LATEST").await;
    let others: Vec<usize> = (0..3).filter(|index| *index != victim).collect();
    let client = fleet::client(cluster, &others, Duration::from_secs(20));
    cluster.nodes[victim].signal(rustix::process::Signal::STOP);
    wait::until("every thread is stopped", PATIENCE, || async { cluster.nodes[victim].is_stopped().then_some(()) }).await;
    // Asked while it is stopped, answered when it goes on.
    let mut waiting = cluster.device(victim);
    let waiting = tokio::spawn(async move { reason(&mut waiting).await });
    let paused = transition(&client, Verb::Pause).await;
    let mut healthy = cluster.device(others[0]);
    let around = listen(&mut healthy, paused + BOUND + Duration::from_millis(200)).await;
    cluster.nodes[victim].signal(rustix::process::Signal::CONT);
    let mut device = cluster.device(victim);
    let mut heard = listen(&mut device, Instant::now() + Duration::from_millis(700)).await;
    heard.push((paused, waiting.await.expect("the first question is answered")));

    assert!(around.iter().all(|(_, reason)| reason != "SNAPSHOT_STALE"), "the others were as fresh as ever");
    let offers = heard.iter().filter(|(_, reason)| reason.starts_with("OFFER")).count();
    assert_eq!(offers, 0, "of {} answers of a node that was stopped", heard.len());
    assert!(heard.iter().all(|(_, reason)| reason == "PAUSED" || reason == "SNAPSHOT_STALE"));
    until_everywhere(cluster, "PAUSED").await;
    transition(&client, Verb::Resume { acknowledge: true }).await;
}

/// P-41: SIGSTOP for longer than the bound, of a follower and of the leader.
#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_stopped_process_offers_nothing_that_was_paused_meanwhile() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start_with(3, &settings()).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    stop_and_go_on(&cluster, (leader + 1) % 3).await;
    stop_and_go_on(&cluster, cluster.leader().await).await;
    fleet::agree(&cluster).await;
}

/// What the leader says from the moment at which it is cut off, and when the others had acknowledged the pause.
async fn listen_to_a_deposed_leader() -> (Instant, Heard) {
    let cluster = Cluster::start_with(3, &settings()).await;
    fleet::load(&cluster).await;
    until_everywhere(&cluster, "OFFER_LATEST").await;
    let leader = cluster.leader().await;
    let others: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
    cluster.links.isolate(cluster.nodes[leader].id, cluster.nodes.iter().map(|node| node.id));
    let client = fleet::client(&cluster, &others, Duration::from_secs(20));
    let paused = transition(&client, Verb::Pause).await;
    let mut device = cluster.device(leader);
    let heard = listen(&mut device, paused + BOUND + Duration::from_millis(700)).await;
    cluster.links.heal();
    (paused, heard)
}

/// P-41: the old leader on the minority side knows that it hears nobody.
#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_deposed_leader_stops_offering_within_the_bound() {
    let _one = ONE_AT_A_TIME.lock().await;
    let (paused, heard) = listen_to_a_deposed_leader().await;
    let last = heard.iter().filter(|(_, reason)| reason.starts_with("OFFER")).map(|(sent, _)| *sent).max();
    let last = last.map_or(0, |sent| sent.saturating_duration_since(paused).as_millis());
    report::line(format!("{} checks; last offer {last} ms after the pause, bound {} ms", heard.len(), BOUND.as_millis()));
    let late: Vec<&String> = heard.iter().filter(|(sent, _)| *sent > paused + BOUND).map(|(_, reason)| reason).collect();
    assert!(late.len() >= 50, "the oracle listened beyond the bound");
    assert!(late.iter().all(|reason| *reason == "SNAPSHOT_STALE"), "{late:?}");
}

/// A node is not ready before it has proven itself fresh, however good what it has on disk.
#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_restarted_node_says_nothing_before_its_first_proof() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start_with(3, &settings()).await;
    fleet::load(&cluster).await;
    until_everywhere(&cluster, "OFFER_LATEST").await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    cluster.start_node(0);
    let device = Mutex::new(cluster.device(0));
    wait::until("the node lives", PATIENCE, || async {
        let answer = device.lock().await.get("/livez", Duration::from_millis(500)).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    let mut device = device.into_inner();
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let ready = device.get("/readyz", PATIENCE).await.expect("it answers");
        assert_eq!(ready.status, 503);
        let answer = device.check(&fleet::request("dev-1"), PATIENCE).await.expect("it answers");
        let reason = answer.body["reason"].as_str().unwrap_or("none");
        assert!(!reason.starts_with("OFFER"), "{}", answer.body);
        assert!(answer.status == 503 || reason == "SNAPSHOT_STALE", "{}: {}", answer.status, answer.body);
    }
    cluster.start_node(1);
    cluster.start_node(2);
    cluster.wait_ready().await;
    until_everywhere(&cluster, "OFFER_LATEST").await;
}
