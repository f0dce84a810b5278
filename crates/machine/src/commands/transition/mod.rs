//! Moving a rollout, and what goes with it.
//!
//! Each verb asks in the order of the codes: does the release exist, is it the expected version, are the options values
//! that can mean something, does the lifecycle allow it, do the guards hold. Only then is anything written.

mod consent;
mod progress;
mod promote;
mod publish;
mod withdraw;

pub(super) use publish::draw_salt;

use std::sync::Arc;

use tidegate_model::{Invalid, ObjectRef, Release, RolloutState, Stored, Transition, Verb, limits};

use crate::commands::delete;
use crate::edit::{Counts, Edit};
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
        Verb::Advance { domain } => progress::advance(edit, &asked, domain.as_deref()),
        Verb::Approve { by, device: None } => consent::approve(edit, &asked, by.as_ref()),
        Verb::Approve { device: Some(device), .. } => consent::consent(edit, &asked, device),
        Verb::Discard => {
            asked.allow(Action::Discard)?;
            delete::remove_draft(edit, &transition.release)
        }
        Verb::Disable => set_disabled(edit, &asked, Action::Disable, true),
        Verb::Enable => set_disabled(edit, &asked, Action::Enable, false),
        Verb::Clear { device } => {
            asked.allow(Action::Clear)?;
            let text = format!("no failure or local roll-back of bundle {} is on record for {device}", asked.body().bundle);
            edit.warn(WarningCode::NothingToClear, name, text);
            Ok(())
        }
        Verb::Promote { to, new_id, keep_version } => promote::promote(edit, &asked, to, new_id.as_ref(), *keep_version),
    }
}

/// What is asked for: the release as it stands, and why.
struct Asked {
    release: Arc<Stored<Release>>,
    reason: String,
}

impl Asked {
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

    /// The lifecycle allows it, but not as things stand.
    fn not_now(&self, action: Action, why: &'static str) -> Cause {
        Cause::IllegalNow { release: self.body().id.clone(), action, why }
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
    if asked.body().disabled != disabled {
        edit.put(Release { disabled, ..asked.body().clone() }, Counts::Yes);
    }
    Ok(())
}
