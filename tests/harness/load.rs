//! Load on a cluster while something happens to it: devices that ask at a steady rate, and a writer; with everything that
//! they saw, for judging afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::edge::Edge;
use crate::http::Device;
use crate::wait;
use tidegate_client::{Client, Consistency, Run};
use tidegate_manifest::Source;
use tidegate_model::{Document, ObjectKind};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::fleet;

/// Pause between two checks of one asker.
const CHECK_EVERY: Duration = Duration::from_millis(15);
/// Pause between two writes.
const WRITE_EVERY: Duration = Duration::from_millis(50);
/// Longest wait for an answer to a write: two attempts of the client, of which one may hang at a node that goes away.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for an answer to a check.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);
/// Checks at one place without an answer; with more, none is sent.
const CHECKS_IN_FLIGHT_MAX: usize = 64;
/// Nodes that one check is tried at.
const TRIES_MAX: usize = 2;

/// One check, as an outside recorder saw it.
pub struct Seen {
    /// Index of the node that was asked first.
    pub node: usize,
    /// When it was sent.
    pub sent: Instant,
    /// Time until the answer, over all tries.
    pub took: Duration,
    /// Reason and target, or why there is no decision.
    pub heard: Result<String, String>,
    /// Nodes asked.
    pub tries: usize,
}

/// Whom an asker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Each node has an asker of its own, which hears of every failure.
    EachNode,
    /// As through a load balancer: the nodes in turn, and another one once if one does not answer or is not ready.
    WithOneRetry,
}

/// Names of acknowledged writes, and when.
type Acknowledged = Arc<Mutex<Vec<(String, Instant)>>>;

/// Running load.
pub struct Load {
    stop: watch::Sender<bool>,
    askers: JoinSet<Vec<Seen>>,
    writers: JoinSet<Vec<String>>,
    acknowledged: Acknowledged,
}

/// What became of it.
pub struct Outcome {
    /// Every check.
    pub seen: Vec<Seen>,
    /// Names of the registered devices whose write was acknowledged, and when.
    pub acknowledged: Vec<(String, Instant)>,
    /// Writes that came to nothing, in the client's words.
    pub refused: Vec<String>,
}

/// Place of the edge in [`Seen::node`], after the nodes.
pub const EDGE: usize = 3;

impl Load {
    /// Puts load on the first three nodes.
    pub fn start(cluster: &Cluster, asking: Asking) -> Self {
        let mut load = Self::idle();
        for node in 0..3 {
            match asking {
                Asking::EachNode => load.ask(node, &cluster.nodes[node].addresses.device),
                Asking::WithOneRetry => {
                    let devices = (0..3).map(|step| (node + step) % 3).map(|at| (at, cluster.device(at))).collect();
                    load.askers.spawn(ask_in_turns(devices, load.stop.subscribe()));
                }
            }
        }
        load.write(cluster, &[0, 1, 2], "w");
        load
    }

    /// Puts load on each of the first three nodes and on an edge: checks at all four; writes through the `healthy` nodes, and
    /// others through those to which something will happen as long as they answer.
    pub fn around(cluster: &Cluster, edge: &Edge, healthy: &[usize], affected: &[usize]) -> Self {
        let mut load = Self::idle();
        for node in 0..3 {
            load.ask(node, &cluster.nodes[node].addresses.device);
        }
        load.ask(EDGE, &edge.device);
        load.write(cluster, if healthy.is_empty() { affected } else { healthy }, "w");
        load.write(cluster, &[affected, healthy].concat(), "a");
        load
    }

    fn idle() -> Self {
        let (stop, _) = watch::channel(false);
        Self { stop, askers: JoinSet::new(), writers: JoinSet::new(), acknowledged: Acknowledged::default() }
    }

    fn ask(&mut self, place: usize, address: &str) {
        self.askers.spawn(ask_steadily(place, address.to_owned(), self.stop.subscribe()));
    }

    /// Writes through these nodes, in this order of preference, under names of its own.
    fn write(&mut self, cluster: &Cluster, nodes: &[usize], prefix: &str) {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("{prefix}{}", RUNS.fetch_add(1, Ordering::Relaxed));
        let client = fleet::client(cluster, nodes, WRITE_PATIENCE);
        self.writers.spawn(write(client, prefix, Arc::clone(&self.acknowledged), self.stop.subscribe()));
    }

    /// Waits until `count` writes were acknowledged after `since`.
    pub async fn written(&self, since: Instant, count: usize) {
        wait::until(&format!("{count} writes are acknowledged"), Duration::from_secs(30), || async {
            (self.acknowledged.lock().await.iter().filter(|(_, at)| *at > since).count() >= count).then_some(())
        })
        .await;
    }

    /// Ends the load.
    pub async fn stop(self) -> Outcome {
        self.stop.send_replace(true);
        let seen = self.askers.join_all().await.into_iter().flatten().collect();
        let refused = self.writers.join_all().await.into_iter().flatten().collect();
        let acknowledged = self.acknowledged.lock().await.clone();
        Outcome { seen, acknowledged, refused }
    }
}

/// Asks one listener at a steady rate: no question waits for the answer to the one before it, so that one that hangs hides
/// nothing.
async fn ask_steadily(place: usize, address: String, stop: watch::Receiver<bool>) -> Vec<Seen> {
    let idle = Arc::new(std::sync::Mutex::new(Vec::<Device>::new()));
    let (mut seen, mut running) = (Vec::new(), JoinSet::new());
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        while let Some(done) = running.try_join_next() {
            seen.push(done.expect("a check does not panic"));
        }
        if running.len() >= CHECKS_IN_FLIGHT_MAX {
            continue;
        }
        let (idle, address) = (Arc::clone(&idle), address.clone());
        running.spawn(async move {
            let kept = idle.lock().expect("no panic under this lock").pop();
            let mut device = kept.unwrap_or_else(|| Device::new(address));
            let sent = Instant::now();
            let heard = check(&mut device, &fleet::request(&format!("dev-{number}"))).await;
            idle.lock().expect("no panic under this lock").push(device);
            Seen { node: place, sent, took: sent.elapsed(), heard, tries: 1 }
        });
    }
    seen.extend(running.join_all().await);
    seen
}

/// Asks at a steady rate, whatever the answers, until told to stop. The devices take turns in being asked first, and the next
/// one has a second chance.
async fn ask_in_turns(mut devices: Vec<(usize, Device)>, stop: watch::Receiver<bool>) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let request = fleet::request(&format!("dev-{number}"));
        let (sent, node) = (Instant::now(), devices[0].0);
        let (mut heard, mut tries) = (Err("nobody was asked".to_owned()), 0);
        while needs_another(&heard) && tries < TRIES_MAX {
            tries += 1;
            heard = check(&mut devices[0].1, &request).await;
            devices.rotate_left(1);
        }
        seen.push(Seen { node, sent, took: sent.elapsed(), heard, tries });
    }
    seen
}

/// Whether a load balancer would ask elsewhere: no answer, or one of a node that has not proven itself fresh yet.
fn needs_another(heard: &Result<String, String>) -> bool {
    heard.as_ref().map_or(true, |heard| heard.starts_with("SNAPSHOT_STALE"))
}

async fn check(device: &mut Device, request: &serde_json::Value) -> Result<String, String> {
    match device.check(request, CHECK_PATIENCE).await {
        Ok(answer) if answer.status == 200 => {
            let target = answer.body["target_release"].as_str().unwrap_or("nothing");
            Ok(format!("{} {target}", answer.body["reason"].as_str().unwrap_or("no reason")))
        }
        Ok(answer) => Err(format!("HTTP {}: {}", answer.status, answer.body)),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// The document of a registered device.
pub fn device_document(name: &str) -> Vec<Document> {
    let text = format!("{{kind: device, id: {name}, product: app}}");
    let source = Source { name: "test".to_owned(), text };
    tidegate_manifest::parse(&[source]).expect("a device manifest").into_iter().map(|located| located.value).collect()
}

/// Writes at a steady rate and notes what was acknowledged; returns what was refused.
async fn write(client: Client, prefix: String, acknowledged: Acknowledged, stop: watch::Receiver<bool>) -> Vec<String> {
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
        let name = format!("{prefix}-{number}");
        running.spawn(async move {
            match client.apply(&device_document(&name), &client.request_id(), Run::Commit).await {
                Ok(_) => acknowledged.lock().await.push((name, Instant::now())),
                Err(error) => return Some(format!("{name}: {error}")),
            }
            None
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Every acknowledged write is on each of these nodes.
///
/// # Panics
/// When one is not.
pub async fn judge_writes(cluster: &Cluster, nodes: &[usize], acknowledged: &[(String, Instant)]) {
    for &node in nodes {
        let lost = lost_writes(cluster, node, acknowledged).await;
        assert!(lost.is_empty(), "node index {node} lacks acknowledged writes: {lost:?}");
    }
}

/// Names of the acknowledged writes that this node does not show, after it had some time to catch up.
pub async fn lost_writes(cluster: &Cluster, node: usize, acknowledged: &[(String, Instant)]) -> Vec<String> {
    let client = fleet::client(cluster, &[node], Duration::from_secs(5));
    let lost = Mutex::new(Vec::new());
    wait::within(Duration::from_secs(20), || async {
        let listed = client.list(ObjectKind::Device, None, Consistency::Local).await.map(|listed| listed.value);
        let ids: BTreeSet<String> = listed.unwrap_or_default().iter().map(|object| object.reference().id()).collect();
        let missing = acknowledged.iter().map(|(name, _)| name).filter(|name| !ids.contains(&format!("app/{name}")));
        let missing: Vec<String> = missing.cloned().collect();
        let is_complete = missing.is_empty();
        *lost.lock().await = missing;
        is_complete.then_some(())
    })
    .await;
    lost.into_inner()
}
