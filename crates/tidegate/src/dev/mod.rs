//! `tidegate dev`: a cluster of real processes on loopback, with sample data and commands to try.
#![allow(clippy::print_stdout, reason = "this command talks to the person at the terminal")]

mod nodes;
mod sample;

use std::time::Duration;

use anyhow::Context as _;
use tidegate_client::{Client, Options};
use tidegate_platform::{Platform, TcpNetwork};

use crate::cli::Dev;
use crate::exit::{Failure, Outcome};
use nodes::{Node, Ports};

/// Longest wait for three nodes to find a leader and a first proof of freshness; disks that sync slowly need most of it.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// Brings the cluster up, shows what to try, and stops it on Ctrl-C.
pub async fn dev(arguments: &Dev) -> Outcome {
    let ports = Ports::new(arguments.port_offset);
    let mut nodes = Vec::new();
    println!("starting {} nodes, data in {}", arguments.nodes, arguments.data_dir.display());
    for id in 1..=arguments.nodes {
        nodes.push(Node::start(&arguments.data_dir, id, arguments.nodes, ports)?);
    }
    let outcome = live(arguments, ports, &mut nodes).await;
    println!("stopping");
    for node in nodes {
        node.stop().await;
    }
    outcome
}

async fn live(arguments: &Dev, ports: Ports, nodes: &mut [Node]) -> Outcome {
    let stop = tokio::signal::ctrl_c();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(anyhow::Error::new)?;
    tokio::pin!(stop);
    tokio::select! {
        ready = ready(arguments, ports, nodes) => ready?,
        _ = &mut stop => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    }
    let mut rounds = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            _ = &mut stop => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = rounds.tick() => report_ended(nodes),
        }
    }
}

async fn ready(arguments: &Dev, ports: Ports, nodes: &mut [Node]) -> Outcome {
    nodes::wait_for(nodes, ports, "/readyz", READY_PATIENCE).await?;
    for node in nodes.iter() {
        println!(
            "node {}  pid {:<7} devices http://{}  admin http://{}  peers {}",
            node.id,
            node.pid,
            ports.device(node.id),
            ports.admin(node.id),
            ports.peer(node.id)
        );
    }
    let has_sample = if arguments.no_sample { false } else { sample::load(&client(arguments, ports)?).await? };
    println!("dashboard  http://{}/", ports.device(1));
    println!("ready");
    let endpoint = (arguments.port_offset > 0).then(|| format!("http://{}", ports.admin(1)));
    sample::suggest(has_sample, &ports.device(1), endpoint.as_deref()).map_err(Failure::Local)?;
    Ok(())
}

fn client(arguments: &Dev, ports: Ports) -> Outcome<Client> {
    let endpoints: Vec<String> = (1..=arguments.nodes).map(|id| format!("http://{}", ports.admin(id))).collect();
    let options = Options::new(&endpoints).context("the admin addresses make no endpoints")?;
    Ok(Client::new(options, &Platform::system(), std::sync::Arc::new(TcpNetwork)))
}

/// Says once of each node that has ended how to start it again.
fn report_ended(nodes: &mut [Node]) {
    for node in nodes {
        if let Some(status) = node.newly_ended() {
            println!("node {} (pid {}) ended with {status}; start it again with", node.id, node.pid);
            println!("  {} serve --config {}", program(), node.config.display());
        }
    }
}

/// This program as the person can call it.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_else(|_| "tidegate".into());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map_or_else(|_| path.display().to_string(), |relative| relative.display().to_string())
}
