//! Tasks of the repository, run as `cargo xtask <task>`: generated code, checks, simulation sweeps. Never shipped.
//!
//! Start with [`verify`], which says what a commit must keep.

#![allow(clippy::print_stdout, reason = "a command-line tool")]

mod codegen;
mod docs;
mod fix;
mod laws;
mod layers;
mod properties;
mod sim;
mod sources;
mod verify;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of the Tidegate repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check everything that a commit must keep; changes nothing
    Verify {
        /// Leave the tests out
        #[arg(long)]
        no_tests: bool,
        /// Only what needs no compiler
        #[arg(long, conflicts_with = "no_tests")]
        fast: bool,
    },
    /// Repair what verify complains of: generated code and docs, clippy's own fixes, format
    Fix,
    /// Generate crates/proto/src/gen from proto
    Codegen,
    /// Generate the pages of docs/reference that are made from the sources
    Docs,
    /// Sweep the simulation over many seeds, each in two processes
    Sim {
        /// Number of seeds
        #[arg(long, default_value_t = 200)]
        seeds: u64,
        /// First seed
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// Processes at a time
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// Build the simulation with optimisations
        #[arg(long)]
        release: bool,
        /// Sweep this executable instead of building one
        #[arg(long, value_name = "FILE", conflicts_with = "release")]
        binary: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = workspace::root();
    match task {
        Task::Verify { no_tests, fast } => {
            let extent = match (fast, no_tests) {
                (true, _) => verify::Extent::Fast,
                (false, true) => verify::Extent::NoTests,
                (false, false) => verify::Extent::Full,
            };
            verify::run(&root, extent)
        }
        Task::Fix => fix::run(&root),
        Task::Codegen => {
            let changed = codegen::write(&root)?;
            eprintln!("codegen: {changed} files changed");
            Ok(())
        }
        Task::Docs => docs::write(&root),
        Task::Sim { seeds, first, jobs, release, binary } => {
            let binary = binary.map_or_else(|| sim::build(&root, release), Ok)?;
            sim::run(&binary, sim::Sweep { first, seeds, jobs })
        }
    }
}
