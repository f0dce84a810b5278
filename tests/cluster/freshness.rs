//! What a node says before it knows how old it is.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;
use tidegate_harness::http::Device;
use tidegate_harness::wait;
use tokio::sync::Mutex;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

const BOUND: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

fn settings() -> String {
    format!("freshness.max_staleness = \"{}s\"", BOUND.as_secs())
}

async fn reason(device: &mut Device) -> String {
    let answer = device.check(&fleet::request("dev-1"), PATIENCE).await.expect("a node that runs never stops answering");
    assert_eq!(answer.status, 200);
    answer.body["reason"].as_str().expect("a decision has a reason").to_owned()
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
