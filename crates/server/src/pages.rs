//! Lists in bounded pages, in the order of the catalog's keys.
//!
//! A page token is the name of the last object seen, so that a page can be fetched from any node and after any change.

use std::ops::Bound;

use prost::Message;
use tidegate_model::{BundleId, Catalog, CohortId, Object, ObjectKind, ObjectRef, ProductId};
use tidegate_proto::types::v1 as types;
use tonic::Status;

use crate::admin::{Desk, id};
use crate::codec;
use crate::limits::{PAGE_BYTES_MAX, PAGE_OBJECTS_MAX};
use crate::refusal::Door;

/// Which page of a list.
pub struct Page {
    /// Most objects; 0: as many as allowed.
    pub size: u32,
    /// From the page before; empty: the first.
    pub token: String,
}

/// Which objects of a kind.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    product: Option<ProductId>,
    cohort: Option<CohortId>,
    bundle: Option<BundleId>,
}

impl Filter {
    /// Those of a product, if one is named.
    ///
    /// # Errors
    /// It is no id.
    pub fn of_product(product: Option<&str>) -> Result<Self, Door> {
        let product = product.map(|text| id("product", text, ProductId::new)).transpose()?;
        Ok(Self { product, ..Self::default() })
    }

    /// Of those, the ones of a cohort, if one is named.
    ///
    /// # Errors
    /// It is no id.
    pub fn of_cohort(self, cohort: Option<&str>) -> Result<Self, Door> {
        let cohort = cohort.map(|text| id("cohort", text, CohortId::new)).transpose()?;
        Ok(Self { cohort, ..self })
    }

    /// Evidence for a bundle, if one is named.
    ///
    /// # Errors
    /// It is no id.
    pub fn of_bundle(bundle: Option<&str>) -> Result<Self, Door> {
        let bundle = bundle.map(|text| id("bundle", text, BundleId::new)).transpose()?;
        Ok(Self { bundle, ..Self::default() })
    }

    /// Whether the object is one of those.
    #[must_use]
    pub fn admits(&self, catalog: &Catalog, object: &Object) -> bool {
        let product = || product_of(catalog, &object.reference());
        if self.product.is_some() && product() != self.product {
            return false;
        }
        let is_in_cohort = |wanted: &CohortId| match object {
            Object::Release(release) => release.body.cohort == *wanted,
            Object::Device(device) => device.body.cohort.as_ref() == Some(wanted),
            _ => true, // Kinds without a cohort are not narrowed by one.
        };
        let is_of_bundle = |wanted: &BundleId| match object {
            Object::Attestation(attestation) => attestation.body.bundle == *wanted,
            _ => true, // Likewise.
        };
        self.cohort.as_ref().is_none_or(is_in_cohort) && self.bundle.as_ref().is_none_or(is_of_bundle)
    }
}

/// The product that an object belongs to, if the catalog can tell; exclusions belong to none.
#[must_use]
pub fn product_of(catalog: &Catalog, reference: &ObjectRef) -> Option<ProductId> {
    let of_release = |id| catalog.releases().get(id).map(|release| release.body.product.clone());
    let of_bundle = |id| catalog.bundles().get(id).map(|bundle| bundle.body.product.clone());
    match reference {
        ObjectRef::Product(id) => Some(id.clone()),
        ObjectRef::Cohort(product, _) | ObjectRef::Device(product, _) => Some(product.clone()),
        ObjectRef::Bundle(id) | ObjectRef::Attestation(id, _, _) => of_bundle(id),
        ObjectRef::Release(id) | ObjectRef::Policy(id) => of_release(id),
        ObjectRef::Hold(id) => catalog.holds().get(id).map(|hold| hold.body.product.clone()),
        ObjectRef::Override(id) => catalog.overrides().get(id).map(|over| over.body.product.clone()),
        ObjectRef::Exclusion(_) => None,
    }
}

macro_rules! after {
    ($catalog:ident, $map:ident, $object:ident, $key:expr) => {{
        let start = $key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = $catalog.$map().range((start, Bound::Unbounded));
        Box::new(range.map(|(_, stored)| Object::$object(stored.clone())))
    }};
}

/// All objects of a kind that come after `last`, in the order of their keys.
fn objects_after<'c>(catalog: &'c Catalog, kind: ObjectKind, last: Option<ObjectRef>) -> Box<dyn Iterator<Item = Object> + 'c> {
    /// The key in a reference of the right kind.
    macro_rules! key {
        ($pattern:pat => $key:expr) => {
            match last {
                Some($pattern) => Some($key),
                _ => None,
            }
        };
    }
    match kind {
        ObjectKind::Product => after!(catalog, products, Product, key!(ObjectRef::Product(id) => id)),
        ObjectKind::Cohort => after!(catalog, cohorts, Cohort, key!(ObjectRef::Cohort(product, id) => (product, id))),
        ObjectKind::Bundle => after!(catalog, bundles, Bundle, key!(ObjectRef::Bundle(id) => id)),
        ObjectKind::Release => after!(catalog, releases, Release, key!(ObjectRef::Release(id) => id)),
        ObjectKind::Policy => after!(catalog, policies, Policy, key!(ObjectRef::Policy(id) => id)),
        ObjectKind::Device => after!(catalog, devices, Device, key!(ObjectRef::Device(product, key) => (product, key))),
        ObjectKind::Hold => after!(catalog, holds, Hold, key!(ObjectRef::Hold(id) => id)),
        ObjectKind::Override => after!(catalog, overrides, Override, key!(ObjectRef::Override(id) => id)),
        ObjectKind::Exclusion => after!(catalog, exclusions, Exclusion, key!(ObjectRef::Exclusion(id) => id)),
        ObjectKind::Attestation => {
            after!(catalog, attestations, Attestation, key!(ObjectRef::Attestation(b, k, by) => (b, k, by)))
        }
    }
}

impl Desk {
    /// One page of a kind, the token of the next, and the config version read.
    pub(crate) async fn list(
        &self,
        kind: ObjectKind,
        filter: &Filter,
        page: &Page,
        consistency: i32,
    ) -> Result<(Vec<types::Object>, String, u64), Status> {
        let last = token_in(kind, &page.token)?;
        let published = self.0.read(consistency).await?;
        let catalog = published.state.catalog();
        let count_max = match usize::try_from(page.size).unwrap_or(usize::MAX) {
            0 => PAGE_OBJECTS_MAX,
            size => size.min(PAGE_OBJECTS_MAX),
        };
        let (mut objects, mut bytes, mut next) = (Vec::new(), 0, String::new());
        let mut last_shown: Option<ObjectRef> = None;
        for object in objects_after(catalog, kind, last).filter(|object| filter.admits(catalog, object)) {
            let shown = codec::object_out(&object);
            let size = shown.encoded_len();
            if objects.len() == count_max || (bytes + size > PAGE_BYTES_MAX && !objects.is_empty()) {
                next = last_shown.as_ref().map(token_out).unwrap_or_default();
                break;
            }
            bytes += size;
            last_shown = Some(object.reference());
            objects.push(shown);
        }
        Ok((objects, next, published.state.config_version()))
    }
}

fn token_out(reference: &ObjectRef) -> String {
    codec::reference_out(reference).encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token_in(kind: ObjectKind, token: &str) -> Result<Option<ObjectRef>, Door> {
    if token.is_empty() {
        return Ok(None);
    }
    let broken =
        || Door::field("page_token", token.chars().take(64).collect::<String>(), "must come from an answer of this list");
    let bytes = unhex(token).ok_or_else(broken)?;
    let reference = types::ObjectRef::decode(&bytes[..]).map_err(|_| broken())?;
    let reference = ObjectRef::try_from(reference).map_err(|_| broken())?;
    if reference.kind() == kind { Ok(Some(reference)) } else { Err(broken()) }
}

/// The bytes of a hexadecimal text.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
