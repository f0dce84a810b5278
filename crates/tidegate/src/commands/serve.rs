//! `serve` and `config`.
#![allow(clippy::print_stdout, reason = "the data of `config print`")]

use std::io::Read as _;

use tidegate_platform::Platform;
use tidegate_server::config::print_merged;
use tidegate_server::{Node, StartError, StartFailure};

use crate::cli::{Config, Serve};
use crate::exit::{Failure, Outcome};
use crate::memory;

/// SIGXFSZ, which has this number on every architecture of Linux that is built for, and on macOS.
const FILE_SIZE_SIGNAL: i32 = 25;

/// Runs one node until it is told to stop or fails.
pub async fn serve(arguments: &Serve) -> Outcome {
    let (config, _) = arguments.settings.load()?;
    let stop = stop_signal(arguments.stop_with_stdin)?;
    tidegate_server::logging::start(&config);
    let mut node = Node::start(config, Platform::system()).await.map_err(not_started)?;
    memory::take_ahead();
    tokio::select! {
        failure = node.failed() => {
            tracing::error!(%failure, "the node cannot go on");
            Err(Failure::Local(anyhow::Error::new(failure)))
        }
        () = stop => {
            node.shutdown().await;
            Ok(())
        }
    }
}

/// Why the node did not start, and where it says what to do.
fn not_started(error: StartFailure) -> Failure {
    let code = match &error {
        StartFailure::Consensus(StartError::Damaged { .. }) => Some("STORE_DAMAGED"),
        StartFailure::Consensus(StartError::Epoch { .. }) => Some("WRONG_EPOCH"),
        StartFailure::Consensus(_)
        | StartFailure::Tls { .. }
        | StartFailure::Listen { .. }
        | StartFailure::Folder { .. }
        | StartFailure::InUse { .. }
        | StartFailure::Thread(_)
        | StartFailure::Journal(_) => None,
    };
    let error = anyhow::Error::new(error);
    match code {
        Some(code) => Failure::Refused(format!("{code}: {error:#}\n  see docs/reference/errors/{code}.md")),
        None => Failure::Local(error),
    }
}

/// Completes at SIGTERM or SIGINT, and at the end of standard input if asked for. From here on a file that reaches the size
/// limit of the process (`ulimit -f`) is an error where it is written, and no silent death.
pub fn stop_signal(with_stdin: bool) -> Outcome<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    // Taken is enough: whoever wrote hears of it from the system call.
    drop(signal(SignalKind::from_raw(FILE_SIZE_SIGNAL)).map_err(anyhow::Error::new)?);
    let mut terminate = signal(SignalKind::terminate()).map_err(anyhow::Error::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(anyhow::Error::new)?;
    let (ended, stdin_end) = tokio::sync::oneshot::channel();
    if with_stdin {
        // A thread of its own: a blocking read of standard input would hold up the runtime's shutdown.
        std::thread::spawn(move || {
            let mut sink = [0; 256];
            while matches!(std::io::stdin().lock().read(&mut sink), Ok(count) if count > 0) {}
            ended.send(()).ok();
        });
    } else {
        std::mem::forget(ended);
    }
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = stdin_end => {}
        }
    })
}

/// Checks or prints the configuration of a node.
pub fn config(command: &Config) -> Outcome {
    match command {
        Config::Check(settings) => {
            settings.load()?;
            println!("valid");
        }
        Config::Print(settings) => {
            let (_, merged) = settings.load()?;
            print!("{}", print_merged(&merged));
        }
    }
    Ok(())
}
