//! Install events, refused as a whole if one is malformed.

use tidegate_controller::{Event, EventKind};
use tidegate_model::{BundleId, DeviceKey, ProductId, ReleaseId, Timestamp, limits as bounds};

use super::judge_write;
use crate::limits;
use crate::report::Wrong;
use crate::script::Series;
use crate::world::World;

/// `events`.
pub(super) fn events(world: &mut World, series: &[Series], refused_with: Option<&str>) -> Result<String, Wrong> {
    let read = read_all(world, series);
    if let (Ok(events), None) = (&read, refused_with) {
        for event in events {
            world.take_in(event);
        }
    }
    // A refused batch is read before anything of it is taken in.
    judge_write(refused_with, read, false, |events| format!("{} events", events.len()))
}

/// Code and sentence of a refusal.
type Refused = (String, String);

fn read_all(world: &mut World, series: &[Series]) -> Result<Vec<Event>, Refused> {
    let mut events = Vec::new();
    for (index, series) in series.iter().enumerate() {
        for number in series.first..series.first.saturating_add(series.count) {
            let event = read(world, series, number);
            events.push(event.map_err(|(code, rule)| (code.clone(), format!("{code}: event {index}: {rule}")))?);
        }
    }
    Ok(events)
}

fn read(world: &mut World, series: &Series, number: u64) -> Result<Event, Refused> {
    let invalid = |rule: String| ("INVALID_REQUEST".to_owned(), rule);
    if let Some(rule) = &series.malformed {
        return Err(invalid(rule.clone()));
    }
    let numbered = |name: &str| series.field(name).map(|text| text.replace("{i}", &number.to_string()));
    let product = product(world, series)?;
    let text = |name: &'static str, max: usize| {
        let text = series.field(name).unwrap_or_default();
        if text.len() > max { Err(invalid(format!("{name} must be at most {max} bytes"))) } else { Ok(text.to_owned()) }
    };
    let event_id = match numbered("event_id") {
        Some(id) if id.is_empty() || id.len() > limits::EVENT_TEXT_BYTES_MAX => {
            return Err(invalid(format!("event_id must be 1 to {} bytes", limits::EVENT_TEXT_BYTES_MAX)));
        }
        Some(id) => id,
        None => world.fresh_event_id(),
    };
    let device = numbered("device").unwrap_or_default();
    let device = DeviceKey::new(&device).map_err(|rule| invalid(rule.at("device").to_string()))?;
    let release = series.field("release").map(ReleaseId::new).transpose();
    let bundle = series.field("bundle").map(BundleId::new).transpose();
    let kind = series.field("kind").unwrap_or_default();
    Ok(Event {
        event_id,
        product,
        device,
        release: release.map_err(|rule| invalid(rule.at("release").to_string()))?,
        bundle: bundle.map_err(|rule| invalid(rule.at("bundle").to_string()))?,
        version: series.field("version").map(|_| text("version", bounds::VERSION_BYTES_MAX)).transpose()?,
        kind: EventKind::parse(kind).ok_or_else(|| invalid(format!("kind {kind:?} is none")))?,
        at: series.field("at").and_then(|ms| ms.parse().ok()).map_or_else(|| world.now(), Timestamp::from_millis),
        code: text("code", limits::EVENT_TEXT_BYTES_MAX)?,
        message: text("message", limits::EVENT_TEXT_BYTES_MAX)?,
    })
}

/// The product that is named, or the only one.
fn product(world: &World, series: &Series) -> Result<ProductId, Refused> {
    let products = world.catalog().products();
    match series.field("product") {
        Some(name) => match products.keys().find(|product| product.as_str() == name) {
            Some(product) => Ok(product.clone()),
            None => Err(("UNKNOWN_PRODUCT".to_owned(), format!("there is no product {name:?}"))),
        },
        None => match (products.len(), products.keys().next()) {
            (1, Some(only)) => Ok(only.clone()),
            _ => Err(("INVALID_REQUEST".to_owned(), "product must be given".to_owned())),
        },
    }
}
