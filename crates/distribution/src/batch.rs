//! The newest changes with their content, as followers and watchers are given them.

use std::collections::VecDeque;
use std::sync::Arc;

use tidegate_model::{Catalog, CatalogChange, ProductId};

use crate::limits::{RECENT_CHANGES_MAX, ROOTS_EVERY};
use crate::roots::Roots;

/// All changes of one config version, with the content they brought.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The config version.
    pub config_version: u64,
    /// One per object, in an order in which a catalog can be brought forward.
    pub changes: Arc<[CatalogChange]>,
    /// One per change, where they are known: only those know who saw the catalog before and after.
    products: Option<Arc<[Option<ProductId>]>>,
    /// What the catalog hashed to after them.
    roots: Option<Roots>,
}

impl Batch {
    /// The changes that led to `after`; `replaced` are the products of what each of them took the place of.
    #[must_use]
    pub fn after<'p>(
        config_version: u64,
        changes: Arc<[CatalogChange]>,
        replaced: impl IntoIterator<Item = &'p Option<ProductId>>,
        after: &Catalog,
    ) -> Self {
        let product = |(change, old): (&CatalogChange, &Option<ProductId>)| match change {
            CatalogChange::Put(object) => after.product_of(object),
            CatalogChange::Remove(_) => old.clone(),
        };
        let products = changes.iter().zip(replaced).map(product).collect();
        Self { config_version, changes, products: Some(products), roots: None }
    }

    /// The same with the catalog before at hand, and vouched for. Also gives the roots of `after`.
    #[must_use]
    pub fn between(
        config_version: u64,
        before: &Catalog,
        after: &Catalog,
        roots: &Roots,
        changes: Arc<[CatalogChange]>,
    ) -> (Self, Roots) {
        let old = |change: &CatalogChange| before.get(&change.reference()).and_then(|object| before.product_of(&object));
        let replaced: Vec<Option<ProductId>> = changes.iter().map(old).collect();
        let mut roots = roots.clone();
        let mut batch = Self::after(config_version, changes, &replaced, after);
        roots.bring_to(after, replaced.iter().chain(batch.products()));
        batch.vouch(roots.clone());
        (batch, roots)
    }

    /// The products of the objects that were put and of those that were removed, where they are known.
    pub fn products(&self) -> impl Iterator<Item = &Option<ProductId>> {
        self.products.iter().flat_map(|products| products.iter())
    }

    /// Notes what the catalog hashed to after these changes, for whoever follows up to here.
    pub fn vouch(&mut self, roots: Roots) {
        self.roots = Some(roots);
    }

    /// Changes of which nothing else is known, as they come out of a history.
    #[must_use]
    pub fn bare(config_version: u64, changes: Arc<[CatalogChange]>) -> Self {
        Self { config_version, changes, products: None, roots: None }
    }

    /// The roots after these changes, where they are known.
    #[must_use]
    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// The changes with the product of each: the outer `None` where it is not known, the inner one for cluster-wide objects.
    pub fn with_products(&self) -> impl Iterator<Item = (&CatalogChange, Option<Option<&ProductId>>)> {
        self.changes.iter().enumerate().map(|(at, change)| {
            let product = self.products.as_ref().map(|products| products.get(at).and_then(Option::as_ref));
            (change, product)
        })
    }
}

/// The newest batches, so that followers need not reconstruct them.
///
/// Roots are kept with the newest one, which whoever follows reaches, and with one now and then for those who are far behind
/// (see [`ROOTS_EVERY`]): they take several times the room of a change.
#[derive(Debug, Default)]
pub struct Recent {
    batches: VecDeque<Batch>,
    changes: usize,
    /// Batches since the one before the newest that keeps its roots.
    unvouched: usize,
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
            self.forget_roots();
            self.batches.push_back(batch);
        }
        while self.changes > RECENT_CHANGES_MAX && self.batches.len() > 1 {
            let Some(oldest) = self.batches.pop_front() else { return };
            self.changes -= oldest.changes.len();
            self.floor = oldest.config_version;
        }
    }

    /// The newest batch is not the newest any more.
    fn forget_roots(&mut self) {
        let Some(last) = self.batches.back_mut() else { return };
        if last.roots.is_some() && self.unvouched + 1 >= ROOTS_EVERY {
            self.unvouched = 0;
        } else {
            self.unvouched += 1;
            last.roots = None;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Config versions from 1 on, every one of them vouched for when it is the newest, unless it is in `bare`.
    fn recent(count: u64, bare: impl Fn(u64) -> bool) -> Recent {
        let mut recent = Recent::from(0);
        for config_version in 1..=count {
            let mut batch = Batch::bare(config_version, Arc::new([]));
            if !bare(config_version) {
                batch.vouch(Roots::default());
            }
            recent.extend([batch]);
        }
        recent
    }

    fn vouched(recent: &Recent) -> Vec<u64> {
        let all = recent.since(0).into_iter().flatten();
        all.filter(|batch| batch.roots().is_some()).map(|batch| batch.config_version).collect()
    }

    #[test]
    fn the_newest_config_version_keeps_its_roots_and_of_the_others_one_now_and_then() {
        let every = ROOTS_EVERY as u64;
        assert_eq!(vouched(&recent(1, |_| false)), [1]);
        assert_eq!(vouched(&recent(every, |_| false)), [every]);
        assert_eq!(vouched(&recent(3 * every + 1, |_| false)), [every, 2 * every, 3 * every, 3 * every + 1]);
        // Within one publication only the last one has any: the next that has them keeps them.
        assert_eq!(vouched(&recent(every + 5, |version| version == every)), [every + 1, every + 5]);
    }
}
