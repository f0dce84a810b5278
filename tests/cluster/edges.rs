//! Edges as real processes: what is offered and stopped reaches them, also through another edge, and none offers anything
//! that it cannot prove.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;
use tidegate_harness::edge::Edge;
use tidegate_harness::http::Device;
use tidegate_harness::{report, wait};
use tokio::sync::Mutex;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

const PATIENCE: Duration = Duration::from_secs(30);
/// The default of `--max-staleness`.
const BOUND: Duration = Duration::from_secs(5);

async fn metadata(edge: &Edge) -> serde_json::Value {
    let device = Mutex::new(Device::new(&edge.device));
    let what = format!("{} tells about its snapshot", edge.name);
    wait::until(&what, PATIENCE, || async {
        let answer = device.lock().await.get("/v1/snapshot", Duration::from_secs(1)).await.ok()?;
        (answer.status == 200).then_some(answer.body)
    })
    .await
}

/// P-42 on the wire: an offer and a pause reach an edge and an edge of an edge, and what they have is what a node has.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_and_a_pause_reach_an_edge_and_an_edge_of_it() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let folder = cluster.folder.path();
    let near = Edge::start(folder, "edge-near", &cluster.endpoints(), &[]);
    let far = Edge::start(folder, "edge-far", &near.endpoint(), &[]);
    let mut one = Edge::start(folder, "edge-app", &cluster.endpoints(), &["app"]);
    let request = fleet::request("dev-1");
    for edge in [&near, &far, &one] {
        let answer = edge.hears(&request, "OFFER_LATEST", PATIENCE).await;
        assert_eq!((&answer["node"], &answer["target_release"]), (&edge.name.as_str().into(), &fleet::NEW.into()), "{answer}");
        assert_eq!(edge.readiness().await, 200);
    }
    let ahead = {
        let mut request = request.clone();
        request["min_config_version"] = 1_000_000.into();
        request
    };
    far.hears(&ahead, "REPLICA_BEHIND", PATIENCE).await;

    cluster.run(&["rollout", "pause", fleet::NEW, "--reason", "looks bad"]).await;
    let acknowledged = Instant::now();
    for edge in [&near, &far, &one] {
        edge.hears(&request, "PAUSED", PATIENCE).await;
        report::line(format!("{} has paused {} ms after the acknowledgement", edge.name, acknowledged.elapsed().as_millis()));
    }
    let node = cluster.device(0).get("/v1/snapshot", PATIENCE).await.expect("a node answers").body;
    for edge in [&near, &far] {
        let copy = metadata(edge).await;
        assert_eq!((&copy["config_version"], &copy["digest"]), (&node["config_version"], &node["digest"]), "{copy}");
    }
    assert_eq!(one.stop(), Some(0), "an edge stops in order");
}

/// P-41 at an edge: without the cluster it goes stale within its bound, with or without a restart in between, and comes back
/// by itself.
#[tokio::test(flavor = "multi_thread")]
async fn p_41_an_edge_without_its_cluster_stops_offering_and_recovers_by_itself() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let mut edge = Edge::start(cluster.folder.path(), "edge-1", &cluster.endpoints(), &[]);
    let request = fleet::request("dev-1");
    edge.hears(&request, "OFFER_LATEST", PATIENCE).await;
    let known = metadata(&edge).await["config_version"].clone();

    cluster.nodes.iter_mut().for_each(|node| node.kill());
    let killed = Instant::now();
    edge.hears(&request, "SNAPSHOT_STALE", BOUND + Duration::from_secs(5)).await;
    report::line(format!(
        "stale {} ms after the cluster was killed, bound {} ms",
        killed.elapsed().as_millis(),
        BOUND.as_millis()
    ));
    let mut device = Device::new(&edge.device);
    for _ in 0..20 {
        let answer = device.check(&request, PATIENCE).await.expect("an edge never stops answering");
        assert_eq!((answer.status.as_u16(), &answer.body["reason"]), (200, &"SNAPSHOT_STALE".into()));
    }
    assert_eq!(edge.readiness().await, 503);

    // A restart finds the copy on the disk, and believes it for its content alone.
    edge.kill();
    edge.run();
    assert_eq!(edge.readiness().await, 503);
    assert_eq!(metadata(&edge).await["config_version"], known);
    let mut device = Device::new(&edge.device);
    for _ in 0..20 {
        let answer = device.check(&request, PATIENCE).await.expect("an edge never stops answering");
        assert_eq!(answer.body["reason"], "SNAPSHOT_STALE", "{}", answer.body);
    }

    (0..3).for_each(|index| cluster.start_node(index));
    cluster.wait_ready().await;
    let begun = Instant::now();
    edge.hears(&request, "OFFER_LATEST", PATIENCE).await;
    report::line(format!("offering {} ms after the cluster was ready again", begun.elapsed().as_millis()));
    let log = std::fs::read_to_string(edge.log()).expect("there is a log");
    assert!(log.contains("disk copy read"), "{log}");
}

/// An upstream of another cluster among the right ones: what the edge has stays, and what it hears is never the stranger's.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_not_believed_and_changes_nothing() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(1).await;
    fleet::load(&cluster).await;
    let stranger = Cluster::start_with(1, "cluster.name = \"another\"").await;
    fleet::load(&stranger).await;
    stranger.run(&["rollout", "pause", fleet::NEW]).await;
    let mut edge = Edge::start(cluster.folder.path(), "edge-1", &cluster.endpoints(), &[]);
    let request = fleet::request("dev-1");
    edge.hears(&request, "OFFER_LATEST", PATIENCE).await;
    let known = metadata(&edge).await;
    assert_eq!(edge.stop(), Some(0));

    edge.set_upstream(&stranger.endpoints());
    edge.run();
    let metrics = Mutex::new(Device::new(&edge.device));
    wait::until("the stranger is counted", PATIENCE, || async {
        let page = metrics.lock().await.get("/metrics", Duration::from_secs(1)).await.ok()?.body;
        let count = page.as_str()?.lines().find_map(|line| line.strip_prefix("tidegate_edge_refused_total "))?;
        (count.trim().parse::<u64>().ok()? > 0).then_some(())
    })
    .await;
    let said = "what the upstream sent is not believed";
    let line = edge.logged().lines().find(|line| line.contains(said)).map(str::to_owned).expect("it is said");
    assert!(line.contains(&stranger.nodes[0].addresses.admin) && line.contains("the upstream is of cluster"), "{line}");
    edge.hears(&request, "SNAPSHOT_STALE", PATIENCE).await;
    assert_eq!(edge.readiness().await, 503);
    let kept = metadata(&edge).await;
    assert_eq!((&kept["config_version"], &kept["digest"]), (&known["config_version"], &known["digest"]), "{kept}");
    assert_eq!(edge.stop(), Some(0));

    // With the right one beside it, whichever is tried first.
    edge.set_upstream(&format!("{},{}", stranger.endpoints(), cluster.endpoints()));
    edge.run();
    edge.hears(&request, "OFFER_LATEST", PATIENCE).await;
    cluster.run(&["rollout", "pause", fleet::NEW]).await;
    edge.hears(&request, "PAUSED", PATIENCE).await;
}
