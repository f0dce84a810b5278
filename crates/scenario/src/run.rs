//! Plays a test: step by step, until one does not come out as expected.

mod asking;
mod events;
mod fleet;
mod objects;
mod precedence;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{Failure, Report, StepReport, Wrong};
use crate::script::{Action, Scenario, Step};
use crate::world::{Stuck, World};

/// Sets of device keys that fleets remember, by name.
type Remembered = BTreeMap<String, BTreeSet<String>>;

/// Runs the whole file. The same file gives the same report.
#[must_use]
pub fn run(scenario: &Scenario) -> Report {
    let mut report = Report {
        name: scenario.name.clone(),
        source_name: scenario.source_name.clone(),
        steps: Vec::with_capacity(scenario.steps.len()),
        failure: None,
    };
    let mut world = World::new(scenario.start, &scenario.seed);
    let mut remembered = Remembered::new();
    let outcome = writing::objects(&mut world, scenario);
    if !note(&mut report, &mut world, Place { number: 0, line: 1, title: "objects".to_owned() }, Vec::new(), outcome) {
        return report;
    }
    for step in &scenario.steps {
        let moved = step.at.map_or(Ok(()), |at| at_rest(world.advance_to(at)));
        let acts_before = world.take_acts();
        let outcome = moved.and_then(|()| play(&mut world, &mut remembered, scenario, step));
        let place = Place { number: step.number, line: step.line, title: title(&step.action) };
        if !note(&mut report, &mut world, place, acts_before, outcome) {
            break;
        }
    }
    report
}

/// Which step it is.
struct Place {
    number: usize,
    line: usize,
    title: String,
}

/// Writes down what came of a step; false if it failed.
fn note(report: &mut Report, world: &mut World, place: Place, acts_before: Vec<String>, outcome: Result<String, Wrong>) -> bool {
    let Place { number, line, title } = place;
    let source_name = report.source_name.clone();
    let (came, failure) = match outcome {
        Ok(came) => (came, None),
        Err(Wrong { expected, came, trace }) => {
            (came.clone(), Some(Failure { source_name, step: number, line, title: title.clone(), expected, came, trace }))
        }
    };
    report.steps.push(StepReport { number, line, at: world.now(), title, came, acts_before, acts_after: world.take_acts() });
    report.failure = failure;
    report.failure.is_none()
}

fn at_rest(result: Result<(), Stuck>) -> Result<(), Wrong> {
    result.map_err(|stuck| Wrong::new("a controller that comes to rest", stuck.to_string()))
}

/// What is asked or done, then the controller until it rests.
fn play(world: &mut World, remembered: &mut Remembered, scenario: &Scenario, step: &Step) -> Result<String, Wrong> {
    let came = match &step.action {
        Action::Wait => Ok(String::new()),
        Action::Check { ask, expected } => asking::check(world, ask, expected),
        Action::Fleet(fleet) => fleet::fleet(world, remembered, fleet),
        Action::Do { act, refused_with } => writing::act(world, act, refused_with.as_deref()),
        Action::Apply { manifests, refused_with } => {
            writing::apply(world, &scenario.source_name, manifests, refused_with.as_deref())
        }
        Action::Events { events, refused_with } => events::events(world, events, refused_with.as_deref()),
        Action::ExpectRollout(expected) => objects::rollout(world, expected),
        Action::ExpectObject(expected) => objects::object(world, &scenario.source_name, expected),
    }?;
    at_rest(world.settle())?;
    Ok(came)
}

/// What a step does, for humans.
fn title(action: &Action) -> String {
    match action {
        Action::Wait => "at".to_owned(),
        Action::Check { ask, .. } => format!("check {}", ask.named()),
        Action::Fleet(fleet) => format!("fleet of {} {}", fleet.count, fleet.ask.named()),
        Action::Do { act, .. } => format!("do {}", writing::title(act)),
        Action::Apply { .. } => "apply".to_owned(),
        Action::Events { .. } => "events".to_owned(),
        Action::ExpectRollout(expected) => format!("expect_rollout {}", expected.release),
        Action::ExpectObject(expected) => format!("expect_object {} {}", expected.object.kind.as_str(), expected.object.id),
    }
}

/// What is expected of a write, and whether it came so. A refusal must leave everything as it was.
fn judge_write<T>(
    refused_with: Option<&str>,
    result: Result<T, (String, String)>,
    is_changed: bool,
    told: impl FnOnce(T) -> String,
) -> Result<String, Wrong> {
    match (refused_with, result) {
        (None, Ok(value)) => Ok(told(value)),
        (None, Err((_, sentence))) => Err(Wrong::new("it is carried out", sentence)),
        (Some(code), Ok(value)) => Err(Wrong::new(format!("refused with {code}"), format!("carried out: {}", told(value)))),
        (Some(expected), Err((code, sentence))) if expected != code => {
            Err(Wrong::new(format!("refused with {expected}"), sentence))
        }
        (Some(_), Err(_)) if is_changed => {
            Err(Wrong::new("a refusal that changes nothing", "it was refused and something changed"))
        }
        (Some(_), Err((_, sentence))) => Ok(sentence),
    }
}
