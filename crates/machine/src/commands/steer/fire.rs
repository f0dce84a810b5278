//! Triggers that wait for a release: all of them fire in one entry, once.

use tidegate_model::{Object, ObjectRef, Release, ReleaseId, Rollout, RolloutState, Trigger};

use super::Due;
use crate::commands::transition;
use crate::edit::{Counts, Edit};
use crate::rejection::Cause;

/// The flag of a draft whose trigger can never fire.
const AFTER_WITHDRAWN: &str = "AFTER_WITHDRAWN";

/// Publishes the drafts that wait for a COMPLETED release, oldest first; a refusal leaves a draft and is its flag. Flags
/// those that wait for a ROLLED_BACK one. Flagged drafts are left alone until their policy is written again.
pub(super) fn fire(edit: &mut Edit, due: &Due) -> Result<(), Cause> {
    let has_completed = match due.rollout().state {
        RolloutState::Completed => true,
        RolloutState::RolledBack => false,
        RolloutState::Draft | RolloutState::Active | RolloutState::Paused => {
            return Err(due.not_now("it is neither COMPLETED nor ROLLED_BACK"));
        }
    };
    for id in waiting(edit, &due.body().id) {
        if has_completed {
            publish_or_flag(edit, &id);
        } else {
            flag(edit, &id, AFTER_WITHDRAWN);
        }
    }
    Ok(())
}

/// Publishes a draft; a refusal leaves it as it is, and is its flag.
pub(super) fn publish_or_flag(edit: &mut Edit, id: &ReleaseId) {
    if let Err(cause) = transition::publish_by_itself(edit, id) {
        flag(edit, id, cause.code().as_str());
    }
}

fn flag(edit: &mut Edit, id: &ReleaseId, flag: &str) {
    let Some(draft) = edit.release(id) else { return };
    let rollout = Rollout { flag: Some(flag.to_owned()), ..draft.body.rollout.clone() };
    edit.put(Release { rollout, ..draft.body.clone() }, Counts::No);
}

/// Drafts without a flag whose trigger waits for this release, in the order of their creation.
fn waiting(edit: &Edit, awaited: &ReleaseId) -> Vec<ReleaseId> {
    let name = ObjectRef::Release(awaited.clone());
    let users = edit.index().users(&name);
    let policies = users.filter_map(|user| match edit.get(user) {
        Some(Object::Policy(policy)) => Some(policy),
        // Other kinds refer to releases for other reasons.
        _ => None,
    });
    let waits = |trigger: &Trigger| matches!(trigger, Trigger::After(release) if release == awaited);
    let releases = policies.filter(|policy| waits(&policy.body.trigger)).filter_map(|policy| edit.release(&policy.body.release));
    let is_waiting = |rollout: &Rollout| rollout.state == RolloutState::Draft && rollout.flag.is_none();
    let mut drafts: Vec<_> = releases.filter(|draft| is_waiting(&draft.body.rollout)).collect();
    drafts.sort_by_key(|draft| draft.created);
    drafts.iter().map(|draft| draft.body.id.clone()).collect()
}
