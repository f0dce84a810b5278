//! What many edges do to a cluster that restarts: a storm would show as connections and bytes within one second.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidegate_harness::cluster::Cluster;

use crate::freshness::crowd::{Crowd, Flow, Recovery};

/// Longest wait for all edges.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// How long the idle network is looked at.
pub const IDLE: Duration = Duration::from_secs(10);
/// How long all nodes are away: long enough for back-offs to reach their ceiling, and for every edge to go stale.
pub const OUTAGE: Duration = Duration::from_secs(15);

/// All nodes killed and started again.
pub struct Outage {
    away: Flow,
    back: Recovery,
}

/// Kills all nodes, waits, starts them, and waits for all edges.
pub async fn all_at_once(cluster: &mut Cluster, crowd: &Crowd) -> anyhow::Result<Outage> {
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    let away = crowd.rates(OUTAGE).await;
    (0..cluster.nodes.len()).for_each(|index| cluster.start_node(index));
    let mut recorder = crowd.record();
    let ready = async {
        cluster.wait_ready().await;
        Instant::now()
    };
    tokio::pin!(ready);
    let ready = loop {
        tokio::select! {
            ready = &mut ready => break ready,
            () = recorder.tick() => {}
        }
    };
    let mut back = crowd.recovered(ready, PATIENCE).await?;
    back.flow = back.flow.after(recorder.flow());
    Ok(Outage { away, back })
}

/// Stops, starts and awaits one node after another.
pub async fn one_after_another(cluster: &mut Cluster, crowd: &Crowd) -> anyhow::Result<Recovery> {
    let mut recorder = crowd.record();
    for index in 0..cluster.nodes.len() {
        let code = tokio::task::block_in_place(|| cluster.nodes[index].stop());
        anyhow::ensure!(code == Some(0), "a node that is asked to stop ends with {code:?}");
        cluster.start_node(index);
        let node_ready = cluster.wait_node_ready(&cluster.nodes[index]);
        tokio::pin!(node_ready);
        loop {
            tokio::select! {
                () = &mut node_ready => break,
                () = recorder.tick() => {}
            }
        }
    }
    let mut back = crowd.recovered(Instant::now(), PATIENCE).await?;
    back.flow = back.flow.after(recorder.flow());
    Ok(back)
}

impl Outage {
    /// Two rows of the table.
    pub fn rows(&self) -> [Vec<String>; 2] {
        let none = ["-", "-", "-"].map(str::to_owned).to_vec();
        let away = [vec!["all nodes killed: while away".to_owned()], self.away.cells(), none, vec![self.away.oldest()]].concat();
        [away, self.back.row("all nodes killed: back")]
    }

    /// All of it.
    pub fn json(&self) -> Value {
        json!({"away": self.away.json(), "back": self.back.json()})
    }
}
