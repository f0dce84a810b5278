//! Load on a cluster while something happens to it: devices that ask at a steady rate, and a writer; with everything that
//! they saw, for judging afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
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
    writer: tokio::task::JoinHandle<Vec<String>>,
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

impl Load {
    /// Puts load on the first three nodes.
    pub fn start(cluster: &Cluster, asking: Asking) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut askers = JoinSet::new();
        for node in 0..3 {
            let devices = match asking {
                Asking::EachNode => vec![(node, cluster.device(node))],
                Asking::WithOneRetry => (0..3).map(|step| (node + step) % 3).map(|at| (at, cluster.device(at))).collect(),
            };
            askers.spawn(ask(devices, stopped.clone()));
        }
        let acknowledged = Acknowledged::default();
        let client = fleet::client(cluster, &[0, 1, 2], WRITE_PATIENCE);
        let writer = tokio::spawn(write(client, Arc::clone(&acknowledged), stopped));
        Self { stop, askers, writer, acknowledged }
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
        let refused = self.writer.await.expect("the writer ends");
        let acknowledged = self.acknowledged.lock().await.clone();
        Outcome { seen, acknowledged, refused }
    }
}

/// Asks at a steady rate, whatever the answers, until told to stop. The first device is asked first; with more than one,
/// they take turns, and the next one has a second chance.
async fn ask(mut devices: Vec<(usize, Device)>, stop: watch::Receiver<bool>) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let tries_max = devices.len().min(2);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let request = fleet::request(&format!("dev-{number}"));
        let (sent, node) = (Instant::now(), devices[0].0);
        let (mut heard, mut tries) = (Err("nobody was asked".to_owned()), 0);
        while needs_another(&heard) && tries < tries_max {
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
async fn write(client: Client, acknowledged: Acknowledged, stop: watch::Receiver<bool>) -> Vec<String> {
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    for number in 0.. {
        ticks.tick().await;
        if *stop.borrow() {
            break;
        }
        let (client, acknowledged) = (client.clone(), Arc::clone(&acknowledged));
        running.spawn(async move {
            let name = format!("w-{number}");
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
pub async fn judge_writes(cluster: &Cluster, nodes: &[usize], acknowledged: &[(String, Instant)]) {
    for &node in nodes {
        let client = fleet::client(cluster, &[node], Duration::from_secs(5));
        wait::until(&format!("node index {node} has every acknowledged write"), Duration::from_secs(20), || async {
            let listed = client.list(ObjectKind::Device, None, Consistency::Local).await.ok()?.value;
            let ids: BTreeSet<String> = listed.iter().map(|object| object.reference().id()).collect();
            acknowledged.iter().all(|(name, _)| ids.contains(&format!("app/{name}"))).then_some(())
        })
        .await;
    }
}
