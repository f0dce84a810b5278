//! One run: builds the simulated cluster, lets clients and faults loose on it, calms it down, and judges.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::arguments::Arguments;
use crate::client::Client;
use crate::faults::Faults;
use crate::node::Node;
use crate::script::Script;
use crate::seams::Dice;
use crate::trace::Trace;
use crate::world::{Tally, World};

const NODES: u64 = 3;
const CLIENTS: u64 = 3;

/// Faults happen until then.
const FAULTS_END: Duration = Duration::from_secs(32);
/// Clients go on until then, so that a calm cluster has to serve them again.
const CLIENTS_END: Duration = Duration::from_secs(38);
/// All nodes have to agree by then.
const CALM_MAX: Duration = Duration::from_secs(70);

/// A run counts only with at least this much in it.
const SIMULATED_MIN: Duration = Duration::from_secs(30);
const ACKNOWLEDGED_MIN: u64 = 100;

/// What came of a run.
pub struct Report {
    seed: u64,
    simulated: Duration,
    tally: Tally,
    trace_lines: u64,
    trace_hash: String,
    failure: Option<String>,
}

impl Report {
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    pub fn to_json(&self) -> String {
        let t = &self.tally;
        json!({
            "seed": self.seed,
            "simulated_s": self.simulated.as_secs_f64(),
            "crashes": t.crashes,
            "power_losses": t.power_losses,
            "partitions": t.partitions,
            "clock_steps": t.clock_steps,
            "transfers": t.transfers,
            "writes": t.acknowledged,
            "rejected": t.rejected,
            "unknown": t.unknown,
            "repeated": t.repeated,
            "steered": t.steered,
            "reads": t.reads,
            "checks": t.checks,
            "offers": t.offers,
            "stale_checks": t.stale_checks,
            "snapshots_built": t.snapshots_built,
            "snapshots_installed": t.snapshots_installed,
            "trace_lines": self.trace_lines,
            "trace_hash": self.trace_hash,
            "ok": self.is_ok(),
            "error": self.failure,
        })
        .to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.tally;
        let (seed, simulated) = (self.seed, self.simulated.as_secs_f64());
        writeln!(
            f,
            "seed {seed}: {simulated:.1} s simulated, {} crashes ({} power losses), {} partitions",
            t.crashes, t.power_losses, t.partitions
        )?;
        writeln!(
            f,
            "  {} writes acknowledged, {} rejected, {} unknown, {} repeated, {} steered, {} reads, {} checks, {} offers, {} stale",
            t.acknowledged, t.rejected, t.unknown, t.repeated, t.steered, t.reads, t.checks, t.offers, t.stale_checks
        )?;
        writeln!(
            f,
            "  {} snapshots built, {} installed, {} trace lines, {}",
            t.snapshots_built, t.snapshots_installed, self.trace_lines, self.trace_hash
        )?;
        match &self.failure {
            None => write!(f, "  ok"),
            Some(failure) => write!(f, "  FAILED: {failure}"),
        }
    }
}

/// Runs one seed.
pub fn seed(arguments: &Arguments) -> Report {
    let dump = arguments.dump.as_ref().map(|path| std::fs::File::create(path).expect("the dump can be created"));
    let world = Arc::new(World::new(Trace::new(dump)));
    let dice = Dice::new(arguments.seed, 1);
    let mut sim = turmoil::Builder::new()
        .rng_seed(dice.u64())
        .tick_duration(Duration::from_millis(1))
        .simulation_duration(CALM_MAX * 2)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(1 + dice.below(12)))
        .tcp_capacity(1 << 16)
        .build();
    let leaky = |id| arguments.leak && id == 2;
    let node = |id| {
        let world = Arc::clone(&world);
        Arc::new(Node::new(id, NODES, arguments.seed, world, leaky(id), arguments.sabotage))
    };
    let nodes: Vec<Arc<Node>> = (1..=NODES).map(node).collect();
    for node in &nodes {
        let node = Arc::clone(node);
        sim.host(node.name(), move || {
            let node = Arc::clone(&node);
            async move {
                node.live().await;
                Ok(())
            }
        });
    }
    for number in 1..=CLIENTS {
        let dice = Dice::new(arguments.seed, 100 + number);
        let script = Script::new(number, Dice::new(arguments.seed, 200 + number));
        let client = Client { number, nodes: NODES, world: Arc::clone(&world), dice, ends_at: CLIENTS_END, script };
        sim.client(format!("client-{number}"), async move {
            client.run().await;
            Ok(())
        });
    }
    let faults = Faults::new(arguments.seed, nodes.clone(), Arc::clone(&world));
    let stepped = steps(&mut sim, faults, &nodes, &world);
    world.judge_heard();
    let simulated = sim.elapsed();
    let tally = world.tally();
    let failure = stepped.err().or_else(|| world.violation()).or_else(|| insufficient(simulated, &tally));
    // What the hosts do when they are torn down is no part of the run.
    let (trace_lines, trace_hash) = world.finish();
    Report { seed: arguments.seed, simulated, tally, trace_lines, trace_hash, failure }
}

fn steps(sim: &mut turmoil::Sim<'_>, mut faults: Faults, nodes: &[Arc<Node>], world: &World) -> Result<(), String> {
    let step = |sim: &mut turmoil::Sim<'_>| sim.step().map_err(|error| format!("the simulation failed: {error}"));
    while sim.elapsed() < FAULTS_END && world.violation().is_none() {
        step(sim)?;
        faults.due(sim);
    }
    faults.end(sim);
    while world.violation().is_none() {
        step(sim)?;
        if sim.elapsed() > CLIENTS_END && agree(nodes, world) {
            return Ok(());
        }
        if sim.elapsed() > CALM_MAX {
            return Err(format!("the nodes do not agree after all faults ended: {}", positions(nodes)));
        }
    }
    Ok(())
}

/// All nodes have applied everything that anybody applied, under one leader, and know themselves fresh.
fn agree(nodes: &[Arc<Node>], world: &World) -> bool {
    let last = world.last_applied();
    let statuses: Vec<_> = nodes.iter().filter_map(|node| node.handle()).map(|handle| handle.status()).collect();
    let leader = statuses.first().and_then(|status| status.leader);
    if let Some(node) = nodes.iter().find(|node| node.is_unsound()) {
        world.violated(format!("node {} has stopped serving: its digest differs, or an entry could not be carried out", node.id));
    }
    statuses.len() == nodes.len()
        && leader.is_some()
        && statuses.iter().all(|status| status.leader == leader && status.applied_index >= last)
        && statuses.iter().all(|status| status.applied_index == statuses[0].applied_index)
}

fn positions(nodes: &[Arc<Node>]) -> String {
    let position = |node: &Arc<Node>| match node.handle().map(|handle| handle.status()) {
        None => format!("node {} down", node.id),
        Some(s) => format!("node {} {:?} term {} leader {:?} applied {}", s.node, s.role, s.term, s.leader, s.applied_index),
    };
    nodes.iter().map(position).collect::<Vec<_>>().join(", ")
}

fn insufficient(simulated: Duration, tally: &Tally) -> Option<String> {
    let is_enough =
        simulated >= SIMULATED_MIN && tally.crashes >= 1 && tally.partitions >= 1 && tally.acknowledged >= ACKNOWLEDGED_MIN;
    (!is_enough).then(|| format!("too little happened: {simulated:?}, {tally:?}"))
}
