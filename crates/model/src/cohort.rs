//! A cohort is a channel with its members; its releases form one graph.

use crate::ids::{CohortId, ProductId, ReleaseId};
use crate::position::Salt;
use crate::selector::Selector;

/// A channel of a product. A device is in at most one cohort per product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// Unique within the product.
    pub id: CohortId,
    /// The product it belongs to.
    pub product: ProductId,
    /// A device that matches any of these is a member, unless its record names a cohort.
    pub rules: Vec<Selector>,
    /// Where devices of unknown position start.
    pub entry_release: Option<ReleaseId>,
    /// A cohort of the same product whose completed releases are appended here.
    pub follows: Option<CohortId>,
    /// The salt of all its rollouts, so that the same devices go first every time, or move together with another cohort.
    pub fixed_salt: Option<Salt>,
}
