//! Moving a rollout, and what goes with it.
//!
//! Each verb asks in the order of the codes: does the release exist, is it the expected version, are the options values
//! that can mean something, does the lifecycle allow it, do the guards hold. Only then is anything written.

mod advance;
mod consent;
mod progress;
mod promote;
mod publish;
mod withdraw;

pub(super) use publish::draw_salt;
pub(super) use withdraw::roll_back;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_model::{
    DeviceKey, Invalid, ObjectRef, Release, ReleaseId, RolloutState, Stored, Transition, Verb, limits, memory_id,
};

use crate::commands::delete;
use crate::edit::Edit;
use crate::follows;
use crate::lifecycle::{Action, Step, step};
use crate::outcome::WarningCode;
use crate::rejection::Cause;

/// Carries out one verb.
pub(super) fn carry_out(edit: &mut Edit, transition: &Transition) -> Result<(), Cause> {
    let name = ObjectRef::Release(transition.release.clone());
    edit.name(name.clone());
    let release = edit.release(&transition.release).ok_or_else(|| Cause::NotFound { object: name.clone() })?;
    delete::check_version(&name, transition.expected_version, Some(release.version))?;
    if let Some(reason) = transition.reason.as_ref().filter(|reason| reason.len() > limits::TEXT_BYTES_MAX) {
        let rule = format!("must be at most {} bytes", limits::TEXT_BYTES_MAX);
        return Err(Cause::field(Some(name), Invalid::new("reason", reason, rule)));
    }
    let asked = Asked { release, reason: transition.reason.clone().unwrap_or_default() };
    match &transition.verb {
        Verb::Publish { supersede, insert_unphased } => publish::publish(edit, &asked, *supersede, *insert_unphased),
        Verb::Pause => progress::pause(edit, &asked),
        Verb::Resume { acknowledge } => progress::resume(edit, &asked, *acknowledge),
        Verb::Withdraw { revert_to, revert_share, open_barrier } => {
            withdraw::withdraw(edit, &asked, revert_to.as_ref(), *revert_share, *open_barrier)
        }
        Verb::Complete => progress::complete(edit, &asked),
        Verb::Advance { domain } => advance::advance(edit, &asked, domain.as_deref()),
        Verb::Approve { by, device: None } => consent::approve(edit, &asked, by.as_ref()),
        Verb::Approve { device: Some(device), .. } => consent::consent(edit, &asked, device),
        Verb::Discard => {
            asked.allow(Action::Discard)?;
            delete::remove_draft(edit, &transition.release)
        }
        Verb::Disable => set_disabled(edit, &asked, Action::Disable, true),
        Verb::Enable => set_disabled(edit, &asked, Action::Enable, false),
        Verb::Clear { device } => clear(edit, &asked, device),
        Verb::Promote { to, new_id, keep_version } => promote::promote(edit, &asked, to, new_id.as_ref(), *keep_version),
    }
}

/// Publishes a draft whose trigger has fired. A refusal writes nothing.
pub(super) fn publish_by_itself(edit: &mut Edit, release: &ReleaseId) -> Result<(), Cause> {
    let asked = Asked::by_itself(edit, release)?;
    publish::publish(edit, &asked, false, false)
}

/// Completes a rollout that has reached everybody.
pub(super) fn complete_by_itself(edit: &mut Edit, release: &ReleaseId) -> Result<(), Cause> {
    let asked = Asked::by_itself(edit, release)?;
    progress::complete(edit, &asked)
}

/// What is asked for: the release as it stands, and why.
struct Asked {
    release: Arc<Stored<Release>>,
    reason: String,
}

impl Asked {
    fn by_itself(edit: &Edit, release: &ReleaseId) -> Result<Self, Cause> {
        let object = ObjectRef::Release(release.clone());
        let release = edit.release(release).ok_or(Cause::NotFound { object })?;
        Ok(Self { release, reason: String::new() })
    }

    fn body(&self) -> &Release {
        &self.release.body
    }

    fn name(&self) -> ObjectRef {
        ObjectRef::Release(self.body().id.clone())
    }

    fn has_reason(&self) -> bool {
        !self.reason.trim().is_empty()
    }

    /// What the lifecycle says.
    fn allow(&self, action: Action) -> Result<Step, Cause> {
        let state = self.body().rollout.state;
        match step(state, action) {
            Step::No => Err(Cause::IllegalTransition { release: self.body().id.clone(), action, state }),
            step @ (Step::Stays | Step::To(_) | Step::Gone) => Ok(step),
        }
    }

    /// A copy to change, in the state to which the lifecycle leads and with the reason given.
    fn moved(&self, step: Step) -> Release {
        let mut release = self.body().clone();
        if let Step::To(state) = step {
            release.rollout.state = state;
        }
        release.rollout.reason.clone_from(&self.reason);
        release
    }

    /// A copy to change, in the same state and with the reason given.
    fn moved_on(&self) -> Release {
        self.moved(Step::Stays)
    }

    /// The lifecycle allows it, but not as things stand.
    fn not_now(&self, action: Action, why: impl Into<Cow<'static, str>>) -> Cause {
        Cause::IllegalNow { release: self.body().id.clone(), action, why: why.into() }
    }

    /// An option of the verb breaks a rule.
    fn invalid(&self, field: &str, value: &str, rule: impl Into<String>) -> Cause {
        Cause::field(Some(self.name()), Invalid::new(field, value, rule))
    }

    fn is_waiting_for_trigger(&self, edit: &Edit) -> bool {
        let rollout = &self.body().rollout;
        let now = match rollout.state {
            // A trigger that falls into a pause opens at resume.
            RolloutState::Paused => rollout.paused_at.unwrap_or(edit.now),
            RolloutState::Draft | RolloutState::Active | RolloutState::RolledBack | RolloutState::Completed => edit.now,
        };
        rollout.stage_opened_at.is_none_or(|at| now < at)
    }
}

fn set_disabled(edit: &mut Edit, asked: &Asked, action: Action, disabled: bool) -> Result<(), Cause> {
    asked.allow(action)?;
    follows::set_disabled(edit, asked.body(), disabled, &BTreeSet::new());
    Ok(())
}

/// Forgets what a device went through with the bundle. What was counted of its failures is no replicated state: whoever
/// counts forgets it when it sees this entry.
fn clear(edit: &mut Edit, asked: &Asked, device: &DeviceKey) -> Result<(), Cause> {
    asked.allow(Action::Clear)?;
    let release = asked.body();
    let memory = memory_id(&release.product, device, &release.bundle);
    if edit.hold(&memory).is_some() {
        edit.remove(&ObjectRef::Hold(memory));
    } else {
        let text = format!("neither local roll-back nor back-off of bundle {} is on record for {device}", release.bundle);
        edit.warn(WarningCode::NothingToClear, asked.name(), text);
    }
    Ok(())
}
