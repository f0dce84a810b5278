//! What tests of a store need: a file system that loses power, suites that every implementation must pass, and the rig
//! that crashes a store until it breaks a promise.
//!
//! Never part of a release: behind the feature `testing`.

pub mod fault_vfs;
pub mod fuzzing;
pub mod judge;
pub mod log_suite;
pub mod model;
pub mod power_loss;
pub mod workload;

pub use fault_vfs::{FaultVfs, FileOp};
