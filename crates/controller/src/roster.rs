//! Who joins a roster: the devices of the lowest positions among the known ones that match the stage, until there are as
//! many as the exposure asks for. A slot is never used again, and nobody who is on the roster is put off it.

use std::collections::BTreeSet;

use tidegate_model::{Basis, Exposure, Ppm, SteerStep, Timestamp};

use crate::fleet::{Fleet, Known};
use crate::limits;
use crate::rolling::Rolling;

/// The growth that is due, if any: at most [`limits::ADMIT_KEYS_MAX`] devices at a time.
pub(crate) fn growth(
    rolling: &Rolling<'_>,
    fleet: &Fleet<'_>,
    active_window: tidegate_model::Span,
    now: Timestamp,
) -> Option<SteerStep> {
    let rollout = rolling.rollout();
    let stage = rolling.stage()?;
    if !stage.exposure.needs_roster() || !rolling.is_latest() {
        return None;
    }
    let salt = rollout.salt?;
    let members: Vec<&Known<'_>> = fleet
        .devices
        .iter()
        .filter(|known| known.record.is_some() || !fleet.has_registered)
        .filter(|known| known.is_current(now, active_window) && stage.selector.matches(*known))
        .collect();
    let wanted = wanted(&stage.exposure, members.len())?;
    let on_it = rollout.admitted.len();
    let room = count(wanted).saturating_sub(on_it);
    // Slots of devices that were put off by a smaller count stay theirs.
    let room_for_new = count(wanted.max(rollout.admitted_max)).saturating_sub(on_it + rollout.dismissed.len());
    if room == 0 {
        return None;
    }
    let mut candidates: Vec<_> = members
        .into_iter()
        .filter(|known| !rollout.admitted.contains(known.key))
        .map(|known| (!rollout.dismissed.contains(known.key), salt.position(known.key.as_str()), known.key))
        .collect();
    candidates.sort_unstable();
    let mut new = 0;
    let joining = candidates.into_iter().filter(|(is_new, _, _)| {
        new += usize::from(*is_new);
        !is_new || new <= room_for_new
    });
    let devices: BTreeSet<_> = joining.take(room.min(limits::ADMIT_KEYS_MAX)).map(|(_, _, key)| key.clone()).collect();
    (!devices.is_empty()).then_some(SteerStep::Admit { devices, size: wanted })
}

fn count(devices: u32) -> usize {
    usize::try_from(devices).unwrap_or(usize::MAX)
}

/// How many devices the exposure asks for, of so many, as far as a roster goes; `None` if it is not about a list.
fn wanted(exposure: &Exposure, members: usize) -> Option<u32> {
    match exposure {
        Exposure::Count(count) => Some(*count),
        // Everybody needs no list.
        Exposure::Percent { share: Ppm::EVERYBODY, basis: Basis::Roster } => None,
        Exposure::Percent { share, basis: Basis::Roster } => {
            let part = (u128::from(share.get()) * members as u128).div_ceil(1_000_000);
            Some(u32::try_from(part.min(limits::ROSTER_KEYS_MAX as u128)).unwrap_or(u32::MAX))
        }
        Exposure::Percent { basis: Basis::Hash, .. } | Exposure::All | Exposure::Tags(_) | Exposure::Ramp(_) => None,
    }
}
