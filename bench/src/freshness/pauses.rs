//! Pauses while everything is connected: from the acknowledgement until nobody offers the release any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidegate_client::{Client, Moved};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::edge::Edge;
use tidegate_harness::fleet;
use tidegate_harness::http::Device;
use tidegate_model::{ReleaseId, Transition, Verb};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::figures::Times;
use crate::freshness::crowd::{Crowd, signed_us};

const PATIENCE: Duration = Duration::from_secs(20);

/// What nodes showed.
pub struct AtNodes {
    /// Per node and pause.
    pub each: Times,
    /// Per pause, the last node.
    pub everywhere: Times,
}

/// What edges showed.
pub struct AtEdges {
    /// Per edge of the crowd and pause.
    pub each: Times,
    /// Per pause, the last edge of the crowd.
    pub everywhere: Times,
    /// Per edge process and pause.
    pub processes: Times,
}

/// Pauses and resumes, and asks every node without pause meanwhile.
pub async fn at_nodes(cluster: &Cluster, rounds: usize) -> anyhow::Result<AtNodes> {
    let client = fleet::client(cluster, &[0, 1, 2], PATIENCE);
    let ears = Ears::of((0..3).map(|node| cluster.device(node)));
    let (mut each, mut everywhere) = (Times::default(), Times::default());
    for _ in 0..rounds {
        ears.hear("OFFER_LATEST").await?;
        let listening = ears.listen("PAUSED");
        let (_, acknowledged) = turn(&client, Verb::Pause).await?;
        let times = heard(listening, acknowledged).await?;
        everywhere.add(times.max().context("three nodes were asked")?);
        each.extend(&times);
        turn(&client, Verb::Resume { acknowledge: false }).await?;
    }
    Ok(AtNodes { each, everywhere })
}

/// Three edges as processes, attached to all nodes and ready.
pub async fn edge_processes(cluster: &Cluster) -> Vec<Edge> {
    let start = |number| Edge::start(cluster.folder.path(), &format!("edge-{number}"), &cluster.endpoints(), &[]);
    let edges: Vec<Edge> = (1..=3).map(start).collect();
    for edge in &edges {
        edge.hears(&fleet::request("dev-1"), "OFFER_LATEST", PATIENCE).await;
    }
    edges
}

/// Pauses and resumes with all edges attached, and asks those that are processes without pause meanwhile.
pub async fn at_edges(cluster: &Cluster, crowd: &Crowd, processes: &[Edge], rounds: usize) -> anyhow::Result<AtEdges> {
    let client = fleet::client(cluster, &[0, 1, 2], PATIENCE);
    let ears = Ears::of(processes.iter().map(|edge| Device::new(&edge.device)));
    let mut found = AtEdges { each: Times::default(), everywhere: Times::default(), processes: Times::default() };
    for _ in 0..rounds {
        ears.hear("OFFER_LATEST").await?;
        crowd.forget();
        let listening = ears.listen("PAUSED");
        let (moved, acknowledged) = turn(&client, Verb::Pause).await?;
        let times = crowd.reached(moved.written.config_version, acknowledged, PATIENCE).await?;
        found.processes.extend(&heard(listening, acknowledged).await?);
        found.everywhere.add(times.max().context("there are edges")?);
        found.each.extend(&times);
        let (moved, resumed) = turn(&client, Verb::Resume { acknowledge: false }).await?;
        crowd.reached(moved.written.config_version, resumed, PATIENCE).await?;
    }
    Ok(found)
}

/// Moves the rollout of the fleet's new release; when it was acknowledged.
async fn turn(client: &Client, verb: Verb) -> anyhow::Result<(Moved, Instant)> {
    let release = ReleaseId::new(fleet::NEW).context("a plain id")?;
    let transition = Transition { release, expected_version: None, reason: Some("measured".to_owned()), verb };
    let moved = client.transition(&transition, &client.request_id()).await?;
    Ok((moved, Instant::now()))
}

/// Devices at several listeners, each with one kept connection.
struct Ears(Vec<Arc<Mutex<Device>>>);

impl Ears {
    fn of(devices: impl Iterator<Item = Device>) -> Self {
        Self(devices.map(|device| Arc::new(Mutex::new(device))).collect())
    }

    /// Asks each without pause until it answers this reason; when each answer came.
    fn listen(&self, reason: &'static str) -> JoinSet<anyhow::Result<Instant>> {
        let mut listening = JoinSet::new();
        for device in &self.0 {
            let device = Arc::clone(device);
            listening.spawn(async move {
                let (mut device, began) = (device.lock().await, Instant::now());
                loop {
                    let answer = device.check(&fleet::request("dev-1"), PATIENCE).await?;
                    if answer.body["reason"] == reason {
                        return Ok(Instant::now());
                    }
                    anyhow::ensure!(began.elapsed() < PATIENCE, "no {reason} within {PATIENCE:?}: {}", answer.body);
                }
            });
        }
        listening
    }

    async fn hear(&self, reason: &'static str) -> anyhow::Result<()> {
        self.listen(reason).join_all().await.into_iter().try_for_each(|heard| heard.map(|_| ()))
    }
}

/// Microseconds from the acknowledgement until each answer.
async fn heard(listening: JoinSet<anyhow::Result<Instant>>, acknowledged: Instant) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for at in listening.join_all().await {
        times.add(signed_us(acknowledged, at?));
    }
    Ok(times)
}
