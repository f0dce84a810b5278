//! The decision procedure, step by step; the numbers are those of its description in the reference.
//!
//! This file holds the order of the steps. Each step that is more than a line has a file: [`context`] what is known of
//! the device (3), [`overriding`] (5), [`position`] where it is (7, 8), [`back_off`] the search (9, 11), [`check`] one
//! candidate, [`phase`] its stages, domains and exposure, [`revert`] the way back (10a), [`holds`] what holds it back.

mod back_off;
mod check;
mod context;
mod holds;
mod overriding;
mod phase;
mod piercers;
mod position;
mod revert;

use std::cell::OnceCell;

use tidegate_model::{Product, Timestamp};

use crate::compiled::{ProductView, ReleaseView};
use crate::decide::back_off::Search;
use crate::decide::check::Failure;
use crate::decide::context::{Context, DeviceKind};
use crate::decide::holds::Active;
use crate::decide::position::Path;
use crate::decision::{Decision, InstallMode, Source, Target, Urgency};
use crate::limits;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trace::{Entry, TraceSink, Trail};

/// Decides what the device of `request` hears at `now`. Pure and total; allocates nothing.
#[must_use]
pub fn decide<'s>(snapshot: &'s Snapshot, request: &Request<'_>, now: Timestamp) -> Decision<'s> {
    answer(snapshot, request, now, &mut Trail(None))
}

/// As [`decide`], and tells `trace` what led there, naming every candidate. Costs time and memory in proportion to the
/// length of the path.
pub fn decide_traced<'s>(
    snapshot: &'s Snapshot,
    request: &Request<'_>,
    now: Timestamp,
    trace: &mut dyn TraceSink<'s>,
) -> Decision<'s> {
    answer(snapshot, request, now, &mut Trail(Some(trace)))
}

/// What the steps come to; [`Decision`] adds what is the same for every answer.
#[derive(Clone, Copy)]
struct Answer<'s> {
    reason: Reason,
    target: Option<Target<'s>>,
    source: Option<Source>,
    urgency: Urgency,
    install_mode: InstallMode,
    next_eligible_at: Option<Timestamp>,
}

impl From<Reason> for Answer<'_> {
    fn from(reason: Reason) -> Self {
        Self::from(Failure { reason, next_eligible_at: None })
    }
}

impl From<Failure> for Answer<'_> {
    fn from(failure: Failure) -> Self {
        Self {
            reason: failure.reason,
            target: None,
            source: None,
            urgency: Urgency::Normal,
            install_mode: InstallMode::Auto,
            next_eligible_at: failure.next_eligible_at,
        }
    }
}

impl<'s> Answer<'s> {
    /// Names a release.
    fn naming(self, context: &Context<'s, '_>, view: &'s ReleaseView, source: Source) -> Self {
        let Some(bundle) = &view.bundle else { return self };
        let urgency = if context.is_critical(view) { Urgency::Critical } else { Urgency::Normal };
        Self {
            target: Some(Target { release: Some(view.id()), bundle: bundle.bundle(), version: view.version_text() }),
            source: Some(source),
            urgency,
            install_mode: context.install_mode(view),
            ..self
        }
    }
}

/// Steps 1 and 2, and what every answer carries. A node that is behind says so before it says that it does not know the
/// product: nobody who has seen a later state may be answered from an earlier one.
fn answer<'s>(snapshot: &'s Snapshot, request: &Request<'_>, now: Timestamp, trail: &mut Trail<'_, 's>) -> Decision<'s> {
    let config_version = snapshot.stamp().config_version;
    let found = snapshot.view(request.product);
    let answer = if !request.is_well_formed() {
        Reason::InvalidRequest.into()
    } else if request.min_config_version.is_some_and(|min| min > config_version) {
        Reason::ReplicaBehind.into()
    } else {
        found.map_or(Reason::UnknownProduct.into(), |(view, product)| in_product(view, product, request, now, trail))
    };
    trail.record(Entry::Decided { reason: answer.reason });
    let product = found.map(|(_, product)| product);
    Decision {
        reason: answer.reason,
        target: answer.target,
        urgency: answer.urgency,
        install_mode: answer.install_mode,
        source: answer.source,
        next_eligible_at: answer.next_eligible_at,
        config_version,
        retry_after: product.and_then(|product| product.poll_interval).unwrap_or(limits::POLL_INTERVAL_DEFAULT),
        flatten: product.is_some_and(|product| product.flatten_reasons),
    }
}

/// Steps 3 to 6.
fn in_product<'s>(
    view: &'s ProductView,
    product: &'s Product,
    request: &Request<'_>,
    now: Timestamp,
    trail: &mut Trail<'_, 's>,
) -> Answer<'s> {
    let dotted = OnceCell::new();
    let context = Context::new(view, product, request, now, &dotted);
    match context.kind {
        DeviceKind::Decommissioned => return Reason::DeviceDecommissioned.into(),
        DeviceKind::Unknown => return Reason::UnknownDevice.into(),
        DeviceKind::Served => {}
    }
    if let Some(cohort) = context.cohort {
        trail.record(Entry::Cohort { cohort: &cohort.stored.body.id });
    }
    if trail.is_on() {
        holds::visit_active(&view.holds.unlimited, &context.facts, now, |hold| {
            trail.record(Entry::Hold { hold: &hold.hold().id, reason: Reason::of_hold(hold.hold().kind) });
        });
    }
    let active = Active::of(&view.holds.unlimited, &context.facts, now);
    if let Some(blocked) = active.hard() {
        return Failure { reason: blocked.reason(), next_eligible_at: blocked.until }.into();
    }
    if let Some(answer) = overriding::decide(&context, &active, trail) {
        return answer;
    }
    match context.cohort {
        None => Reason::NoCohort.into(),
        Some(cohort) if cohort.graph.is_empty() => Reason::NoReleases.into(),
        Some(_) => in_graph(&context, &active, trail),
    }
}

/// Steps 7 to 12.
fn in_graph<'s>(context: &Context<'s, '_>, active: &Active, trail: &mut Trail<'_, 's>) -> Answer<'s> {
    let path = match position::path(context, trail) {
        Ok(path) => path,
        Err(reason) => return reason.into(),
    };
    let search = match path.start {
        Some(start) => back_off::search(context, active, start, trail),
        None => Search::default(),
    };
    if let Some((node, as_critical)) = search.target {
        return offer(context, node, as_critical);
    }
    if let Some(blocked) = search.held {
        return blocked.into();
    }
    if let Some(answer) = revert::decide(context, active, trail) {
        return answer;
    }
    nothing_found(context, &path, &search)
}

/// Steps 10b and 10c.
fn nothing_found<'s>(context: &Context<'s, '_>, path: &Path, search: &Search) -> Answer<'s> {
    if let Some(node) = search.needs_user {
        return Answer::from(Reason::NeedsUser).naming(context, &context.node(node).view, Source::Release);
    }
    if let Some(failure) = search.highest {
        return failure.into();
    }
    let current = path.current.map(|node| context.node(node).view.release());
    match current {
        Some(release) if release.dead_end => Reason::DeadEnd.into(),
        Some(release) if release.rollout.state == tidegate_model::RolloutState::RolledBack => Reason::Withdrawn.into(),
        _ => Reason::UpToDate.into(),
    }
}

/// Step 12.
fn offer<'s>(context: &Context<'s, '_>, node: usize, as_critical: bool) -> Answer<'s> {
    let node = context.node(node);
    let reason = if context.is_informational(&node.view) {
        Reason::OfferInfo
    } else if as_critical {
        Reason::OfferCritical
    } else if node.view.counts_as_required {
        Reason::OfferRequired
    } else if node.next.is_none() {
        Reason::OfferLatest
    } else {
        Reason::OfferCandidate
    };
    Answer::from(reason).naming(context, &node.view, Source::Release)
}
