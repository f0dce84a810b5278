//! Pause, resume and complete.

use tidegate_model::{Cell, CellState, Release, Rollout, StageState};

use super::Asked;
use crate::commands::passage;
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
        acknowledge_failure(edit, &mut release.rollout);
    }
    edit.put(release, Counts::Yes);
    Ok(())
}

/// What failed is open again: its settling and bake start again, and failures so far are the baseline.
fn acknowledge_failure(edit: &Edit, rollout: &mut Rollout) {
    rollout.gate_failed = false;
    rollout.acknowledged_at = Some(edit.now);
    if rollout.stage_state == StageState::Failed {
        rollout.stage_state = StageState::Open;
        rollout.stage_settled_at = None;
    }
    for cell in rollout.cells.values_mut().filter(|cell| cell.state == CellState::Failed) {
        *cell = Cell { state: CellState::Open, settled_at: None, lack: None, ..*cell };
    }
}

/// Accounts for the time paused. What came after the stage opened is taken out of its ramp and bake; a trigger that fell
/// into the pause opens now. A freeze that overlaps is counted up to now as well, so that no time counts twice.
pub(super) fn end_pause(edit: &Edit, release: &mut Release) {
    let now = edit.now;
    let rollout = &mut release.rollout;
    let Some(paused_at) = rollout.paused_at.take() else { return };
    rollout.paused_total = rollout.paused_total.plus(now.since(paused_at));
    let stood_since = rollout.frozen_since.map_or(paused_at, |frozen| frozen.min(paused_at));
    rollout.frozen_since = rollout.frozen_since.map(|_| now);
    match rollout.stage_opened_at {
        Some(opened_at) if opened_at > paused_at => rollout.stage_opened_at = Some(opened_at.max(now)),
        Some(_) => passage::stand_still(rollout, stood_since, now),
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
    release.rollout.frozen_since = None;
    edit.put(release, Counts::Yes);
    Ok(())
}
