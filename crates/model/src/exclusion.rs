//! Exclusions keep domains apart: at most one value of a group is open at a time.

use std::collections::BTreeSet;

use crate::ids::ExclusionId;

/// Groups of domain values of which only one may be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// Unique in the cluster.
    pub id: ExclusionId,
    /// The domain key it is about.
    pub key: String,
    /// The groups.
    pub groups: Vec<BTreeSet<String>>,
    /// Where it holds.
    pub scope: ExclusionScope,
}

/// Where an exclusion holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExclusionScope {
    /// Within each product by itself.
    Product,
    /// Across all products.
    Global,
}
