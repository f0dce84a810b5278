//! `object.proto`: stored objects, their names, changes.

use std::sync::Arc;

use tidegate_model::{
    AttestationKind, BundleId, CatalogChange, CohortId, Created, DeviceKey, ExclusionId, HoldId, Object, ObjectKind, ObjectRef,
    OverrideId, Principal, ProductId, ReleaseId, Stored,
};
use wire::change::Kind as ChangeKind;
use wire::object::Body;
use wire::object_ref::Kind as RefKind;

use super::fields::{Enumeration as _, alternative, enumeration, inner, must, text};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    ObjectKind {
        Product = Product, Cohort = Cohort, Bundle = Bundle, Release = Release, Policy = Policy, Device = Device, Hold = Hold,
        Override = Override, Exclusion = Exclusion, Attestation = Attestation,
    } unspecified Err(Problem::Missing);
}

/// Reads the kind that a call names.
///
/// # Errors
/// [`Malformed`] naming `kind`, if it is unspecified or unknown.
pub fn object_kind(kind: i32) -> Result<ObjectKind, Malformed> {
    ObjectKind::read("kind", kind)
}

impl From<&Object> for wire::Object {
    fn from(value: &Object) -> Self {
        macro_rules! parts {
            ($($kind:ident),*) => {
                match value {
                    $(Object::$kind(stored) => (stored.version, stored.created, Body::$kind((&stored.body).into())),)*
                }
            };
        }
        let (version, created, body) =
            parts!(Product, Cohort, Bundle, Release, Policy, Device, Hold, Override, Exclusion, Attestation);
        let Created { config_version, seq } = created;
        Self { version, created: Some(wire::Created { config_version, seq }), body: Some(body) }
    }
}

impl TryFrom<wire::Object> for Object {
    type Error = Malformed;

    fn try_from(value: wire::Object) -> Result<Self, Malformed> {
        let version = value.version;
        let wire::Created { config_version, seq } = must("created", value.created)?;
        let created = Created { config_version, seq };
        macro_rules! object {
            ($body:expr, $($kind:ident $field:literal),*) => {
                match $body {
                    $(Body::$kind(body) => {
                        Self::$kind(Arc::new(Stored { version, created, body: inner($field, body)? }))
                    })*
                }
            };
        }
        let body = value.body.ok_or_else(|| Malformed::new("body", Problem::UnknownAlternative))?;
        Ok(object!(
            body,
            Product "product",
            Cohort "cohort",
            Bundle "bundle",
            Release "release",
            Policy "policy",
            Device "device",
            Hold "hold",
            Override "override",
            Exclusion "exclusion",
            Attestation "attestation"
        ))
    }
}

impl From<&ObjectRef> for wire::ObjectRef {
    fn from(value: &ObjectRef) -> Self {
        let kind = match value {
            ObjectRef::Product(id) => RefKind::Product(id.to_string()),
            ObjectRef::Cohort(product, id) => {
                RefKind::Cohort(wire::ScopedId { product: product.to_string(), id: id.to_string() })
            }
            ObjectRef::Bundle(id) => RefKind::Bundle(id.to_string()),
            ObjectRef::Release(id) => RefKind::Release(id.to_string()),
            ObjectRef::Policy(id) => RefKind::Policy(id.to_string()),
            ObjectRef::Device(product, key) => {
                RefKind::Device(wire::ScopedId { product: product.to_string(), id: key.to_string() })
            }
            ObjectRef::Hold(id) => RefKind::Hold(id.to_string()),
            ObjectRef::Override(id) => RefKind::Override(id.to_string()),
            ObjectRef::Exclusion(id) => RefKind::Exclusion(id.to_string()),
            ObjectRef::Attestation(bundle, kind, by) => RefKind::Attestation(wire::AttestationId {
                bundle: bundle.to_string(),
                kind: kind.to_string(),
                by: by.to_string(),
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::ObjectRef> for ObjectRef {
    type Error = Malformed;

    fn try_from(value: wire::ObjectRef) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            RefKind::Product(id) => Self::Product(text("product", &id, ProductId::new)?),
            RefKind::Cohort(wire::ScopedId { product, id }) => {
                Self::Cohort(text("cohort.product", &product, ProductId::new)?, text("cohort.id", &id, CohortId::new)?)
            }
            RefKind::Bundle(id) => Self::Bundle(text("bundle", &id, BundleId::new)?),
            RefKind::Release(id) => Self::Release(text("release", &id, ReleaseId::new)?),
            RefKind::Policy(id) => Self::Policy(text("policy", &id, ReleaseId::new)?),
            RefKind::Device(wire::ScopedId { product, id }) => {
                Self::Device(text("device.product", &product, ProductId::new)?, text("device.id", &id, DeviceKey::new)?)
            }
            RefKind::Hold(id) => Self::Hold(text("hold", &id, HoldId::new)?),
            RefKind::Override(id) => Self::Override(text("override", &id, OverrideId::new)?),
            RefKind::Exclusion(id) => Self::Exclusion(text("exclusion", &id, ExclusionId::new)?),
            RefKind::Attestation(wire::AttestationId { bundle, kind, by }) => Self::Attestation(
                text("attestation.bundle", &bundle, BundleId::new)?,
                text("attestation.kind", &kind, AttestationKind::new)?,
                text("attestation.by", &by, Principal::new)?,
            ),
        })
    }
}

impl From<&CatalogChange> for wire::Change {
    fn from(value: &CatalogChange) -> Self {
        let kind = match value {
            CatalogChange::Put(object) => ChangeKind::Put(object.into()),
            CatalogChange::Remove(reference) => ChangeKind::Remove(reference.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Change> for CatalogChange {
    type Error = Malformed;

    fn try_from(value: wire::Change) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            ChangeKind::Put(object) => Self::Put(inner("put", object)?),
            ChangeKind::Remove(reference) => Self::Remove(inner("remove", reference)?),
        })
    }
}
