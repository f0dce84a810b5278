//! Between wire and evidence. A malformed event refuses its batch; a malformed sighting says nothing and is left out.

use tidegate_controller::{CellProgress, Counts, Event, EventKind, Progress, Sighting};
use tidegate_model::limits::{INSTANT_MS_MAX, INSTANT_MS_MIN};
use tidegate_model::{BundleId, CellState, DeviceKey, Invalid, ProductId, ReleaseId, Timestamp};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::device::v1 as device;

use crate::limits::{EVENT_TEXT_BYTES_MAX, EVENTS_MAX};
use crate::refusal::Door;
use crate::wire;

/// Reads install events taken in at `at`.
///
/// # Errors
/// [`Door::Invalid`], with the index of the first malformed one.
pub(super) fn events_in(events: Vec<device::InstallEvent>, at: Timestamp) -> Result<Vec<Event>, Door> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(Door::field("events", events.len().to_string(), format!("must be 1 to {EVENTS_MAX}")));
    }
    events.into_iter().enumerate().map(|(index, event)| event_in(index, event, at)).collect()
}

fn event_in(index: usize, event: device::InstallEvent, at: Timestamp) -> Result<Event, Door> {
    let refused = |field: &str, value: String, rule: String| Door::field(format!("events[{index}].{field}"), value, rule);
    let invalid = |field: &'static str| move |invalid: Invalid| refused(field, invalid.value, invalid.rule);
    let texts = [("event_id", &event.event_id), ("code", &event.code), ("message", &event.message)];
    let version = event.version.iter().map(|version| ("version", version));
    for (field, text) in texts.into_iter().chain(version) {
        if text.len() > EVENT_TEXT_BYTES_MAX {
            let rule = format!("must be at most {EVENT_TEXT_BYTES_MAX} bytes");
            return Err(refused(field, format!("{} bytes", text.len()), rule));
        }
    }
    if event.event_id.is_empty() {
        return Err(refused("event_id", String::new(), "must be set".to_owned()));
    }
    if event.release.is_none() && event.bundle.is_none() {
        return Err(refused("release", String::new(), "release or bundle must be set".to_owned()));
    }
    let happened = event.at_ms.map_or(at, Timestamp::from_millis);
    if !(INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(&happened.as_millis()) {
        return Err(refused("at_ms", happened.as_millis().to_string(), "must be in the years 1 to 9999".to_owned()));
    }
    Ok(Event {
        product: ProductId::new(&event.product).map_err(invalid("product"))?,
        device: DeviceKey::new(&event.device).map_err(invalid("device"))?,
        release: event.release.as_deref().map(ReleaseId::new).transpose().map_err(invalid("release"))?,
        bundle: event.bundle.as_deref().map(BundleId::new).transpose().map_err(invalid("bundle"))?,
        kind: kind_in(event.kind).ok_or_else(|| refused("kind", event.kind.to_string(), "must be a kind of event".to_owned()))?,
        at: happened,
        event_id: event.event_id,
        version: event.version,
        code: event.code,
        message: event.message,
    })
}

fn kind_in(kind: i32) -> Option<EventKind> {
    Some(match device::InstallEventKind::try_from(kind).ok()? {
        device::InstallEventKind::Unspecified => return None,
        device::InstallEventKind::Offered => EventKind::Offered,
        device::InstallEventKind::Downloading => EventKind::Downloading,
        device::InstallEventKind::Installing => EventKind::Installing,
        device::InstallEventKind::Rebooting => EventKind::Rebooting,
        device::InstallEventKind::Succeeded => EventKind::Succeeded,
        device::InstallEventKind::Failed => EventKind::Failed,
        device::InstallEventKind::RolledBackLocally => EventKind::RolledBackLocally,
        device::InstallEventKind::Deferred => EventKind::Deferred,
        device::InstallEventKind::Running => EventKind::Running,
    })
}

/// Reads sightings; those with names that nothing can have are left out.
pub(super) fn sightings_in(sightings: Vec<wire::Sighting>) -> Vec<Sighting> {
    let sighting = |sighting: wire::Sighting| {
        Some(Sighting {
            product: ProductId::new(&sighting.product).ok()?,
            device: DeviceKey::new(&sighting.device).ok()?,
            attributes: sighting.attributes,
            tags: sighting.tags.into_iter().collect(),
        })
    };
    sightings.into_iter().filter_map(sighting).collect()
}

/// A rollout's progress as callers see it.
pub(super) fn progress_out(progress: &Progress, node: u64) -> admin::RolloutProgress {
    admin::RolloutProgress {
        counts: Some(counts_out(&progress.counts)),
        verdict: progress.verdict.map_or_else(String::new, |verdict| verdict.to_string()),
        cells: progress.cells.iter().map(cell_out).collect(),
        known: progress.known,
        admitted: progress.admitted as u64,
        new_codes: progress.new_codes.iter().cloned().collect(),
        waits: progress.waits.clone(),
        next_at_ms: progress.next_at.map(Timestamp::as_millis),
        node: node.to_string(),
    }
}

fn cell_out(cell: &CellProgress) -> admin::CellProgress {
    let state = match cell.state {
        CellState::Closed => "CLOSED",
        CellState::Open => "OPEN",
        CellState::Settled => "SETTLED",
        CellState::Passed => "PASSED",
        CellState::Failed => "FAILED",
    };
    admin::CellProgress {
        domain: cell.domain.clone(),
        state: state.to_owned(),
        counts: Some(counts_out(&cell.counts)),
        verdict: cell.verdict.map_or_else(String::new, |verdict| verdict.to_string()),
    }
}

fn counts_out(counts: &Counts) -> admin::RolloutCounts {
    admin::RolloutCounts {
        attempted: counts.attempted,
        succeeded: counts.succeeded,
        failed: counts.failed,
        rolled_back: counts.rolled_back,
        running: counts.running,
        silent: counts.silent,
    }
}
