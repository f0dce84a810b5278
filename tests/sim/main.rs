//! Runs one seed of the deterministic simulation: three nodes of the real server (consensus, store, state machine,
//! decisions) on a simulated network, disk, clock and random source, with clients, faults and checks.
//!
//! ```text
//! sim --seed 7 --json                  one line: {seed, simulated_s, crashes, partitions, writes, trace_hash, ok, ...}
//! sim --seed 7 --dump trace.txt        every packet, file operation and applied entry, one per line
//! sim --seed 7 --leak                  one node draws from the operating system: the trace must differ
//! sim --seed 7 --sabotage never-expires  broken freshness: the oracle must object
//! ```
//!
//! One process runs one seed: tokio numbers tasks per process, and their order of destruction depends on it. Start
//! reading with `run` (what happens), then `world` (what is recorded and judged) and `seams` (what is simulated).

#![allow(clippy::print_stdout, reason = "a command-line program")]

mod app;
mod arguments;
mod client;
mod door;
mod faults;
mod node;
mod oracle;
mod run;
mod script;
mod seams;
mod trace;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    if arguments.verbose {
        tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).without_time().init();
    }
    let report = run::seed(&arguments);
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        println!("{report}");
    }
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
