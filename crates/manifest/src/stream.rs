//! Brings a cohort to what a foreign update stream says: the part that all imports share.
//!
//! A [`Stream`] lists versions, each with who gets it. [`plan`] compares it with what the cohort holds ([`Known`]) and
//! plans the difference, as commands for one log entry. It must not know any foreign format: the readers are in
//! [`crate::fcos`] and [`crate::appcast`].
//!
//! - One release per version, in one chain by version. What the stream does not offer is disabled. Nothing is ever
//!   withdrawn: an entry may come back.
//! - The newest version that is offered is the latest release; it alone can be throttled. Everything else is COMPLETED.
//! - A throttled version that was COMPLETED before, or is not the latest any more, gets a new attempt: another release of
//!   the same bundle, `VERSION~2`, linked as the latest; the earlier attempt is disabled and leads straight to it.
//! - Every release asks for `version_requirement: <VERSION`: a device that reports nothing but its version finds its place
//!   by it.
//!
//! `entry` has the types, `known` says what must be known of the cohort, `graph` finds out which releases must be linked
//! and where, `plan` writes the commands.

mod entry;
mod graph;
mod known;
mod plan;

use tidegate_model::Command;

pub use entry::{Details, Entry, Habits, Order, Rollout, Stream};
pub use known::Known;
pub use plan::{is_stopped_by_import, plan};

/// What an import does.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// In order, for one [`Command::Batch`]; empty if the cohort is as the document says.
    pub commands: Vec<Command>,
    /// One line for each change, for humans.
    pub summary: Vec<String>,
    /// What the document says that cannot be said here, always resolved in the safe direction unless the format itself
    /// asks otherwise, and what is left as it is because somebody stopped it by hand.
    pub warnings: Vec<String>,
}
