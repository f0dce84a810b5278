//! Which objects of which product a list of changes touches.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    BundleId, Catalog, CatalogChange, CohortId, DeviceKey, HoldId, Object, ObjectRef, OverrideId, ProductId, ReleaseId,
};

/// Objects of one product that must be looked at again.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) product: bool,
    pub(super) cohorts: BTreeSet<CohortId>,
    pub(super) bundles: BTreeSet<BundleId>,
    pub(super) releases: BTreeSet<ReleaseId>,
    pub(super) devices: BTreeSet<DeviceKey>,
    pub(super) holds: BTreeSet<HoldId>,
    pub(super) overrides: BTreeSet<OverrideId>,
}

/// Sorts changes by product: by that of the object before and after, since an id may change hands.
pub(super) fn touched(before: &Catalog, after: &Catalog, changes: &[CatalogChange]) -> BTreeMap<ProductId, Touched> {
    let references: BTreeSet<_> = changes.iter().map(CatalogChange::reference).collect();
    let mut touched = BTreeMap::new();
    for reference in references {
        let (old, new) = (product_of(before, &reference), product_of(after, &reference));
        if old != new {
            old.into_iter().for_each(|product| note(touched.entry(product).or_default(), &reference));
        }
        new.into_iter().for_each(|product| note(touched.entry(product).or_default(), &reference));
    }
    touched
}

/// The product that an object belongs to in `catalog`; a policy follows its release, an attestation its bundle.
fn product_of(catalog: &Catalog, reference: &ObjectRef) -> Option<ProductId> {
    match reference {
        ObjectRef::Product(product) | ObjectRef::Cohort(product, _) | ObjectRef::Device(product, _) => Some(product.clone()),
        ObjectRef::Policy(release) => catalog.releases().get(release).map(|stored| stored.body.product.clone()),
        ObjectRef::Attestation(bundle, ..) => catalog.bundles().get(bundle).map(|stored| stored.body.product.clone()),
        ObjectRef::Bundle(_) | ObjectRef::Release(_) | ObjectRef::Hold(_) | ObjectRef::Override(_) => {
            match catalog.get(reference)? {
                Object::Bundle(o) => Some(o.body.product.clone()),
                Object::Release(o) => Some(o.body.product.clone()),
                Object::Hold(o) => Some(o.body.product.clone()),
                Object::Override(o) => Some(o.body.product.clone()),
                Object::Product(_)
                | Object::Cohort(_)
                | Object::Policy(_)
                | Object::Device(_)
                | Object::Exclusion(_)
                | Object::Attestation(_) => None,
            }
        }
        // Exclusions steer the controller; decisions see the cells that it opened.
        ObjectRef::Exclusion(_) => None,
    }
}

fn note(touched: &mut Touched, reference: &ObjectRef) {
    match reference {
        ObjectRef::Product(_) => touched.product = true,
        ObjectRef::Cohort(_, id) => drop(touched.cohorts.insert(id.clone())),
        ObjectRef::Bundle(id) | ObjectRef::Attestation(id, ..) => drop(touched.bundles.insert(id.clone())),
        ObjectRef::Release(id) | ObjectRef::Policy(id) => drop(touched.releases.insert(id.clone())),
        ObjectRef::Device(_, key) => drop(touched.devices.insert(key.clone())),
        ObjectRef::Hold(id) => drop(touched.holds.insert(id.clone())),
        ObjectRef::Override(id) => drop(touched.overrides.insert(id.clone())),
        ObjectRef::Exclusion(_) => {}
    }
}
