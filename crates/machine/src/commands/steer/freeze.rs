//! An unlimited freeze of a product or cohort: its time counts as paused for the ramps and bakes of the rollouts in it.

use tidegate_model::{RolloutState, Timestamp};

use super::Due;
use crate::commands::passage;
use crate::edit::{Counts, Edit};
use crate::rejection::Cause;

/// Ramps stand still from `since` on. It does not count for the compare-and-set number.
pub(super) fn freeze(edit: &mut Edit, due: &Due, since: Timestamp) -> Result<(), Cause> {
    ask_for_a_rollout_on_its_way(due)?;
    if due.rollout().frozen_since.is_none() {
        let mut release = due.body().clone();
        release.rollout.frozen_since = Some(since.min(edit.now));
        edit.put(release, Counts::No);
    }
    Ok(())
}

/// They go on. What a pause covers is counted when that ends.
pub(super) fn thaw(edit: &mut Edit, due: &Due, until: Timestamp) -> Result<(), Cause> {
    ask_for_a_rollout_on_its_way(due)?;
    let mut release = due.body().clone();
    let rollout = &mut release.rollout;
    if let Some(since) = rollout.frozen_since.take() {
        let until = until.min(edit.now);
        passage::stand_still(rollout, since, rollout.paused_at.map_or(until, |paused_at| until.min(paused_at)));
        edit.put(release, Counts::No);
    }
    Ok(())
}

fn ask_for_a_rollout_on_its_way(due: &Due) -> Result<(), Cause> {
    match due.rollout().state {
        RolloutState::Active | RolloutState::Paused => Ok(()),
        RolloutState::Draft | RolloutState::RolledBack | RolloutState::Completed => {
            Err(due.not_now("it is neither ACTIVE nor PAUSED"))
        }
    }
}
