//! Rosters grow by deltas. A slot is never used again, whatever becomes of its device.

use std::collections::BTreeSet;

use tidegate_model::{DeviceKey, Exposure, ObjectRef, limits};

use super::Due;
use crate::edit::{Counts, Edit};
use crate::rejection::Cause;
use crate::{roster, stages};

/// Takes devices onto the roster, up to `size`. It does not count for the compare-and-set number.
pub(super) fn admit(edit: &mut Edit, due: &Due, devices: &BTreeSet<DeviceKey>, size: u32) -> Result<(), Cause> {
    let max = limits::DEVICE_KEYS_MAX;
    if usize::try_from(size).unwrap_or(usize::MAX) > max {
        return Err(due.invalid("size", &size.to_string(), format!("must be at most {max}: phase by hash instead")));
    }
    refuse_unregistered(edit, due, devices)?;
    due.ask_for_an_open_stage(edit)?;
    let stage = stages::current_stage(due.body(), due.policy());
    let Some(exposure) = stage.map(|stage| &stage.exposure).filter(|exposure| exposure.needs_roster()) else {
        return Err(due.not_now("its current stage has no roster"));
    };
    let mut release = due.body().clone();
    let rollout = &mut release.rollout;
    for key in devices {
        rollout.dismissed.remove(key);
        rollout.admitted.insert(key.clone());
    }
    rollout.admitted_max = rollout.admitted_max.max(size);
    let most = match exposure {
        Exposure::Count(count) => size.min(*count).max(u32::try_from(due.rollout().admitted.len()).unwrap_or(u32::MAX)),
        // A share of a cohort that grows smaller still has the slots that it had.
        Exposure::All | Exposure::Percent { .. } | Exposure::Tags(_) | Exposure::Ramp(_) => rollout.admitted_max,
    };
    let (on_it, taken) = (rollout.admitted.len(), roster::slots(rollout));
    let fits = |count: usize, bound: u32| u32::try_from(count).is_ok_and(|count| count <= bound);
    if !fits(on_it, most) || !fits(taken, rollout.admitted_max) {
        return Err(due.not_now(format!("{on_it} devices would be on the roster, {taken} with former ones, of {most}")));
    }
    edit.put(release, Counts::No);
    Ok(())
}

/// If the cohort has registered devices only registered ones enter, and none that its record puts elsewhere.
fn refuse_unregistered(edit: &Edit, due: &Due, devices: &BTreeSet<DeviceKey>) -> Result<(), Cause> {
    let (product, cohort) = (&due.body().product, &due.body().cohort);
    let has_registered = edit.index().devices(&ObjectRef::Cohort(product.clone(), cohort.clone())) > 0;
    for key in devices {
        let Some(device) = edit.device(product, key) else {
            if has_registered {
                return Err(due.invalid("devices", key.as_str(), "must be registered: the cohort has registered devices"));
            }
            continue;
        };
        if device.body.cohort.as_ref().is_some_and(|of| of != cohort) {
            return Err(due.invalid("devices", key.as_str(), format!("must be of cohort {cohort}")));
        }
    }
    Ok(())
}
