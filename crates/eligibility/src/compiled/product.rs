//! Everything of one product, as decisions want it.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use tidegate_model::{BundleId, Cohort, CohortId, Device, HoldId, OverrideId, Product, ReleaseId, Stored};

use crate::compiled::{BundleView, Graph, HoldIndex, HoldView, OverrideView, ReleaseView, RuleView};
use crate::scope::ScopeIndex;
use crate::table::{KeyHash, Table};

/// A cohort with its graph.
#[derive(Debug, PartialEq)]
pub(crate) struct CohortView {
    pub(crate) stored: Arc<Stored<Cohort>>,
    /// Hash of its id.
    pub(crate) hash: KeyHash,
    pub(crate) graph: Arc<Graph>,
}

/// One product. Cloning shares everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ProductView {
    /// Absent while there are objects of a product that is not there; such a product is unknown to devices.
    pub(crate) stored: Option<Arc<Stored<Product>>>,
    pub(crate) cohorts: Table<Arc<CohortView>>,
    pub(crate) rules: ScopeIndex<RuleView>,
    pub(crate) bundles: Table<Arc<BundleView>>,
    pub(crate) releases: Table<Arc<ReleaseView>>,
    pub(crate) devices: Table<Arc<Stored<Device>>>,
    pub(crate) holds: HoldIndex,
    pub(crate) overrides: ScopeIndex<OverrideView>,
    pub(crate) names: Names,
}

/// What refers to what: read by the compiler alone, to find what a change touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Names {
    pub(crate) cohorts: OrdSet<CohortId>,
    pub(crate) bundles: OrdSet<BundleId>,
    /// Releases by cohort, linked or not.
    pub(crate) of_cohort: OrdMap<CohortId, OrdSet<ReleaseId>>,
    /// Releases by bundle.
    pub(crate) of_bundle: OrdMap<BundleId, OrdSet<ReleaseId>>,
    /// Holds by the release that they name, whether it exists or not.
    pub(crate) holds_on: OrdMap<ReleaseId, OrdSet<HoldId>>,
    pub(crate) holds: OrdMap<HoldId, Arc<HoldView>>,
    pub(crate) overrides: OrdMap<OverrideId, Arc<OverrideView>>,
}

impl ProductView {
    /// True if nothing is in it, so that it may as well not be there.
    pub(crate) fn is_vacant(&self) -> bool {
        *self == Self::default()
    }
}
