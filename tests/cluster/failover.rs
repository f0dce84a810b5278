//! The leader dies under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_client::{Client, Consistency, Run};
use tidegate_manifest::Source;
use tidegate_model::{Document, ObjectKind};
use tidegate_tests::cluster::Cluster;
use tidegate_tests::wait;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use tidegate_tests::report;

use crate::{ONE_AT_A_TIME, fleet};

/// One check, as an outside recorder saw it.
struct Seen {
    node: usize,
    sent: Instant,
    took: Duration,
    heard: Result<String, String>,
}

/// Longest that a check may take.
const CHECK_MAX: Duration = Duration::from_millis(100);
/// Longest time without writes.
const WRITES_RESUME_MAX: Duration = Duration::from_secs(3);

/// Asks one node at a steady rate, whatever the answers, until told to stop.
async fn ask(
    cluster_device: tidegate_tests::http::Device,
    node: usize,
    every: Duration,
    stop: watch::Receiver<bool>,
) -> Vec<Seen> {
    let mut device = cluster_device;
    let mut seen = Vec::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let sent = Instant::now();
        let request = fleet::request(&format!("dev-{number}"));
        let heard = match device.check(&request, Duration::from_secs(2)).await {
            Ok(answer) if answer.status == 200 => {
                let target = answer.body["target_release"].as_str().unwrap_or("nothing");
                Ok(format!("{} {target}", answer.body["reason"].as_str().unwrap_or("no reason")))
            }
            Ok(answer) => Err(format!("HTTP {}: {}", answer.status, answer.body)),
            Err(error) => Err(format!("{error:#}")),
        };
        seen.push(Seen { node, sent, took: sent.elapsed(), heard });
    }
    seen
}

fn device_document(name: &str) -> Vec<Document> {
    let text = format!("{{kind: device, id: {name}, product: app}}");
    let source = Source { name: "test".to_owned(), text };
    tidegate_manifest::parse(&[source]).expect("a device manifest").into_iter().map(|located| located.value).collect()
}

/// Names of acknowledged writes, and when.
type Acknowledged = Arc<Mutex<Vec<(String, Instant)>>>;

/// Writes at a steady rate and notes what was acknowledged.
async fn write(client: Client, every: Duration, acknowledged: Acknowledged, stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(every);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
        running.spawn(async move {
            let name = format!("w-{number}");
            if client.apply(&device_document(&name), &client.request_id(), Run::Commit).await.is_ok() {
                acknowledged.lock().await.push((name, Instant::now()));
            }
        });
    }
    running.join_all().await;
}

/// Waits until `count` writes were acknowledged after `since`.
async fn written(acknowledged: &Acknowledged, since: Instant, count: usize) {
    wait::until(&format!("{count} writes are acknowledged"), Duration::from_secs(30), || async {
        (acknowledged.lock().await.iter().filter(|(_, at)| *at > since).count() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_leader_costs_no_check_and_no_acknowledged_write() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let (stop, stopped) = watch::channel(false);

    let mut askers = JoinSet::new();
    for node in 0..3 {
        askers.spawn(ask(cluster.device(node), node, Duration::from_millis(15), stopped.clone()));
    }
    let acknowledged = Acknowledged::default();
    let client = fleet::client(&cluster, &[0, 1, 2], Duration::from_secs(4));
    let writer = tokio::spawn(write(client, Duration::from_millis(50), Arc::clone(&acknowledged), stopped));

    let begun = Instant::now();
    written(&acknowledged, begun, 40).await;
    cluster.nodes[leader].kill();
    let killed = Instant::now();
    written(&acknowledged, killed + WRITES_RESUME_MAX, 40).await;
    stop.send_replace(true);
    let seen: Vec<Seen> = askers.join_all().await.into_iter().flatten().collect();
    writer.await.expect("the writer ends");
    let acknowledged = acknowledged.lock().await.clone();

    judge_checks(&seen, leader, killed);
    let resumed = acknowledged.iter().map(|(_, at)| *at).filter(|at| *at > killed + Duration::from_millis(200)).min();
    let gap = resumed.expect("writes resume").duration_since(killed);
    report::line(format!(
        "{} checks, {} acknowledged writes, writes resumed {} ms after the kill",
        seen.len(),
        acknowledged.len(),
        gap.as_millis()
    ));
    assert!(gap <= WRITES_RESUME_MAX, "writes resumed only after {gap:?}");

    cluster.start_node(leader);
    cluster.wait_ready().await;
    judge_writes(&cluster, &acknowledged).await;
}

fn judge_checks(seen: &[Seen], leader: usize, killed: Instant) {
    let living: Vec<&Seen> =
        seen.iter().filter(|one| one.node != leader || one.sent + Duration::from_millis(50) < killed).collect();
    for one in &living {
        let when = if one.sent < killed { "before the kill" } else { "after the kill" };
        assert_eq!(one.heard.as_deref(), Ok("OFFER_LATEST r1"), "node index {} {when}", one.node);
    }
    let slow: Vec<String> = living.iter().filter(|one| one.took > CHECK_MAX).map(|one| format!("{:?}", one.took)).collect();
    assert!(slow.is_empty(), "{} of {} checks took longer than {CHECK_MAX:?}: {slow:?}", slow.len(), living.len());
    let after = living.iter().filter(|one| one.sent > killed).count();
    assert!(after >= 500, "only {after} checks were made after the kill");
}

/// Every acknowledged write is on every node.
async fn judge_writes(cluster: &Cluster, acknowledged: &[(String, Instant)]) {
    assert!(acknowledged.len() >= 60, "only {} writes were acknowledged", acknowledged.len());
    for node in 0..cluster.nodes.len() {
        let client = fleet::client(cluster, &[node], Duration::from_secs(5));
        wait::until(&format!("node index {node} has every acknowledged write"), Duration::from_secs(20), || async {
            let listed = client.list(ObjectKind::Device, None, Consistency::Local).await.ok()?.value;
            let ids: BTreeSet<String> = listed.iter().map(|object| object.reference().id()).collect();
            acknowledged.iter().all(|(name, _)| ids.contains(&format!("app/{name}"))).then_some(())
        })
        .await;
    }
}
