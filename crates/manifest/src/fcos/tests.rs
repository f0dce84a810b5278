//! Imports against the real state machine and the real decisions, compared with the stream's own rules.

mod cluster;
mod plans;
mod real;
mod rules;
mod synthetic;
