//! The controller: what is due in the rollouts, as commands. Triggers fire, stages and cells open, settle, pass or fail,
//! rosters grow, freezes are accounted for, releases are brought to the cohorts that follow; all of it decided from the
//! replicated state and from [`Health`], the evidence that devices send.
//!
//! Pure: it runs nothing, reads no clock, draws nothing and writes nothing. The server runs it on the leader, rollout tests
//! on a virtual clock; both propose what [`due`] returns and ask again until nothing is left. A command that has become
//! wrong on its way is refused by the machine (compare-and-set), never carried out.
//!
//! This crate must not decide what a device hears (`tidegate-eligibility`) nor what a command does (`tidegate-machine`).
//! Start with [`due()`], which names every duty in order; [`health`] is the evidence, `gate` the judgement on it.

mod after;
mod domains;
mod due;
mod event;
mod explain;
mod fleet;
mod freeze;
pub mod gate;
pub mod health;
mod judge;
pub mod limits;
mod memory;
mod rolling;
mod roster;
mod tally;

pub use due::{due, next_due};
pub use event::{Ending, Event, EventKind, Intake, Sighting};
pub use explain::{CellProgress, Progress, explain};
pub use gate::Verdict;
pub use health::Health;
pub use judge::{EMPTY_STAGE, GATE_FAILED, NEW_PROBLEM};
pub use tally::{Counts, Tally};
