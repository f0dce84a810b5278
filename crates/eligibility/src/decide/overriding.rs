//! Step 5: an active override is the only answer; releases do not count while there is one.

use tidegate_model::Override;

use crate::compiled::{BundleView, OverrideView};
use crate::decide::Answer;
use crate::decide::check::{Failure, held, incompatibility};
use crate::decide::context::Context;
use crate::decide::holds::Active;
use crate::decision::{Source, Target};
use crate::piercing::{Effect, Piercer, Row};
use crate::reason::Reason;
use crate::trace::{Entry, Trail};
use crate::version::VersionRef;

/// The answer of the override that counts, if one is active for the device. `unlimited`: the holds on the device that are limited
/// to no bundle.
pub(super) fn decide<'s>(context: &Context<'s, '_>, unlimited: &Active, trail: &mut Trail<'_, 's>) -> Option<Answer<'s>> {
    let chosen = choose(context)?;
    let id = &chosen.bundle;
    let verdict = verdict(context, unlimited, chosen);
    let failure = verdict.as_ref().err().map(|refused| refused.because);
    trail.record(Entry::Override { id: &chosen.id, bundle: id, failure });
    Some(match verdict {
        Err(refused) => refused.failure.into(),
        Ok(view) => Answer {
            target: Some(Target { release: None, bundle: view.bundle(), version: view.bundle().version.as_ref() }),
            source: Some(Source::Override),
            ..Reason::OfferOverride.into()
        },
    })
}

/// Why the bundle is not given: what the device hears, and what the trace says.
struct Refused {
    failure: Failure,
    /// The check that failed, where the answer only tells that one did.
    because: Reason,
}

impl Refused {
    fn unavailable(because: Reason) -> Self {
        Self { failure: Reason::OverrideUnavailable.into(), because }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let because = failure.reason;
        Self { failure, because }
    }
}

/// The greatest by start, creation and id, whatever the order in which they were made.
fn choose<'s>(context: &Context<'s, '_>) -> Option<&'s Override> {
    let mut chosen: Option<&'s OverrideView> = None;
    let rank = |view: &'s OverrideView| {
        let stored = &*view.stored;
        (stored.body.starts_at, stored.created.config_version, &stored.body.id)
    };
    context.view.overrides.visit(&context.facts, |view| {
        if view.stored.body.is_in_force(context.now) && chosen.is_none_or(|chosen| rank(view) > rank(chosen)) {
            chosen = Some(view);
        }
    });
    chosen.map(|view| &view.stored.body)
}

/// The bundle, or why it cannot be given.
fn verdict<'s>(context: &Context<'s, '_>, unlimited: &Active, chosen: &Override) -> Result<&'s BundleView, Refused> {
    let id = &chosen.bundle;
    if context.bundle.is_some_and(|(reported, _)| reported == id.as_str()) {
        return Err(Failure::from(Reason::UpToDateOverride).into());
    }
    let index = context.view.holds.limited.get(id.as_str());
    let limited = index.map_or(Active::default(), |index| Active::of(index, &context.facts, context.now));
    if let Some(blocked) = limited.hard() {
        return Err(held(context, blocked, id).into());
    }
    let view = context.view.bundles.get(id.as_str()).ok_or(Refused::unavailable(Reason::NotAvailable))?;
    if let Some(because) = unavailability(context, chosen, view) {
        return Err(Refused::unavailable(because));
    }
    match limited.with(unlimited).soft() {
        Some(blocked) if !chosen.force => Err(held(context, blocked, id).into()),
        _ => Ok(view),
    }
}

/// What no override sets aside, in the order of the checks: trust, the epoch, the version unless it may be lower, hardware
/// and software. The first that fails.
fn unavailability(context: &Context<'_, '_>, chosen: &Override, view: &BundleView) -> Option<Reason> {
    let bundle = view.bundle();
    let version = view.version.as_ref().map(VersionRef::of);
    let is_lower = version.zip(context.version).is_some_and(|(to, from)| to.is_below(&from));
    let may_lower = match Row::Downgrade.pierced_by(Piercer::Override) {
        Effect::IfDowngradeAllowed => chosen.allow_downgrade,
        _other => false,
    };
    let is_downgrade = bundle.security_epoch < context.epoch || (is_lower && !may_lower);
    let distrust = view.failure;
    let downgrade = is_downgrade.then_some(Reason::DowngradeBlocked);
    distrust.or(downgrade).or_else(|| incompatibility(&[Some(&bundle.requires)], &context.facts))
}
