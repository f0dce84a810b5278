//! To ROLLED_BACK, for ever.

use tidegate_model::{ObjectRef, Ppm, Release, ReleaseId, RolloutState};

use super::{Asked, progress};
use crate::edit::{Counts, Edit};
use crate::follows;
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
    let is_first = match asked.allow(Action::Withdraw)? {
        Step::To(_) => true,
        Step::Stays | Step::Gone | Step::No => false,
    };
    if is_first {
        roll_back(edit, &mut release, asked.reason.clone());
    }
    let options = Options { revert_to: revert_to.cloned(), revert_share, open_barrier };
    for copy in follows::copies(edit, &release) {
        withdraw_copy(edit, copy, &options, is_first, &asked.reason);
    }
    options.write(&mut release);
    edit.put(release, Counts::Yes);
    Ok(())
}

/// What a withdrawal says beside itself.
struct Options {
    revert_to: Option<ReleaseId>,
    revert_share: Ppm,
    open_barrier: bool,
}

impl Options {
    fn write(self, release: &mut Release) {
        release.rollout.revert_to = self.revert_to;
        release.rollout.revert_share = self.revert_share;
        release.rollout.open_barrier = self.open_barrier;
    }
}

/// A copy in a cohort that follows goes with it, back to the copy of where devices go back to, if that stands. A copy that
/// was withdrawn by itself keeps what was said of it then.
fn withdraw_copy(edit: &mut Edit, mut copy: Release, options: &Options, is_first: bool, reason: &str) {
    match copy.rollout.state {
        RolloutState::Draft => return,
        RolloutState::RolledBack if is_first => return,
        RolloutState::RolledBack => {}
        RolloutState::Active | RolloutState::Paused | RolloutState::Completed => roll_back(edit, &mut copy, reason.to_owned()),
    }
    let stands =
        |release: &Release| release.linked && matches!(release.rollout.state, RolloutState::Completed | RolloutState::Active);
    let copy_of = |to: &ReleaseId| {
        let id = ReleaseId::new(&follows::copy_name(to, &copy.cohort)).ok()?;
        let to = edit.release(&id)?;
        (to.body.cohort == copy.cohort && stands(&to.body)).then_some(id)
    };
    let revert_to = options.revert_to.as_ref().and_then(copy_of);
    let revert_share = if revert_to.is_some() { options.revert_share } else { Ppm::EVERYBODY };
    Options { revert_to, revert_share, open_barrier: options.open_barrier }.write(&mut copy);
    edit.put(copy, Counts::Yes);
}

/// Ends a rollout for good.
pub(crate) fn roll_back(edit: &Edit, release: &mut Release, reason: String) {
    progress::end_pause(edit, release);
    release.rollout.frozen_since = None;
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
