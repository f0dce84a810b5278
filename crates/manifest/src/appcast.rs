//! Imports a Sparkle feed ("appcast", RSS with Sparkle's elements) into the cohorts of a product, and writes a cohort as one.
//!
//! [`import`] compares the feed with what the product holds and plans the difference, as commands for one log entry; the
//! same feed again plans nothing. [`export`] is the way back. How Sparkle's words are said here:
//!
//! | In the feed | Here |
//! |---|---|
//! | an item without `sparkle:channel` | a release in the cohort that is named |
//! | `sparkle:channel` | a release in the cohort of that channel, which follows the first one and holds its full items too |
//! | `sparkle:version` | version of release and bundle |
//! | `pubDate` with `sparkle:phasedRolloutInterval` | a ramp of seven groups that begins at that date: an origin, no embargo |
//! | `sparkle:criticalUpdate`, with a version | urgency `critical`, `critical_below` |
//! | `sparkle:minimumAutoupdateVersion` | install mode `ask` with `auto_from` |
//! | `sparkle:informationalUpdate`, no `enclosure` but a `link` | install mode `info` |
//! | `sparkle:minimumSystemVersion`, `sparkle:maximumSystemVersion`, `sparkle:hardwareRequirements` | `requires` |
//! | `sparkle:minimumUpdateVersion` | `version_requirement` |
//! | `enclosure`, `sparkle:deltas` | artifacts; deltas name what they are against |
//! | `sparkle:edSignature` | signatures of the bundle, one for each file |
//! | title, short version, links, description | `notes` |
//!
//! A user's own request passes the ramp, and a date or interval that cannot be read is taken as Sparkle takes it, with a
//! warning: what is imported means what it meant. Everything else that cannot be read is refused, with its line.
//!
//! `xml` bounds and reads the text, `feed` the items, `cohorts` makes streams of them, `export` writes.

mod cohorts;
mod export;
mod feed;
mod notes;
mod origin;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
mod xml;

use tidegate_model::{CohortId, Object, ProductId, Timestamp};

pub use export::{Exported, export};

use crate::Source;
use crate::error::ManifestError;
use crate::stream::Plan;

/// Where a feed goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Product that takes it; created if it does not exist.
    pub product: ProductId,
    /// Cohort of the default channel; created if it does not exist.
    pub cohort: CohortId,
    /// Cohorts of further channels, by the channel's name; a channel may have several. One that is not listed goes to the
    /// cohort of its own name.
    pub channels: Vec<(String, CohortId)>,
}

/// Plans what brings the product's cohorts to what the feed says at `now`. `objects` are all products, cohorts, bundles,
/// releases and policies of the cluster.
///
/// # Errors
/// All that is wrong with the feed, with line, field, value and rule; or what stands in the way in a cohort.
pub fn import(source: &Source, target: &Target, objects: &[Object], now: Timestamp) -> Result<Plan, Vec<ManifestError>> {
    cohorts::plan(source, target, objects, now)
}
