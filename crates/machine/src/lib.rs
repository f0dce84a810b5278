//! The replicated state machine of Tidegate: what may be done with the catalog, and what comes of it.
//!
//! [`apply()`] takes the [`State`] and one log entry and answers an [`Outcome`] or a [`Rejection`]; it has no other error.
//! Everything that is chance or time travels in the entry, so every node comes to the same state. This crate must not
//! read a clock, draw a random number, use a hash map or a float, or know how anything is stored or sent.
//!
//! Start with [`apply()`] for the way of an entry, [`lifecycle`] for the table of what is legal when, and the
//! scripts under `src/scripts/` for what it looks like from outside.

mod apply;
pub mod audit;
pub mod changes;
mod commands;
mod edit;
pub mod epoch;
pub mod exclusions;
mod follows;
mod graph;
mod index;
pub mod lifecycle;
pub mod limits;
pub mod outcome;
pub mod parts;
mod readiness;
pub mod rejection;
pub mod requests;
mod roster;
#[cfg(test)]
mod scripts;
pub mod settings;
pub mod stages;
mod state;

pub use apply::{Applied, Replaced, apply, skip};
pub use audit::{AuditHead, AuditRecord};
pub use changes::{ChangeTable, Compacted};
pub use epoch::{EpochError, NewEpoch, Origin, begin_epoch};
pub use outcome::{Effect, ObjectOutcome, Outcome, Warning, WarningCode};
pub use parts::{BadParts, Parts};
pub use rejection::{Code, FieldError, Rejection};
pub use requests::{Remembered, RequestKey, RequestRecord, RequestTable};
pub use settings::{Settings, Token, role_needed};
pub use stages::{SubStatus, sub_status};
pub use state::{Genesis, State};
