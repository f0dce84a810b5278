//! What may not change once it is stored.

use tidegate_model::{Bundle, BundleState, Object, ObjectKind, ObjectRef};

use super::Item;
use crate::edit::Edit;
use crate::rejection::Cause;

/// Refuses a change of a field that is fixed.
pub(super) fn check(edit: &Edit, item: &Item<'_>) -> Result<(), Cause> {
    let (Some(before), Some(after)) = (&item.before, edit.get(&item.name)) else { return Ok(()) };
    let refuse = |field: &str, rule| Err(Cause::Immutable { object: item.name.clone(), field: field.to_owned(), rule });
    match (before, &after) {
        (Object::Product(before), Object::Product(after)) => {
            let is_same = before.body.version_scheme == after.body.version_scheme;
            if !is_same && has_versions(edit, &item.name) {
                return refuse("version_scheme", "is fixed once the product has a release or bundle");
            }
        }
        (Object::Bundle(before), Object::Bundle(after)) => return check_bundle(&before.body, &after.body, &item.name),
        (Object::Release(before), Object::Release(after)) => {
            let (before, after) = (&before.body, &after.body);
            for (field, is_same) in [
                ("product", before.product == after.product),
                ("cohort", before.cohort == after.cohort),
                ("bundle", before.bundle == after.bundle),
            ] {
                if !is_same {
                    return refuse(field, "of a release is fixed at creation");
                }
            }
        }
        (Object::Hold(before), Object::Hold(after)) if before.body.product != after.body.product => {
            return refuse("product", "of a hold is fixed at creation");
        }
        (Object::Override(before), Object::Override(after)) if before.body.product != after.body.product => {
            return refuse("product", "of an override is fixed at creation");
        }
        (Object::Attestation(_), Object::Attestation(_)) => return refuse("evidence", "of an attestation is never changed"),
        // The other kinds may change in every field; their names hold what is fixed. Policies are judged by lifecycle.
        _ => {}
    }
    Ok(())
}

fn has_versions(edit: &Edit, product: &ObjectRef) -> bool {
    edit.index().users(product).any(|user| matches!(user.kind(), ObjectKind::Bundle | ObjectKind::Release))
}

/// Content is immutable; signatures are gathered, and the state only moves on.
fn check_bundle(before: &Bundle, after: &Bundle, name: &ObjectRef) -> Result<(), Cause> {
    let refuse = |field: &str, rule| Err(Cause::Immutable { object: name.clone(), field: field.to_owned(), rule });
    for (field, is_same) in [
        ("product", before.product == after.product),
        ("version", before.version == after.version),
        ("artifacts", before.artifacts == after.artifacts),
        ("requires", before.requires == after.requires),
        ("provides", before.provides == after.provides),
        ("security_epoch", before.security_epoch == after.security_epoch),
    ] {
        if !is_same {
            return refuse(field, "of a bundle never changes: make a new bundle");
        }
    }
    let moves_on = match (before.state, after.state) {
        (BundleState::Uploading, _) | (_, BundleState::Recalled) | (BundleState::Ready, BundleState::Ready) => true,
        (BundleState::Ready, BundleState::Uploading) | (BundleState::Recalled, BundleState::Uploading | BundleState::Ready) => {
            false
        }
    };
    if moves_on { Ok(()) } else { refuse("recalled", "is never taken back") }
}
