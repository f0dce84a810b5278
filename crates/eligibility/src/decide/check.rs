//! The checks of one candidate, in their order; the first failure is the candidate's code.

use tidegate_model::{DeviceFacts, Requirement, RolloutState, Timestamp};

use crate::compiled::{FromVersion, Node, ReleaseView};
use crate::decide::context::Context;
use crate::decide::holds::{Active, Blocked, Passage, windows_open_from};
use crate::decide::phase;
use crate::facts::Facts;
use crate::piercing::Row;
use crate::reason::Reason;

/// Why something is not for this device now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    /// When that ends, if it is known.
    pub(super) next_eligible_at: Option<Timestamp>,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, next_eligible_at: None }
    }
}

/// What the checks say of one candidate: whether it passes only because it is critical, or why it does not pass.
pub(super) type Verdict = Result<bool, Failure>;

/// All checks.
pub(super) fn check(context: &Context<'_, '_>, node: &Node) -> Verdict {
    let view = &node.view;
    before_compatibility(context, node)?;
    not_a_downgrade(context, view)?;
    compatible(context, view)?;
    from_version(context, view)?;
    let past_holds = not_held(context, view)?;
    let past_phase = if node.next.is_none() && view.release().rollout.state == RolloutState::Active {
        phase::admitted(context, view)?
    } else {
        false
    };
    if context.needs_user(view) && !context.piercers(view).pierce(Row::NeedsUser) {
        return Err(Reason::NeedsUser.into());
    }
    Ok(past_holds || past_phase)
}

/// Checks 1 to 6. Only the latest release can wait for its trigger.
pub(super) fn before_compatibility(context: &Context<'_, '_>, node: &Node) -> Result<(), Failure> {
    let view = &node.view;
    if let Some(reason) = view.failure {
        return Err(reason.into());
    }
    let rollout = &view.release().rollout;
    if node.next.is_none() && view.has_embargo && rollout.waits_for_trigger(context.now) {
        return Err(Failure { reason: Reason::Scheduled, next_eligible_at: rollout.stage_opened_at });
    }
    Ok(())
}

/// Check 7.
fn not_a_downgrade(context: &Context<'_, '_>, view: &ReleaseView) -> Result<(), Failure> {
    let is_below = view.version().zip(context.version).is_some_and(|(to, from)| to.is_below(&from));
    if epoch_is_kept(context, view) && !is_below { Ok(()) } else { Err(Reason::DowngradeBlocked.into()) }
}

/// True if the release's security epoch is not below the device's.
pub(super) fn epoch_is_kept(context: &Context<'_, '_>, view: &ReleaseView) -> bool {
    view.bundle.as_ref().is_some_and(|bundle| bundle.bundle().security_epoch >= context.epoch)
}

/// Checks 8 to 10: what the bundle asks for, and what the release asks for on top.
pub(super) fn compatible(context: &Context<'_, '_>, view: &ReleaseView) -> Result<(), Failure> {
    let of_bundle = view.bundle.as_ref().map(|bundle| &bundle.bundle().requires);
    let requirements = [of_bundle, Some(&view.release().requirement).filter(|_| view.has_requirement)];
    incompatibility(&requirements, &context.facts).map_or(Ok(()), |reason| Err(reason.into()))
}

/// The first of the checks 8 to 10 that one of the requirements fails.
pub(super) fn incompatibility(requirements: &[Option<&Requirement>], facts: &Facts<'_>) -> Option<Reason> {
    let mut first = None;
    for requirement in requirements.iter().flatten() {
        if !fits_hardware(requirement, facts) {
            return Some(Reason::IncompatibleHardware);
        }
        if first != Some(Reason::IncompatibleOs) {
            let failed = if !fits_os(requirement, facts) {
                Some(Reason::IncompatibleOs)
            } else if !fits_frameworks(requirement, facts) {
                Some(Reason::IncompatibleFramework)
            } else {
                None
            };
            first = failed.or(first);
        }
    }
    first
}

fn fits_hardware(requirement: &Requirement, facts: &Facts<'_>) -> bool {
    let fits = |(name, values): (&String, &std::collections::BTreeSet<String>)| {
        facts.attribute(name).is_some_and(|value| values.contains(value))
    };
    requirement.attributes.iter().all(fits)
}

fn fits_os(requirement: &Requirement, facts: &Facts<'_>) -> bool {
    if requirement.os_min.is_none() && requirement.os_max.is_none() {
        return true;
    }
    facts.os().is_some_and(|os| requirement.os_min.is_none_or(|min| os >= min) && requirement.os_max.is_none_or(|max| os <= max))
}

fn fits_frameworks(requirement: &Requirement, facts: &Facts<'_>) -> bool {
    requirement.frameworks.iter().all(|asked| facts.framework(&asked.name).is_some_and(|has| has >= asked.min))
}

/// Check 11: only if both are there.
fn from_version(context: &Context<'_, '_>, view: &ReleaseView) -> Result<(), Failure> {
    let Some(version) = context.reported_version else { return Ok(()) };
    let is_accepted = match &view.from_version {
        FromVersion::Any => true,
        FromVersion::Only(requirement) => version.satisfies(requirement),
        FromVersion::Unreadable => false,
    };
    if is_accepted { Ok(()) } else { Err(Reason::IncompatibleFromVersion.into()) }
}

/// Check 12: holds that are limited to the candidate's bundle. True if only being critical gets past one.
pub(super) fn not_held(context: &Context<'_, '_>, view: &ReleaseView) -> Verdict {
    let limited = context.view.holds.limited.get_hashed(view.bundle_hash, view.release().bundle.as_str());
    let Some(index) = limited else { return Ok(false) };
    let active = Active::of(index, &context.facts, context.now);
    passage(context, &active, view)
}

/// What `active` holds say of a release.
pub(super) fn passage(context: &Context<'_, '_>, active: &Active, view: &ReleaseView) -> Verdict {
    match active.passage(&context.piercers(view), context.has_consent(view)) {
        Passage::Free => Ok(false),
        Passage::FreeAsCritical => Ok(true),
        Passage::Blocked(blocked) => Err(held(context, blocked, &view.release().bundle)),
    }
}

/// The code of a hold that stands in the way of a bundle. For a window: when all that concern the bundle are open.
pub(super) fn held(context: &Context<'_, '_>, blocked: Blocked, bundle: &tidegate_model::BundleId) -> Failure {
    let next_eligible_at = if blocked.reason() == Reason::HoldWindow {
        let holds = &context.view.holds;
        match holds.limited.get(bundle.as_str()) {
            Some(limited) => windows_open_from(&[&holds.unlimited, limited], &context.facts, context.now),
            None => windows_open_from(&[&holds.unlimited], &context.facts, context.now),
        }
    } else {
        blocked.until
    };
    Failure { reason: blocked.reason(), next_eligible_at }
}
