//! Removing objects. What others refer to stays; what belongs to an object goes with it.

use tidegate_model::{Delete, ObjectKind, ObjectRef, ProductId, RolloutState};

use crate::edit::Edit;
use crate::lifecycle::{Action, Step, step};
use crate::rejection::{Cause, Code};

/// Removes the object that is named.
pub(super) fn carry_out(edit: &mut Edit, delete: &Delete) -> Result<(), Cause> {
    let name = &delete.object;
    edit.name(name.clone());
    let object = edit.get(name).ok_or_else(|| Cause::NotFound { object: name.clone() })?;
    check_version(name, delete.expected_version, Some(object.version()))?;
    match name {
        ObjectRef::Release(id) => {
            if edit.release(id).is_some_and(|release| release.body.linked) {
                let rule = "is linked and cannot be deleted; disable it instead";
                return Err(Cause::guard(Code::ReleaseLinked, name.clone(), rule));
            }
            remove_draft(edit, id)
        }
        ObjectRef::Policy(id) => {
            let state = edit.release(id).map_or(RolloutState::Draft, |release| release.body.rollout.state);
            if step(state, Action::EditPolicy) == Step::No {
                return Err(Cause::IllegalTransition { release: id.clone(), action: Action::EditPolicy, state });
            }
            if state != RolloutState::Draft {
                let why = "its policy can be changed but not deleted once it is published".into();
                return Err(Cause::IllegalNow { release: id.clone(), action: Action::EditPolicy, why });
            }
            edit.remove(name);
            Ok(())
        }
        ObjectRef::Attestation(..) => {
            Err(Cause::Immutable { object: name.clone(), field: "attestations".to_owned(), rule: "are never taken back" })
        }
        ObjectRef::Bundle(_) => {
            refuse_if_used(edit, name)?;
            let attestations: Vec<_> = edit.index().users(name).cloned().collect();
            attestations.iter().for_each(|attestation| edit.remove(attestation));
            edit.remove(name);
            Ok(())
        }
        ObjectRef::Product(product) | ObjectRef::Cohort(product, _) => {
            refuse_if_used(edit, name)?;
            refuse_if_it_has_devices(edit, product, name)?;
            edit.remove(name);
            Ok(())
        }
        ObjectRef::Device(..) | ObjectRef::Hold(_) | ObjectRef::Override(_) | ObjectRef::Exclusion(_) => {
            edit.remove(name);
            Ok(())
        }
    }
}

/// Removes a release that was never published, with its policy.
pub(super) fn remove_draft(edit: &mut Edit, id: &tidegate_model::ReleaseId) -> Result<(), Cause> {
    let name = ObjectRef::Release(id.clone());
    refuse_if_used(edit, &name)?;
    let policy = ObjectRef::Policy(id.clone());
    if edit.get(&policy).is_some() {
        edit.remove(&policy);
    }
    edit.remove(&name);
    Ok(())
}

/// Refuses if anything refers to the object that does not simply belong to it.
fn refuse_if_used(edit: &Edit, name: &ObjectRef) -> Result<(), Cause> {
    let belongs = |user: &ObjectRef| match user.kind() {
        ObjectKind::Attestation => true,
        ObjectKind::Product
        | ObjectKind::Cohort
        | ObjectKind::Bundle
        | ObjectKind::Release
        | ObjectKind::Policy
        | ObjectKind::Device
        | ObjectKind::Hold
        | ObjectKind::Override
        | ObjectKind::Exclusion => false,
    };
    let other_than_itself = |user: &&ObjectRef| !belongs(user) && *user != name;
    match edit.index().users(name).find(other_than_itself) {
        Some(user) => Err(Cause::InUse { object: name.clone(), user: user.to_string() }),
        None => Ok(()),
    }
}

fn refuse_if_it_has_devices(edit: &Edit, product: &ProductId, name: &ObjectRef) -> Result<(), Cause> {
    match edit.index().devices(name) {
        0 => Ok(()),
        count if name.kind() == ObjectKind::Product => Err(Cause::HasDevices { product: product.clone(), count }),
        count => Err(Cause::InUse { object: name.clone(), user: format!("{count} device records") }),
    }
}

/// Compare-and-set: absent is unconditional, 0 is "must not exist". `current` is the version, if the object exists.
pub(super) fn check_version(object: &ObjectRef, expected: Option<u64>, current: Option<u64>) -> Result<(), Cause> {
    let object = object.clone();
    match (expected, current) {
        (None, _) | (Some(0), None) => Ok(()),
        (Some(0), Some(current)) => Err(Cause::AlreadyExists { object, current }),
        (Some(_), None) => Err(Cause::NotFound { object }),
        (Some(expected), Some(current)) if expected == current => Ok(()),
        (Some(expected), Some(current)) => Err(Cause::Conflict { object, expected, current }),
    }
}
