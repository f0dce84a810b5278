//! Pause, resume, complete, and the way from stage to stage.

use tidegate_model::{PassedStage, Release, Span, StageState};

use super::Asked;
use crate::edit::{Counts, Edit};
use crate::lifecycle::Action;
use crate::rejection::{Cause, Code};
use crate::stages;

/// ACTIVE -> PAUSED. Nothing is offered until it resumes.
pub(super) fn pause(edit: &mut Edit, asked: &Asked) -> Result<(), Cause> {
    let mut release = asked.moved(asked.allow(Action::Pause)?);
    release.rollout.paused_at = Some(edit.now);
    edit.put(release, Counts::Yes);
    Ok(())
}

/// PAUSED -> ACTIVE with the same salt, stage and exposure. Ramps and bakes go on where they stopped.
pub(super) fn resume(edit: &mut Edit, asked: &Asked, acknowledge: bool) -> Result<(), Cause> {
    let mut release = asked.moved(asked.allow(Action::Resume)?);
    if release.rollout.gate_failed && !acknowledge {
        let rule = "its gate failed: resume with acknowledge and a reason";
        return Err(Cause::guard(Code::GateNotAcknowledged, asked.name(), rule));
    }
    end_pause(edit, &mut release);
    if release.rollout.gate_failed {
        release.rollout.gate_failed = false;
        release.rollout.stage_state = StageState::Open;
        release.rollout.stage_settled_at = None;
    }
    edit.put(release, Counts::Yes);
    Ok(())
}

/// Accounts for the time paused. What came after the stage opened shifts its ramp; a trigger that fell into the pause
/// opens now.
pub(super) fn end_pause(edit: &Edit, release: &mut Release) {
    let now = edit.now;
    let rollout = &mut release.rollout;
    let Some(paused_at) = rollout.paused_at.take() else { return };
    rollout.paused_total = rollout.paused_total.plus(now.since(paused_at));
    match rollout.stage_opened_at {
        Some(opened_at) if opened_at <= paused_at => {
            rollout.stage_paused = rollout.stage_paused.plus(now.since(paused_at));
        }
        Some(opened_at) => rollout.stage_opened_at = Some(opened_at.max(now)),
        None => {}
    }
}

/// ACTIVE -> COMPLETED: everybody gets it, for good.
pub(super) fn complete(edit: &mut Edit, asked: &Asked) -> Result<(), Cause> {
    let step = asked.allow(Action::Complete)?;
    if asked.is_waiting_for_trigger(edit) {
        return Err(asked.not_now(Action::Complete, "its trigger has not fired"));
    }
    let policy = stages::policy_of(edit, asked.body());
    let (release, policy, now) = (asked.body(), &policy.body, edit.now);
    if !asked.has_reason() {
        let rule = "complete it with a reason to go past that";
        if !stages::last_stage_has_passed(release, policy, now) {
            return Err(Cause::guard(Code::NotEverybody, asked.name(), format!("its last stage has not passed; {rule}")));
        }
        if !stages::last_stage_is_for_everybody(release, policy, now) {
            return Err(Cause::guard(Code::NotEverybody, asked.name(), format!("its last stage is not for everybody; {rule}")));
        }
    }
    let mut release = asked.moved(step);
    release.rollout.was_completed = true;
    edit.put(release, Counts::Yes);
    Ok(())
}

/// Passes the current stage by hand and opens the next one, if there is one.
pub(super) fn advance(edit: &mut Edit, asked: &Asked, domain: Option<&str>) -> Result<(), Cause> {
    let policy = stages::policy_of(edit, asked.body());
    let index = stages::current_index(asked.body());
    if let Some(domain) = domain {
        // No policy with domains is accepted yet, so no cell exists.
        return Err(asked.invalid("domain", domain, "must be a listed domain of the current stage, which has none"));
    }
    let step = asked.allow(Action::Advance)?;
    if asked.is_waiting_for_trigger(edit) {
        return Err(asked.not_now(Action::Advance, "its trigger has not fired"));
    }
    let is_last = index + 1 >= policy.body.stages.len();
    if is_last && stages::last_stage_has_passed(asked.body(), &policy.body, edit.now) {
        return Err(asked.not_now(Action::Advance, "its last stage has passed"));
    }
    if asked.body().rollout.stage_state == StageState::Baking && !asked.has_reason() {
        return Err(asked.not_now(Action::Advance, "its stage bakes: give a reason to skip that"));
    }
    let mut release = asked.moved(step);
    if let Some(stage) = policy.body.stages.get(index).filter(|_| release.rollout.stage_state != StageState::Passed) {
        let origin = release.rollout.ramp_origin(release.published_at);
        let exposure = stages::ended_with(&stage.exposure, origin, edit.now);
        release.rollout.passed.push(PassedStage { name: stage.name.clone(), exposure });
    }
    if is_last {
        release.rollout.stage_state = StageState::Passed;
    } else {
        open_next_stage(edit, &mut release);
    }
    edit.put(release, Counts::Yes);
    Ok(())
}

fn open_next_stage(edit: &Edit, release: &mut Release) {
    let rollout = &mut release.rollout;
    rollout.stage_index = rollout.stage_index.saturating_add(1);
    rollout.stage_state = StageState::Open;
    rollout.stage_opened_at = Some(edit.now);
    rollout.stage_settled_at = None;
    rollout.stage_paused = Span::ZERO;
    rollout.cells.clear();
    rollout.approvals.clear();
}
