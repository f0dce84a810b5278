//! Fleets: one check per device, all at one instant, and the counts and sets that come of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tidegate_manifest::check::CheckRequest;

use super::Remembered;
use super::asking::{self, Question};
use crate::answer::trace_has;
use crate::limits;
use crate::report::Wrong;
use crate::script::{Ask, Fleet, FleetExpectation};
use crate::world::World;

/// Stands for the number of the device.
const NUMBER: &str = "{i}";

/// What a fleet came to.
#[derive(Default)]
struct Tally {
    counted: BTreeSet<String>,
    /// Checks that counted; two of one device are two.
    count: u64,
    examples: Vec<String>,
    /// Devices that were not counted and heard something else than the others are to hear.
    strays: u64,
    stray: Option<Wrong>,
}

/// `fleet`.
pub(super) fn fleet(world: &mut World, remembered: &mut Remembered, fleet: &Fleet) -> Result<String, Wrong> {
    let tally = tally(world, fleet)?;
    let came = tally.told(fleet.count);
    judge(&fleet.expected, &tally, remembered, &came)?;
    if let Some(name) = &fleet.remember {
        remembered.insert(name.clone(), tally.counted);
    }
    Ok(came)
}

/// Asks for every device; then all of them are known.
fn tally(world: &mut World, fleet: &Fleet) -> Result<Tally, Wrong> {
    let mut tally = Tally::default();
    let is_simple = fleet.ask.varies_in_device_alone();
    let last = fleet.first + fleet.count.saturating_sub(1);
    // Between the first and the last number no text is longer: if both are well-formed, all are.
    let mut request = checked(world, &fleet.ask, fleet.first)?;
    checked(world, &fleet.ask, last)?;
    if fleet.count == 0 {
        return Ok(tally);
    }
    let template = fleet.ask.fields.get("device").and_then(|device| device.as_str()).unwrap_or_default().to_owned();
    if is_simple {
        let question = Question::new(&request);
        for number in fleet.first..=last {
            tally.ask(world, &fleet.expected, &question, &numbered(&template, number))?;
        }
        for number in fleet.first..=last {
            question.sight(world, Some(&numbered(&template, number)));
        }
        return Ok(tally);
    }
    let mut requests = Vec::new();
    for number in fleet.first..=last {
        if number > fleet.first {
            request = checked(world, &fleet.ask, number)?;
        }
        let device = request.device.clone().unwrap_or_default();
        tally.ask(world, &fleet.expected, &Question::new(&request), &device)?;
        requests.push(request.clone());
    }
    for request in &requests {
        Question::new(request).sight(world, request.device.as_deref());
    }
    Ok(tally)
}

fn numbered(template: &str, number: u64) -> String {
    template.replace(NUMBER, &number.to_string())
}

/// The request of one device of the fleet.
fn checked(world: &World, ask: &Ask, number: u64) -> Result<CheckRequest, Wrong> {
    ask.numbered(number).request(world).map_err(|bad| Wrong::new("checks that are well-formed", bad.to_string()))
}

impl Ask {
    /// The same with the number of the device in all texts.
    fn numbered(&self, number: u64) -> Cow<'_, Self> {
        if !self.fields.values().any(varies) {
            return Cow::Borrowed(self);
        }
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), replaced(value, number))).collect();
        Cow::Owned(Self { fields })
    }

    /// True if the devices of a fleet differ in nothing but their keys.
    fn varies_in_device_alone(&self) -> bool {
        !self.fields.iter().any(|(name, value)| name != "device" && varies(value))
            && self.fields.get("device").is_some_and(serde_json::Value::is_string)
    }
}

fn varies(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains(NUMBER),
        serde_json::Value::Array(items) => items.iter().any(varies),
        serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| name.contains(NUMBER) || varies(value)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
    }
}

fn replaced(value: &serde_json::Value, number: u64) -> serde_json::Value {
    match value {
        serde_json::Value::String(text) => serde_json::Value::String(numbered(text, number)),
        serde_json::Value::Array(items) => items.iter().map(|item| replaced(item, number)).collect(),
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(name, value)| (numbered(name, number), replaced(value, number))).collect()
        }
        other => other.clone(), // Neither null nor a number nor a flag holds text.
    }
}

impl Tally {
    /// One device asks.
    fn ask(&mut self, world: &World, expected: &FleetExpectation, question: &Question<'_>, device: &str) -> Result<(), Wrong> {
        let (snapshot, now) = (world.snapshot(), world.now());
        let key = (!device.is_empty()).then_some(device);
        let heard = question.ask(snapshot, key, now);
        let reason = heard.decision.reason;
        if asking::is_error(reason) {
            return Err(Wrong::new("an answer", format!("error {} for device {device:?}", reason.as_str())));
        }
        let is_counted = match &expected.target_release {
            None => heard.decision.is_offer(),
            Some(release) => heard.offered_release() == Some(release.as_str()),
        };
        if is_counted {
            self.count += 1;
            self.counted.insert(device.to_owned());
            return Ok(());
        }
        if self.examples.len() < limits::EXAMPLES_MAX {
            self.examples.push(format!("{device} hears {heard}"));
        }
        let Some(others) = &expected.others else { return Ok(()) };
        let needs_trace = !others.trace_has.is_empty();
        let trace = if needs_trace { question.explain(snapshot, key, now) } else { Vec::new() };
        if heard.fits(others) && trace_has(&trace, &others.trace_has) {
            return Ok(());
        }
        self.strays += 1;
        if self.stray.is_none() {
            let trace = question.explain(snapshot, key, now);
            let came = format!("{device} hears {}", asking::came(&heard, others));
            self.stray = Some(asking::wrong(format!("others: {others}"), came, &trace));
        }
        Ok(())
    }

    fn told(&self, asked: u64) -> String {
        let mut text = format!("{} of {asked} counted", self.count);
        if !self.examples.is_empty() {
            text.push_str(&format!("; of the others {}", self.examples.join(", ")));
        }
        text
    }
}

/// Compares counts and sets.
fn judge(expected: &FleetExpectation, tally: &Tally, remembered: &Remembered, came: &str) -> Result<(), Wrong> {
    let count = tally.count;
    let bounds = [
        ("offered", expected.offered, expected.offered.is_none_or(|wanted| count == wanted)),
        ("offered_min", expected.offered_min, expected.offered_min.is_none_or(|min| count >= min)),
        ("offered_max", expected.offered_max, expected.offered_max.is_none_or(|max| count <= max)),
    ];
    for (name, wanted, holds) in bounds {
        if let (Some(wanted), false) = (wanted, holds) {
            let what = expected.target_release.as_ref().map_or_else(String::new, |release| format!(" of {release}"));
            return Err(Wrong::new(format!("{name}: {wanted}{what}"), came));
        }
    }
    if let Some(stray) = &tally.stray {
        let came = format!("{} ({} such devices)", stray.came, tally.strays);
        return Err(Wrong { came, ..stray.clone() });
    }
    judge_sets(expected, &tally.counted, remembered)
}

fn judge_sets(expected: &FleetExpectation, counted: &BTreeSet<String>, remembered: &Remembered) -> Result<(), Wrong> {
    let set = |name: &String| {
        let known = || remembered.keys().cloned().collect::<Vec<_>>().join(", ");
        remembered.get(name).ok_or_else(|| Wrong::new(format!("a set remembered as {name}"), format!("there are [{}]", known())))
    };
    let difference = |rule: &str, name: &str, extra: Vec<&String>, what: &str| match extra.as_slice() {
        [] => Ok(()),
        some => {
            let shown: Vec<_> = some.iter().take(limits::EXAMPLES_MAX).map(|device| device.as_str()).collect();
            let came = format!("{} devices {what}, such as {}", some.len(), shown.join(", "));
            Err(Wrong::new(format!("{rule}: {name}"), came))
        }
    };
    if let Some(name) = &expected.same_as {
        let other = set(name)?;
        difference("same_as", name, other.difference(counted).collect(), "of it were not counted")?;
        difference("same_as", name, counted.difference(other).collect(), "were counted that are not in it")?;
    }
    if let Some(name) = &expected.contains {
        difference("contains", name, set(name)?.difference(counted).collect(), "of it were not counted")?;
    }
    if let Some(name) = &expected.within {
        difference("within", name, counted.difference(set(name)?).collect(), "were counted that are not in it")?;
    }
    if let Some(overlap) = &expected.overlap {
        let common = u64::try_from(set(&overlap.with)?.intersection(counted).count()).unwrap_or(u64::MAX);
        if overlap.min.is_some_and(|min| common < min) || overlap.max.is_some_and(|max| common > max) {
            let bound = |bound: Option<u64>| bound.map_or_else(|| "-".to_owned(), |bound| bound.to_string());
            let wanted = format!("overlap with {}: {} to {}", overlap.with, bound(overlap.min), bound(overlap.max));
            return Err(Wrong::new(wanted, format!("{common} devices are in both")));
        }
    }
    Ok(())
}
