//! What a cluster and an edge cost while nothing happens: probes, heartbeats and their answers.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use tidegate_harness::cluster::Cluster;

use crate::cost::follower::Follower;
use crate::usage::{Usage, percent};

/// How long one look may last longer than it was asked to; rates are over the time that it did last.
const STEP: Duration = Duration::from_millis(100);

/// What was taken while nothing happened.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// How long was looked, in seconds.
    pub seconds: f64,
    /// Percent of one core that the leader takes.
    pub leader_percent: f64,
    /// Percent that each other node takes, the mean.
    pub follower_percent: f64,
    /// Percent that the edge takes.
    pub edge_percent: f64,
    /// Bytes a second to the edge.
    pub to_edge: f64,
    /// Bytes a second from the edge.
    pub from_edge: f64,
    /// Resident memory of the node that has most, in bytes.
    pub node_bytes: u64,
    /// Resident memory of the edge, in bytes.
    pub edge_bytes: u64,
}

/// Looks at all three nodes and an edge for so long.
pub async fn look(cluster: &Cluster, edge: &Follower, duration: Duration) -> anyhow::Result<Idle> {
    let leader = cluster.leader().await;
    let nodes = cluster.nodes.iter().map(|node| node.pid().context("every node runs")).collect::<anyhow::Result<Vec<u32>>>()?;
    let usage = || nodes.iter().map(|pid| Usage::of(*pid)).collect::<anyhow::Result<Vec<Usage>>>();
    let (began, before, edge_before, passed_before) = (Instant::now(), usage()?, Usage::of(edge.pid()?)?, edge.passed());
    while began.elapsed() < duration {
        tokio::time::sleep(STEP).await;
    }
    let (after, edge_after, passed) = (usage()?, Usage::of(edge.pid()?)?, edge.passed().since(passed_before));
    let apart = began.elapsed();
    let percents: Vec<f64> = before.iter().zip(&after).map(|(before, after)| percent(before, after, apart)).collect();
    let others = percents.iter().enumerate().filter(|(index, _)| *index != leader).map(|(_, percent)| percent);
    #[allow(clippy::cast_precision_loss, reason = "bytes of some seconds")]
    let rate = |bytes: u64| bytes as f64 / apart.as_secs_f64();
    Ok(Idle {
        seconds: apart.as_secs_f64(),
        leader_percent: percents[leader],
        follower_percent: others.sum::<f64>() / 2.0,
        edge_percent: percent(&edge_before, &edge_after, apart),
        to_edge: rate(passed.down),
        from_edge: rate(passed.up),
        node_bytes: after.iter().map(|usage| usage.resident_bytes).max().unwrap_or_default(),
        edge_bytes: edge_after.resident_bytes,
    })
}

impl Idle {
    /// All of it but memory, which stands with the memory of other moments.
    pub fn json(&self) -> Value {
        let percents = json!({"leader": self.leader_percent, "follower": self.follower_percent, "edge": self.edge_percent});
        json!({
            "seconds": self.seconds, "cpu_percent_of_a_core": percents,
            "edge_bytes_per_second": {"to_edge": self.to_edge, "from_edge": self.from_edge},
        })
    }
}
