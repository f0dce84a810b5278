//! Steps that write: `objects`, `do`, `apply`.

use tidegate_machine::{Outcome, Rejection};
use tidegate_manifest::ManifestError;
use tidegate_manifest::tree::Node;
use tidegate_model::{Command, Delete, Verb};

use super::{judge_write, objects, precedence};
use crate::report::Wrong;
use crate::script::{Act, Scenario, What};
use crate::world::World;

/// The apply at the start.
pub(super) fn objects(world: &mut World, scenario: &Scenario) -> Result<String, Wrong> {
    let came = match scenario.objects.as_slice() {
        [] => String::new(),
        documents => {
            let result = world.write(None, None, Command::Apply(documents.to_vec()));
            told(result.map_err(|rejection| Wrong::new("the objects are taken", refusal(&rejection).1))?)
        }
    };
    super::at_rest(world.settle())?;
    Ok(came)
}

/// `do`.
pub(super) fn act(world: &mut World, act: &Act, refused_with: Option<&str>) -> Result<String, Wrong> {
    let before = world.catalog().digest();
    let command = match (&act.what, &act.malformed) {
        (What::Transition(transition), Some(rule)) => Err(precedence::of_verb(world, transition, rule)),
        (What::Transition(transition), None) => Ok(Command::Transition(transition.clone())),
        (What::Delete { object, expected_version }, _) => {
            objects::resolve(world, object).map(|object| Command::Delete(Delete { object, expected_version: *expected_version }))
        }
    };
    let result = command.and_then(|command| {
        world.write(act.by.as_ref(), act.request_id.as_ref(), command).map_err(|rejection| refusal(&rejection))
    });
    judge_write(refused_with, result, world.catalog().digest() != before, told)
}

/// `apply`: the manifests are read now.
pub(super) fn apply(world: &mut World, source_name: &str, manifests: &Node, refused_with: Option<&str>) -> Result<String, Wrong> {
    let before = world.catalog().digest();
    let result = match tidegate_manifest::decode(source_name, manifests) {
        Ok(documents) => {
            let documents = documents.into_iter().map(|document| document.value).collect();
            world.write(None, None, Command::Apply(documents)).map_err(|rejection| refusal(&rejection))
        }
        Err(errors) if errors.iter().any(ManifestError::is_unknown_field) => {
            // A slip of the author; it must not pass for the refusal that the author meant.
            return Err(Wrong::new("fields that manifests have", sentence(&errors)));
        }
        Err(errors) => Err(precedence::of_manifests(world, manifests, &sentence(&errors))),
    };
    judge_write(refused_with, result, world.catalog().digest() != before, told)
}

fn sentence(errors: &[ManifestError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Code and sentence.
fn refusal(rejection: &Rejection) -> (String, String) {
    (rejection.code.as_str().to_owned(), rejection.to_string())
}

fn told(outcome: Outcome) -> String {
    let mut text = format!("config version {}", outcome.config_version);
    for object in outcome.objects.iter().take(10) {
        text.push_str(&format!(", {} {} (version {})", object.reference, object.effect.as_str(), object.version));
    }
    for warning in outcome.warnings.iter().take(10) {
        text.push_str(&format!("; warning {warning}"));
    }
    text
}

/// Verb and release.
pub(super) fn title(act: &Act) -> String {
    match &act.what {
        What::Transition(transition) => format!("{} {}", verb(&transition.verb), transition.release),
        What::Delete { object, .. } => format!("delete {} {}", object.kind.as_str(), object.id),
    }
}

fn verb(verb: &Verb) -> &'static str {
    tidegate_machine::lifecycle::Action::of(verb).as_str()
}
