//! Rollout tests: files in which users write what a rollout is to do, run on a virtual clock without a cluster.
//!
//! [`load`] reads a file into a [`Scenario`], or says with line and column what in it is no test; [`run()`] plays it and
//! returns a [`Report`]. What runs is the product itself: the state machine takes the entries, the compiler and the
//! decision procedure answer the checks, the controller acts at each instant at which something falls due. This crate
//! adds the clock, the proposer's randomness (from the file's `seed`) and the comparing; it must not decide anything
//! about rollouts.
//!
//! Pure, like all that it runs: reading files and printing is for the caller. Start with the `script` module, the steps as they
//! were read, and the `world` module, in which they happen. Every bound is in [`limits`].

mod answer;
pub mod limits;
mod read;
mod report;
mod run;
mod script;
mod steering;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod world;

pub use read::load;
pub use report::{Failure, Report, StepReport};
pub use run::run;
pub use script::Scenario;
