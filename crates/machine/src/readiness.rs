//! May a bundle go out: is it here, not recalled, signed, attested.

use tidegate_model::{AttestationKind, BundleId, BundleState, ObjectRef};

use crate::edit::Edit;
use crate::rejection::{Cause, Code};

/// Refuses with the first of NOT_AVAILABLE, RECALLED, UNSIGNED, NOT_ATTESTED that applies.
pub(crate) fn check(edit: &Edit, subject: &ObjectRef, bundle: &BundleId) -> Result<(), Cause> {
    let refuse = |code, rule: String| Err(Cause::guard(code, subject.clone(), rule));
    let Some(stored) = edit.bundle(bundle) else {
        return refuse(Code::NotAvailable, format!("bundle {bundle} does not exist"));
    };
    match stored.body.state {
        BundleState::Ready => {}
        BundleState::Uploading => return refuse(Code::NotAvailable, format!("bundle {bundle} is not complete yet")),
        BundleState::Recalled => return refuse(Code::Recalled, format!("bundle {bundle} is recalled")),
    }
    let Some(product) = edit.product(&stored.body.product) else { return Ok(()) };
    if !stored.body.is_signed(&product.body.trusted_keys) {
        return refuse(Code::Unsigned, format!("bundle {bundle} has no signature by a trusted key that can be verified"));
    }
    match product.body.required_attestations.iter().find(|kind| !is_attested(edit, bundle, kind)) {
        Some(kind) => refuse(Code::NotAttested, format!("bundle {bundle} has no attestation {kind}")),
        None => Ok(()),
    }
}

fn is_attested(edit: &Edit, bundle: &BundleId, wanted: &AttestationKind) -> bool {
    edit.index().users(&ObjectRef::Bundle(bundle.clone())).any(|user| match user {
        ObjectRef::Attestation(_, kind, _) => kind == wanted,
        ObjectRef::Product(_)
        | ObjectRef::Cohort(..)
        | ObjectRef::Bundle(_)
        | ObjectRef::Release(_)
        | ObjectRef::Policy(_)
        | ObjectRef::Device(..)
        | ObjectRef::Hold(_)
        | ObjectRef::Override(_)
        | ObjectRef::Exclusion(_) => false,
    })
}
