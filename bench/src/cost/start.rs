//! From the start of a process until it answers that it is ready.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;

use crate::cost::ready;

/// A node with a million entries behind it needs seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// A follower is killed and started again, so often; the times in between are not counted. The middle one counts.
pub async fn one(cluster: &mut Cluster, times: usize) -> anyhow::Result<Duration> {
    let mut took = Vec::new();
    for _ in 0..times {
        let index = (cluster.leader().await + 1) % cluster.nodes.len();
        cluster.nodes[index].kill();
        let began = Instant::now();
        cluster.start_node(index);
        ready::at(&cluster.nodes[index].addresses.device, PATIENCE).await?;
        took.push(began.elapsed());
    }
    Ok(middle(took))
}

/// All nodes are killed and started again, so often: until the last one is ready, an election included. The middle one counts.
pub async fn all(cluster: &mut Cluster, times: usize) -> anyhow::Result<Duration> {
    let mut took = Vec::new();
    for _ in 0..times {
        cluster.nodes.iter_mut().for_each(tidegate_harness::process::Process::kill);
        let began = Instant::now();
        (0..cluster.nodes.len()).for_each(|index| cluster.start_node(index));
        for node in &cluster.nodes {
            ready::at(&node.addresses.device, PATIENCE).await?;
        }
        took.push(began.elapsed());
    }
    Ok(middle(took))
}

fn middle(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}
