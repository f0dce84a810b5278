//! To ROLLED_BACK, for ever.

use tidegate_model::{ObjectRef, Ppm, Release, ReleaseId, RolloutState};

use super::{Asked, progress};
use crate::edit::{Counts, Edit};
use crate::lifecycle::{Action, Step};
use crate::outcome::WarningCode;
use crate::rejection::Cause;

/// Withdraws a release; again on a withdrawn one sets the three options as given and does nothing else.
pub(super) fn withdraw(
    edit: &mut Edit,
    asked: &Asked,
    revert_to: Option<&ReleaseId>,
    revert_share: Ppm,
    open_barrier: bool,
) -> Result<(), Cause> {
    match revert_to {
        Some(target) => check_target(edit, asked, target)?,
        None if revert_share != Ppm::EVERYBODY => {
            let rule = "must only be given together with revert_to";
            return Err(asked.invalid("revert_percent", &revert_share.to_string(), rule));
        }
        None => {}
    }
    let mut release = asked.body().clone();
    match asked.allow(Action::Withdraw)? {
        Step::To(_) => roll_back(edit, &mut release, asked.reason.clone()),
        Step::Stays | Step::Gone | Step::No => {}
    }
    release.rollout.revert_to = revert_to.cloned();
    release.rollout.revert_share = revert_share;
    release.rollout.open_barrier = open_barrier;
    edit.put(release, Counts::Yes);
    Ok(())
}

/// Ends a rollout for good.
pub(super) fn roll_back(edit: &Edit, release: &mut Release, reason: String) {
    progress::end_pause(edit, release);
    release.rollout.state = RolloutState::RolledBack;
    release.rollout.reason = reason;
}

/// Devices can only go back to a release that stands: linked in the same cohort, COMPLETED or ACTIVE.
fn check_target(edit: &mut Edit, asked: &Asked, target: &ReleaseId) -> Result<(), Cause> {
    let refuse = |rule| Err(asked.invalid("revert_to", target.as_str(), rule));
    let release = asked.body();
    let Some(to) = edit.release(target) else { return refuse("must be an existing release") };
    if to.body.id == release.id {
        return refuse("must be another release");
    }
    if (&to.body.product, &to.body.cohort) != (&release.product, &release.cohort) {
        return refuse("must be a release of the same cohort");
    }
    match to.body.rollout.state {
        RolloutState::Completed | RolloutState::Active if to.body.linked => {}
        RolloutState::Completed
        | RolloutState::Active
        | RolloutState::Draft
        | RolloutState::Paused
        | RolloutState::RolledBack => return refuse("must be COMPLETED or ACTIVE"),
    }
    let epoch = |release: &Release| edit.bundle(&release.bundle).map_or(0, |bundle| bundle.body.security_epoch);
    let (from, below) = (epoch(release), epoch(&to.body));
    if below < from {
        let text =
            format!("{target} has security epoch {below}, below {from}: devices that ran this release will not be offered it");
        edit.warn(WarningCode::RevertBelowEpoch, ObjectRef::Release(target.clone()), text);
    }
    Ok(())
}
