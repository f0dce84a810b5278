//! The daemon: one node of a Tidegate cluster, from its configuration to its exit.
//!
//! A thin shell. What a command does is decided in `tidegate-machine`, what a device hears in `tidegate-eligibility`;
//! this crate carries requests to them and results back, and must not decide what they should decide.
//!
//! Start with [`Node::start`] for how a node comes to run, [`config`] for what can be set, [`application`] for the way of
//! a log entry, and `write` and `read` for the ways of a call.

mod admin;
pub mod application;
pub mod asks;
pub mod backup;
pub mod caller;
pub mod codec;
pub mod config;
pub mod context;
pub mod door;
mod edge;
pub mod journal;
pub mod kinds;
pub mod limits;
mod listen;
pub mod logging;
mod membership;
pub mod metrics;
pub mod new_epoch;
pub mod node;
pub mod pages;
pub mod published;
mod read;
pub mod refusal;
mod selectors;
pub mod source;
pub mod status;
pub mod steering;
mod threads;
pub mod upkeep;
mod verify;
mod windows;
pub mod wire;
pub mod write;

pub use config::{Config, ConfigError, Fragment};
pub use context::Context;
pub use kinds::Kinds;
pub use node::{Failure, Node, StartFailure};
pub use tidegate_consensus::StartError;

/// Newest kind of command that this build understands; told to the other nodes in probes.
pub const SUPPORTED_VERSION: u32 = 1;
