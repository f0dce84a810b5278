//! Members come, read, vote, go, and are replaced.

use std::time::{Duration, Instant};

use tidegate_client::Run;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::http::Device;
use tidegate_harness::process::Build;
use tidegate_harness::{report, wait};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::load::{Asking, Load, device_document, judge_writes};

const PATIENCE: Duration = Duration::from_secs(30);

async fn hears(device: Device, reason: &str) -> serde_json::Value {
    let device = Mutex::new(device);
    wait::until(&format!("a check hears {reason}"), PATIENCE, || async {
        let answer = device.lock().await.check(&fleet::request("dev-1"), Duration::from_secs(1)).await.ok()?;
        (answer.body["reason"] == reason).then_some(answer.body)
    })
    .await
}

async fn refused(cluster: &Cluster, arguments: &[&str], code: &str) {
    let (exit, _, error) = cluster.try_run(arguments).await;
    assert_eq!(exit, Some(1), "{arguments:?}: {error}");
    assert!(error.contains(code), "{arguments:?}: {error}");
}

/// Number of writes that a learner may not lack when it is promoted, and more.
const BACKLOG: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_answers_checks_and_votes_once_it_has_caught_up() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let learner = cluster.add(4, "", Build::Product).await;
    let peer = cluster.nodes[learner].addresses.peer_proxy.clone();
    cluster.run(&["cluster", "add-learner", &peer]).await;
    cluster.wait_ready().await;
    let answer = hears(cluster.device(learner), "OFFER_LATEST").await;
    assert!(answer["staleness_ms"].as_u64().is_some_and(|age| age <= 5_000), "{answer}");
    cluster.run(&["rollout", "pause", fleet::NEW]).await;
    let paused = Instant::now();
    hears(cluster.device(learner), "PAUSED").await;
    report::line(format!("a learner heard of the pause {} ms after its acknowledgement", paused.elapsed().as_millis()));

    // Cut off, it lacks what is written meanwhile, and stays what it is.
    cluster.links.isolate(4, [1, 2, 3]);
    let client = fleet::client(&cluster, &[0, 1, 2], PATIENCE);
    let mut writes = JoinSet::new();
    for number in 0..BACKLOG {
        let client = client.clone();
        writes.spawn(async move {
            client.apply(&device_document(&format!("b-{number}")), &client.request_id(), Run::Commit).await.map(|_| ())
        });
    }
    for written in writes.join_all().await {
        written.expect("three of three voters are there");
    }
    refused(&cluster, &["cluster", "promote", "4"], "NOT_CAUGHT_UP").await;
    cluster.links.heal();
    wait::until("the learner votes", PATIENCE, || async {
        (cluster.try_run(&["cluster", "promote", "4"]).await.0 == Some(0)).then_some(())
    })
    .await;
    let status = cluster.status().await;
    let line = status["members"].as_array().expect("members").iter().find(|member| member["id"] == 4).expect("node 4");
    assert_eq!(line["kind"], "voter", "{status}");
    fleet::agree(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_node_is_replaced_by_an_empty_one_under_a_new_id() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let load = Load::start(&cluster, Asking::WithOneRetry);
    load.written(Instant::now(), 5).await;
    cluster.nodes[0].kill();
    // With one of three gone, neither of the others can be spared.
    wait::until("the last healthy majority is kept", PATIENCE, || async {
        let (exit, _, error) = cluster.try_run(&["cluster", "remove", "2"]).await;
        assert_ne!(exit, Some(0), "node 2 was needed");
        error.contains("MAJORITY_AT_RISK").then_some(())
    })
    .await;
    let fresh = cluster.add(4, "", Build::Product).await;
    let peer = cluster.nodes[fresh].addresses.peer_proxy.clone();
    cluster.run(&["cluster", "remove", "1"]).await;
    cluster.run(&["cluster", "join", &peer]).await;
    cluster.wait_node_ready(&cluster.nodes[fresh]).await;
    hears(cluster.device(fresh), "OFFER_LATEST").await;
    let outcome = load.stop().await;
    let failed = outcome.seen.iter().filter(|one| one.heard.as_deref() != Ok("OFFER_LATEST r1")).count();
    assert_eq!(failed, 0, "of {} checks", outcome.seen.len());
    judge_writes(&cluster, &[1, 2, fresh], &outcome.acknowledged).await;

    // Who was removed does not come back under its id, neither as it was nor empty.
    let removed = cluster.nodes[0].addresses.peer_proxy.clone();
    cluster.start_node(0);
    refused(&cluster, &["cluster", "join", &removed], "NODE_ID_TAKEN").await;
    cluster.nodes[0].kill();
    std::fs::remove_dir_all(cluster.nodes[0].data()).expect("the folder is the test's");
    cluster.start_node(0);
    wait::until("the empty node is refused by its id", PATIENCE, || async {
        let (exit, _, error) = cluster.try_run(&["cluster", "join", &removed]).await;
        assert_eq!(exit.map(|code| code == 0), Some(false), "the id was given again");
        error.contains("NODE_ID_TAKEN").then_some(())
    })
    .await;
    cluster.nodes[0].kill();
    fleet::agree(&cluster).await;
}

/// SIGTERM: the leader hands over, finishes what runs, and ends with 0; whoever tries once more elsewhere notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_drained_leader_hands_over_and_no_call_with_one_retry_fails() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let load = Load::start(&cluster, Asking::WithOneRetry);
    load.written(Instant::now(), 20).await;
    let told = Instant::now();
    cluster.nodes[leader].signal(rustix::process::Signal::TERM);
    assert_eq!(cluster.nodes[leader].ended(PATIENCE).await, Some(0));
    let took = told.elapsed();
    load.written(Instant::now(), 20).await;
    let outcome = load.stop().await;
    let failed: Vec<_> = outcome.seen.iter().filter(|one| one.heard.as_deref() != Ok("OFFER_LATEST r1")).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcome.seen.len(), failed[0].heard);
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    assert!(cluster.nodes[leader].logged().contains("leadership handed over"));
    let times = outcome.acknowledged.iter().map(|(_, at)| *at).collect::<std::collections::BTreeSet<_>>();
    let gap = times.iter().zip(times.iter().skip(1)).map(|(one, next)| *next - *one).max().unwrap_or_default();
    report::line(format!(
        "drained in {} ms; {} checks and {} writes, none failed; longest pause of writes {} ms",
        took.as_millis(),
        outcome.seen.len(),
        outcome.acknowledged.len(),
        gap.as_millis()
    ));
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    judge_writes(&cluster, &others, &outcome.acknowledged).await;
}
