//! DRAFT -> ACTIVE: the release becomes a node of its cohort's graph and its first stage opens.

use std::collections::BTreeSet;

use tidegate_model::{Invalid, ObjectRef, Policy, Release, RolloutState, SaltOrigin, Trigger};

use super::Asked;
use crate::commands::passage;
use crate::edit::{Counts, Edit};
use crate::graph::{self, Spot};
use crate::index::cohort_of;
use crate::lifecycle::Action;
use crate::outcome::WarningCode;
use crate::readiness;
use crate::rejection::{Cause, Code};
use crate::stages;

/// Publishes a draft.
pub(super) fn publish(edit: &mut Edit, asked: &Asked, supersede: bool, insert_unphased: bool) -> Result<(), Cause> {
    let draft = asked.body();
    let policy = stages::policy_of(edit, draft);
    let spot = graph::resolve(edit, draft);
    if draft.rollout.state == RolloutState::Draft && spot.as_ref().is_ok_and(|spot| spot.next.is_some()) {
        refuse_trigger_on_insertion(&policy.body)?;
    }
    let step = asked.allow(Action::Publish)?;
    readiness::check(edit, &asked.name(), &draft.bundle)?;
    let spot = spot?;
    let salt = match &spot.next {
        Some(next) if !insert_unphased => {
            let rule = format!("would be available at once to everybody before {next}: confirm with insert_unphased");
            return Err(Cause::guard(Code::InsertNotConfirmed, asked.name(), rule));
        }
        Some(_) => {
            if !is_for_everybody_at_once(&policy.body) {
                let text = "the release is not the latest: everybody before it gets it at once, whatever its policy says";
                edit.warn(WarningCode::PolicyIgnored, ObjectRef::Policy(draft.id.clone()), text);
            }
            None
        }
        None => take_over(edit, asked, &spot, supersede)?,
    };

    warn_of_exclusions(edit, draft, &policy.body);
    let mut release = asked.moved(step);
    release.rollout.flag = None;
    match salt {
        Some(inherited) => {
            release.rollout.salt = inherited.rollout.salt;
            release.rollout.salt_origin = SaltOrigin::Inherited(inherited.id.clone());
            release.rollout.admitted = inherited.rollout.admitted.clone();
            release.rollout.admitted_max = inherited.rollout.admitted_max;
            release.rollout.dismissed = inherited.rollout.dismissed.clone();
        }
        None => draw_salt(edit, &mut release),
    }
    open_first_stage(edit, &mut release, &policy.body);
    graph::link(edit, release, &spot);
    Ok(())
}

/// The salt of a rollout that takes over from nobody: the cohort's fixed one, or one of the proposer's randomness.
pub(crate) fn draw_salt(edit: &Edit, release: &mut Release) {
    let fixed = edit.cohort(&release.product, &release.cohort).and_then(|cohort| cohort.body.fixed_salt);
    (release.rollout.salt, release.rollout.salt_origin) = match fixed {
        Some(salt) => (Some(salt), SaltOrigin::CohortFixed),
        None => (Some(edit.seed.salt(&release.id)), SaltOrigin::Fresh),
    };
}

/// Makes way for a new latest: the former one must be unconstrained, or is withdrawn if that was asked for. Returns the
/// release whose salt and roster are inherited.
fn take_over(edit: &mut Edit, asked: &Asked, spot: &Spot, supersede: bool) -> Result<Option<Release>, Cause> {
    let Some(latest) = edit.index().latest(&cohort_of(asked.body())).cloned() else { return Ok(None) };
    let Some(former) = edit.release(&latest).filter(|_| spot.next.is_none()) else { return Ok(None) };
    let policy = stages::policy_of(edit, &former.body);
    if stages::is_unconstrained(&former.body, &policy.body, edit.now) {
        if supersede {
            let text = format!("{latest} limits nobody any more: nothing was withdrawn, and no salt inherited");
            edit.warn(WarningCode::NothingSuperseded, asked.name(), text);
        }
        return Ok(None);
    }
    if !supersede {
        return Err(graph::latest_is_constrained(asked.name(), &latest));
    }
    if former.body.required && !asked.body().required {
        let text =
            format!("{latest} is required and {} is not: devices may skip what {latest} was to stop them for", asked.body().id);
        edit.warn(WarningCode::BarrierSuperseded, asked.name(), text);
    }
    let mut withdrawn = former.body.clone();
    super::withdraw::roll_back(edit, &mut withdrawn, "SUPERSEDED".to_owned());
    edit.put(withdrawn, Counts::Yes);
    Ok(Some(former.body.clone()))
}

fn open_first_stage(edit: &Edit, release: &mut Release, policy: &Policy) {
    let now = edit.now;
    let opens_at = match policy.trigger {
        Trigger::At(at) => now.max(at),
        // One that is published by hand before its After trigger counts as fired.
        Trigger::Now | Trigger::After(_) => now,
    };
    release.rollout.activated_at = Some(now);
    passage::open_stage(release, policy, 0, opens_at);
}

/// An exclusion binds only stages with domains on its key: a policy without one goes past it.
fn warn_of_exclusions(edit: &mut Edit, draft: &Release, policy: &Policy) {
    let keys: BTreeSet<&str> =
        policy.stages.iter().filter_map(|stage| stage.domains.as_ref()).map(|domains| domains.key.as_str()).collect();
    for (id, exclusion) in edit.exclusions() {
        let key = &exclusion.body.key;
        if !keys.contains(key.as_str()) {
            let text = format!("exclusion {id} does not bind this rollout: no stage of its policy has domains on {key}");
            edit.warn(WarningCode::ExclusionNotBinding, ObjectRef::Policy(draft.id.clone()), text);
        }
    }
}

fn is_for_everybody_at_once(policy: &Policy) -> bool {
    policy.stages.first().is_some_and(|stage| stage.selector.is_everybody() && stages::admits_everybody_at_once(&stage.exposure))
}

/// An insertion is available at once: a trigger on it could not be kept.
fn refuse_trigger_on_insertion(policy: &Policy) -> Result<(), Cause> {
    let (field, value) = match &policy.trigger {
        Trigger::Now => return Ok(()),
        Trigger::At(at) => ("trigger.at", at.to_string()),
        Trigger::After(release) => ("trigger.after", release.to_string()),
    };
    let rule = "must be now: the release stands before another one and is available at once";
    Err(Cause::field(Some(ObjectRef::Policy(policy.release.clone())), Invalid::new(field, value, rule)))
}
