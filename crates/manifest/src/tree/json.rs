//! A JSON value as a tree: the same decoder reads it, without lines.

use serde_json::Value;

use super::{Data, Field, Node, Scalar};

/// Turns a JSON value into a tree. The caller has bounded its size and depth by parsing it.
#[must_use]
pub fn from_json(value: &Value) -> Node {
    let scalar = |text: String, quoted| Data::Scalar(Scalar { text, quoted });
    Node::unmarked(match value {
        Value::Null => scalar("null".to_owned(), false),
        Value::Bool(flag) => scalar(flag.to_string(), false),
        Value::Number(number) => scalar(number.to_string(), false),
        Value::String(text) => scalar(text.clone(), true),
        Value::Array(items) => Data::List(items.iter().map(from_json).collect()),
        Value::Object(fields) => Data::Map(
            fields
                .iter()
                .map(|(name, value)| Field { mark: super::Mark::default(), name: name.clone(), value: from_json(value) })
                .collect(),
        ),
    })
}
