//! From a document to the object that is stored: what the author left out is taken from the stored object or from the
//! entry.

use std::collections::BTreeSet;

use tidegate_model::{
    Attestation, AttestationSpec, Device, Hold, HoldSpec, ObjectRef, Override, OverrideSpec, Place, Principal, Release,
    ReleaseSpec, Rollout, Spec,
};

use crate::edit::{Counts, Edit};

/// The name of the object that a document describes.
pub(super) fn name(spec: &Spec, caller: &Principal) -> ObjectRef {
    match spec {
        Spec::Product(spec) => ObjectRef::Product(spec.id.clone()),
        Spec::Cohort(spec) => ObjectRef::Cohort(spec.product.clone(), spec.id.clone()),
        Spec::Bundle(spec) => ObjectRef::Bundle(spec.id.clone()),
        Spec::Release(spec) => ObjectRef::Release(spec.id.clone()),
        Spec::Policy(spec) => ObjectRef::Policy(spec.release.clone()),
        Spec::Device(spec) => ObjectRef::Device(spec.product.clone(), spec.key.clone()),
        Spec::Hold(spec) => ObjectRef::Hold(spec.id.clone()),
        Spec::Override(spec) => ObjectRef::Override(spec.id.clone()),
        Spec::Exclusion(spec) => ObjectRef::Exclusion(spec.id.clone()),
        Spec::Attestation(spec) => {
            ObjectRef::Attestation(spec.bundle.clone(), spec.kind.clone(), spec.by.as_ref().unwrap_or(caller).clone())
        }
    }
}

/// Puts the wanted object; one that is as it was keeps its version.
pub(super) fn put(edit: &mut Edit, spec: &Spec, seq: u32) {
    macro_rules! put {
        ($body:expr, $current:expr) => {{
            let (body, current) = ($body, $current);
            if current.is_none_or(|current| current.body != body) {
                edit.put_at(body, Counts::Yes, seq);
            }
        }};
    }
    match spec {
        Spec::Product(spec) => put!(spec.clone(), edit.product(&spec.id)),
        Spec::Cohort(spec) => put!(spec.clone(), edit.cohort(&spec.product, &spec.id)),
        Spec::Bundle(spec) => put!(spec.clone(), edit.bundle(&spec.id)),
        Spec::Release(spec) => put!(release(edit, spec), edit.release(&spec.id)),
        Spec::Policy(spec) => put!(spec.clone(), edit.policy(&spec.release)),
        Spec::Device(spec) => put!(device(edit, spec), edit.device(&spec.product, &spec.key)),
        Spec::Hold(spec) => put!(hold(edit, spec), edit.hold(&spec.id)),
        Spec::Override(spec) => put!(override_of(edit, spec), edit.override_of(&spec.id)),
        Spec::Exclusion(spec) => put!(spec.clone(), edit.exclusion(&spec.id)),
        Spec::Attestation(spec) => {
            let body = attestation(edit, spec);
            put!(body.clone(), edit.attestation(&body.bundle, &body.kind, &body.by));
        }
    }
}

fn release(edit: &Edit, spec: &ReleaseSpec) -> Release {
    let current = edit.release(&spec.id);
    let current = current.as_ref().map(|release| &release.body);
    let place = match current {
        // Once it is linked, its place is history.
        Some(release) if release.linked => release.place.clone(),
        Some(_) | None => place(spec),
    };
    Release {
        id: spec.id.clone(),
        product: spec.product.clone(),
        cohort: spec.cohort.clone(),
        bundle: spec.bundle.clone(),
        version: spec.version.clone(),
        version_requirement: spec.version_requirement.clone(),
        required: spec.required,
        disabled: spec.disabled.unwrap_or_else(|| current.is_some_and(|release| release.disabled)),
        dead_end: spec.dead_end,
        requirement: spec.requirement.clone(),
        urgency: spec.urgency.clone(),
        install_mode: spec.install_mode.clone(),
        published_at: spec.published_at,
        notes: spec.notes.clone(),
        consents: current.map_or_else(BTreeSet::new, |release| release.consents.clone()),
        place,
        linked: current.is_some_and(|release| release.linked),
        next: current.and_then(|release| release.next.clone()),
        rollout: current.map_or_else(Rollout::draft, |release| release.rollout.clone()),
    }
}

/// The place that a document asks for.
fn place(spec: &ReleaseSpec) -> Place {
    match &spec.next {
        Some(next) => Place::Before(next.clone()),
        None if spec.previous.is_empty() => Place::Latest,
        None => Place::After(spec.previous.clone()),
    }
}

/// The epoch that a device is known to have run never goes down.
fn device(edit: &Edit, spec: &Device) -> Device {
    let known = edit.device(&spec.product, &spec.key).map_or(0, |device| device.body.security_epoch);
    Device { security_epoch: spec.security_epoch.max(known), ..spec.clone() }
}

fn hold(edit: &Edit, spec: &HoldSpec) -> Hold {
    let current = edit.hold(&spec.id);
    let current = current.as_ref().map(|hold| &hold.body);
    let wanted = Hold {
        id: spec.id.clone(),
        product: spec.product.clone(),
        scope: spec.scope.clone(),
        kind: spec.kind,
        release: spec.release.clone(),
        bundle: spec.bundle.clone(),
        from: spec.from.or(current.map(|hold| hold.from)).unwrap_or(edit.now),
        until: spec.until,
        window: spec.window.clone(),
        critical_pierces: spec.critical_pierces,
        reason: spec.reason.clone(),
        author: current.map_or(&edit.principal, |hold| &hold.author).clone(),
    };
    // Whoever changes a hold is its author from then on; whoever repeats it is not.
    match current {
        Some(current) if *current != wanted => Hold { author: edit.principal.clone(), ..wanted },
        Some(_) | None => wanted,
    }
}

fn override_of(edit: &Edit, spec: &OverrideSpec) -> Override {
    let current = edit.override_of(&spec.id).map(|current| current.body.starts_at);
    Override {
        id: spec.id.clone(),
        product: spec.product.clone(),
        target: spec.target.clone(),
        bundle: spec.bundle.clone(),
        starts_at: spec.starts_at.or(current).unwrap_or(edit.now),
        ends_at: spec.ends_at,
        force: spec.force,
        allow_downgrade: spec.allow_downgrade,
    }
}

fn attestation(edit: &Edit, spec: &AttestationSpec) -> Attestation {
    let by = spec.by.as_ref().unwrap_or(&edit.principal).clone();
    let current = edit.attestation(&spec.bundle, &spec.kind, &by);
    Attestation {
        bundle: spec.bundle.clone(),
        kind: spec.kind.clone(),
        at: current.map_or(edit.now, |current| current.body.at),
        by,
        evidence: spec.evidence.clone(),
    }
}
