//! Objects as manifests: the way back from `decode`. Reading what is printed gives the same wanted object.
//!
//! [`manifest`] prints what an author could have written, [`view`] adds what the cluster knows under `status`, [`export`]
//! prints manifests that recreate a whole set of objects elsewhere. Fields at their default are left out.

mod export;
mod map;
mod policy;
mod restraint;
mod spec;
mod status;
#[cfg(test)]
mod tests;
mod value;
mod wanted;
mod yaml;

use tidegate_model::{Document, Object, Spec};

pub use export::export;
pub use value::Value;

/// The wanted part of an object as a manifest.
#[must_use]
pub fn manifest(object: &Object) -> Value {
    spec::spec(&wanted::wanted(object)).into_value()
}

/// A wanted object as a manifest, with its `expected_version` if it has one.
#[must_use]
pub fn document(document: &Document) -> Value {
    let Document { spec, expected_version } = document;
    spec::spec(spec).optional("expected_version", expected_version.map(Value::number)).into_value()
}

/// The wanted part of an object, without what the cluster adds: what an author would have to write to get it.
#[must_use]
pub fn wanted(object: &Object) -> Spec {
    wanted::wanted(object)
}

/// The same for a release that is at hand.
pub(crate) fn release_spec(release: &tidegate_model::Release) -> tidegate_model::ReleaseSpec {
    wanted::release(release)
}

/// The manifest of an object, with what the cluster adds under `status`, which is ignored when it is read again.
#[must_use]
pub fn view(object: &Object) -> Value {
    spec::spec(&wanted::wanted(object)).put("status", status::status(object).into_value()).into_value()
}

/// Several values as one YAML text, a document each.
#[must_use]
pub fn to_yaml(values: &[Value]) -> String {
    values.iter().map(Value::to_yaml).collect::<Vec<_>>().join("---\n")
}
