//! The catalog: everything that a decision depends on, in persistent ordered maps, with its digest.
//!
//! A clone costs nothing and is a frozen view. All changes go through [`Catalog::apply`], so that the digest always is
//! the digest of the content (the invariant that the private fields guard).

use std::sync::Arc;

use imbl::OrdMap;

use crate::attestation::Attestation;
use crate::bundle::Bundle;
use crate::canonical;
use crate::cohort::Cohort;
use crate::device::Device;
use crate::digest::{Digest, HashTree};
use crate::exclusion::Exclusion;
use crate::hold::Hold;
use crate::ids::{
    AttestationKind, BundleId, CohortId, DeviceKey, ExclusionId, HoldId, OverrideId, Principal, ProductId, ReleaseId,
};
use crate::object::{Object, ObjectRef, Stored};
use crate::overrides::Override;
use crate::policy::Policy;
use crate::product::Product;
use crate::release::Release;

/// Key of an attestation.
pub type AttestationKey = (BundleId, AttestationKind, Principal);

/// One change of the catalog. A sequence of them leads from one catalog to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogChange {
    /// The object is new, or replaces the one of the same name.
    Put(Object),
    /// The object is gone.
    Remove(ObjectRef),
}

impl CatalogChange {
    /// Names the object that changes.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        match self {
            Self::Put(object) => object.reference(),
            Self::Remove(reference) => reference.clone(),
        }
    }
}

macro_rules! catalog {
    ($($kind:ident $field:ident: $key:ty => $body:ty, |$r:pat_param| $key_of:expr;)*) => {
        /// All objects of a cluster.
        #[derive(Clone, Default)]
        pub struct Catalog {
            $($field: OrdMap<$key, Arc<Stored<$body>>>,)*
            // Keyed by product; cluster-wide objects stand under None.
            trees: OrdMap<Option<ProductId>, HashTree>,
        }

        impl Catalog {
            $(
                /// All objects of this kind, by key.
                #[must_use]
                pub fn $field(&self) -> &OrdMap<$key, Arc<Stored<$body>>> {
                    &self.$field
                }
            )*

            /// The object of this name.
            #[must_use]
            pub fn get(&self, reference: &ObjectRef) -> Option<Object> {
                match reference {
                    $(ObjectRef::$kind { .. } => {
                        let $r = reference else { unreachable!("matched just above") };
                        self.$field.get(&$key_of).cloned().map(Object::$kind)
                    })*
                }
            }

            /// All objects, kind by kind in the order of [`crate::ObjectKind`], each kind by key.
            pub fn objects(&self) -> impl Iterator<Item = Object> + '_ {
                std::iter::empty()$(.chain(self.$field.values().cloned().map(Object::$kind)))*
            }

            /// Number of objects of all kinds.
            #[must_use]
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            fn store(&mut self, object: Object) -> Option<Object> {
                let reference = object.reference();
                match object {
                    $(Object::$kind(stored) => {
                        let $r = &reference else { unreachable!("an object's reference is of its kind") };
                        self.$field.insert($key_of, stored).map(Object::$kind)
                    })*
                }
            }

            fn take(&mut self, reference: &ObjectRef) -> Option<Object> {
                match reference {
                    $(ObjectRef::$kind { .. } => {
                        let $r = reference else { unreachable!("matched just above") };
                        self.$field.remove(&$key_of).map(Object::$kind)
                    })*
                }
            }
        }
    };
}

catalog! {
    Product products: ProductId => Product, |ObjectRef::Product(id)| id.clone();
    Cohort cohorts: (ProductId, CohortId) => Cohort, |ObjectRef::Cohort(product, id)| (product.clone(), id.clone());
    Bundle bundles: BundleId => Bundle, |ObjectRef::Bundle(id)| id.clone();
    Release releases: ReleaseId => Release, |ObjectRef::Release(id)| id.clone();
    Policy policies: ReleaseId => Policy, |ObjectRef::Policy(id)| id.clone();
    Device devices: (ProductId, DeviceKey) => Device, |ObjectRef::Device(product, key)| (product.clone(), key.clone());
    Hold holds: HoldId => Hold, |ObjectRef::Hold(id)| id.clone();
    Override overrides: OverrideId => Override, |ObjectRef::Override(id)| id.clone();
    Exclusion exclusions: ExclusionId => Exclusion, |ObjectRef::Exclusion(id)| id.clone();
    Attestation attestations: AttestationKey => Attestation,
        |ObjectRef::Attestation(bundle, kind, by)| (bundle.clone(), kind.clone(), by.clone());
}

impl Catalog {
    /// True if there is no object at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Carries out one change; returns what stood there before. The cost is logarithmic in the size of the catalog.
    pub fn apply(&mut self, change: &CatalogChange) -> Option<Object> {
        let reference = change.reference();
        let before = match change {
            CatalogChange::Put(object) => self.store(object.clone()),
            CatalogChange::Remove(reference) => self.take(reference),
        };
        let old_product = before.as_ref().map(|object| self.product_of(object));
        let key = canonical::reference_hash(&reference);
        if let CatalogChange::Put(object) = change {
            let product = self.product_of(object);
            if let Some(old) = old_product.filter(|old| *old != product) {
                self.edit_tree(old, |tree| tree.remove(&key));
            }
            let value = canonical::object_hash(object);
            self.edit_tree(product, |tree| tree.insert(key, value));
        } else if let Some(old) = old_product {
            self.edit_tree(old, |tree| tree.remove(&key));
        }
        before
    }

    /// The product under whose root an object is hashed. Policies and attestations are filed by the release or bundle
    /// that they belong to, which is never removed before them.
    #[must_use]
    pub fn product_of(&self, object: &Object) -> Option<ProductId> {
        match object {
            Object::Product(o) => Some(o.body.id.clone()),
            Object::Cohort(o) => Some(o.body.product.clone()),
            Object::Bundle(o) => Some(o.body.product.clone()),
            Object::Release(o) => Some(o.body.product.clone()),
            Object::Policy(o) => self.releases.get(&o.body.release).map(|release| release.body.product.clone()),
            Object::Device(o) => Some(o.body.product.clone()),
            Object::Hold(o) => Some(o.body.product.clone()),
            Object::Override(o) => Some(o.body.product.clone()),
            Object::Exclusion(_) => None,
            Object::Attestation(o) => self.bundles.get(&o.body.bundle).map(|bundle| bundle.body.product.clone()),
        }
    }

    fn edit_tree(&mut self, product: Option<ProductId>, edit: impl FnOnce(&mut HashTree)) {
        // In place: a tree of which somebody holds a clone is copied where it changes.
        if let Some(tree) = self.trees.get_mut(&product) {
            edit(tree);
            if tree.is_empty() {
                self.trees.remove(&product);
            }
            return;
        }
        let mut tree = HashTree::default();
        edit(&mut tree);
        if !tree.is_empty() {
            self.trees.insert(product, tree);
        }
    }

    /// The root of one product's objects (`None`: of cluster-wide ones).
    #[must_use]
    pub fn product_root(&self, product: Option<&ProductId>) -> Digest {
        self.trees.get(&product.cloned()).map_or_else(|| HashTree::default().root(), HashTree::root)
    }

    /// The roots of all products that have objects (`None`: of cluster-wide ones), in order.
    pub fn roots(&self) -> impl Iterator<Item = (Option<&ProductId>, Digest)> {
        self.trees.iter().map(|(product, tree)| (product.as_ref(), tree.root()))
    }

    /// The digest of the whole catalog: the hash of the sorted (product, root) pairs. Equal content has an equal digest,
    /// whatever the order in which it came about.
    #[must_use]
    pub fn digest(&self) -> Digest {
        canonical::roots_hash(self.roots())
    }
}

impl PartialEq for Catalog {
    /// Equal content; compared object by object, not by digest.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.objects().eq(other.objects())
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.objects()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hold::{HoldKind, HoldScope};
    use crate::object::Created;
    use crate::time::Timestamp;

    fn hold(number: u8, version: u64) -> Object {
        Object::Hold(Arc::new(Stored {
            version,
            created: Created { config_version: 1, seq: 0 },
            body: Hold {
                id: HoldId::new(&format!("h{number}")).unwrap(),
                product: ProductId::new(if number.is_multiple_of(2) { "even" } else { "odd" }).unwrap(),
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
        }))
    }

    fn changes() -> impl Strategy<Value = Vec<CatalogChange>> {
        let change = (0..40u8, 1..4u64, any::<bool>()).prop_map(|(number, version, put)| {
            let object = hold(number, version);
            if put { CatalogChange::Put(object) } else { CatalogChange::Remove(object.reference()) }
        });
        proptest::collection::vec(change, 0..120)
    }

    proptest! {
        /// P-01: the digest depends on the content alone, not on how it came about.
        #[test]
        fn p_01_digest_is_a_function_of_the_content(changes in changes()) {
            let mut catalog = Catalog::default();
            for change in &changes {
                catalog.apply(change);
            }
            let mut again = Catalog::default();
            let mut objects: Vec<_> = catalog.objects().collect();
            objects.reverse();
            for object in objects {
                again.apply(&CatalogChange::Put(object));
            }
            prop_assert_eq!(&catalog, &again);
            prop_assert_eq!(catalog.digest(), again.digest());
        }

        /// Any single difference shows in the digest.
        #[test]
        fn digest_tells_contents_apart(changes in changes(), number in 0..40u8) {
            let mut catalog = Catalog::default();
            for change in &changes {
                catalog.apply(change);
            }
            let mut other = catalog.clone();
            other.apply(&CatalogChange::Put(hold(number, 9)));
            prop_assert_ne!(catalog.digest(), other.digest());
            let even = ProductId::new("even").unwrap();
            let touched = number.is_multiple_of(2);
            prop_assert_eq!(catalog.product_root(Some(&even)) != other.product_root(Some(&even)), touched);
        }
    }

    #[test]
    fn clones_are_frozen_views() {
        let mut catalog = Catalog::default();
        catalog.apply(&CatalogChange::Put(hold(1, 1)));
        let frozen = catalog.clone();
        let before = catalog.apply(&CatalogChange::Put(hold(1, 2)));
        assert_eq!(before, Some(hold(1, 1)));
        assert_eq!(frozen.get(&hold(1, 1).reference()), Some(hold(1, 1)));
        assert_eq!(catalog.apply(&CatalogChange::Remove(hold(1, 1).reference())), Some(hold(1, 2)));
        assert!(catalog.is_empty());
        assert_eq!(catalog.digest(), Catalog::default().digest());
    }
}
