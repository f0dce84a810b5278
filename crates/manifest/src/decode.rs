//! Trees to wanted objects.

use serde_json::Value;
use tidegate_model::Document;

use crate::error::ManifestError;
use crate::tree::{self, Node};
use crate::{Located, Source};

/// Reads manifests: any number of YAML documents, or JSON, each a map with `kind` or a list of such maps. The order is
/// kept, source by source.
///
/// # Errors
/// All of them, over all documents.
pub fn parse(sources: &[Source]) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    let mut budget = tree::Budget::default();
    let mut errors = Vec::new();
    for source in sources {
        errors.extend(tree::read(&source.name, &source.text, &mut budget).1);
    }
    Err(errors)
}

/// Decodes one node of a tree that the caller has read: a map with `kind`, or a list of such maps.
///
/// # Errors
/// All of them.
pub fn decode(source_name: &str, node: &Node) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    let _ = (source_name, node);
    Err(Vec::new())
}

/// The same for a JSON value, whose errors have no lines.
///
/// # Errors
/// All of them.
pub fn from_value(value: &Value) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    decode("body", &tree::from_json(value))
}
