//! The newest changes with their content, as followers and watchers are given them.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_model::{Catalog, CatalogChange, ProductId};

use crate::limits::RECENT_CHANGES_MAX;
use crate::roots::Roots;

/// All changes of one config version, with the content they brought.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The config version.
    pub config_version: u64,
    /// One per object, in an order in which a catalog can be brought forward.
    pub changes: Arc<[CatalogChange]>,
    facts: Option<Arc<Facts>>,
}

/// What only those know who saw the catalog before and after.
#[derive(Debug)]
struct Facts {
    /// One per change.
    products: Vec<Option<ProductId>>,
    roots: Roots,
}

impl Batch {
    /// The changes that led from `before` to `after`; `roots` are those of `before`. Also gives the roots of `after`.
    #[must_use]
    pub fn between(
        config_version: u64,
        before: &Catalog,
        after: &Catalog,
        roots: &Roots,
        changes: Arc<[CatalogChange]>,
    ) -> (Self, Roots) {
        let product_in = |catalog: &Catalog, change: &CatalogChange| {
            catalog.get(&change.reference()).and_then(|object| catalog.product_of(&object))
        };
        let mut touched: Vec<Option<ProductId>> = Vec::with_capacity(changes.len());
        let mut products = Vec::with_capacity(changes.len());
        for change in changes.iter() {
            let old = product_in(before, change);
            products.push(match change {
                CatalogChange::Put(object) => after.product_of(object),
                CatalogChange::Remove(_) => old.clone(),
            });
            touched.push(old);
        }
        let roots = roots.after(after, touched.iter().chain(&products));
        let facts = Facts { products, roots: roots.clone() };
        (Self { config_version, changes, facts: Some(Arc::new(facts)) }, roots)
    }

    /// Changes of which nothing else is known, as they come out of a history.
    #[must_use]
    pub fn bare(config_version: u64, changes: Arc<[CatalogChange]>) -> Self {
        Self { config_version, changes, facts: None }
    }

    /// The roots after these changes, where they are known.
    #[must_use]
    pub fn roots(&self) -> Option<&Roots> {
        self.facts.as_ref().map(|facts| &facts.roots)
    }

    /// The changes with the product of each: the outer `None` where it is not known, the inner one for cluster-wide objects.
    pub fn with_products(&self) -> impl Iterator<Item = (&CatalogChange, Option<Option<&ProductId>>)> {
        self.changes.iter().enumerate().map(|(at, change)| {
            let product = self.facts.as_ref().map(|facts| facts.products.get(at).and_then(Option::as_ref));
            (change, product)
        })
    }
}

/// The newest batches, so that followers need not reconstruct them.
#[derive(Debug, Default)]
pub struct Recent {
    batches: VecDeque<Batch>,
    changes: usize,
    /// Everything after this config version is in `batches`.
    floor: u64,
}

impl Recent {
    /// Nothing is known of what led to this config version.
    #[must_use]
    pub fn from(floor: u64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// Adds the next batches, in order; the oldest ones go when there are too many changes.
    pub fn extend(&mut self, batches: impl IntoIterator<Item = Batch>) {
        for batch in batches {
            self.changes += batch.changes.len();
            self.batches.push_back(batch);
        }
        while self.changes > RECENT_CHANGES_MAX && self.batches.len() > 1 {
            let Some(oldest) = self.batches.pop_front() else { return };
            self.changes -= oldest.changes.len();
            self.floor = oldest.config_version;
        }
    }

    /// The oldest config version from which [`since`](Self::since) has everything.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Changes after `config_version`, oldest first, if all of them are still here.
    #[must_use]
    pub fn since(&self, config_version: u64) -> Option<Vec<Batch>> {
        if config_version < self.floor {
            return None;
        }
        let start = self.batches.partition_point(|batch| batch.config_version <= config_version);
        Some(self.batches.range(start..).cloned().collect())
    }
}
