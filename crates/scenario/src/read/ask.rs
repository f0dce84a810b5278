//! The fields of a check request. Names are judged here, values when the step runs, as those of a device would be.

use serde_json::{Map, Value};
use tidegate_manifest::read::{Context, Fields};
use tidegate_manifest::tree::{Data, Look, Node};

use crate::script::Ask;

/// All fields of a check request.
const FIELDS: [&str; 14] = [
    "product",
    "device",
    "release",
    "bundle",
    "version",
    "attributes",
    "tags",
    "mode",
    "group",
    "security_epoch",
    "min_config_version",
    "pending",
    "nonce",
    "explain",
];

/// `check: {...}`.
pub(super) fn check(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Ask> {
    let mut fields = Fields::open(context, node, path)?;
    let ask = ask(&mut fields);
    fields.finish();
    Some(ask)
}

/// The fields of a check among those of a larger map.
pub(super) fn ask(fields: &mut Fields<'_, '_, '_>) -> Ask {
    let mut written = Map::new();
    for name in FIELDS {
        if let Some(value) = fields.optional(name, |_, node: &Node, _| Some(json(name, node))) {
            written.insert(name.to_owned(), value);
        }
    }
    Ask { fields: written }
}

/// A value as a device would send it. Texts are taken as written, with or without quotes.
fn json(name: &str, node: &Node) -> Value {
    let is_text = !matches!(name, "group" | "security_epoch" | "min_config_version" | "explain");
    match &node.data {
        Data::Scalar(scalar) if is_text => Value::String(scalar.text.clone()),
        Data::Scalar(scalar) => match scalar.look() {
            Look::Null => Value::Null,
            Look::Bool(flag) => Value::Bool(flag),
            Look::Number => serde_json::from_str(&scalar.text).unwrap_or_else(|_| Value::String(scalar.text.clone())),
            Look::Text => Value::String(scalar.text.clone()),
        },
        Data::List(items) => Value::Array(items.iter().map(|item| json(name, item)).collect()),
        Data::Map(fields) => fields.iter().map(|field| (field.name.clone(), json(name, &field.value))).collect(),
    }
}
