//! A cluster changes to a newer build, node by node: two builds that differ in a kind of command, under load.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;
use tidegate_harness::process::Build;
use tidegate_harness::report;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::load::{Asking, Load, judge_writes};

const PATIENCE: Duration = Duration::from_secs(30);
const RAISE: &[&str] = &["cluster", "settings", "cluster_version=2"];

/// Runs a command that has to be refused with `code`; returns what was said.
async fn refused(cluster: &Cluster, arguments: &[&str], code: &str) -> String {
    let (exit, _, error) = cluster.try_run(arguments).await;
    assert_eq!(exit, Some(1), "{arguments:?}: {error}");
    assert!(error.contains(code), "{arguments:?}: {error}");
    error
}

/// Raises the cluster version too early; returns what is said of who is too old. One that began to lead just now has not heard
/// from everybody yet, says so, and is asked again.
async fn raised_too_early(cluster: &Cluster) -> String {
    let began = Instant::now();
    loop {
        let error = refused(cluster, RAISE, "MEMBER_TOO_OLD").await;
        if !error.contains("is not known") || began.elapsed() > PATIENCE {
            return error;
        }
    }
}

/// Stops a node in order and starts it with another build.
async fn exchange(cluster: &mut Cluster, node: usize, build: Build) {
    assert_eq!(cluster.nodes[node].stop(), Some(0));
    cluster.nodes[node].set_build(build);
    cluster.start_node(node);
    cluster.wait_node_ready(&cluster.nodes[node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_costs_no_check_and_a_newer_command_waits_for_everybody() {
    const DELETE: &[&str] = &["delete", "cohort", "app/unused"];
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start_build(3, "", Build::Earlier).await;
    fleet::load(&cluster).await;
    cluster.apply("{kind: cohort, id: unused, product: app}").await;
    let load = Load::start(&cluster, Asking::WithOneRetry);
    load.written(Instant::now(), 5).await;
    for node in 0..3 {
        refused(&cluster, DELETE, "CLUSTER_TOO_OLD").await;
        let error = raised_too_early(&cluster).await;
        assert!(error.contains("is 1"), "{error}");
        exchange(&mut cluster, node, Build::Later).await;
    }
    // A learner counts as well.
    let learner = cluster.add(4, "", Build::Earlier).await;
    let peer = cluster.nodes[learner].addresses.peer_proxy.clone();
    cluster.run(&["cluster", "add-learner", &peer]).await;
    cluster.wait_ready().await;
    let error = raised_too_early(&cluster).await;
    assert!(error.contains("node 4 is 1"), "{error}");
    refused(&cluster, DELETE, "CLUSTER_TOO_OLD").await;
    exchange(&mut cluster, learner, Build::Later).await;

    cluster.run(RAISE).await;
    cluster.run(DELETE).await;
    load.written(Instant::now(), 5).await;
    let outcome = load.stop().await;
    let failed: Vec<_> = outcome.seen.iter().filter(|one| one.heard.as_deref() != Ok("OFFER_LATEST r1")).collect();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), outcome.seen.len(), failed[0].heard);
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    let retried = outcome.seen.iter().filter(|one| one.tries > 1).count();
    report::line(format!(
        "{} checks, {retried} answered by a second node; {} writes",
        outcome.seen.len(),
        outcome.acknowledged.len()
    ));
    judge_writes(&cluster, &[0, 1, 2, 3], &outcome.acknowledged).await;

    // The earlier build must not come back: it stops and says why.
    assert_eq!(cluster.nodes[learner].stop(), Some(0));
    cluster.nodes[learner].set_build(Build::Earlier);
    cluster.start_node(learner);
    assert_eq!(cluster.nodes[learner].ended(PATIENCE).await, Some(1));
    let logged = cluster.nodes[learner].logged();
    let reason = "the cluster is at cluster version 2, this build supports up to 1";
    assert!(logged.contains(reason), "{logged}");
}
