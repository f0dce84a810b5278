//! One size of the catalog, with everything that is measured at it.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tidegate_client::Client;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::folder;

use crate::cost::changes::{self, Bytes};
use crate::cost::follower::{Follower, Joined};
use crate::cost::grown::{self, Axis};
use crate::cost::idle::{self, Idle};
use crate::cost::{Plan, disk, ready, start};
use crate::usage::Usage;

/// Longest wait for a snapshot that holds what was written.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(120);
/// After so long without a change, everything that one leaves to be done is done.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// The figures of one size.
#[derive(Clone, Debug)]
pub struct Point {
    /// How many there are of what grows.
    pub size: usize,
    /// Objects of the catalog, without those that the measured changes brought.
    pub objects: usize,
    /// Records or releases written a second, many to an entry; `None` where nothing was written.
    pub written_per_second: Option<f64>,
    /// Bytes of a snapshot file of a node.
    pub snapshot_bytes: u64,
    /// Bytes of everything that a node keeps on its disk: log, snapshots, history and audit.
    pub node_disk_bytes: u64,
    /// Bytes of an edge's disk copy.
    pub edge_disk_bytes: u64,
    /// An edge with nothing, until it is ready.
    pub pulled: Joined,
    /// An edge with its disk copy, until it is ready.
    pub resumed: Joined,
    /// Bytes for one change.
    pub changes: Bytes,
    /// While nothing happens.
    pub idle: Idle,
    /// A killed node is ready again.
    pub start_one: Duration,
    /// All killed nodes are ready again.
    pub start_all: Duration,
    /// Resident memory of the node that has most, right after its start, in bytes.
    pub started_bytes: u64,
}

/// Grows the catalog from one size to the next and measures there.
pub async fn measure(
    cluster: &mut Cluster,
    client: &Client,
    axis: Axis,
    from: usize,
    size: usize,
    plan: Plan,
) -> anyhow::Result<Point> {
    let written_per_second = grown::grow(client, axis, from, size).await?;
    let loaded = cluster.status().await["applied_index"].as_u64().context("a cluster knows what it has applied")?;
    let (folder, upstream) = (cluster.folder.path().to_owned(), cluster.nodes[0].addresses.admin.clone());
    let name = |what: &str| format!("{what}-{}-{size}", axis.name().replace(' ', "-"));
    let (quiet, pulled) = Follower::start_quiet(&folder, &name("quiet"), &upstream).await?;
    let changes = changes::bytes(client, &quiet, size, plan.rounds).await?;
    drop(quiet);
    ready::until(SNAPSHOT_PATIENCE, async || newest(cluster).is_some_and(|(index, _)| index >= loaded))
        .await
        .context("no snapshot")?;
    let (_, snapshot_bytes) = newest(cluster).context("there is one")?;
    let (mut edge, _) = Follower::start(&folder, &name("edge"), &upstream).await?;
    // Snapshots, disk copies and the journal are written after the last change.
    tokio::time::sleep(SETTLED_AFTER).await;
    let idle = idle::look(cluster, &edge, plan.idle).await?;
    let resumed = edge.again().await?;
    let edge_disk_bytes = edge.disk_bytes();
    drop(edge);
    let node_disk_bytes = folder::bytes_of(&cluster.nodes[0].data());
    let start_one = start::one(cluster, plan.starts).await?;
    let start_all = start::all(cluster, plan.starts).await?;
    let started = cluster.nodes.iter().filter_map(tidegate_harness::process::Process::pid).map(Usage::of);
    let started = started.collect::<anyhow::Result<Vec<Usage>>>()?;
    Ok(Point {
        size,
        objects: axis.objects(size),
        written_per_second,
        snapshot_bytes,
        node_disk_bytes,
        edge_disk_bytes,
        pulled,
        resumed,
        changes,
        idle,
        start_one,
        start_all,
        started_bytes: started.iter().map(|usage| usage.resident_bytes).max().unwrap_or_default(),
    })
}

/// The newest snapshot of the first node.
fn newest(cluster: &Cluster) -> Option<(u64, u64)> {
    disk::newest_snapshot(&cluster.nodes[0].data())
}

impl Point {
    /// All of it.
    pub fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        json!({
            "size": self.size,
            "objects": self.objects,
            "written_per_second": self.written_per_second,
            "disk_bytes": {"snapshot": self.snapshot_bytes, "node": self.node_disk_bytes, "edge": self.edge_disk_bytes},
            "catalog_to_edge_bytes": self.pulled.passed.down,
            "resume_to_edge_bytes": self.resumed.passed.down,
            "change_bytes": self.changes.json(),
            "idle": self.idle.json(),
            "resident_bytes": {
                "node": self.idle.node_bytes, "node_after_start": self.started_bytes, "edge": self.idle.edge_bytes,
            },
            "ready_ms": {
                "one_node": ms(self.start_one), "all_nodes": ms(self.start_all),
                "edge_with_nothing": ms(self.pulled.after), "edge_with_its_copy": ms(self.resumed.after),
            },
        })
    }
}
