//! What a gate brings about: settling, doubt, passing, failing. Evidence is the controller's; bakes and approvals stand in
//! the replicated state and are judged here too.

use tidegate_model::{CellState, Gate, Lack, OnGateFail, Release, Rollout, RolloutState, Span, StageState};

use super::Due;
use crate::commands::passage::{self, By};
use crate::commands::transition;
use crate::edit::{Counts, Edit};
use crate::rejection::Cause;
use crate::stages::{self, EMPTY_STAGE};

/// The bake begins. It does not count for the compare-and-set number.
pub(super) fn settle(edit: &mut Edit, due: &Due, domain: Option<&str>) -> Result<(), Cause> {
    due.ask_for_an_open_stage(edit)?;
    due.ask_for_no_freeze()?;
    judged(due, domain)?;
    let mut release = due.body().clone();
    let rollout = &mut release.rollout;
    match domain {
        None => {
            if rollout.stage_settled_at.is_some() {
                return Err(due.not_now("its stage has settled"));
            }
            if !rollout.all_cells_passed() {
                return Err(due.not_now("a listed domain has not passed"));
            }
            rollout.stage_state = StageState::Baking;
            rollout.stage_settled_at = Some(edit.now);
        }
        Some(domain) => {
            let Some(cell) = rollout.cells.get_mut(domain).filter(|cell| cell.state == CellState::Open) else {
                return Err(due.not_now(format!("domain {domain} is not open")));
            };
            (cell.state, cell.settled_at, cell.lack) = (CellState::Settled, Some(edit.now), None);
        }
    }
    passage::clear_empty_stage(rollout);
    edit.put(release, Counts::No);
    Ok(())
}

/// The bake is over and something lacks. It does not count for the compare-and-set number.
pub(super) fn doubt(edit: &mut Edit, due: &Due, domain: Option<&str>, lack: Lack) -> Result<(), Cause> {
    due.ask_for_an_open_stage(edit)?;
    judged(due, domain)?;
    let mut release = due.body().clone();
    let rollout = &mut release.rollout;
    match domain {
        None => rollout.stage_state = state_of_doubt(lack),
        Some(domain) => {
            let cell = rollout.cells.get_mut(domain).filter(|cell| cell.holds_token() && cell.state != CellState::Failed);
            let Some(cell) = cell else { return Err(due.not_now(format!("domain {domain} is not open"))) };
            cell.lack = Some(lack);
        }
    }
    if lack == Lack::Devices {
        EMPTY_STAGE.clone_into(&mut rollout.reason);
    } else {
        passage::clear_empty_stage(rollout);
    }
    edit.put(release, Counts::No);
    Ok(())
}

fn state_of_doubt(lack: Lack) -> StageState {
    match lack {
        Lack::Approvals => StageState::AwaitingApproval,
        Lack::Sample | Lack::Success | Lack::Devices => StageState::Inconclusive,
    }
}

/// The stage or cell has passed by its gate.
pub(super) fn pass(edit: &mut Edit, due: &Due, domain: Option<&str>) -> Result<(), Cause> {
    due.ask_for_an_open_stage(edit)?;
    due.ask_for_no_freeze()?;
    let gate = judged(due, domain)?;
    let rollout = due.rollout();
    // Without a bake nothing is lost if the settling was not written first.
    let bake_ends_at = rollout.bake_ends_at(domain, gate.bake);
    let is_baked = bake_ends_at.map_or(gate.bake == Span::ZERO, |at| at <= edit.now);
    if !is_baked {
        return Err(due.not_now("its bake is not over"));
    }
    if rollout.approvals.len() < usize::try_from(gate.approvals).unwrap_or(usize::MAX) {
        return Err(due.not_now("approvals lack"));
    }
    let mut release = due.body().clone();
    release.rollout.reason.clear();
    match domain {
        None => {
            if !release.rollout.all_cells_passed() {
                return Err(due.not_now("a listed domain has not passed"));
            }
            passage::pass_stage(edit, &mut release, due.policy());
        }
        Some(domain) => {
            let cell = release.rollout.cells.get(domain);
            if !cell.is_some_and(|cell| matches!(cell.state, CellState::Open | CellState::Settled)) {
                return Err(due.not_now(format!("domain {domain} is not open")));
            }
            passage::pass_cell(edit, &mut release, due.policy(), domain, By::Gate);
        }
    }
    edit.put(release, Counts::Yes);
    Ok(())
}

/// The gate failed: PAUSED or ROLLED_BACK, and a resume must acknowledge it. A freeze does not keep a gate from failing.
pub(super) fn fail(edit: &mut Edit, due: &Due, domain: Option<&str>, reason: &str) -> Result<(), Cause> {
    due.ask_for_an_open_stage(edit)?;
    if due.policy().stages.get(stages::current_index(due.body())).is_none_or(|stage| stage.gate.is_none()) {
        return Err(due.not_now("its current stage has no gate"));
    }
    let mut release: Release = due.body().clone();
    mark_failed(&mut release.rollout, due, domain)?;
    release.rollout.gate_failed = true;
    match due.policy().on_gate_fail {
        OnGateFail::Pause => {
            release.rollout.state = RolloutState::Paused;
            release.rollout.paused_at = Some(edit.now);
            reason.clone_into(&mut release.rollout.reason);
        }
        OnGateFail::Withdraw => transition::roll_back(edit, &mut release, reason.to_owned()),
    }
    edit.put(release, Counts::Yes);
    Ok(())
}

fn mark_failed(rollout: &mut Rollout, due: &Due, domain: Option<&str>) -> Result<(), Cause> {
    match domain {
        None => rollout.stage_state = StageState::Failed,
        Some(domain) => {
            let cell = rollout.cells.get_mut(domain).filter(|cell| cell.holds_token());
            let Some(cell) = cell else { return Err(due.not_now(format!("domain {domain} is not open"))) };
            cell.state = CellState::Failed;
        }
    }
    Ok(())
}

/// The gate that judges the stage or the cell; an error if there is none. If the stage is judged as a whole its cells are
/// only waited for, by a gate that asks for nothing.
fn judged(due: &Due, domain: Option<&str>) -> Result<Gate, Cause> {
    let stage = stages::current_stage(due.body(), due.policy());
    let Some(gate) = stage.and_then(|stage| stage.gate.clone()) else {
        return Err(due.not_now("its current stage has no gate: it is left by hand"));
    };
    let domains = stage.and_then(|stage| stage.domains.as_ref());
    match (domain, domains) {
        (None, None) => Ok(gate),
        (None, Some(domains)) if domains.gate_each => Err(due.not_now("its gate judges each domain")),
        (None, Some(_)) => Ok(gate),
        (Some(_), Some(domains)) if domains.gate_each => Ok(gate),
        (Some(_), Some(_)) => Ok(Gate::default()),
        (Some(_), None) => Err(due.not_now("its current stage has no domains")),
    }
}
