//! Every claim about speed or freshness as a command that prints its table. It measures the product from outside, as
//! processes, and must not be needed by it.
//!
//! Start with the subcommand: `freshness` (how long a pause takes to be everywhere, and how old an offer can be under each
//! fault) or `compare` (ours beside what people would use instead) or `cost` (bytes, memory, processor time and starts, by
//! the size of the catalog) or `micro` (the hot path inside one process, which a crate of its own measures). `charts` draws
//! what they found.

mod charts;
mod checks;
mod compare;
mod cost;
mod figures;
mod freshness;
mod http1;
mod machine;
mod peers;
mod processors;
mod product;
mod program;
mod propagation;
mod slices;
mod store;
mod table;
mod tap;
mod usage;

use clap::Parser;

#[derive(Parser)]
#[command(name = "tidegate-bench", about = "Measures Tidegate on this machine")]
enum Bench {
    /// Pause-to-everywhere for three nodes and for many edges, restarts, and the age of offers under each fault.
    Freshness(freshness::Arguments),
    /// Ours beside its peers: checks, replicated state, propagation.
    Compare(compare::Arguments),
    /// What it takes from machine and network, and how that grows with the catalog.
    Cost(cost::Arguments),
    /// Draws the charts in `docs/charts` from the results in `bench/results`.
    Charts,
    /// The hot path inside one process: decisions, compilation, memory, and how they grow.
    Micro(tidegate_micro::Arguments),
    /// The bare server that checks are compared with; other subcommands start it.
    #[command(hide = true)]
    ServeFixed(peers::hyper::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Freshness(arguments) => freshness::run(&arguments).await,
        Bench::Compare(arguments) => compare::run(&arguments).await,
        Bench::Cost(arguments) => cost::run(&arguments).await,
        Bench::Charts => charts::run(),
        Bench::Micro(arguments) => tidegate_micro::command(&arguments),
        Bench::ServeFixed(arguments) => peers::hyper::serve(&arguments).await,
    }
}
