//! Trees to wanted objects: every kind and field of a manifest, with all errors of all documents.
//!
//! A document with an error is left out but does not stop the next one from being read. Field rules (bounds, ramps that
//! go down) are those of `tidegate_model`'s `validate`; they are asked here so that errors bear a line, and once more by
//! the state machine. Start with [`kinds`]; the readers of single values are in [`values`], maps in [`fields`].

mod bundle;
pub mod context;
mod device;
mod exposure;
pub mod fields;
pub mod kinds;
mod policy;
mod product;
mod release;
mod restraint;
mod selector;
#[cfg(test)]
mod tests;
pub mod values;

use serde_json::Value;
use tidegate_model::Document;

use self::context::{Context, Errors};
use crate::error::ManifestError;
use crate::tree::{self, Data, Mark, Node};
use crate::{Located, Source, limits};

/// Reads manifests: any number of YAML documents, or JSON, each a map with `kind` or a list of such maps. The order is
/// kept, source by source.
///
/// # Errors
/// All of them, over all documents, at most [`limits::ERRORS_MAX`].
pub fn parse(sources: &[Source]) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    let mut errors = Errors::default();
    let mut documents = Vec::new();
    let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
    if bytes > limits::MANIFEST_BYTES_MAX {
        let name = sources.first().map_or("", |source| source.name.as_str());
        let rule = format!("{bytes} bytes of manifests must be at most {} in one call", limits::MANIFEST_BYTES_MAX);
        errors.push(ManifestError::at(name, Mark::default(), tidegate_model::Invalid::new("", "", rule)));
        return errors.into_result(documents);
    }
    let mut budget = tree::Budget::default();
    for source in sources {
        let (nodes, broken) = tree::read(&source.name, &source.text, &mut budget);
        for node in &nodes {
            decode_into(&source.name, node, &mut documents, &mut errors);
        }
        broken.into_iter().for_each(|error| errors.push(error));
    }
    errors.into_result(documents)
}

/// Decodes one node of a tree that the caller has read: a map with `kind`, or a list of such maps.
///
/// # Errors
/// All of them, at most [`limits::ERRORS_MAX`].
pub fn decode(source_name: &str, node: &Node) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    let (mut documents, mut errors) = (Vec::new(), Errors::default());
    decode_into(source_name, node, &mut documents, &mut errors);
    errors.into_result(documents)
}

/// The same for a JSON value, whose errors have no lines.
///
/// # Errors
/// All of them, at most [`limits::ERRORS_MAX`].
pub fn from_value(value: &Value) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    decode("body", &tree::from_json(value))
}

fn decode_into(source_name: &str, node: &Node, documents: &mut Vec<Located<Document>>, errors: &mut Errors) {
    let items = match &node.data {
        Data::List(items) => items.as_slice(),
        Data::Map(_) | Data::Scalar(_) => std::slice::from_ref(node),
    };
    for item in items {
        if documents.len() >= limits::DOCUMENTS_MAX {
            let rule = format!("is one document too many: at most {} in one call", limits::DOCUMENTS_MAX);
            errors.push(ManifestError::at(source_name, item.mark, tidegate_model::Invalid::new("", "", rule)));
            return;
        }
        let mut context = Context::new(source_name, errors);
        if let Some(document) = kinds::document(&mut context, item) {
            let Mark { line, column } = item.mark;
            documents.push(Located { value: document, source_name: source_name.to_owned(), line, column });
        }
    }
}
