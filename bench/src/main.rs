//! Every claim about speed or freshness as a command that prints its table. It measures the product from outside, as
//! processes, and must not be needed by it.
//!
//! Start with the subcommand: `freshness` (how long a pause takes to be everywhere, and how old an offer can be under each
//! fault).

mod figures;
mod freshness;
mod machine;
mod product;
mod table;

use clap::Parser;

#[derive(Parser)]
#[command(name = "tidegate-bench", about = "Measures Tidegate on this machine")]
enum Bench {
    /// Pause-to-everywhere for three nodes and for many edges, restarts, and the age of offers under each fault.
    Freshness(freshness::Arguments),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Bench::parse() {
        Bench::Freshness(arguments) => freshness::run(&arguments).await,
    }
}
