//! Manifests that recreate objects in an empty cluster.
//!
//! What a manifest cannot say is lost: salts (unless the cohort fixes them), rosters, approvals, history. So that nothing
//! reaches more devices there than here, a release that is paused or withdrawn comes out disabled.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{Created, Object, Release, ReleaseId, ReleaseSpec, RolloutState, Spec};

use super::value::Value;
use super::{spec, wanted};

/// Manifests of all these objects, in an order in which one apply takes them: kind by kind, releases in the order of
/// their creation. Linked releases are adopted with their edges; a latest that is ACTIVE or PAUSED is exported as the draft
/// that `publish` puts in the same place, PAUSED as disabled.
#[must_use]
pub fn export(objects: &[Object]) -> Vec<Value> {
    let previous = previous(objects);
    let mut sorted: Vec<&Object> = objects.iter().collect();
    sorted.sort_by_key(|object| (object.reference().kind(), created(object)));
    let adopted = |object: &Object| match object {
        Object::Release(stored) => {
            let edges = previous.get(&stored.body.id).cloned().unwrap_or_default();
            Spec::Release(Box::new(release(&stored.body, edges)))
        }
        other => wanted::wanted(other),
    };
    sorted.into_iter().map(|object| spec::spec(&adopted(object)).into_value()).collect()
}

fn created(object: &Object) -> Created {
    match object {
        Object::Product(stored) => stored.created,
        Object::Cohort(stored) => stored.created,
        Object::Bundle(stored) => stored.created,
        Object::Release(stored) => stored.created,
        Object::Policy(stored) => stored.created,
        Object::Device(stored) => stored.created,
        Object::Hold(stored) => stored.created,
        Object::Override(stored) => stored.created,
        Object::Exclusion(stored) => stored.created,
        Object::Attestation(stored) => stored.created,
    }
}

/// Edges by their heads.
fn previous(objects: &[Object]) -> BTreeMap<ReleaseId, BTreeSet<ReleaseId>> {
    let mut edges: BTreeMap<ReleaseId, BTreeSet<ReleaseId>> = BTreeMap::new();
    for object in objects {
        if let Object::Release(stored) = object
            && let Some(next) = &stored.body.next
        {
            edges.entry(next.clone()).or_default().insert(stored.body.id.clone());
        }
    }
    edges
}

fn release(body: &Release, edges: BTreeSet<ReleaseId>) -> ReleaseSpec {
    let base = wanted::release(body);
    if !body.linked {
        return base;
    }
    let is_open = body.rollout.state == RolloutState::Completed || body.rollout.state == RolloutState::Active;
    let is_withdrawn = body.rollout.state == RolloutState::RolledBack;
    // A withdrawn release keeps its place, and counts as required only as it does here.
    let counts_as_required = !is_withdrawn || (body.rollout.was_completed && !body.rollout.open_barrier);
    let is_draft_again = body.next.is_none() && matches!(body.rollout.state, RolloutState::Active | RolloutState::Paused);
    ReleaseSpec {
        required: base.required && counts_as_required,
        disabled: (body.disabled || !is_open).then_some(true),
        previous: edges,
        adopt: !is_draft_again,
        ..base
    }
}
