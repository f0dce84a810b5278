//! The one binary: nodes, development cluster and command line. It turns words into calls of `tidegate-server` and
//! `tidegate-client`; nothing is decided here. Start with [`cli`], the list of everything that can be said.

mod cli;
mod cli_edge;
mod commands;
mod connect;
mod dev;
mod diff;
mod exit;
mod files;
mod fleet;
mod memory;
mod names;
mod output;
mod settings;
mod time;
mod tls;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command};
use exit::{Failure, Outcome};

/// A fifth of what a node does under writes was finding memory with the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::Serve(_) | Command::Edge(_)) {
        memory::keep();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::Local(anyhow::Error::new(error).context("cannot start the runtime"))),
    };
    let outcome = runtime.block_on(run(&cli));
    // A node that stopped in order has nothing left to wait for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("error: {failure}");
    failure.code()
}

async fn run(cli: &Cli) -> Outcome {
    let output = cli.global.output;
    let client = || connect::client(&cli.global);
    match &cli.command {
        Command::Dev(arguments) => dev::dev(arguments).await,
        Command::Serve(arguments) => commands::serve::serve(arguments).await,
        Command::Edge(arguments) => commands::edge::edge(&cli.global, arguments).await,
        Command::Config(command) => commands::serve::config(command),
        Command::Apply(arguments) => commands::apply::apply(&client()?, output, arguments).await,
        Command::Diff(arguments) => commands::apply::diff(&client()?, output, arguments).await,
        Command::Get(arguments) => commands::objects::get(&client()?, output, arguments).await,
        Command::Delete(arguments) => commands::objects::delete(&client()?, output, arguments).await,
        Command::History(arguments) => commands::objects::history(&client()?, output, arguments).await,
        Command::Export(arguments) => commands::objects::export(&client()?, output, arguments).await,
        Command::Device(arguments) => commands::objects::device(&client()?, output, arguments).await,
        Command::Rollout(command) => commands::rollout::rollout(&client()?, output, command).await,
        Command::Check(arguments) => commands::check::check(&client()?, output, arguments).await,
        Command::Test(arguments) => commands::test::test(output, arguments),
        Command::Import(command) => commands::import::import(&client()?, output, command).await,
        Command::Audit(arguments) => commands::audit::audit(&client()?, output, arguments).await,
        Command::Cluster(cli::Cluster::Backup { file, verify: true }) => commands::backup::verify(output, file),
        Command::Cluster(cli::Cluster::Restore(arguments)) => commands::new_epoch::restore(output, arguments),
        Command::Cluster(cli::Cluster::Recover(arguments)) => commands::new_epoch::recover(output, arguments),
        Command::Cluster(command) => commands::cluster::cluster(&client()?, output, command).await,
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "tidegate", &mut std::io::stdout());
            Ok(())
        }
        Command::Man => {
            let page = clap_mangen::Man::new(Cli::command());
            page.render(&mut std::io::stdout()).map_err(|error| Failure::Local(error.into()))
        }
    }
}
