//! Tests against clusters of real processes. One cluster runs at a time: the machine has few cores, and several bounds
//! here are in milliseconds.

mod clocks;
mod console;
mod damage;
mod dev;
mod disk;
mod drain;
mod edges;
mod edges_tls;
mod faults;
mod freshness;
mod guide;
mod members;
mod memory;
mod operations;
mod pause;
mod replay;
mod runbook;
mod steering;
mod upgrade;

/// Held by each test while its cluster runs.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
