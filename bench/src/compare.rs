//! `compare`: everything that the machine allows: ours against what people would use instead, as one table, and then what
//! nobody else has figures for, the hot path inside one process and what the product takes from the machine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;

use crate::peers::etcd::{self, Etcd};
use crate::slices::{Compared, Plan};
use crate::{checks, cost, machine, product, propagation, store, table};

/// What to compare.
#[derive(clap::Args)]
pub struct Arguments {
    /// Short slices: under ten minutes in all.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Also writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Update checks, beside servers that decide nothing or something else.
    Checks,
    /// Writes and reads, beside etcd.
    Store,
    /// A change until it is everywhere, beside etcd.
    Propagation,
    /// The hot path inside one process, in its quick form.
    Micro,
    /// What it takes from machine and network, in its short form.
    Cost,
}

impl Part {
    const PEERS: [Self; 3] = [Self::Checks, Self::Store, Self::Propagation];
}

/// Runs what is installed, prints the tables and says what was skipped.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    product::build(false)?;
    let machine = machine::describe();
    table::say(format!("measured on {machine}"));
    let plan = if arguments.quick {
        // Short slices: what disturbs a pair lasts longer than it, and the median of many is steadier than that of few.
        Plan { slice: Duration::from_millis(500), pairs: 8 }
    } else {
        Plan { slice: Duration::from_secs(1), pairs: 30 }
    };
    let mut found = Found::default();
    if Part::PEERS.into_iter().any(|part| arguments.wants(part)) {
        found.beside_peers(arguments, plan).await?;
        found.print();
    }
    // One after the other: each has the machine for itself.
    let cost = if arguments.wants(Part::Cost) { Some(cost::short().await?) } else { None };
    if let Some(cost) = &cost {
        cost.print();
    }
    let micro =
        if arguments.wants(Part::Micro) { Some(tokio::task::block_in_place(|| tidegate_micro::measured(true))?) } else { None };
    if let Some(micro) = &micro {
        micro.print();
        if !tidegate_micro::instructions::is_available() {
            found.skipped.push("instructions: valgrind is not installed (Debian: valgrind)".to_owned());
        }
    }
    if !arguments.only.is_empty() {
        found.skipped.push("parts that --only does not name".to_owned());
    }
    found.skipped.iter().for_each(|what| table::say(format!("skipped: {what}")));
    if let Some(file) = &arguments.json {
        let text = json!({
            "machine": machine, "slice_s": plan.slice.as_secs_f64(), "pairs": plan.pairs, "compared": found.figures, "skipped": found.skipped,
            "cost": cost.map(|cost| cost.json()), "micro": micro.map(|micro| micro.json()),
        });
        std::fs::write(file, format!("{text:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// What was found beside peers.
#[derive(Default)]
struct Found {
    rows: Vec<Vec<String>>,
    figures: Vec<Value>,
    skipped: Vec<String>,
}

impl Found {
    /// One cluster of ours for all of it.
    async fn beside_peers(&mut self, arguments: &Arguments, plan: Plan) -> anyhow::Result<()> {
        let cluster = Cluster::start_direct(3, "").await;
        fleet::load(&cluster).await;
        if arguments.wants(Part::Checks) {
            let (compared, missing) = checks::compare(plan, &cluster).await?;
            self.skipped.extend(missing);
            self.take(compared);
        }
        if !etcd::is_installed() {
            self.skipped.push("etcd is not installed (Debian: etcd-server)".to_owned());
            return Ok(());
        }
        if arguments.wants(Part::Store) || arguments.wants(Part::Propagation) {
            self.beside_etcd(arguments, plan, &cluster).await?;
        }
        Ok(())
    }

    async fn beside_etcd(&mut self, arguments: &Arguments, plan: Plan, cluster: &Cluster) -> anyhow::Result<()> {
        table::say(etcd::version());
        let etcd = Etcd::start().await?;
        if arguments.wants(Part::Propagation) {
            let rounds = if arguments.quick { 100 } else { 500 };
            let found = propagation::compare(rounds, cluster, &etcd).await?;
            self.rows.extend(found.rows());
            self.figures.push(json!({
                "what": "propagation", "peer": "etcd", "met": found.is_met(), "ours": found.ours.json(), "theirs": found.theirs.json(),
            }));
        }
        if arguments.wants(Part::Store) {
            let (compared, missing) = store::compare(plan, cluster, &etcd).await?;
            self.skipped.extend(missing);
            self.take(compared);
        }
        Ok(())
    }

    fn take(&mut self, compared: Vec<Compared>) {
        for one in compared {
            self.rows.push(one.row());
            self.figures.push(one.json());
        }
    }

    fn print(&self) {
        let header = ["what", "ours", "peer", "ratio", "half of the pairs", "bar", "met"];
        table::print("Side by side, slices in turn, ratio: the median of the pairs", &header, &self.rows);
    }
}
