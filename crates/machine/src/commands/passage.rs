//! The way from stage to stage: opening one, passing one, and what the passing of a cell brings about. By hand and by the
//! gate it is the same; who may, and when, is judged by the callers.

use tidegate_model::{Cell, CellState, Lack, PassedStage, Policy, Release, Rollout, Span, StageState, Timestamp};

use crate::edit::Edit;
use crate::stages::EMPTY_STAGE;
use crate::{roster, stages};

/// Who passes a stage or cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// An operator: the gate is skipped.
    Hand,
    /// The controller, on evidence.
    Gate,
}

/// Opens the stage of this index at `opens_at`, with all its cells closed.
pub(crate) fn open_stage(release: &mut Release, policy: &Policy, index: usize, opens_at: Timestamp) {
    let rollout = &mut release.rollout;
    rollout.stage_index = u32::try_from(index).unwrap_or(u32::MAX);
    rollout.stage_state = StageState::Open;
    rollout.stage_opened_at = Some(opens_at);
    rollout.stage_settled_at = None;
    rollout.stage_paused = Span::ZERO;
    rollout.approvals.clear();
    let domains = policy.stages.get(index).and_then(|stage| stage.domains.as_ref());
    rollout.cells =
        domains.map(|domains| domains.values.iter().map(|value| (value.clone(), Cell::CLOSED)).collect()).unwrap_or_default();
    roster::fit(release, policy);
}

/// Passes the current stage with all its cells, and opens the next one, if there is one.
pub(crate) fn pass_stage(edit: &Edit, release: &mut Release, policy: &Policy) {
    let index = stages::current_index(release);
    let rollout = &mut release.rollout;
    if let Some(stage) = policy.stages.get(index).filter(|_| rollout.stage_state != StageState::Passed) {
        let origin = rollout.ramp_origin(release.published_at);
        let exposure = stages::ended_with(&stage.exposure, origin, rollout.ramp_now(edit.now));
        rollout.passed.push(PassedStage { name: stage.name.clone(), exposure });
    }
    rollout.cells.values_mut().for_each(pass);
    let next = index.saturating_add(1);
    if next < policy.stages.len() {
        open_stage(release, policy, next, edit.now);
    } else {
        rollout.stage_state = StageState::Passed;
    }
}

/// Passes one cell. With the last one the stage passes, unless its gate judges it as a whole and has not been heard, or it
/// is the last stage without a gate, which counts as passed without anything being written.
pub(crate) fn pass_cell(edit: &Edit, release: &mut Release, policy: &Policy, domain: &str, by: By) {
    if let Some(cell) = release.rollout.cells.get_mut(domain) {
        pass(cell);
    }
    let index = stages::current_index(release);
    let Some(stage) = policy.stages.get(index).filter(|_| release.rollout.all_cells_passed()) else { return };
    let is_last = index.saturating_add(1) == policy.stages.len();
    let is_judged_as_a_whole = stage.gate.is_some() && stage.domains.as_ref().is_some_and(|domains| !domains.gate_each);
    let waits_for_its_gate = is_judged_as_a_whole && by == By::Gate;
    let counts_by_itself = is_last && stage.gate.is_none();
    if !(waits_for_its_gate || counts_by_itself) {
        pass_stage(edit, release, policy);
    }
}

fn pass(cell: &mut Cell) {
    cell.state = CellState::Passed;
    cell.lack = None;
}

/// Opens a cell that is closed.
pub(crate) fn open_cell(edit: &Edit, rollout: &mut Rollout, domain: &str) {
    let cell = Cell { state: CellState::Open, opened_at: Some(edit.now), settled_at: None, lack: None };
    rollout.cells.insert(domain.to_owned(), cell);
}

/// What was found wanting is judged anew; what has settled stays so.
pub(crate) fn judge_anew(rollout: &mut Rollout) {
    match rollout.stage_state {
        StageState::Inconclusive | StageState::AwaitingApproval => {
            rollout.stage_state = if rollout.stage_settled_at.is_some() { StageState::Baking } else { StageState::Open };
        }
        StageState::Pending | StageState::Open | StageState::Baking | StageState::Passed | StageState::Failed => {}
    }
    for cell in rollout.cells.values_mut() {
        cell.lack = None;
    }
    clear_empty_stage(rollout);
}

/// What settled settles anew: the bake starts again once it has.
pub(crate) fn settle_anew(rollout: &mut Rollout) {
    match rollout.stage_state {
        StageState::Baking | StageState::Inconclusive | StageState::AwaitingApproval => rollout.stage_state = StageState::Open,
        StageState::Pending | StageState::Open | StageState::Passed | StageState::Failed => {}
    }
    if rollout.stage_state == StageState::Open {
        rollout.stage_settled_at = None;
    }
    for cell in rollout.cells.values_mut() {
        if cell.state == CellState::Settled {
            cell.state = CellState::Open;
        }
        if cell.state == CellState::Open {
            (cell.settled_at, cell.lack) = (None, None);
        }
    }
    clear_empty_stage(rollout);
}

/// Whatever was empty is so no more, or has been gone past.
pub(crate) fn clear_empty_stage(rollout: &mut Rollout) {
    let is_empty = |cell: &Cell| cell.lack == Some(Lack::Devices);
    if rollout.reason == EMPTY_STAGE && !rollout.cells.values().any(is_empty) {
        rollout.reason.clear();
    }
}

/// Takes the time between two instants out of ramps and bakes, as far as it came after their beginning.
pub(crate) fn stand_still(rollout: &mut Rollout, from: Timestamp, until: Timestamp) {
    let lost_since = |begin: Timestamp| until.since(from.max(begin));
    if let Some(opened_at) = rollout.stage_opened_at {
        rollout.stage_paused = rollout.stage_paused.plus(lost_since(opened_at));
    }
    let settled = rollout.cells.values_mut().map(|cell| &mut cell.settled_at).chain([&mut rollout.stage_settled_at]);
    for settled_at in settled.flatten() {
        *settled_at = settled_at.plus(lost_since(*settled_at));
    }
}
