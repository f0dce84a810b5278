//! `cost`: what the product takes from a machine and from a network, and how it grows with the catalog: bytes, processor
//! time, memory, and the time until it is ready.
//!
//! Start with [`run`]; [`Point`] is what is measured at one size. Most of the figures are counts, which a busy machine does
//! not change; the times are.

mod changes;
mod disk;
mod follower;
mod grown;
mod idle;
mod point;
mod ready;
mod start;
mod tables;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::fleet;

pub use crate::cost::changes::KINDS;
use crate::cost::grown::Axis;
use crate::cost::point::Point;
use crate::program::Size;
use crate::{machine, product, program, table};

/// So few entries lie between two snapshots that each size is started from a snapshot, as a cluster of some age is.
const SETTINGS: &str = "storage.snapshot_entries = 32\nstorage.log_entries_kept = 64";
/// A write of half a megabyte may wait for a snapshot.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(clap::Args)]
pub struct Arguments {
    /// Numbers of device records, each measured after the one before.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1_000, 10_000, 100_000])]
    devices: Vec<usize>,
    /// Numbers of releases, in a catalog without device records.
    #[arg(long, value_delimiter = ',', default_values_t = [6, 100, 1_000, 10_000])]
    releases: Vec<usize>,
    /// How long an idle cluster is looked at, in seconds.
    #[arg(long, default_value_t = 20)]
    idle_s: u64,
    /// Also writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// How much is measured at each size.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How long nothing happens.
    idle: Duration,
    /// Changes of each kind.
    rounds: usize,
    /// Starts of each kind; the middle one counts.
    starts: usize,
}

/// All figures.
pub struct Cost {
    program: Size,
    axes: Vec<(Axis, Vec<Point>)>,
}

/// Measures and prints; an error if a change sends more in a larger catalog.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    product::build(false)?;
    let machine = machine::describe();
    table::say(format!("measured on {machine}"));
    let plan = Plan { idle: Duration::from_secs(arguments.idle_s), rounds: 8, starts: 3 };
    let cost = measure(&[(Axis::Devices, &arguments.devices), (Axis::Releases, &arguments.releases)], plan).await?;
    cost.print();
    if let Some(file) = &arguments.json {
        let mut figures = json!({"machine": machine});
        figures.as_object_mut().context("an object")?.extend(cost.json().as_object().cloned().unwrap_or_default());
        std::fs::write(file, format!("{figures:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    }
    cost.judge()
}

/// The short form: two sizes, some seconds of idleness. The product must have been built.
pub async fn short() -> anyhow::Result<Cost> {
    let plan = Plan { idle: Duration::from_secs(5), rounds: 6, starts: 1 };
    measure(&[(Axis::Devices, &[0, 10_000])], plan).await
}

async fn measure(axes: &[(Axis, &[usize])], plan: Plan) -> anyhow::Result<Cost> {
    let mut measured = Vec::new();
    for (axis, sizes) in axes.iter().filter(|(_, sizes)| !sizes.is_empty()) {
        ensure!(sizes.is_sorted(), "sizes of {} must grow: {sizes:?}", axis.name());
        let mut cluster = Cluster::start_direct(3, SETTINGS).await;
        let client = fleet::client(&cluster, &[0, 1, 2], WRITE_PATIENCE);
        grown::begin(&client).await?;
        let (mut points, mut from) = (Vec::new(), 0);
        for &size in *sizes {
            table::say(format!("{} {size}", axis.name()));
            points.push(point::measure(&mut cluster, &client, *axis, from, size, plan).await?);
            from = size;
        }
        measured.push((*axis, points));
    }
    Ok(Cost { program: program::size(tidegate_harness::binary::path())?, axes: measured })
}

impl Cost {
    /// Prints the tables.
    pub fn print(&self) {
        tables::print(&self.program, &self.axes);
    }

    /// All of it.
    pub fn json(&self) -> Value {
        let axis = |(axis, points): &(Axis, Vec<Point>)| json!({"axis": axis.name(), "points": points.iter().map(Point::json).collect::<Vec<_>>()});
        json!({
            "program_bytes": {"file": self.program.file, "loaded": self.program.loaded},
            "axes": self.axes.iter().map(axis).collect::<Vec<_>>(),
        })
    }

    /// An error if the mean change of a kind sends more than a tenth more in the largest catalog than in the smallest: numbers
    /// of more digits are allowed for, and what grows with the catalog is not.
    pub fn judge(&self) -> anyhow::Result<()> {
        for (axis, points) in &self.axes {
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            for (i, kind) in KINDS.iter().enumerate() {
                let (small, large) = (first.changes.down[i], last.changes.down[i]);
                ensure!(
                    large <= small * 1.1,
                    "{kind}: {large:.0} bytes with {} {}, {small:.0} with {}",
                    last.size,
                    axis.name(),
                    first.size
                );
            }
        }
        Ok(())
    }
}
