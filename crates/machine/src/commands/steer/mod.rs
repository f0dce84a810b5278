//! Steps that the controller found due. Each is judged again on the state of the log: the controller may have looked at an
//! older one, and evidence that is not replicated never goes past a rule that can be judged here.

mod fire;
mod follow;
mod freeze;
mod gate;
mod roster;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_model::{
    CellState, Invalid, ObjectRef, Policy, Release, Rollout, RolloutState, StageState, Steer, SteerStep, Stored,
};

use crate::commands::{delete, passage, transition};
use crate::edit::{Counts, Edit};
use crate::exclusions;
use crate::rejection::Cause;
use crate::stages;

/// Carries out one step.
pub(super) fn carry_out(edit: &mut Edit, steer: &Steer) -> Result<(), Cause> {
    let name = ObjectRef::Release(steer.release.clone());
    edit.name(name.clone());
    let release = edit.release(&steer.release).ok_or_else(|| Cause::NotFound { object: name.clone() })?;
    delete::check_version(&name, Some(steer.expected_version), Some(release.version))?;
    let policy = stages::policy_of(edit, &release.body);
    let due = Due { release, policy, step: steer.step.as_str() };
    match &steer.step {
        SteerStep::Fire => fire::fire(edit, &due),
        SteerStep::Freeze { since } => freeze::freeze(edit, &due, *since),
        SteerStep::Thaw { until } => freeze::thaw(edit, &due, *until),
        SteerStep::Follow { cohort } => follow::follow(edit, &due, cohort),
        SteerStep::OpenCells(domains) => open_cells(edit, &due, domains),
        SteerStep::Settle { domain } => gate::settle(edit, &due, domain.as_deref()),
        SteerStep::Doubt { domain, lack } => gate::doubt(edit, &due, domain.as_deref(), *lack),
        SteerStep::Pass { domain } => gate::pass(edit, &due, domain.as_deref()),
        SteerStep::Fail { domain, reason } => gate::fail(edit, &due, domain.as_deref(), reason),
        SteerStep::Admit { devices, size } => roster::admit(edit, &due, devices, *size),
        SteerStep::Complete => complete(edit, &due),
    }
}

/// A step at work: the release as it stands, its policy, and what the step is called.
struct Due {
    release: Arc<Stored<Release>>,
    policy: Arc<Stored<Policy>>,
    step: &'static str,
}

impl Due {
    fn body(&self) -> &Release {
        &self.release.body
    }

    fn rollout(&self) -> &Rollout {
        &self.body().rollout
    }

    fn policy(&self) -> &Policy {
        &self.policy.body
    }

    fn not_now(&self, why: impl Into<Cow<'static, str>>) -> Cause {
        Cause::IllegalStep { release: self.body().id.clone(), step: self.step, why: why.into() }
    }

    fn invalid(&self, field: &str, value: &str, rule: impl Into<String>) -> Cause {
        Cause::field(Some(ObjectRef::Release(self.body().id.clone())), Invalid::new(field, value, rule))
    }

    /// Refuses unless the rollout is ACTIVE, its trigger has fired, and its current stage has not passed.
    fn ask_for_an_open_stage(&self, edit: &Edit) -> Result<(), Cause> {
        if self.rollout().state != RolloutState::Active {
            return Err(self.not_now("it is not ACTIVE"));
        }
        if self.rollout().waits_for_trigger(edit.now) {
            return Err(self.not_now("its trigger has not fired"));
        }
        match self.rollout().stage_state {
            StageState::Passed => Err(self.not_now("its last stage has passed")),
            StageState::Pending
            | StageState::Open
            | StageState::Baking
            | StageState::Inconclusive
            | StageState::AwaitingApproval
            | StageState::Failed => Ok(()),
        }
    }

    /// Nothing advances by itself while a freeze lasts.
    fn ask_for_no_freeze(&self) -> Result<(), Cause> {
        if self.rollout().frozen_since.is_some() { Err(self.not_now("a freeze holds it")) } else { Ok(()) }
    }
}

/// Opens cells whose turn has come; one after the other, so that each sees the tokens of those before it.
fn open_cells(edit: &mut Edit, due: &Due, wanted: &BTreeSet<String>) -> Result<(), Cause> {
    let domains = stages::current_stage(due.body(), due.policy()).and_then(|stage| stage.domains.as_ref());
    let Some(domains) = domains else { return Err(due.not_now("its current stage has no domains")) };
    if let Some(unlisted) = wanted.iter().find(|value| !domains.values.contains(value)) {
        return Err(due.invalid("domains", unlisted, "must be listed domains of the current stage"));
    }
    due.ask_for_an_open_stage(edit)?;
    due.ask_for_no_freeze()?;
    let parallel = usize::try_from(domains.parallel).unwrap_or(usize::MAX);
    let mut release = due.body().clone();
    for value in wanted {
        let is_closed = release.rollout.cells.get(value).is_some_and(|cell| cell.state == CellState::Closed);
        if !is_closed {
            return Err(due.not_now(format!("domain {value} is not closed")));
        }
        let open = release.rollout.cells.values().filter(|cell| cell.holds_token()).count();
        if open >= parallel {
            return Err(due.not_now(format!("open domains: {open}, and at most {parallel} may be")));
        }
        if let Some(holder) = exclusions::blocker(edit, &release, value) {
            return Err(due.not_now(exclusions::closed_by(value, &holder)));
        }
        passage::open_cell(edit, &mut release.rollout, value);
        edit.put(release.clone(), Counts::Yes);
    }
    Ok(())
}

/// What `complete` does without a reason, for a policy that asks for it.
fn complete(edit: &mut Edit, due: &Due) -> Result<(), Cause> {
    if !due.policy().auto_complete {
        return Err(due.not_now("its policy does not complete by itself"));
    }
    transition::complete_by_itself(edit, &due.body().id)
}
