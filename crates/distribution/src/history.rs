//! Histories of a catalog for tests: one product's holds and bundles and another's, made and changed in random order.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use tidegate_eligibility::Stamp;
use tidegate_model::{
    Bundle, BundleId, BundleState, Catalog, CatalogChange, Created, Hold, HoldId, HoldKind, HoldScope, Object, Principal,
    ProductId, Requirement, Stored, Timestamp,
};

use crate::batch::Batch;
use crate::origin::Present;
use crate::roots::Roots;
use crate::scope::Scope;

pub(crate) const CLUSTER: u128 = 7;

pub(crate) fn product(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

pub(crate) fn scope(names: &[&str]) -> Scope {
    Scope::of(names.iter().map(|name| product(name)).collect::<BTreeSet<_>>())
}

fn stored<T>(version: u64, body: T) -> Arc<Stored<T>> {
    Arc::new(Stored { version, created: Created { config_version: 1, seq: 0 }, body })
}

/// Hold number `number`, of product `even` or `odd`.
pub(crate) fn hold(number: u8, version: u64) -> Object {
    Object::Hold(stored(
        version,
        Hold {
            id: HoldId::new(&format!("h{number}")).unwrap(),
            product: product(if number.is_multiple_of(2) { "even" } else { "odd" }),
            scope: HoldScope::Product,
            kind: HoldKind::Freeze,
            release: None,
            bundle: None,
            from: Timestamp::from_secs(0),
            until: None,
            window: None,
            critical_pierces: false,
            reason: String::new(),
            author: Principal::new("ops").unwrap(),
        },
    ))
}

/// A bundle of product `even`.
pub(crate) fn bundle(id: &str, state: BundleState) -> Object {
    let body = Bundle {
        id: BundleId::new(id).unwrap(),
        product: product("even"),
        version: None,
        artifacts: Vec::new(),
        requires: Requirement::default(),
        provides: Vec::new(),
        security_epoch: 0,
        state,
        signatures: Vec::new(),
    };
    Object::Bundle(stored(1, body))
}

/// Every catalog that there was, and what led from one to the next.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) points: Vec<Present>,
    pub(crate) batches: Vec<Batch>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.batches.iter().map(|batch| &batch.changes)).finish()
    }
}

impl History {
    /// The history that these commits make; config versions have gaps, as in a log.
    pub(crate) fn of(commits: Vec<Vec<CatalogChange>>) -> Self {
        let catalog = Catalog::default();
        let stamp = Stamp { config_version: 1, epoch: 1, applied_index: 1 };
        let mut points = vec![Present { stamp, roots: Roots::of(&catalog), catalog }];
        let mut batches = Vec::new();
        for changes in commits {
            let before = points.last().unwrap().clone();
            let mut catalog = before.catalog.clone();
            for change in &changes {
                catalog.apply(change);
            }
            let stamp = Stamp { config_version: before.stamp.config_version + 3, ..before.stamp };
            let (batch, roots) = Batch::between(stamp.config_version, &before.catalog, &catalog, &before.roots, changes.into());
            batches.push(batch);
            points.push(Present { stamp, catalog, roots });
        }
        Self { points, batches }
    }

    /// Where the catalog of this config version lies.
    pub(crate) fn at(&self, config_version: u64) -> Option<&Present> {
        self.points.iter().find(|point| point.stamp.config_version == config_version)
    }
}

/// One to a dozen commits of one to six changes, each object once per commit.
pub(crate) fn histories() -> impl Strategy<Value = History> {
    let change = (0..12_u8, 1..4_u64, any::<bool>()).prop_map(|(number, version, is_put)| {
        let object = hold(number, version);
        if is_put { CatalogChange::Put(object) } else { CatalogChange::Remove(object.reference()) }
    });
    let commit = proptest::collection::vec(change, 1..6).prop_map(|mut changes| {
        let mut seen = BTreeSet::new();
        changes.retain(|change| seen.insert(change.reference()));
        changes
    });
    proptest::collection::vec(commit, 1..12).prop_map(History::of)
}
