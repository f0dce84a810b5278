//! What a write that cannot even be read is refused with.
//!
//! The codes of a refusal have an order, and three come before INVALID_OBJECT: NOT_FOUND, ALREADY_EXISTS, CONFLICT. A value
//! that is none never reaches the machine, which keeps that order; so it is kept here, for what is written with such a value.

use tidegate_machine::Code;
use tidegate_manifest::tree::{Data, Node};
use tidegate_model::Transition;

use super::objects;
use crate::read;
use crate::world::World;

/// Code and sentence of the refusal of a verb, one of whose options breaks `rule`.
pub(super) fn of_verb(world: &World, transition: &Transition, rule: &str) -> (String, String) {
    let release = &transition.release;
    let code = match world.catalog().releases().get(release) {
        None => Code::NotFound,
        Some(stored) => stale(transition.expected_version, Some(stored.version)).unwrap_or(Code::InvalidObject),
    };
    refusal(code, &format!("release {release}: {rule}"))
}

/// Code and sentence of the refusal of an apply, some of whose manifests break `rules`.
pub(super) fn of_manifests(world: &World, manifests: &Node, rules: &str) -> (String, String) {
    let items: &[Node] = if let Data::List(items) = &manifests.data { items } else { &[] };
    let codes: Vec<Code> = items.iter().filter_map(|item| stale_manifest(world, item)).collect();
    let in_order = [Code::NotFound, Code::AlreadyExists, Code::Conflict];
    let first = in_order.into_iter().find(|code| codes.contains(code));
    refusal(first.unwrap_or(Code::InvalidObject), rules)
}

fn refusal(code: Code, sentence: &str) -> (String, String) {
    (code.as_str().to_owned(), format!("{}: {sentence}", code.as_str()))
}

/// What compare-and-set says of a manifest that names its object and a version, whatever else stands in it.
fn stale_manifest(world: &World, manifest: &Node) -> Option<Code> {
    let expected = manifest.get("expected_version").and_then(|version| version.quote().parse().ok());
    let name = read::object::named(manifest)?;
    let stored = objects::resolve(world, &name).ok().and_then(|reference| world.catalog().get(&reference));
    stale(expected, stored.map(|object| object.version()))
}

/// The code of a compare-and-set that fails; `None` if it holds, or nothing is expected.
fn stale(expected: Option<u64>, stored: Option<u64>) -> Option<Code> {
    match (expected, stored) {
        (None, _) | (Some(0), None) => None,
        (Some(0), Some(_)) => Some(Code::AlreadyExists),
        (Some(_), None) => Some(Code::NotFound),
        (Some(expected), Some(stored)) => (expected != stored).then_some(Code::Conflict),
    }
}
