//! `tidegate-micro micro`: the hot path, measured without building the rest of the house.

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "tidegate-micro", about = "Measures Tidegate's hot path on this machine")]
enum Bench {
    /// The hot path inside one process: decisions, compilation, memory, and how they grow
    Micro(tidegate_micro::Arguments),
}

fn main() -> ExitCode {
    let Bench::Micro(arguments) = Bench::parse();
    match tidegate_micro::command(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
