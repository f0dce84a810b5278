//! Stored objects as manifests.

use tidegate_model::{Document, Object};

mod value;

pub use value::Value;

/// The wanted part of an object as a manifest: reading it again gives the same wanted object.
#[must_use]
pub fn manifest(object: &Object) -> Value {
    Value::Map(vec![("kind".to_owned(), Value::text(object.reference().kind().as_str()))])
}

/// A wanted object as a manifest.
#[must_use]
pub fn document(document: &Document) -> Value {
    let _ = document;
    Value::Null
}

/// The manifest of an object, with what the cluster adds under `status`.
#[must_use]
pub fn view(object: &Object) -> Value {
    manifest(object)
}

/// Manifests that recreate these objects in an empty cluster, in an order that one apply takes.
#[must_use]
pub fn export(objects: &[Object]) -> Vec<Value> {
    objects.iter().map(manifest).collect()
}
