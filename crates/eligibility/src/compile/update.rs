//! Brings one product's compiled form up to date: bundles first, then what uses them, then what is filed by them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use tidegate_model::{
    AttestationKind, BundleId, Catalog, Cohort, CohortId, Created, HoldId, Policy, Principal, Product, ProductId, Release,
    ReleaseId, Stored,
};

use crate::compile::touched::Touched;
use crate::compiled::{BundleView, CohortView, Graph, HoldView, OverrideView, ProductView, ReleaseView, RuleView};
use crate::table::KeyHash;

/// Compiles the touched objects of `product`, and what depends on them, from `catalog`. `before` is the catalog that
/// `view` was compiled from.
pub(super) fn update(view: &mut ProductView, product: &ProductId, mut touched: Touched, before: &Catalog, catalog: &Catalog) {
    if touched.product {
        update_product(view, product, &mut touched, catalog);
    }
    for bundle in std::mem::take(&mut touched.bundles) {
        update_bundle(view, product, &bundle, catalog);
        touched.releases.extend(view.names.of_bundle.get(&bundle).into_iter().flatten().cloned());
    }
    let mut graphs = BTreeMap::new();
    for release in std::mem::take(&mut touched.releases) {
        update_release(view, product, &release, (before, catalog), &mut touched.holds, &mut graphs);
    }
    for cohort in &touched.cohorts {
        update_rules(view, product, cohort, catalog);
    }
    for (cohort, releases) in &graphs {
        update_graph(view, product, cohort, releases, catalog);
    }
    for cohort in &touched.cohorts {
        update_cohort(view, product, cohort, catalog);
    }
    for hold in &touched.holds {
        update_hold(view, product, hold, catalog);
    }
    for id in &touched.overrides {
        if let Some(old) = view.names.overrides.remove(id) {
            view.overrides.remove(&old);
        }
        if let Some(stored) = catalog.overrides().get(id).filter(|stored| stored.body.product == *product) {
            let new = Arc::new(OverrideView { stored: stored.clone() });
            view.overrides.insert(&new);
            view.names.overrides.insert(id.clone(), new);
        }
    }
    for key in &touched.devices {
        match catalog.devices().get(&(product.clone(), key.clone())) {
            Some(stored) => view.devices.insert(key.as_str(), stored.clone()),
            None => view.devices.remove(key.as_str()),
        }
    }
}

/// Only what bundles and releases are judged and read by makes a change of the product one of everything in it.
fn update_product(view: &mut ProductView, id: &ProductId, touched: &mut Touched, catalog: &Catalog) {
    let judged_by =
        |product: &Product| (product.version_scheme, product.trusted_keys.clone(), product.required_attestations.clone());
    let old = view.stored.as_ref().map(|stored| judged_by(&stored.body));
    view.stored = catalog.products().get(id).cloned();
    if view.stored.as_ref().map(|stored| judged_by(&stored.body)) != old {
        touched.bundles.extend(view.names.bundles.iter().cloned());
        touched.releases.extend(view.names.of_cohort.values().flatten().cloned());
    }
}

fn update_bundle(view: &mut ProductView, product: &ProductId, id: &BundleId, catalog: &Catalog) {
    let stored = catalog.bundles().get(id).filter(|stored| stored.body.product == *product);
    match stored {
        Some(_) => drop(view.names.bundles.insert(id.clone())),
        None => drop(view.names.bundles.remove(id)),
    }
    match (stored, &view.stored) {
        (Some(stored), Some(product)) => {
            let compiled = BundleView::compile(stored, &product.body, &attested(catalog, id));
            view.bundles.insert(id.as_str(), Arc::new(compiled));
        }
        _ => view.bundles.remove(id.as_str()),
    }
}

/// Kinds of attestations of a bundle.
fn attested(catalog: &Catalog, bundle: &BundleId) -> BTreeSet<AttestationKind> {
    let kind = AttestationKind::new("0").expect("a digit is an id, and none comes before this one");
    let by = Principal::new("0").expect("a digit is an id, and none comes before this one");
    let of_bundle = catalog.attestations().range((bundle.clone(), kind, by)..).take_while(|((id, ..), _)| id == bundle);
    of_bundle.map(|((_, kind, _), _)| kind.clone()).collect()
}

fn update_release(
    view: &mut ProductView,
    product: &ProductId,
    id: &ReleaseId,
    (before, catalog): (&Catalog, &Catalog),
    holds: &mut BTreeSet<HoldId>,
    graphs: &mut BTreeMap<CohortId, BTreeSet<ReleaseId>>,
) {
    let of_product = |stored: &&Arc<Stored<Release>>| stored.body.product == *product;
    let old = before.releases().get(id).filter(of_product);
    let new = catalog.releases().get(id).filter(of_product);
    let (was_in, is_in) = (old.map(|stored| &stored.body.cohort), new.map(|stored| &stored.body.cohort));
    refile(&mut view.names.of_cohort, id, was_in, is_in);
    for cohort in was_in.into_iter().chain(is_in) {
        graphs.entry(cohort.clone()).or_default().insert(id.clone());
    }
    let (had, has) = (old.map(|stored| &stored.body.bundle), new.map(|stored| &stored.body.bundle));
    refile(&mut view.names.of_bundle, id, had, has);
    if had != has {
        holds.extend(view.names.holds_on.get(id).into_iter().flatten().cloned());
    }
    match (new, &view.stored) {
        (Some(stored), Some(product)) => {
            let policy = catalog.policies().get(id).cloned().unwrap_or_else(|| implicit_policy(id));
            let bundle = view.bundles.get(stored.body.bundle.as_str()).cloned();
            let compiled = ReleaseView::compile(stored, policy, bundle, &product.body);
            view.releases.insert(id.as_str(), Arc::new(compiled));
        }
        _ => view.releases.remove(id.as_str()),
    }
}

fn implicit_policy(release: &ReleaseId) -> Arc<Stored<Policy>> {
    let created = Created { config_version: 0, seq: 0 };
    Arc::new(Stored { version: 0, created, body: Policy::implicit(release.clone()) })
}

fn update_rules(view: &mut ProductView, product: &ProductId, id: &CohortId, catalog: &Catalog) {
    if let Some(old) = view.cohorts.get(id.as_str()) {
        RuleView::of(&old.stored).for_each(|rule| view.rules.remove(&Arc::new(rule)));
    }
    if let Some(new) = catalog.cohorts().get(&(product.clone(), id.clone())) {
        RuleView::of(new).for_each(|rule| view.rules.insert(&Arc::new(rule)));
    }
}

/// A cohort that came, went or changed: its graph is laid out if there was none, and kept if there was.
fn update_cohort(view: &mut ProductView, product: &ProductId, id: &CohortId, catalog: &Catalog) {
    let Some(stored) = catalog.cohorts().get(&(product.clone(), id.clone())) else {
        view.names.cohorts.remove(id);
        view.cohorts.remove(id.as_str());
        return;
    };
    let old = view.cohorts.get(id.as_str());
    let graph = old.map_or_else(|| Arc::new(graph(view, id)), |old| old.graph.clone());
    view.names.cohorts.insert(id.clone());
    put_cohort(view, stored, graph);
}

/// A cohort some of whose releases came, went or changed.
fn update_graph(view: &mut ProductView, product: &ProductId, id: &CohortId, releases: &BTreeSet<ReleaseId>, catalog: &Catalog) {
    let Some(stored) = catalog.cohorts().get(&(product.clone(), id.clone())) else { return };
    // One that is new finds all its releases when it is looked at itself.
    let Some(old) = view.cohorts.get(id.as_str()) else { return };
    let now = |id: &ReleaseId| view.releases.get(id.as_str()).filter(|now| now.release().cohort == stored.body.id).cloned();
    let changed: Vec<_> = releases.iter().map(|id| (id.clone(), now(id))).collect();
    let graph = old.graph.patched(&changed).unwrap_or_else(|| graph(view, id));
    put_cohort(view, stored, Arc::new(graph));
}

fn put_cohort(view: &mut ProductView, stored: &Arc<Stored<Cohort>>, graph: Arc<Graph>) {
    let id = stored.body.id.as_str();
    view.cohorts.insert(id, Arc::new(CohortView { stored: stored.clone(), hash: KeyHash::of(id), graph }));
}

fn graph(view: &ProductView, cohort: &CohortId) -> Graph {
    let ids = view.names.of_cohort.get(cohort).into_iter().flatten();
    Graph::compile(ids.filter_map(|id| view.releases.get(id.as_str())).cloned())
}

fn update_hold(view: &mut ProductView, product: &ProductId, id: &HoldId, catalog: &Catalog) {
    if let Some(old) = view.names.holds.remove(id) {
        view.holds.remove(&old);
        old.hold().release.iter().for_each(|release| edit_set(&mut view.names.holds_on, release, id, false));
    }
    if let Some(stored) = catalog.holds().get(id).filter(|stored| stored.body.product == *product) {
        let release = stored.body.release.as_ref();
        let named = release.and_then(|release| catalog.releases().get(release)).filter(|named| named.body.product == *product);
        let new = Arc::new(HoldView::compile(stored, named.map(|named| named.body.bundle.clone())));
        view.holds.insert(&new);
        release.into_iter().for_each(|release| edit_set(&mut view.names.holds_on, release, id, true));
        view.names.holds.insert(id.clone(), new);
    }
}

/// Moves `item` from the set under `from` to that under `to`. Nothing is touched if it stays where it is, as nearly all do.
fn refile<K: Ord + Clone, V: Ord + Clone>(sets: &mut OrdMap<K, OrdSet<V>>, item: &V, from: Option<&K>, to: Option<&K>) {
    if from != to {
        from.into_iter().for_each(|key| edit_set(sets, key, item, false));
        to.into_iter().for_each(|key| edit_set(sets, key, item, true));
    }
}

/// Adds `item` to the set under `key`, or takes it out; no set is left empty.
fn edit_set<K: Ord + Clone, V: Ord + Clone>(sets: &mut OrdMap<K, OrdSet<V>>, key: &K, item: &V, is_member: bool) {
    let mut set = sets.get(key).cloned().unwrap_or_default();
    match is_member {
        true => drop(set.insert(item.clone())),
        false => drop(set.remove(item)),
    }
    if set.is_empty() {
        sets.remove(key);
    } else {
        sets.insert(key.clone(), set);
    }
}
