//! From a file to a test. Everything that is no test is an error with its line: an unknown key, verb or field is never
//! passed over, or a slip would make a test that tests nothing.
//!
//! What a *device* or an *operator* may get wrong (a value in a check, in an event, in a manifest that a step applies) is
//! not judged here: the step runs, and the product's own refusal is what the test compares.

mod act;
mod ask;
mod events;
mod expect;
mod fleet;
pub(crate) mod object;

use tidegate_manifest::read::{Context, Errors, Fields, values};
use tidegate_manifest::tree::{Budget, Data, Node, read};
use tidegate_manifest::{ManifestError, Source, instant, span};
use tidegate_model::{Document, Invalid, Timestamp};

use crate::limits;
use crate::script::{Action, Expected, Scenario, Step};

/// Reads one file.
///
/// # Errors
/// Everything in it that is no test, each with file, line, column, step, field, value and rule.
pub fn load(source: &Source) -> Result<Scenario, Vec<ManifestError>> {
    let mut errors = Errors::default();
    let scenario = file(source, &mut errors);
    let found = errors.into_result(scenario)?;
    Ok(found.expect("a file that is no test has at least one error"))
}

fn file(source: &Source, errors: &mut Errors) -> Option<Scenario> {
    let nothing = Node::unmarked(Data::Map(Vec::new()));
    let bytes = source.text.len();
    if bytes > limits::FILE_BYTES_MAX {
        let rule = format!("a file of {bytes} bytes must have at most {}", limits::FILE_BYTES_MAX);
        Context::new(&source.name, errors).report(&nothing, Invalid::new("", "", rule));
        return None;
    }
    let (documents, broken) = read(&source.name, &source.text, &mut Budget::default());
    let is_broken = !broken.is_empty();
    broken.into_iter().for_each(|error| errors.push(error));
    let mut context = Context::new(&source.name, errors);
    match documents.as_slice() {
        [document] => scenario(source, &mut context, document),
        [] if is_broken => None,
        [] => {
            context.report(&nothing, Invalid::new("", "", "is empty: a test has name, start and steps"));
            None
        }
        [_, second, ..] => {
            context.report(second, Invalid::new("", "", "a file has one document, the test"));
            None
        }
    }
}

fn scenario(source: &Source, context: &mut Context<'_>, node: &Node) -> Option<Scenario> {
    let mut fields = Fields::open(context, node, "")?;
    let name = fields.required("name", values::digits);
    let start = fields.required("start", values::instant);
    let seed = fields.optional("seed", values::digits);
    let objects = fields
        .optional("objects", |context: &mut Context<'_>, node: &Node, path: &str| manifests(context, &source.name, node, path));
    let clock = Clock { start: start.unwrap_or_default() };
    let steps = fields.required("steps", |context: &mut Context<'_>, node: &Node, path: &str| steps(context, node, path, clock));
    fields.finish();
    Some(Scenario {
        name: name?,
        source_name: source.name.clone(),
        start: start?,
        seed: seed.unwrap_or_default(),
        objects: objects.unwrap_or_default(),
        steps: steps?,
    })
}

/// The manifests of `objects`, all errors with their places.
fn manifests(context: &mut Context<'_>, source_name: &str, node: &Node, path: &str) -> Option<Vec<Document>> {
    if !matches!(node.data, Data::List(_)) {
        context.refuse(node, path, "must be a list of manifests");
        return None;
    }
    match tidegate_manifest::decode(source_name, node) {
        Ok(documents) => Some(documents.into_iter().map(|document| document.value).collect()),
        Err(errors) => {
            errors.into_iter().for_each(|error| context.push(error));
            None
        }
    }
}

/// What times in a file are measured from.
#[derive(Clone, Copy)]
struct Clock {
    start: Timestamp,
}

impl Clock {
    /// A duration since the start, or an instant.
    fn read(self, context: &mut Context<'_>, node: &Node, path: &str) -> Option<Timestamp> {
        let read = |text: &str| instant(text).or_else(|| span(text).map(|span| self.start.plus(span)));
        let at = match &node.data {
            Data::Scalar(scalar) => read(&scalar.text),
            Data::List(_) | Data::Map(_) => None,
        };
        if at.is_none() {
            context.refuse(
                node,
                path,
                "must be a duration since start, such as 1h30m, or an instant such as 2026-01-01T00:00:00Z",
            );
        }
        at
    }
}

fn steps(context: &mut Context<'_>, node: &Node, path: &str, clock: Clock) -> Option<Vec<Step>> {
    let Data::List(items) = &node.data else {
        context.refuse(node, path, "must be a list of steps");
        return None;
    };
    if items.is_empty() || items.len() > limits::STEPS_MAX {
        context.refuse(node, path, format!("must have 1 to {} steps, has {}", limits::STEPS_MAX, items.len()));
        return None;
    }
    let mut now = clock.start;
    let mut steps = Vec::new();
    for (i, item) in items.iter().enumerate() {
        context.document = format!("step {}", i + 1);
        let Some(mut step) = step(context, item, clock) else { continue };
        if let Some(at) = step.at {
            if at < now {
                let place = item.get("at").unwrap_or(item);
                context.refuse(place, "at", format!("must not go back: it is {now} already, and this is {at}"));
            }
            now = now.max(at);
        }
        step.number = i + 1;
        steps.push(step);
    }
    context.document.clear();
    Some(steps)
}

const ACTIONS: [&str; 7] = ["check", "fleet", "do", "apply", "events", "expect_rollout", "expect_object"];

fn step(context: &mut Context<'_>, node: &Node, clock: Clock) -> Option<Step> {
    let mut fields = Fields::open(context, node, "")?;
    let at = fields.optional("at", |context: &mut Context<'_>, node: &Node, path: &str| clock.read(context, node, path));
    let there = ACTIONS.iter().filter(|name| node.get(name).is_some()).count();
    let action = if there == 0 && node.get("at").is_some() {
        Some(Action::Wait)
    } else {
        let which = fields.exactly_one(&ACTIONS);
        let action = which.and_then(|which| action(&mut fields, which, clock));
        if which.is_none() {
            // The rest cannot be judged without knowing what it belongs to.
            for name in ["expect", "expect_error"] {
                fields.optional(name, |_, _, _| Some(()));
            }
        }
        action
    };
    fields.finish();
    Some(Step { number: 0, line: node.mark.line, at, action: action? })
}

fn action(fields: &mut Fields<'_, '_, '_>, which: &str, clock: Clock) -> Option<Action> {
    match which {
        "check" => {
            let ask = fields.required("check", ask::check);
            let expected = fields.optional("expect", expect::answer(clock));
            let error = refusal(fields);
            if let (Some(_), Some(_)) = (&expected, &error) {
                let node = fields.node;
                fields.context.refuse(node, "expect_error", "must not be combined with expect");
            }
            let expected = match (expected, error) {
                (_, Some(code)) => Expected::Error(code),
                (Some(expected), None) => Expected::Answer(expected),
                (None, None) => Expected::Nothing,
            };
            Some(Action::Check { ask: ask?, expected })
        }
        "fleet" => {
            let fleet = fields.required("fleet", fleet::fleet);
            let fleet = fleet::with_expectation(fields, clock, fleet?);
            Some(Action::Fleet(Box::new(fleet)))
        }
        "do" => {
            let act = fields.required("do", act::act);
            let refused_with = refusal(fields);
            Some(Action::Do { act: Box::new(act?), refused_with })
        }
        "apply" => {
            let list = fields.required("apply", list);
            let refused_with = refusal(fields);
            Some(Action::Apply { manifests: list?, refused_with })
        }
        "events" => {
            let events = fields.required("events", events::events(clock));
            let refused_with = refusal(fields);
            Some(Action::Events { events: events?, refused_with })
        }
        "expect_rollout" => fields.required("expect_rollout", object::rollout).map(Action::ExpectRollout),
        _ => fields.required("expect_object", object::object).map(Action::ExpectObject),
    }
}

/// The code of `expect_error`, if there is one.
fn refusal(fields: &mut Fields<'_, '_, '_>) -> Option<String> {
    fields.optional("expect_error", expect::code)
}

/// A list, kept as it is written.
fn list(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Node> {
    if matches!(node.data, Data::List(_)) {
        return Some(node.clone());
    }
    context.refuse(node, path, "must be a list");
    None
}
