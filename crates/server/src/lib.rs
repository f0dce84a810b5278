//! The daemon: one node of a Tidegate cluster, from its configuration to its exit.
//!
//! A thin shell. What a command does is decided in `tidegate-machine`, what a device hears in `tidegate-eligibility`;
//! this crate carries requests to them and results back, and must not decide what they should decide.
//! Start with [`config`].

pub mod config;
pub mod limits;

/// Newest kind of command that this build understands; told to the other nodes in probes.
pub const SUPPORTED_VERSION: u32 = 1;
