//! Passing the current stage by hand, or one cell of it. It skips the gate; nothing else does.

use tidegate_model::{CellState, Policy};

use super::Asked;
use crate::commands::passage::{self, By};
use crate::edit::{Counts, Edit};
use crate::exclusions;
use crate::lifecycle::Action;
use crate::rejection::Cause;
use crate::stages::{self, SubStatus};

/// Passes the stage or one listed cell.
pub(super) fn advance(edit: &mut Edit, asked: &Asked, domain: Option<&str>) -> Result<(), Cause> {
    let policy = stages::policy_of(edit, asked.body());
    if let Some(domain) = domain {
        check_listed(asked, &policy.body, domain)?;
    }
    asked.allow(Action::Advance)?;
    if asked.is_waiting_for_trigger(edit) {
        return Err(asked.not_now(Action::Advance, "its trigger has not fired"));
    }
    match domain {
        None => advance_stage(edit, asked, &policy.body),
        Some(domain) => advance_cell(edit, asked, &policy.body, domain),
    }
}

fn check_listed(asked: &Asked, policy: &Policy, domain: &str) -> Result<(), Cause> {
    let domains = stages::current_stage(asked.body(), policy).and_then(|stage| stage.domains.as_ref());
    match domains {
        None => Err(asked.invalid("domain", domain, "must be a listed domain of the current stage, which has none")),
        Some(domains) if domains.values.iter().any(|value| value == domain) => Ok(()),
        Some(_) => Err(asked.invalid("domain", domain, "must be a listed domain of the current stage")),
    }
}

fn advance_stage(edit: &mut Edit, asked: &Asked, policy: &Policy) -> Result<(), Cause> {
    let release = asked.body();
    let is_last = stages::current_index(release).saturating_add(1) >= policy.stages.len();
    if is_last && stages::last_stage_has_passed(release, policy, edit.now) {
        return Err(asked.not_now(Action::Advance, "its last stage has passed"));
    }
    if let Some((value, _)) = release.rollout.cells.iter().find(|(_, cell)| cell.state != CellState::Passed) {
        return Err(asked.not_now(Action::Advance, format!("domain {value} has not passed: advance the domains")));
    }
    ask_for_a_reason(asked, stages::sub_status(release, edit.now))?;
    let mut release = asked.moved_on();
    passage::pass_stage(edit, &mut release, policy);
    edit.put(release, Counts::Yes);
    Ok(())
}

fn advance_cell(edit: &mut Edit, asked: &Asked, policy: &Policy, domain: &str) -> Result<(), Cause> {
    let release = asked.body();
    let cell = release.rollout.cells.get(domain).copied().unwrap_or(tidegate_model::Cell::CLOSED);
    match cell.state {
        CellState::Passed => return Err(asked.not_now(Action::Advance, format!("domain {domain} has passed"))),
        CellState::Settled => ask_for_a_reason(asked, Some(stages::status_of_cell(&cell)))?,
        CellState::Closed | CellState::Open | CellState::Failed => {
            ask_for_a_reason(asked, stages::sub_status(release, edit.now))?;
        }
    }
    if cell.state == CellState::Closed
        && let Some(holder) = exclusions::blocker(edit, release, domain)
    {
        return Err(asked.not_now(Action::Advance, exclusions::closed_by(domain, &holder)));
    }
    let mut release = asked.moved_on();
    if cell.state == CellState::Closed {
        passage::open_cell(edit, &mut release.rollout, domain);
    }
    passage::pass_cell(edit, &mut release, policy, domain, By::Hand);
    edit.put(release, Counts::Yes);
    Ok(())
}

fn ask_for_a_reason(asked: &Asked, status: Option<SubStatus>) -> Result<(), Cause> {
    let why = match status {
        Some(SubStatus::Baking) => "it bakes: give a reason to skip that",
        Some(SubStatus::AwaitingApproval) => "it awaits approval: give a reason to go without",
        Some(SubStatus::WaitingDomain) => "its domains wait for their turn: give a reason to go past that",
        Some(SubStatus::WaitingTrigger | SubStatus::Running | SubStatus::Inconclusive) | None => return Ok(()),
    };
    if asked.has_reason() { Ok(()) } else { Err(asked.not_now(Action::Advance, why)) }
}
