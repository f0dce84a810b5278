//! Editing the policy of a release that is on its way: what has been reached stays as it was.

use tidegate_model::{ObjectRef, Policy, Release, Rollout, RolloutState, Stage, StageState, Trigger};

use super::Item;
use crate::commands::passage;
use crate::edit::{Counts, Edit};
use crate::lifecycle::{Action, Step, step};
use crate::rejection::Cause;
use crate::{roster, stages};

/// Judges the edit, and moves the opening of a stage whose trigger has not fired. Salt, stage and ramp origin stay.
pub(super) fn take_effect(edit: &mut Edit, wanted: &Policy, item: &Item<'_>) -> Result<(), Cause> {
    let Some(release) = edit.release(&wanted.release) else { return Ok(()) };
    let release = &release.body;
    if item.is_unchanged(edit) {
        return Ok(());
    }
    if release.rollout.state == RolloutState::Draft {
        // Whatever kept it from being published is to be tried anew.
        if release.rollout.flag.is_some() {
            let rollout = Rollout { flag: None, ..release.rollout.clone() };
            edit.put(Release { rollout, ..release.clone() }, Counts::No);
        }
        return Ok(());
    }
    let before = match &item.before {
        Some(tidegate_model::Object::Policy(policy)) => policy.body.clone(),
        // A policy's name names nothing else; without one the implicit one applied.
        _ => Policy::implicit(release.id.clone()),
    };
    let state = release.rollout.state;
    let is_legal = step(state, Action::EditPolicy) != Step::No;
    let has_fired = trigger_has_fired(edit, release);
    // Before the trigger fires no stage has been reached.
    if is_legal && has_fired {
        check_reached(release, &before, wanted)?;
    }
    if is_legal && has_fired && before.trigger != wanted.trigger {
        return Err(immutable(wanted, "trigger".to_owned(), "has fired and may not change"));
    }
    if !is_legal {
        return Err(Cause::IllegalTransition { release: release.id.clone(), action: Action::EditPolicy, state });
    }
    if before.trigger != wanted.trigger && matches!(wanted.trigger, Trigger::After(_)) {
        return Err(immutable(wanted, "trigger".to_owned(), "of a published release may not wait for another one"));
    }
    if has_fired {
        carry_over(edit, release, &before, wanted)
    } else {
        begin_anew(edit, release, &before, wanted)
    }
    Ok(())
}

/// A rollout that still waits for its trigger waits for the new one, in front of the new first stage.
fn begin_anew(edit: &mut Edit, release: &Release, before: &Policy, wanted: &Policy) {
    let mut moved = release.clone();
    let opens_at = match wanted.trigger {
        _ if before.trigger == wanted.trigger => release.rollout.stage_opened_at.unwrap_or(edit.now),
        Trigger::At(at) => edit.now.max(at),
        Trigger::Now | Trigger::After(_) => edit.now,
    };
    passage::open_stage(&mut moved, wanted, 0, opens_at);
    if moved != *release {
        edit.put(moved, Counts::No);
    }
}

/// Brings the rollout in line with its new policy. What settled under another exposure or for fewer devices settles anew, so
/// that no device is let past a bake by widening the stage during it. Under another gate that asks for no more devices it has
/// settled when it did: a bake that is made shorter ends earlier, and may be over.
fn carry_over(edit: &mut Edit, release: &Release, before: &Policy, wanted: &Policy) {
    let mut moved = release.clone();
    let mut counts = Counts::No;
    let index = stages::current_index(release);
    if let (Some(old), Some(new)) = (before.stages.get(index), wanted.stages.get(index)) {
        let sample = |stage: &Stage| stage.gate.as_ref().map(|gate| gate.min_sample);
        let stays_settled = old.exposure == new.exposure && sample(new).zip(sample(old)).is_some_and(|(new, old)| new <= old);
        if !stays_settled && (old.exposure != new.exposure || old.gate != new.gate) {
            passage::settle_anew(&mut moved.rollout);
        } else if old.gate != new.gate {
            passage::judge_anew(&mut moved.rollout);
        }
    }
    let has_more = index.saturating_add(1) < wanted.stages.len();
    if release.rollout.stage_state == StageState::Passed && has_more {
        passage::open_stage(&mut moved, wanted, index.saturating_add(1), edit.now);
        counts = Counts::Yes;
    }
    roster::fit(&mut moved, wanted);
    if moved != *release {
        edit.put(moved, counts);
    }
}

/// Reached stages may not be dropped, reordered or changed, other than the current one's exposure and gate.
fn check_reached(release: &Release, before: &Policy, wanted: &Policy) -> Result<(), Cause> {
    let current = stages::current_index(release);
    for (i, old) in before.stages.iter().enumerate().take(current.saturating_add(1)) {
        let field = format!("stages[{i}]");
        let new = match wanted.stages.get(i) {
            Some(new) if new.name == old.name => new,
            Some(_) | None => return Err(immutable(wanted, field, "has been reached and may not be dropped or moved")),
        };
        let is_current = i == current && release.rollout.stage_state != StageState::Passed;
        let is_same = new.selector == old.selector
            && new.domains == old.domains
            && (is_current || (new.exposure == old.exposure && new.gate == old.gate));
        if !is_same {
            return Err(immutable(wanted, field, "has been reached and may not change"));
        }
    }
    Ok(())
}

/// A trigger whose time falls into a pause fires at resume.
fn trigger_has_fired(edit: &Edit, release: &Release) -> bool {
    let until = release.rollout.paused_at.unwrap_or(edit.now);
    release.rollout.stage_index > 0 || release.rollout.stage_opened_at.is_some_and(|at| at <= until)
}

fn immutable(policy: &Policy, field: String, rule: &'static str) -> Cause {
    Cause::Immutable { object: ObjectRef::Policy(policy.release.clone()), field, rule }
}
