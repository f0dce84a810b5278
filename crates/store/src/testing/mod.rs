//! What tests of a store need: a file system that loses power, and suites that every implementation must pass.
//!
//! Never part of a release: behind the feature `testing`.

pub mod fault_vfs;

pub use fault_vfs::{FaultVfs, FileOp};
