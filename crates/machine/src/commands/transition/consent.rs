//! Approvals of the open stage, and consents of device owners. Neither counts for the compare-and-set number.

use tidegate_model::{DeviceKey, Principal, Release};

use super::Asked;
use crate::edit::{Counts, Edit};
use crate::lifecycle::Action;
use crate::limits;
use crate::rejection::Cause;

/// Approves the open stage; the same person counts once.
pub(super) fn approve(edit: &mut Edit, asked: &Asked, by: Option<&Principal>) -> Result<(), Cause> {
    let by = by.unwrap_or(&edit.principal).clone();
    let approvals = &asked.body().rollout.approvals;
    if approvals.len() >= limits::APPROVALS_MAX && !approvals.contains(&by) {
        let rule = format!("must not be one of more than {} people", limits::APPROVALS_MAX);
        return Err(asked.invalid("by", by.as_str(), rule));
    }
    asked.allow(Action::Approve)?;
    if asked.is_waiting_for_trigger(edit) {
        return Err(asked.not_now(Action::Approve, "no stage is open: its trigger has not fired"));
    }
    let mut release: Release = asked.body().clone();
    release.rollout.approvals.insert(by);
    edit.put(release, Counts::No);
    Ok(())
}

/// The owner of a device agrees to this release.
pub(super) fn consent(edit: &mut Edit, asked: &Asked, device: &DeviceKey) -> Result<(), Cause> {
    let consents = &asked.body().consents;
    if consents.len() >= limits::CONSENTS_MAX && !consents.contains(device) {
        let rule = format!("must not be one of more than {} devices", limits::CONSENTS_MAX);
        return Err(asked.invalid("device", device.as_str(), rule));
    }
    asked.allow(Action::Consent)?;
    let mut release: Release = asked.body().clone();
    release.consents.insert(device.clone());
    edit.put(release, Counts::No);
    Ok(())
}
