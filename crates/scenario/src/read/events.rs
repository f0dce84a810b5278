//! Install events. Names are judged here, values when the step runs, as those of a device would be.

use tidegate_manifest::read::{Context, Fields, values};
use tidegate_manifest::tree::{Data, Node};

use super::Clock;
use crate::limits;
use crate::script::Series;

const TEXTS: [&str; 9] = ["event_id", "product", "device", "release", "bundle", "version", "kind", "code", "message"];

/// `events: [...]`.
pub(super) fn events(clock: Clock) -> impl FnOnce(&mut Context<'_>, &Node, &str) -> Option<Vec<Series>> {
    move |context, node, path| {
        let read = |context: &mut Context<'_>, node: &Node, path: &str| series(context, node, path, clock);
        let events = values::list(read)(context, node, path)?;
        let count = events.iter().fold(0_u64, |sum, series| sum.saturating_add(series.count));
        if count > limits::EVENTS_MAX {
            context.refuse(node, path, format!("must be at most {} events, series counted out", limits::EVENTS_MAX));
        }
        Some(events)
    }
}

fn series(context: &mut Context<'_>, node: &Node, path: &str, clock: Clock) -> Option<Series> {
    let mut fields = Fields::open(context, node, path)?;
    let count = fields.optional("count", values::number).unwrap_or(1);
    let first = fields.optional("first", values::number).unwrap_or(0);
    let mut series = Series { count, first, ..Series::default() };
    for name in TEXTS {
        let read = |_: &mut Context<'_>, node: &Node, _: &str| match &node.data {
            Data::Scalar(scalar) => Some(Ok(scalar.text.clone())),
            Data::List(_) | Data::Map(_) => Some(Err(format!("{name} must be text"))),
        };
        match fields.optional(name, read) {
            Some(Ok(text)) => series.fields.push((name, text)),
            Some(Err(rule)) => series.malformed = Some(rule),
            None => {}
        }
    }
    let at = fields.optional("at", |_: &mut Context<'_>, node: &Node, _: &str| Some(node.clone()));
    if let Some(at) = at {
        match instant(&at, clock) {
            Some(at) => series.fields.push(("at", at.as_millis().to_string())),
            None => series.malformed = Some("at must be an instant, or a duration since start".to_owned()),
        }
    }
    fields.finish();
    Some(series)
}

/// A malformed instant is the device's fault, not the file's.
fn instant(node: &Node, clock: Clock) -> Option<tidegate_model::Timestamp> {
    let mut unheard = tidegate_manifest::read::Errors::default();
    clock.read(&mut Context::new("", &mut unheard), node, "at")
}
