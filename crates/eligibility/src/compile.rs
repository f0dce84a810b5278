//! From a catalog to a snapshot, by what changed.
//!
//! Each change touches some objects of one product; what depends on them is found through an index of names and compiled again,
//! everything else is shared with the previous snapshot. A release that changes its state, or that is published after the latest, patches
//! the graph of its cohort in a few places; one that comes or goes in the middle costs time in proportion to the linked releases
//! of its cohort (the graph is laid out anew, its unchanged releases are reused). A product whose keys, attestations or version scheme
//! change is compiled again as a whole; every other change costs its own size and a logarithm.

mod touched;
mod update;

use std::sync::Arc;

use tidegate_model::{Catalog, CatalogChange};

use crate::compile::touched::touched;
use crate::compile::update::update;
use crate::snapshot::{Snapshot, Stamp};

/// Compiles `catalog`, which came about from the catalog of `previous` by `changes`. The result equals that of compiling
/// from empty; the cost grows with the change, not with the catalog. Changes that name an object more than once, or that
/// did not change anything, do no harm; one that is missing leaves its object as it was.
#[must_use]
pub fn compile(previous: &Snapshot, catalog: &Catalog, changes: &[CatalogChange], stamp: Stamp) -> Snapshot {
    let before = previous.catalog();
    let mut products = previous.products().clone();
    for (product, touched) in touched(before, catalog, changes) {
        let mut view = products.get(product.as_str()).map_or_else(Default::default, |view| (**view).clone());
        update(&mut view, &product, touched, before, catalog);
        if view.is_vacant() {
            products.remove(product.as_str());
        } else {
            products.insert(product.as_str(), Arc::new(view));
        }
    }
    Snapshot::new(catalog.clone(), products, stamp)
}

impl Snapshot {
    /// Compiles a whole catalog, as at start or after a snapshot was installed.
    #[must_use]
    pub fn of(catalog: &Catalog, stamp: Stamp) -> Self {
        let changes: Vec<_> = catalog.objects().map(CatalogChange::Put).collect();
        compile(&Self::empty(), catalog, &changes, stamp)
    }
}
