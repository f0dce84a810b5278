//! Steps 7 and 8: where the device is, and which way lies ahead.

use crate::compiled::CohortView;
use crate::decide::context::Context;
use crate::reason::Reason;
use crate::request::present;
use crate::table::KeyHash;
use crate::trace::{Entry, Field, PositionedBy, Trail};
use crate::version::VersionRef;

/// Where the device is, by the first thing that tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The current release, if the device is at one.
    pub(super) current: Option<usize>,
    /// The first candidate of a device that enters the graph.
    pub(super) entry: Option<usize>,
    /// What told; absent if nothing did.
    by: Option<PositionedBy>,
}

/// What lies ahead of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The current release after moving on over releases of the same bundle.
    pub(super) current: Option<usize>,
    /// The first candidate; absent: there is none.
    pub(super) start: Option<usize>,
}

/// Step 7. What is malformed or unknown at one level is passed over.
pub(super) fn locate(
    cohort: &CohortView,
    release: Option<(&str, KeyHash)>,
    bundle: Option<(&str, KeyHash)>,
    version: Option<VersionRef<'_>>,
) -> Place {
    let graph = &cohort.graph;
    let at = |node, by| Place { current: Some(node), entry: None, by: Some(by) };
    let enters = |node, by| Place { current: None, entry: Some(node), by: Some(by) };
    if let Some(node) = release.and_then(|(id, hash)| graph.by_release(hash, id)) {
        return at(node, PositionedBy::Release);
    }
    if let Some(node) = bundle.and_then(|(id, hash)| graph.by_bundle(hash, id)) {
        return at(node, PositionedBy::Bundle);
    }
    if let Some(node) = version.and_then(|version| graph.by_version(&version)) {
        return enters(node, PositionedBy::Version);
    }
    let entry = cohort.stored.body.entry_release.as_ref().map(|id| id.as_str());
    entry.and_then(|id| graph.by_release(KeyHash::of(id), id)).map_or(Place::default(), |node| enters(node, PositionedBy::Entry))
}

/// Step 8, from the place that was found.
///
/// # Errors
/// `POSITION_UNKNOWN`, or `NOT_READY` if the graph runs in a circle, which its rules exclude.
pub(super) fn path<'s>(context: &Context<'s, '_>, trail: &mut Trail<'_, 's>) -> Result<Path, Reason> {
    tell(context, trail);
    if let Some(entry) = context.place.entry {
        if !context.node(entry).leads_somewhere() {
            return Err(Reason::NotReady);
        }
        return Ok(Path { current: None, start: Some(entry) });
    }
    let mut current = context.place.current.ok_or(Reason::PositionUnknown)?;
    let mut here = context.node(current);
    if here.view.release().dead_end {
        return Ok(Path { current: Some(current), start: None });
    }
    // Nothing stops in a circle; every other walk comes to an end.
    if !here.leads_somewhere() {
        return Err(Reason::NotReady);
    }
    let bundle = context.bundle.map_or(here.view.release().bundle.as_str(), |(id, _)| id);
    while let Some(next) = here.next.filter(|_| !here.view.release().dead_end) {
        let ahead = context.node(next);
        if ahead.view.release().bundle.as_str() != bundle {
            return Ok(Path { current: Some(current), start: Some(next) });
        }
        trail.record(Entry::MovedOn { release: ahead.view.id() });
        (current, here) = (next, ahead);
    }
    Ok(Path { current: Some(current), start: None })
}

/// Names what told the position, and what was passed over before it.
fn tell<'s>(context: &Context<'s, '_>, trail: &mut Trail<'_, 's>) {
    if !trail.is_on() {
        return;
    }
    let request = context.facts.request;
    let place = context.place;
    let levels = [
        (Field::Release, present(request.release), PositionedBy::Release),
        (Field::Bundle, present(request.bundle), PositionedBy::Bundle),
        (Field::Version, present(request.version), PositionedBy::Version),
    ];
    for (field, value, by) in levels {
        if place.by == Some(by) {
            break;
        }
        if value.is_some() {
            trail.record(Entry::Ignored { field });
        }
    }
    if let (Some(by), Some(node)) = (place.by, place.current.or(place.entry)) {
        trail.record(Entry::Position { by, release: context.node(node).view.id() });
    }
}
