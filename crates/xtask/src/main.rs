//! Tasks of the repository, run as `cargo xtask <task>`: generated code, checks, simulation sweeps. Never shipped.
//!
//! Start with [`verify`], which says what a commit must keep.

mod codegen;
mod workspace;

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
    /// Generates crates/proto/src/gen from proto/
    Codegen,
}

fn main() -> Result<()> {
    let root = workspace::root();
    match Arguments::parse().task {
        Task::Codegen => {
            let changed = codegen::write(&root)?;
            eprintln!("codegen: {changed} files changed");
            Ok(())
        }
    }
}
