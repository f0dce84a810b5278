//! Imports against the real state machine and the real decisions.

mod cluster;
mod golden;
mod laws;
mod plans;
mod refusals;
