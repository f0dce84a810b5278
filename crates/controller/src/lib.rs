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

mod event;
pub mod health;
pub mod limits;

pub use event::{Ending, Event, EventKind, Intake, Sighting};
pub use health::Health;
