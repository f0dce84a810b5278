//! Imports the update stream of Fedora CoreOS (`updates/<stream>.json`).

use tidegate_model::{BundleId, CohortId, Command, Object, Policy, ProductId, Release, ReleaseId};

use crate::error::ManifestError;

/// What the cluster already holds of the cohort that a stream is imported into.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Known {
    /// All releases of the cohort.
    pub releases: Vec<Release>,
    /// Their policies.
    pub policies: Vec<Policy>,
    /// Ids of all bundles of the cluster that are not of this product.
    pub foreign_bundles: Vec<BundleId>,
    /// Ids of all releases of the cluster that are not of this cohort.
    pub foreign_releases: Vec<ReleaseId>,
    /// Ids of the bundles of this product.
    pub bundles: Vec<BundleId>,
}

impl Known {
    /// Picks out of all releases, policies and bundles of the cluster what an import needs to know.
    #[must_use]
    pub fn from_objects<'a>(_objects: impl IntoIterator<Item = &'a Object>, _product: &ProductId, _cohort: &CohortId) -> Self {
        Self::default()
    }
}

/// What an import does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order, for one `Command::Batch`; empty if the cohort is as the document says.
    pub commands: Vec<Command>,
    /// One line for each change, for humans.
    pub summary: Vec<String>,
    /// What the document says that cannot be said here; always in the safe direction.
    pub warnings: Vec<String>,
}

/// Plans what brings `cohort` of `product` to what the document says.
///
/// # Errors
/// All that is wrong with the document, with line and column.
pub fn import(
    source_name: &str,
    document: &str,
    product: &ProductId,
    cohort: &CohortId,
    known: &Known,
) -> Result<Plan, Vec<ManifestError>> {
    let _ = (source_name, document, product, cohort, known);
    Ok(Plan { commands: Vec::new(), summary: Vec::new(), warnings: Vec::new() })
}
