//! A JSON value, or one that is to be printed, as a tree: the same decoder reads it, without lines.

use serde_json::Value;

use super::{Data, Field, Node, Scalar};
use crate::print;

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

impl From<&print::Value> for Node {
    /// What would be read if the value were printed.
    fn from(value: &print::Value) -> Self {
        let scalar = |text: &str, quoted| Data::Scalar(Scalar { text: text.to_owned(), quoted });
        Self::unmarked(match value {
            print::Value::Null => scalar("null", false),
            print::Value::Bool(flag) => scalar(if *flag { "true" } else { "false" }, false),
            print::Value::Number(digits) => scalar(digits, false),
            print::Value::Text(text) => scalar(text, true),
            print::Value::List(items) => Data::List(items.iter().map(Self::from).collect()),
            print::Value::Map(fields) => Data::Map(
                fields
                    .iter()
                    .map(|(name, value)| Field { mark: super::Mark::default(), name: name.clone(), value: value.into() })
                    .collect(),
            ),
        })
    }
}
