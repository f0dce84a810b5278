//! `compare`: everything that the machine allows, ours against what people would use instead, as one table.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;

use crate::peers::etcd::{self, Etcd};
use crate::slices::{Compared, Plan};
use crate::{checks, machine, product, propagation, store, table};

/// What to compare.
#[derive(clap::Args)]
pub struct Arguments {
    /// Short slices: under ten minutes in all.
    #[arg(long)]
    quick: bool,
    /// Only these parts: checks, store, propagation.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs what is installed, prints the table and says what was skipped.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    product::build(false)?;
    let machine = machine::describe();
    table::say(format!("measured on {machine}"));
    let plan = if arguments.quick {
        Plan { slice: Duration::from_secs(1), pairs: 4 }
    } else {
        Plan { slice: Duration::from_secs(3), pairs: 10 }
    };
    let wanted = |part: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == part);
    let cluster = Cluster::start_direct(3, "").await;
    fleet::load(&cluster).await;
    let (mut rows, mut figures, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
    if wanted("checks") {
        let (compared, missing) = checks::compare(plan, &cluster).await?;
        skipped.extend(missing);
        take(compared, &mut rows, &mut figures);
    }
    if !etcd::is_installed() {
        skipped.push("etcd is not installed (Debian: etcd-server)".to_owned());
    } else if wanted("store") || wanted("propagation") {
        table::say(etcd::version());
        let etcd = Etcd::start().await?;
        if wanted("propagation") {
            let rounds = if arguments.quick { 100 } else { 500 };
            let found = propagation::compare(rounds, &cluster, &etcd).await?;
            rows.extend(found.rows());
            figures.push(json!({
                "what": "propagation", "peer": "etcd", "met": found.is_met(), "ours": found.ours.json(), "theirs": found.theirs.json(),
            }));
        }
        if wanted("store") {
            take(store::compare(plan, &cluster, &etcd).await?, &mut rows, &mut figures);
        }
    }
    table::print(
        "Side by side, slices in turn, ratio: the median of the pairs",
        &["what", "ours", "peer", "ratio", "bar", "met"],
        &rows,
    );
    skipped.iter().for_each(|what| table::say(format!("skipped: {what}")));
    if let Some(file) = &arguments.json {
        let text = json!({"machine": machine, "slice_s": plan.slice.as_secs(), "pairs": plan.pairs, "compared": figures, "skipped": skipped});
        std::fs::write(file, format!("{text:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn take(compared: Vec<Compared>, rows: &mut Vec<Vec<String>>, figures: &mut Vec<Value>) {
    for one in compared {
        rows.push(one.row());
        figures.push(one.json());
    }
}
