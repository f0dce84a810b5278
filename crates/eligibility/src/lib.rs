//! Decides which device may take which release: [`compile`] turns a catalog into a [`Snapshot`], [`decide`] answers one
//! request from it.
//!
//! Both are pure. An answer is a function of (snapshot, request, now), allocates nothing and borrows everything from
//! the snapshot; what led to it goes to a [`TraceSink`] if somebody wants to know. This crate must not know how the
//! catalog came about (`tidegate-machine`): edges and SDKs carry it without the write side. It does no I/O, reads no
//! clock and draws nothing.
//!
//! Start with the `decide` module, which follows the numbered steps of the decision procedure one by one; the `compile`
//! module says what is prepared for it. The `naive` module (tests only) is the same procedure straight from the catalog,
//! slow and obvious.

mod compile;
mod compiled;
mod decide;
mod decision;
mod explain;
mod facts;
pub mod limits;
mod membership;
#[cfg(any(test, feature = "testing"))]
pub mod naive;
mod piercing;
mod reason;
mod request;
mod scope;
mod snapshot;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod trace;
mod version;
mod window;

pub use compile::compile;
pub use decide::{decide, decide_traced};
pub use decision::{Decision, InstallMode, Source, Target, Urgency};
pub use explain::explain;
pub use membership::Membership;
pub use reason::Reason;
pub use request::{Mode, Request};
pub use snapshot::{Snapshot, Stamp};
pub use trace::{Entry, Field, PositionedBy, TraceSink};
pub use window::window_is_readable;
