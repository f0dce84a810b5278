//! The glue between openraft and the rest: type configuration, log, state machine, and the node behind a handle.
//!
//! Everything here is generic over the runtime, and the state machine over the application. Start with `types`; then
//! `log`, `machine` and `snapshot` (storage as openraft wants it), `core` (the port behind a handle), `rounds` (read
//! indexes) and `members` (membership changes). `health` watches disk, openraft and leadership.

pub(crate) mod blocking;
#[cfg(test)]
mod conformance;
pub(crate) mod core;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod members;
pub(crate) mod rounds;
pub(crate) mod snapshot;
pub(crate) mod tally;
pub(crate) mod types;
