//! The hot path, measured inside one process: what a decision costs in time, instructions and memory, what a change costs to
//! compile, and how each of them grows.
//!
//! It is a crate beside `tidegate-bench`, which offers it as `micro`, so that a check of instructions builds this and no server. It
//! must know of no process, socket or disk of the product.
//!
//! [`shape`] says which catalogs are measured, [`catalog`] and [`objects`] build them from numbers alone, and [`asks`] draws
//! the requests, sorted by what they hear. [`time`] and [`instructions`] say what a decision costs, [`cost`] what a change and an
//! object cost; [`report`] sets the bars beside the figures. [`baseline`] keeps instruction counts from creeping up.

pub mod asks;
pub mod baseline;
pub mod catalog;
pub mod cost;
pub mod dice;
pub mod instructions;
pub mod machine;
pub mod objects;
pub mod report;
pub mod shape;
pub mod time;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::cost::Weight;
use crate::instructions::Count;
use crate::report::Row;
use crate::shape::{AXES, LARGE, LARGEST, Named, TYPICAL};

/// What is asked for.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Fewer catalogs and fewer slices: some minutes
    #[arg(long)]
    pub quick: bool,
    /// Write the results to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Only count instructions, and compare them with the baseline
    #[arg(long, conflicts_with_all = ["quick", "json"])]
    pub instructions: bool,
    /// Make the counts the baseline
    #[arg(long, requires = "instructions")]
    pub accept: bool,
    /// Catalogs whose decisions are counted by the valgrind that runs this
    #[arg(long, hide = true, num_args = 1..)]
    pub counted: Vec<String>,
}

/// Does what is asked for. A program that offers it calls it `micro`, since it runs itself under valgrind by that name.
///
/// # Errors
/// Those of [`run`], [`check_instructions`] and [`instructions::run_counted`].
pub fn command(arguments: &Arguments) -> Result<()> {
    if !arguments.counted.is_empty() {
        instructions::run_counted(&arguments.counted)
    } else if arguments.instructions {
        check_instructions(arguments.accept)
    } else {
        run(arguments)
    }
}

/// Requests of each class. In large catalogs, records and what belongs to them no longer fit a core's cache.
const REQUESTS: usize = 2_000;
/// From which they are drawn.
const SEED: u64 = 11;
/// Slices of each class.
const SLICES: usize = 40;
const SLICES_QUICK: usize = 15;

/// Measures, prints the tables and writes the results.
///
/// # Errors
/// Those of [`measured`], or the results cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let measured = measured(arguments.quick)?;
    measured.print();
    match &arguments.json {
        Some(path) => write(path, &measured.json()),
        None => Ok(()),
    }
}

/// Everything measured in one run.
#[derive(Clone, Debug)]
pub struct Measured {
    rows: Vec<Row>,
    counts: Vec<Count>,
    weights: Vec<Weight>,
    machine: serde_json::Value,
}

/// Measures and prints nothing but what is under way; `quick` leaves out most catalogs.
///
/// # Errors
/// Valgrind is there and fails.
pub fn measured(quick: bool) -> Result<Measured> {
    let rows: Vec<Row> = catalogs(quick).into_iter().map(|named| measure(named, quick)).collect();
    let counts = if instructions::is_available() {
        eprintln!("counting instructions under valgrind; large ones take minutes to build there");
        instructions::count(&counted(quick))?
    } else {
        eprintln!("instructions: skipped, valgrind is not installed");
        Vec::new()
    };
    eprintln!("weighing objects");
    Ok(Measured { rows, counts, weights: cost::weights(), machine: machine::describe() })
}

impl Measured {
    /// Prints the tables.
    #[allow(clippy::print_stdout, reason = "the tables are what this command is for")]
    pub fn print(&self) {
        println!("machine: {}\n", self.machine);
        println!("{}", report::time_table(&self.rows));
        println!("{}", report::count_table(&self.counts));
        println!("{}", report::compile_table(&self.rows));
        println!("{}", report::weight_table(&self.weights));
        println!("{}", report::bar_table(&report::bars(&self.rows, &self.counts)));
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        report::json(self.machine.clone(), &self.rows, &self.counts, &self.weights)
    }
}

fn catalogs(quick: bool) -> Vec<Named> {
    [TYPICAL, LARGE].into_iter().chain(axes(quick)).chain((!quick).then_some(LARGEST)).collect()
}

/// The steps of all axes; when it has to be quick, only of the one that grows longest.
fn axes(quick: bool) -> impl Iterator<Item = Named> {
    AXES.iter().filter(move |(name, _)| !quick || name.starts_with("releases")).flat_map(|(_, axis)| axis.iter().copied())
}

/// Those whose instructions are counted. A million objects take a quarter of an hour to build under valgrind, so that of the axes
/// only what is small enough is counted, and the large catalog only if there is time for it.
fn counted(quick: bool) -> Vec<Named> {
    let is_small = |named: &Named| {
        let shape = named.shape;
        shape.releases <= 10_000 && shape.devices + shape.overrides + shape.holds <= 20_000 && shape.products <= 100
    };
    [TYPICAL].into_iter().chain((!quick).then_some(LARGE)).chain(axes(quick).filter(is_small)).collect()
}

fn measure(named: Named, quick: bool) -> Row {
    eprintln!("{}", named.name);
    let (world, snapshot, whole) = cost::build(named);
    let asks = asks::draw(&world, &snapshot, REQUESTS, SEED);
    let times = time::measure(&snapshot, &asks, if quick { SLICES_QUICK } else { SLICES });
    let classes = asks.iter().map(|asks| (asks.class, time::allocations(&snapshot, asks))).collect();
    let compilation = cost::compilation(&world, &snapshot, whole);
    Row { name: named.name, objects: world.catalog.len(), classes, times, compilation }
}

fn write(path: &Path, results: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(results).context("results are plain numbers and texts")?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Counts instructions and compares them with the baseline, or makes them the baseline.
///
/// # Errors
/// A count exceeds its baseline, or valgrind fails. Without valgrind nothing is counted, which is no error.
#[allow(clippy::print_stdout, reason = "the table is what this command is for")]
pub fn check_instructions(accept: bool) -> Result<()> {
    if !instructions::is_available() {
        println!("instructions: skipped, valgrind is not installed");
        return Ok(());
    }
    let counts = instructions::count(&baseline::catalogs())?;
    println!("{}", report::count_table(&counts));
    if accept {
        return baseline::write(&baseline::path(), &counts);
    }
    let found = baseline::regressions(&baseline::read(&baseline::path())?, &counts);
    if found.is_empty() {
        return Ok(());
    }
    bail!("a decision has become dearer (if that is meant, run with --accept):\n  {}", found.join("\n  "))
}
