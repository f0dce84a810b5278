//! Checks 14 to 16 of the latest release while it is rolling out: stage, domain, exposure.
//!
//! A device passes if any reached stage that it matches admits it. Otherwise being critical, or a user's own request
//! where the policy allows it, sets stage and exposure aside, but not the domains of the current stage: those keep
//! apart what must not move together. (Asking an earlier stage without domains instead would let every critical release
//! slip past them.)

use std::cell::OnceCell;

use tidegate_model::{Basis, CellState, DeviceFacts, Domains, Exposure, Position, Ppm, Ramp, Stage, Timestamp};

use crate::compiled::{Reached, ReleaseView};
use crate::decide::check::{Failure, Verdict};
use crate::decide::context::Context;
use crate::facts::Facts;
use crate::piercing::Row;
use crate::reason::Reason;

/// True if only being critical gets the device past.
pub(super) fn admitted(context: &Context<'_, '_>, view: &ReleaseView) -> Verdict {
    let mut failure = Failure::from(Reason::NotInStage);
    // Taken once, by the first stage that asks for it.
    let known = OnceCell::new();
    let salt = view.release().rollout.salt;
    let position = || *known.get_or_init(|| context.facts.key.zip(salt).map(|((key, _), salt)| salt.position(key)));
    for reached in &view.reached {
        let stage = &view.policy.body.stages[reached.stage];
        if !reached.is_for_everybody && !stage.selector.matches(&context.facts) {
            continue;
        }
        if !domain_is_open(view, reached, stage, &context.facts) {
            failure = Reason::DomainClosed.into();
            continue;
        }
        match exposed(context, view, (reached, stage), position) {
            Ok(()) => return Ok(false),
            Err(not_yet) => failure = not_yet,
        }
    }
    let piercers = context.piercers(view);
    if !piercers.pierce(Row::Phase) {
        return Err(failure);
    }
    let is_current_open = view
        .reached
        .last()
        .is_none_or(|current| domain_is_open(view, current, &view.policy.body.stages[current.stage], &context.facts));
    let past_domain = |pierces_it: bool| is_current_open || pierces_it;
    let without = piercers.without_urgency();
    if without.pierce(Row::Phase) && past_domain(without.pierce(Row::Domain)) {
        Ok(false)
    } else if past_domain(piercers.pierce(Row::Domain)) {
        Ok(true)
    } else {
        Err(Reason::DomainClosed.into())
    }
}

/// Check 15. A stage has passed once all its listed cells have, and then also for devices that are in none.
fn domain_is_open(view: &ReleaseView, reached: &Reached, stage: &Stage, facts: &Facts<'_>) -> bool {
    let Some(domains) = &stage.domains else { return true };
    let cells = &view.release().rollout.cells;
    let cell_of = |value: &str| cells.get(value).map(|cell| cell.state);
    if reached.is_passed || all_passed(domains, |value| cell_of(value)) {
        return true;
    }
    let state =
        facts.attribute(&domains.key).filter(|value| domains.values.iter().any(|listed| listed == value)).and_then(cell_of);
    state.is_some_and(|state| match state {
        CellState::Open | CellState::Settled | CellState::Passed => true,
        CellState::Closed | CellState::Failed => false,
    })
}

fn all_passed(domains: &Domains, state_of: impl Fn(&str) -> Option<CellState>) -> bool {
    domains.values.iter().all(|value| state_of(value) == Some(CellState::Passed))
}

/// Check 16. A stage that was left admits by what it ended with: it does not widen by being left.
fn exposed(
    context: &Context<'_, '_>,
    view: &ReleaseView,
    (reached, stage): (&Reached, &Stage),
    position: impl Fn() -> Option<Position>,
) -> Result<(), Failure> {
    let rollout = &view.release().rollout;
    let facts = &context.facts;
    let final_exposure = reached.passed.map(|place| &rollout.passed[place].exposure);
    let exposure = match final_exposure {
        Some(exposure) => exposure,
        None if reached.is_current => &stage.exposure,
        // Left without a record of how: nobody can say who was admitted.
        None => return Err(not_yet(facts, None)),
    };
    let on_roster = || facts.key.is_some_and(|(key, _)| rollout.admitted.contains(key));
    let is_admitted = match exposure {
        Exposure::All => true,
        Exposure::Percent { share: Ppm::EVERYBODY, .. } => true,
        Exposure::Percent { share: Ppm::NOBODY, .. } => false,
        Exposure::Percent { share, basis: Basis::Hash } => position().is_some_and(|position| share.admits(position)),
        Exposure::Percent { basis: Basis::Roster, .. } | Exposure::Count(_) => on_roster(),
        Exposure::Tags(any_of) => {
            // A question of tags, not of a key: a device without one hears the same.
            let bears_one = any_of.iter().any(|tag| facts.has_tag(tag));
            return if bears_one { Ok(()) } else { Err(Reason::NotInPhase.into()) };
        }
        Exposure::Ramp(ramp) if final_exposure.is_some() => {
            let end = Timestamp::from_millis(0).plus(ramp.length());
            ramp.admission(Timestamp::from_millis(0), end).admits(position())
        }
        Exposure::Ramp(ramp) => return on_ramp(context, view, ramp, position),
    };
    if is_admitted { Ok(()) } else { Err(not_yet(facts, None)) }
}

/// A running ramp. A product of the Sparkle kind hears the group that the device names. A ramp that a freeze holds still
/// announces nothing: nobody knows when it goes on.
fn on_ramp(
    context: &Context<'_, '_>,
    view: &ReleaseView,
    ramp: &Ramp,
    position: impl Fn() -> Option<Position>,
) -> Result<(), Failure> {
    let facts = &context.facts;
    let rollout = &view.release().rollout;
    let Some(origin) = rollout.ramp_origin(view.release().published_at) else { return Err(not_yet(facts, None)) };
    let now = rollout.ramp_now(context.now);
    let announced = |at: Option<Timestamp>| at.filter(|_| rollout.frozen_since.is_none());
    let named = facts.request.group.filter(|_| context.product.client_phased).map(u32::from);
    if let (Some(group), Ramp::Groups { groups: 7, interval }) = (named, ramp) {
        let opens = origin.plus(interval.times(u64::from(group)));
        let failure = Failure { reason: Reason::NotInPhase, next_eligible_at: announced(Some(opens)) };
        return if now >= opens { Ok(()) } else { Err(failure) };
    }
    let position = position();
    if ramp.admission(origin, now).admits(position) {
        return Ok(());
    }
    Err(not_yet(facts, announced(ramp.admitted_from(origin, position))))
}

/// Not admitted: because there is no key to stand on, or because its turn has not come.
fn not_yet(facts: &Facts<'_>, next_eligible_at: Option<Timestamp>) -> Failure {
    let reason = if facts.key.is_none() { Reason::NoDeviceKey } else { Reason::NotInPhase };
    Failure { reason, next_eligible_at }
}
