//! Checks: from the fields of a step to a decision, the way a device's request goes.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_controller::Sighting;
use tidegate_eligibility::{Decision, Entry, InstallMode, Mode, Reason, Request, Snapshot, Urgency, decide, decide_traced};
use tidegate_manifest::check::{self, CheckRequest, request_from_json};
use tidegate_model::{DeviceKey, ProductId, Span, Timestamp};

use crate::answer::{Expectation, Heard, trace_has};
use crate::report::Wrong;
use crate::script::{Ask, Expected};
use crate::world::World;

impl Ask {
    /// The request; the product is the only one there is, unless it is given.
    pub(super) fn request(&self, world: &World) -> Result<CheckRequest, check::BadRequest> {
        let mut body = self.fields.clone();
        let products = world.catalog().products();
        if !body.contains_key("product")
            && let (1, Some(only)) = (products.len(), products.keys().next())
        {
            body.insert("product".to_owned(), Value::String(only.as_str().to_owned()));
        }
        request_from_json(Value::Object(body).to_string().as_bytes())
    }

    /// What tells the request from others, for humans.
    pub(super) fn named(&self) -> String {
        let named = ["device", "release", "bundle", "version", "tags", "attributes", "mode"].iter();
        let named = named.filter_map(|name| self.fields.get(*name).map(|value| format!("{name} {}", plain(value))));
        named.collect::<Vec<_>>().join(", ")
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A request with its lists in the form that decisions borrow.
pub(super) struct Question<'r> {
    pub request: &'r CheckRequest,
    attributes: Vec<(&'r str, &'r str)>,
    tags: Vec<&'r str>,
}

impl<'r> Question<'r> {
    pub(super) fn new(request: &'r CheckRequest) -> Self {
        let attributes = request.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self { request, attributes, tags: request.tags.iter().map(String::as_str).collect() }
    }

    fn borrowed<'q>(&'q self, device: Option<&'q str>) -> Request<'q> {
        let request = self.request;
        Request {
            product: &request.product,
            device,
            release: request.release.as_deref(),
            bundle: request.bundle.as_deref(),
            version: request.version.as_deref(),
            attributes: &self.attributes,
            tags: &self.tags,
            mode: match request.mode {
                check::Mode::Background => Mode::Background,
                check::Mode::Interactive => Mode::Interactive,
            },
            security_epoch: request.security_epoch,
            min_config_version: request.min_config_version,
            group: request.group,
            pending: request.pending.as_deref(),
        }
    }

    /// What a device of this key hears.
    pub(super) fn ask<'s>(&'s self, snapshot: &'s Snapshot, device: Option<&str>, now: Timestamp) -> Heard<'s> {
        let decision = decide(snapshot, &self.borrowed(device), now).public();
        Heard { decision, now, nonce: self.request.nonce.as_deref() }
    }

    /// The same with what led to it.
    pub(super) fn explain<'s>(&self, snapshot: &'s Snapshot, device: Option<&str>, now: Timestamp) -> Vec<Entry<'s>> {
        let mut trace = Vec::new();
        let _heard: Decision<'s> = decide_traced(snapshot, &self.borrowed(device), now, &mut trace);
        trace
    }

    /// The device becomes known to the controller, if it has a key.
    pub(super) fn sight(&self, world: &mut World, device: Option<&str>) {
        let sighted = device.and_then(|key| DeviceKey::new(key).ok()).zip(ProductId::new(&self.request.product).ok());
        let Some((device, product)) = sighted else { return };
        let attributes: BTreeMap<_, _> = self.request.attributes.iter().cloned().collect();
        let sighting = Sighting { product, device, attributes, tags: self.request.tags.iter().cloned().collect() };
        world.sight(&sighting);
    }
}

/// True for the answers that are errors of the request.
pub(super) fn is_error(reason: Reason) -> bool {
    matches!(reason, Reason::InvalidRequest | Reason::UnknownProduct)
}

/// `check`.
pub(super) fn check(world: &mut World, ask: &Ask, expected: &Expected) -> Result<String, Wrong> {
    let request = match ask.request(world) {
        Ok(request) => request,
        Err(bad) => return judge_error(expected, Reason::InvalidRequest, &bad.to_string(), world.now()),
    };
    let question = Question::new(&request);
    let device = request.device.as_deref();
    let came = {
        let (snapshot, now) = (world.snapshot(), world.now());
        let heard = question.ask(snapshot, device, now);
        if is_error(heard.decision.reason) {
            let detail = format!("product {:?}", request.product);
            return judge_error(expected, heard.decision.reason, &detail, now);
        }
        judge(expected, &heard, &question.explain(snapshot, device, now))?
    };
    question.sight(world, device);
    Ok(came)
}

fn judge(expected: &Expected, heard: &Heard<'_>, trace: &[Entry<'_>]) -> Result<String, Wrong> {
    match expected {
        Expected::Nothing => Ok(heard.to_string()),
        Expected::Error(code) => Err(wrong(format!("error {code}"), heard.to_string(), trace)),
        Expected::Answer(expectation) if heard.fits(expectation) && trace_has(trace, &expectation.trace_has) => {
            Ok(heard.to_string())
        }
        Expected::Answer(expectation) => Err(wrong(expectation.to_string(), came(heard, expectation), trace)),
    }
}

/// The answer and the fields that were asked for.
pub(super) fn came(heard: &Heard<'_>, expectation: &Expectation) -> String {
    format!("{} ({heard})", heard.named(expectation))
}

pub(super) fn wrong(expected: String, came: String, trace: &[Entry<'_>]) -> Wrong {
    Wrong { expected, came, trace: trace.iter().map(ToString::to_string).collect() }
}

/// The request itself is refused. An `expect` meets that only if it names the code: what else it asks of a negative answer
/// is true of every error.
fn judge_error(expected: &Expected, reason: Reason, detail: &str, now: Timestamp) -> Result<String, Wrong> {
    let decision = Decision {
        reason,
        target: None,
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        source: None,
        next_eligible_at: None,
        config_version: 0,
        retry_after: Span::ZERO,
        flatten: false,
    };
    let heard = Heard { decision, now, nonce: None };
    let told = format!("error {}: {detail}", reason.as_str());
    match expected {
        Expected::Error(code) if code == reason.as_str() => Ok(told),
        Expected::Error(code) => Err(Wrong::new(format!("error {code}"), told)),
        Expected::Answer(expectation) if expectation.names_reason() && heard.fits(expectation) => Ok(told),
        Expected::Answer(expectation) => Err(Wrong::new(expectation.to_string(), told)),
        Expected::Nothing => Err(Wrong::new("an answer", told)),
    }
}

impl Expectation {
    fn names_reason(&self) -> bool {
        self.fields.iter().any(|(field, _)| *field == crate::answer::AnswerField::Reason) && self.trace_has.is_empty()
    }
}
