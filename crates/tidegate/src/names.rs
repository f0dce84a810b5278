//! From the ids that people type to the names of objects: cohorts and devices may be written without their product
//! where only one bears the id.

use tidegate_client::{Client, Consistency};
use tidegate_model::{
    AttestationKind, BundleId, CohortId, DeviceKey, Document, ExclusionId, HoldId, Invalid, ObjectKind, ObjectRef, OverrideId,
    Principal, ProductId, ReleaseId, Spec,
};

use crate::exit::{Failure, Outcome};

/// The name that `id` means.
pub async fn resolve(client: &Client, kind: ObjectKind, id: &str, consistency: Consistency) -> Outcome<ObjectRef> {
    if !matches!(kind, ObjectKind::Cohort | ObjectKind::Device) || id.contains('/') {
        return parse(kind, id);
    }
    let listed = client.list(kind, None, consistency).await?.value;
    let mut found = listed.iter().map(tidegate_model::Object::reference).filter(|reference| match reference {
        ObjectRef::Cohort(_, cohort) => cohort.as_str() == id,
        ObjectRef::Device(_, device) => device.as_str() == id,
        _ => false, // A list holds one kind.
    });
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => {
            Err(Failure::usage(format!("id: {id:?} is ambiguous, it may be {} or {}: write PRODUCT/ID", one.id(), other.id())))
        }
        (None, _) => Err(Failure::Refused(format!("NOT_FOUND: there is no {} {id}", kind.as_str()))),
    }
}

/// Reads a full name; cohorts and devices are `PRODUCT/ID`, attestations `BUNDLE/TYPE/BY`.
pub fn parse(kind: ObjectKind, id: &str) -> Outcome<ObjectRef> {
    reference(kind, id).map_err(|error| Failure::usage(error.at("id")))
}

fn reference(kind: ObjectKind, id: &str) -> Result<ObjectRef, Invalid> {
    let pair = || id.split_once('/').ok_or_else(|| Invalid::new("id", id, "must be written PRODUCT/ID"));
    Ok(match kind {
        ObjectKind::Product => ObjectRef::Product(ProductId::new(id)?),
        ObjectKind::Cohort => ObjectRef::Cohort(ProductId::new(pair()?.0)?, CohortId::new(pair()?.1)?),
        ObjectKind::Bundle => ObjectRef::Bundle(BundleId::new(id)?),
        ObjectKind::Release => ObjectRef::Release(ReleaseId::new(id)?),
        ObjectKind::Policy => ObjectRef::Policy(ReleaseId::new(id)?),
        ObjectKind::Device => ObjectRef::Device(ProductId::new(pair()?.0)?, DeviceKey::new(pair()?.1)?),
        ObjectKind::Hold => ObjectRef::Hold(HoldId::new(id)?),
        ObjectKind::Override => ObjectRef::Override(OverrideId::new(id)?),
        ObjectKind::Exclusion => ObjectRef::Exclusion(ExclusionId::new(id)?),
        ObjectKind::Attestation => {
            let parts: Vec<&str> = id.split('/').collect();
            let [bundle, kind, by] = parts.as_slice() else {
                return Err(Invalid::new("id", id, "must be written BUNDLE/TYPE/BY"));
            };
            ObjectRef::Attestation(BundleId::new(bundle)?, AttestationKind::new(kind)?, Principal::new(by)?)
        }
    })
}

/// The name of what a document wants. An attestation without author is named by `anonymous`.
pub fn of_document(document: &Document) -> ObjectRef {
    match &document.spec {
        Spec::Product(o) => ObjectRef::Product(o.id.clone()),
        Spec::Cohort(o) => ObjectRef::Cohort(o.product.clone(), o.id.clone()),
        Spec::Bundle(o) => ObjectRef::Bundle(o.id.clone()),
        Spec::Release(o) => ObjectRef::Release(o.id.clone()),
        Spec::Policy(o) => ObjectRef::Policy(o.release.clone()),
        Spec::Device(o) => ObjectRef::Device(o.product.clone(), o.key.clone()),
        Spec::Hold(o) => ObjectRef::Hold(o.id.clone()),
        Spec::Override(o) => ObjectRef::Override(o.id.clone()),
        Spec::Exclusion(o) => ObjectRef::Exclusion(o.id.clone()),
        Spec::Attestation(o) => {
            let by = o.by.clone().unwrap_or_else(|| Principal::new("anonymous").expect("a plain word is an id"));
            ObjectRef::Attestation(o.bundle.clone(), o.kind.clone(), by)
        }
    }
}
