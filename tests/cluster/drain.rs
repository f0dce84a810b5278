//! What a node leaves behind when it is told to stop: no write without a word about it, and no edge that goes stale.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::edge::Edge;
use tidegate_harness::http::Device;
use tidegate_harness::load::device_document;
use tidegate_harness::{fleet, report, wait};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::apply_service_client::ApplyServiceClient;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use crate::ONE_AT_A_TIME;

const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for an answer to a write: the hand-over (2 s), what is left for the answer (1 s), and the machine's own
/// slowness. A write that is forgotten hears nothing for the 10 s of `limits.write_timeout`.
const ANSWER_MAX: Duration = Duration::from_secs(6);
/// Writers per node, each with a connection of its own and one write under way at any moment.
const WRITERS: usize = 8;

/// One write, as its author saw it.
#[derive(Debug)]
struct Written {
    sent: Instant,
    took: Duration,
    answer: Result<(), tonic::Status>,
}

type Seen = Arc<Mutex<Vec<Written>>>;

async fn connect(address: &str) -> Option<ApplyServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("addresses of the harness are endpoints");
    endpoint.connect().await.ok().map(ApplyServiceClient::new)
}

async fn write(client: &mut ApplyServiceClient<Channel>, name: String, seen: &Seen) -> bool {
    let documents = device_document(&name).iter().map(Into::into).collect();
    let message = admin::ApplyRequest { documents, request_id: name, dry_run: false };
    let sent = Instant::now();
    let answer = client.apply(message).await.map(|_| ());
    let is_written = answer.is_ok();
    seen.lock().await.push(Written { sent, took: sent.elapsed(), answer });
    is_written
}

/// Writes one after the other until told to stop, or until nobody listens any more.
async fn keep_writing(address: String, name: String, stop: watch::Receiver<bool>, seen: Seen) {
    let mut client = connect(&address).await.expect("the node runs");
    for number in 0.. {
        if *stop.borrow() {
            return;
        }
        if !write(&mut client, format!("{name}-{number}"), &seen).await {
            match connect(&address).await {
                Some(again) => client = again,
                None => return,
            }
        }
    }
}

/// The slowest answer, which must have come in time.
async fn judge(seen: &Seen, told: Instant) -> Duration {
    let seen = seen.lock().await;
    let slowest = seen.iter().max_by_key(|one| one.took).expect("something was written");
    let before = told.saturating_duration_since(slowest.sent);
    assert!(slowest.took < ANSWER_MAX + before, "of {} writes this one waited longest: {slowest:?}", seen.len());
    slowest.took
}

/// Whoever is asked, the leader that stops or a node that still passes writes on to it.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_under_way_while_the_leader_drains_is_answered() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let (seen, (stop, stopped)) = (Seen::default(), watch::channel(false));
    let mut writers = JoinSet::new();
    for (node, process) in cluster.nodes.iter().enumerate() {
        for writer in 0..WRITERS {
            let address = process.addresses.admin.clone();
            writers.spawn(keep_writing(address, format!("w-{node}-{writer}"), stopped.clone(), Arc::clone(&seen)));
        }
    }
    let written = async |since: Instant| {
        wait::until("the writers write", PATIENCE, || async {
            let seen = seen.lock().await;
            (seen.iter().filter(|one| one.sent > since && one.answer.is_ok()).count() > 5 * WRITERS).then_some(())
        })
        .await;
    };
    written(Instant::now()).await;
    let told = Instant::now();
    cluster.nodes[leader].signal(Signal::TERM);
    assert_eq!(cluster.nodes[leader].ended(PATIENCE).await, Some(0));
    let took = told.elapsed();
    written(Instant::now()).await;
    stop.send_replace(true);
    writers.join_all().await;
    let slowest = judge(&seen, told).await;
    let count = seen.lock().await.len();
    report::line(format!("drained in {} ms; slowest of {count} writes {} ms", took.as_millis(), slowest.as_millis()));
}

/// Both others are stopped: nobody takes over, and what was proposed can never be committed here. Those who wait are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_a_successor_does_not_let_anybody_wait_while_it_drains() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    let before = proposals(&cluster, leader).await;
    for &other in &others {
        cluster.nodes[other].signal(Signal::STOP);
    }
    wait::until("both others are stopped", PATIENCE, || async {
        others.iter().all(|other| cluster.nodes[*other].is_stopped()).then_some(())
    })
    .await;
    let (seen, mut writers) = (Seen::default(), JoinSet::new());
    for writer in 0..WRITERS {
        let mut client = connect(&cluster.nodes[leader].addresses.admin).await.expect("the node runs");
        let seen = Arc::clone(&seen);
        writers.spawn(async move { write(&mut client, format!("w-{writer}"), &seen).await });
    }
    wait::until("the writes are proposed", PATIENCE, || async {
        (proposals(&cluster, leader).await >= before + WRITERS as u64).then_some(())
    })
    .await;
    let told = Instant::now();
    cluster.nodes[leader].signal(Signal::TERM);
    let written = writers.join_all().await;
    assert!(written.iter().all(|is_written| !is_written), "one of three acknowledged a write");
    let slowest = judge(&seen, told).await;
    assert_eq!(cluster.nodes[leader].ended(PATIENCE).await, Some(0));
    report::line(format!("drained in {} ms; slowest answer {} ms", told.elapsed().as_millis(), slowest.as_millis()));
    let said = |one: &Written| one.answer.as_ref().is_err_and(|status| status.message().contains("the outcome is unknown"));
    assert!(seen.lock().await.iter().any(said), "what was proposed may yet be committed by the others: {seen:?}");
    for other in others {
        cluster.nodes[other].signal(Signal::CONT);
    }
}

/// Entries that a node has proposed as the leader.
async fn proposals(cluster: &Cluster, node: usize) -> u64 {
    let page = cluster.device(node).get("/metrics", PATIENCE).await.expect("a running node tells its metrics").body;
    let page = page.as_str().expect("metrics are text");
    let line = page.lines().find_map(|line| line.strip_prefix("tidegate_proposals "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count of proposals in\n{page}"))
}

/// The node that an edge follows, by what it said last.
fn followed(cluster: &Cluster, edge: &Edge) -> Option<(usize, usize)> {
    let log = edge.logged();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" following ")).collect();
    let last = lines.last()?;
    let node = cluster.nodes.iter().position(|node| last.contains(&node.addresses.admin))?;
    (!last.contains("not following")).then_some((lines.len(), node))
}

/// Asks at a steady rate until told to stop; returns what was heard.
async fn ask(mut device: Device, stop: watch::Receiver<bool>) -> Vec<String> {
    let mut heard = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !*stop.borrow() {
        ticks.tick().await;
        let answer = device.check(&fleet::request("dev-1"), PATIENCE).await.expect("an edge never stops answering");
        heard.push(answer.body["reason"].as_str().unwrap_or("no reason").to_owned());
    }
    heard
}

/// P-41 at an edge whose upstream is drained: it goes elsewhere before anything is stale, and holds nobody up.
#[tokio::test(flavor = "multi_thread")]
async fn an_edge_leaves_an_upstream_that_drains_and_is_never_stale() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let edge = Edge::start(cluster.folder.path(), "edge-1", &cluster.endpoints(), &[]);
    edge.hears(&fleet::request("dev-1"), "OFFER_LATEST", PATIENCE).await;
    let (stop, stopped) = watch::channel(false);
    let asker = tokio::spawn(ask(Device::new(&edge.device), stopped));
    for _ in 0..2 {
        let (lines, node) = wait::until("it follows a node", PATIENCE, || async { followed(&cluster, &edge) }).await;
        let told = Instant::now();
        cluster.nodes[node].signal(Signal::TERM);
        let now = wait::until("it follows another node", PATIENCE, || async {
            followed(&cluster, &edge).filter(|(after, now)| *after > lines && *now != node)
        });
        now.await;
        let elsewhere = told.elapsed();
        assert_eq!(cluster.nodes[node].ended(PATIENCE).await, Some(0));
        let drained = told.elapsed();
        assert!(drained < Duration::from_secs(8), "the drain took {drained:?}, as long as it may");
        report::line(format!("elsewhere after {} ms, drained in {} ms", elsewhere.as_millis(), drained.as_millis()));
        cluster.start_node(node);
        cluster.wait_node_ready(&cluster.nodes[node]).await;
    }
    stop.send_replace(true);
    let heard = asker.await.expect("the asker ends");
    let stale = heard.iter().filter(|reason| *reason != "OFFER_LATEST").count();
    assert_eq!(stale, 0, "of {} answers", heard.len());
}
