//! `freshness`: how long a pause takes to be everywhere, what restarts do to many edges, and how old an offer can be.

mod crowd;
mod faults;
mod pauses;
mod restarts;
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;

use crate::figures::{Times, ms};
use crate::freshness::crowd::Crowd;
pub use crate::freshness::crowd::signed_us;
pub use crate::freshness::pauses::{AtNodes, at_nodes};
use crate::{machine, product, table};

/// No offer is older than this; the default of nodes and edges.
pub const BOUND: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// Edges: connections in this process, each following, verifying and compiling as an edge does.
    #[arg(long, default_value_t = 1_000)]
    edges: usize,
    /// Pauses with the nodes alone.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Pauses with all edges attached.
    #[arg(long, default_value_t = 50)]
    edge_rounds: usize,
    /// Leaves the faults out, which take some six minutes.
    #[arg(long)]
    without_faults: bool,
    /// Also writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures and prints; an error if anything is beyond its bound.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    product::build(true)?;
    let machine = machine::describe();
    table::say(format!("measured on {machine}"));
    let nodes = {
        let cluster = Cluster::start_direct(3, "").await;
        fleet::load(&cluster).await;
        pauses::at_nodes(&cluster, arguments.rounds).await?
    };
    let mut cluster = Cluster::start_direct(3, "").await;
    fleet::load(&cluster).await;
    let began = Instant::now();
    let crowd = Crowd::start(&cluster, arguments.edges);
    let joined = crowd.all_fresh(began, restarts::PATIENCE).await?;
    let processes = pauses::edge_processes(&cluster).await;
    let idle = crowd.rates(restarts::IDLE).await;
    let edges = pauses::at_edges(&cluster, &crowd, &processes, arguments.edge_rounds).await?;
    drop(processes);
    let outage = restarts::all_at_once(&mut cluster, &crowd).await?;
    let rolling = restarts::one_after_another(&mut cluster, &crowd).await?;

    drop(crowd);
    drop(cluster);
    let faults = if arguments.without_faults { Vec::new() } else { faults::all().await? };

    let row = |what: &str, times: &Times| {
        let cells = [times.count().to_string(), ms(times.at(500)), ms(times.at(990)), ms(times.max())];
        [vec![what.to_owned()], cells.to_vec(), vec![BOUND.as_millis().to_string()]].concat()
    };
    let header = ["from the acknowledgement of a pause until", "n", "p50 ms", "p99 ms", "max ms", "bound ms"];
    let rows = [
        row("one of 3 nodes refuses", &nodes.each),
        row("all 3 nodes refuse", &nodes.everywhere),
        row(&format!("one of {} edges (connections in one process) has it", arguments.edges), &edges.each),
        row(&format!("all {} edges have it", arguments.edges), &edges.everywhere),
        row("one of 3 edges (processes beside them) refuses", &edges.processes),
    ];
    table::print("Pause to everywhere, all connected", &header, &rows);
    table::say(
        "Negative: before the acknowledgement reached the client. A node or an edge process refuses when a check that it was asked has come back as PAUSED.",
    );

    let header = [
        "edges",
        "connections tried",
        "most in 1 s",
        "in s",
        "MB received",
        "most in 1 s",
        "fresh p50 ms",
        "p99 ms",
        "max ms",
        "oldest age ms",
    ];
    let idle_row = [vec!["idle, all connected".to_owned()], idle.cells(), vec!["-".to_owned(); 3], vec![idle.oldest()]].concat();
    let [away, back] = outage.rows();
    let rows = [joined.row("all begin, with nothing"), idle_row, away, back, rolling.row("one node after another")];
    table::print(&format!("{} edges when nodes restart", arguments.edges), &header, &rows);
    table::say(format!(
        "Killed at once: all nodes with SIGKILL, {} s of outage, then all started; times from the first node that is ready. One after another: each stops on request and is ready again before the next.",
        restarts::OUTAGE.as_secs()
    ));

    if !faults.is_empty() {
        faults::print(&faults);
    }

    if let Some(file) = &arguments.json {
        let figures = json!({
            "machine": machine, "edges": arguments.edges, "bound_ms": BOUND.as_millis(),
            "nodes": {"each": nodes.each.json(), "everywhere": nodes.everywhere.json()},
            "edges_in_one_process": {"each": edges.each.json(), "everywhere": edges.everywhere.json()},
            "edge_processes": edges.processes.json(),
            "restarts": {"idle": idle.json(), "all_at_once": outage.json(), "one_after_another": rolling.json()},
            "faults": faults.iter().map(faults::json).collect::<Vec<_>>(),
        });
        std::fs::write(file, format!("{figures:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let bound_us = i64::try_from(BOUND.as_micros()).expect("seconds fit");
    for times in [&nodes.everywhere, &edges.everywhere, &edges.processes] {
        ensure!(times.max().is_some_and(|max| max <= bound_us), "a pause took longer than its bound");
    }
    for one in &faults {
        ensure!(faults::is_kept(one), "{}: not everything promised was kept: {one:?}", one.fault);
    }
    table::say("nothing beyond the bound");
    Ok(())
}
