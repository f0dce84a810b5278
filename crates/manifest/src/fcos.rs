//! Imports the update stream of Fedora CoreOS (`updates/<stream>.json`) into a cohort.
//!
//! The stream is a list of versions with `rollout` (who gets it, as a ramp), `barrier` (must be passed through) and
//! `deadend` (devices on it stay). [`import`] compares it with what the cohort holds and plans the difference, as commands
//! for one log entry. Importing the same document again plans nothing; salts are kept, so whoever was early stays early.
//!
//! How a stream becomes a graph:
//! - One release per version, in one chain by version. `barrier` is `required`, `deadend` is `dead_end`, a version without
//!   an entry is disabled. Nothing is ever withdrawn: an entry may come back.
//! - The newest version that is offered is the latest release; it alone can be throttled. Everything else is COMPLETED.
//! - A throttled version that was COMPLETED before, or is not the latest any more, gets a new attempt: another release of
//!   the same bundle, `VERSION~2`, linked as the latest; the earlier attempt is disabled and leads straight to it, so that
//!   a device on that bundle counts as being on the new attempt.
//! - Every release asks for `version_requirement: <VERSION`: a device that reports nothing but its version finds its place
//!   by it. So that such a device stays on a dead end, each dead end has a stop beside it, `VERSION~stop`: a release
//!   that only devices of that version enter, required and disabled. Nothing leads to it.
//!
//! `document` reads the stream; the rest is in [`crate::stream`].

mod document;
#[cfg(test)]
mod tests;

use tidegate_model::{CohortId, Invalid, ProductId};

pub use crate::stream::{Known, Plan};

use crate::error::ManifestError;
use crate::stream;
use crate::tree::Mark;

/// Plans what brings `cohort` of `product` to what the document says. A product or cohort that does not exist is created.
///
/// # Errors
/// All that is wrong with the document, with line and column; or what stands in the way in the cohort.
pub fn import(
    source_name: &str,
    text: &str,
    product: &ProductId,
    cohort: &CohortId,
    known: &Known,
) -> Result<Plan, Vec<ManifestError>> {
    let stream = document::read(source_name, text)?;
    let refuse = |rule| vec![ManifestError::at(source_name, Mark::default(), Invalid::new("", "", rule))];
    stream::plan(&stream, product, cohort, known).map_err(refuse)
}
