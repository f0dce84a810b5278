//! The controller's hands: what devices send comes in, what falls due goes through the log.
//!
//! What is due is decided by `tidegate-controller`, from the replicated state and from evidence that is not replicated
//! ([`Records`]). Every node keeps evidence, so that the next leader has most of it; only the leader acts on it (`run`).
//! Checks leave sightings behind without waiting for anybody ([`Sightings`]); `spread` carries them and install events to
//! the other nodes. Nothing here decides what a command does: a step that has become wrong on its way is refused by the
//! state machine.

mod convert;
mod progress;
mod records;
mod run;
mod sightings;
mod spread;

pub use records::Records;
pub use run::run;
pub use sightings::Sightings;
pub use spread::spread;
