//! Rosters that are counted: keeping them at the size that their stages ask for, without giving a slot to anybody else.

use tidegate_model::{Basis, DeviceKey, Exposure, Policy, Position, Release, Rollout, Salt};

use crate::stages;

/// Brings the roster to the greatest count that a reached stage asks for, as far as devices are there that were on it
/// before: whoever is too many is dismissed, highest position first, and comes back first when the count is raised. A
/// roster by share never shrinks.
pub(crate) fn fit(release: &mut Release, policy: &Policy) {
    let Some(size) = counted_size(release, policy) else { return };
    let rollout = &mut release.rollout;
    let Some(salt) = rollout.salt else { return };
    let (too_many, free) = (rollout.admitted.len().saturating_sub(size), size.saturating_sub(rollout.admitted.len()));
    for key in by_position(&rollout.admitted, salt).into_iter().rev().take(too_many) {
        rollout.admitted.remove(&key);
        rollout.dismissed.insert(key);
    }
    if too_many == 0 {
        for key in by_position(&rollout.dismissed, salt).into_iter().take(free) {
            rollout.dismissed.remove(&key);
            rollout.admitted.insert(key);
        }
    }
}

/// The greatest count of the reached stages; `None` if no count is reached, or a share by roster is.
fn counted_size(release: &Release, policy: &Policy) -> Option<usize> {
    let rollout = &release.rollout;
    let current = policy.stages.get(stages::current_index(release)).map(|stage| &stage.exposure);
    let mut size = None;
    for exposure in rollout.passed.iter().map(|stage| &stage.exposure).chain(current) {
        match exposure {
            Exposure::Count(count) => size = size.max(usize::try_from(*count).ok()),
            Exposure::Percent { basis: Basis::Roster, .. } => return None,
            Exposure::All | Exposure::Percent { basis: Basis::Hash, .. } | Exposure::Tags(_) | Exposure::Ramp(_) => {}
        }
    }
    size
}

fn by_position(devices: &imbl::OrdSet<DeviceKey>, salt: Salt) -> Vec<DeviceKey> {
    let mut places: Vec<(Position, &DeviceKey)> = devices.iter().map(|key| (salt.position(key.as_str()), key)).collect();
    places.sort();
    places.into_iter().map(|(_, key)| key.clone()).collect()
}

/// Number of slots that are taken, by devices on the roster or dismissed from it.
pub(crate) fn slots(rollout: &Rollout) -> usize {
    rollout.admitted.len().saturating_add(rollout.dismissed.len())
}
