//! Stored objects back to what their authors wanted.

use tidegate_model::{AttestationSpec, HoldSpec, Object, OverrideSpec, Place, Release, ReleaseSpec, RolloutState, Spec};

/// What an author would have to write. `disabled` is told only if it is set: applying it again must not undo a stop that
/// came in between.
pub fn wanted(object: &Object) -> Spec {
    match object {
        Object::Product(stored) => Spec::Product(stored.body.clone()),
        Object::Cohort(stored) => Spec::Cohort(stored.body.clone()),
        Object::Bundle(stored) => Spec::Bundle(stored.body.clone()),
        Object::Release(stored) => Spec::Release(Box::new(release(&stored.body))),
        Object::Policy(stored) => Spec::Policy(stored.body.clone()),
        Object::Device(stored) => Spec::Device(stored.body.clone()),
        Object::Hold(stored) => {
            let body = stored.body.clone();
            Spec::Hold(HoldSpec {
                id: body.id,
                product: body.product,
                scope: body.scope,
                kind: body.kind,
                release: body.release,
                bundle: body.bundle,
                from: Some(body.from),
                until: body.until,
                window: body.window,
                critical_pierces: body.critical_pierces,
                reason: body.reason,
            })
        }
        Object::Override(stored) => {
            let body = stored.body.clone();
            Spec::Override(OverrideSpec {
                id: body.id,
                product: body.product,
                target: body.target,
                bundle: body.bundle,
                starts_at: Some(body.starts_at),
                ends_at: body.ends_at,
                force: body.force,
                allow_downgrade: body.allow_downgrade,
            })
        }
        Object::Exclusion(stored) => Spec::Exclusion(stored.body.clone()),
        Object::Attestation(stored) => {
            let body = stored.body.clone();
            Spec::Attestation(AttestationSpec {
                bundle: body.bundle,
                kind: body.kind,
                by: Some(body.by),
                evidence: body.evidence,
            })
        }
    }
}

/// A draft tells its place; for a published release that was an instruction of the past.
pub fn release(body: &Release) -> ReleaseSpec {
    let (previous, next) = match (&body.place, body.rollout.state) {
        (Place::After(previous), RolloutState::Draft) => (previous.clone(), None),
        (Place::Before(next), RolloutState::Draft) => (Default::default(), Some(next.clone())),
        _ => (Default::default(), None),
    };
    ReleaseSpec {
        id: body.id.clone(),
        product: body.product.clone(),
        cohort: body.cohort.clone(),
        bundle: body.bundle.clone(),
        version: body.version.clone(),
        version_requirement: body.version_requirement.clone(),
        required: body.required,
        disabled: body.disabled.then_some(true),
        dead_end: body.dead_end,
        requirement: body.requirement.clone(),
        urgency: body.urgency.clone(),
        install_mode: body.install_mode.clone(),
        published_at: body.published_at,
        notes: body.notes.clone(),
        previous,
        next,
        adopt: false,
        replace: false,
    }
}
