//! Readers of single values. Each reports at most one error and then returns `None`.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{DottedVersion, Invalid, Ppm, Span, Timestamp, VersionText};

use super::context::Context;
use super::fields::suggestion;
use crate::scalar;
use crate::tree::{Data, Look, Node};

/// Text. A whole number is taken as written, with or without quotes; a fraction or a boolean must be quoted.
pub fn text(context: &mut Context<'_>, node: &Node, path: &str) -> Option<String> {
    match &node.data {
        Data::Scalar(scalar) if scalar.look() == Look::Number && scalar.text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(scalar.text.clone())
        }
        Data::Scalar(_) | Data::List(_) | Data::Map(_) => quoted(context, node, path),
    }
}

/// Text that no number may stand for: `15.04` and `15.040` are the same number but not the same version.
fn quoted(context: &mut Context<'_>, node: &Node, path: &str) -> Option<String> {
    match &node.data {
        Data::Scalar(scalar) => match scalar.look() {
            Look::Text => Some(scalar.text.clone()),
            Look::Null => {
                context.refuse(node, path, "must be text");
                None
            }
            Look::Number => {
                context.refuse(node, path, format!("is a number but must be text: write \"{}\" in quotes", scalar.text));
                None
            }
            Look::Bool(_) => {
                context.refuse(node, path, format!("is a boolean but must be text: write \"{}\" in quotes", scalar.text));
                None
            }
        },
        Data::List(_) | Data::Map(_) => {
            context.refuse(node, path, "must be text");
            None
        }
    }
}

/// Text that no number can be mistaken for, such as hexadecimal digits: taken as written, with or without quotes.
pub fn digits(context: &mut Context<'_>, node: &Node, path: &str) -> Option<String> {
    match &node.data {
        Data::Scalar(scalar) => Some(scalar.text.clone()),
        Data::List(_) | Data::Map(_) => {
            context.refuse(node, path, "must be text");
            None
        }
    }
}

/// Text with a rule of its own: an id, a salt.
pub fn checked<T>(parse: impl FnOnce(&str) -> Result<T, Invalid>) -> impl FnOnce(&mut Context<'_>, &Node, &str) -> Option<T> {
    move |context, node, path| {
        let text = text(context, node, path)?;
        parse(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
    }
}

/// A version.
pub fn version(context: &mut Context<'_>, node: &Node, path: &str) -> Option<VersionText> {
    let text = quoted(context, node, path)?;
    VersionText::new(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}

/// A version of dotted numbers, whatever the product's scheme: operating systems and frameworks.
pub fn dotted(context: &mut Context<'_>, node: &Node, path: &str) -> Option<DottedVersion> {
    let text = quoted(context, node, path)?;
    DottedVersion::parse(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}

/// A plain scalar that `read` understands.
fn plain<T>(context: &mut Context<'_>, node: &Node, path: &str, rule: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let value = match &node.data {
        Data::Scalar(scalar) if scalar.look() == Look::Number => read(&scalar.text),
        Data::Scalar(_) | Data::List(_) | Data::Map(_) => None,
    };
    if value.is_none() {
        context.refuse(node, path, rule);
    }
    value
}

/// `true` or `false`.
pub fn flag(context: &mut Context<'_>, node: &Node, path: &str) -> Option<bool> {
    match &node.data {
        Data::Scalar(scalar) => {
            if let Look::Bool(flag) = scalar.look() {
                return Some(flag);
            }
        }
        Data::List(_) | Data::Map(_) => {}
    }
    context.refuse(node, path, "must be true or false");
    None
}

/// A whole number of 64 bits.
pub fn number(context: &mut Context<'_>, node: &Node, path: &str) -> Option<u64> {
    plain(context, node, path, "must be a whole number from 0 to 18446744073709551615", scalar::number)
}

/// A whole number of 32 bits.
pub fn small_number(context: &mut Context<'_>, node: &Node, path: &str) -> Option<u32> {
    let read = |text: &str| u32::try_from(scalar::number(text)?).ok();
    plain(context, node, path, "must be a whole number from 0 to 4294967295", read)
}

/// A percentage.
pub fn percent(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Ppm> {
    plain(context, node, path, "must be 0 to 100 with at most four decimals", scalar::percent)
}

/// A number that `read` understands.
pub fn numeric<T>(
    rule: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> impl FnOnce(&mut Context<'_>, &Node, &str) -> Option<T> {
    move |context, node, path| plain(context, node, path, rule, read)
}

/// A duration.
pub fn span(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Span> {
    let value = match &node.data {
        Data::Scalar(scalar) => scalar::span(&scalar.text),
        Data::List(_) | Data::Map(_) => None,
    };
    if value.is_none() {
        context.refuse(node, path, "must be a duration such as 90s, 15m or 2d12h, at most 100 years");
    }
    value
}

/// An instant.
pub fn instant(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Timestamp> {
    let value = match &node.data {
        Data::Scalar(scalar) => scalar::instant(&scalar.text),
        Data::List(_) | Data::Map(_) => None,
    };
    if value.is_none() {
        context.refuse(node, path, "must be an instant such as 2026-01-01T00:00:00Z");
    }
    value
}

/// One of some words.
pub fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&mut Context<'_>, &Node, &str) -> Option<T> {
    move |context, node, path| {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        let written = match &node.data {
            Data::Scalar(scalar) => scalar.text.as_str(),
            Data::List(_) | Data::Map(_) => "",
        };
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == written) {
            return Some(*value);
        }
        let mut rule = match names.as_slice() {
            [one] => format!("must be {one}"),
            [one, other] => format!("must be {one} or {other}"),
            many => format!("must be one of {}", many.join(", ")),
        };
        if let Some(nearest) = suggestion(written, &names) {
            rule.push_str(&format!("; did you mean {nearest}?"));
        }
        context.refuse(node, path, rule);
        None
    }
}

/// A list, each item read by `read`. Items with errors are left out.
pub fn list<T>(
    read: impl Fn(&mut Context<'_>, &Node, &str) -> Option<T>,
) -> impl Fn(&mut Context<'_>, &Node, &str) -> Option<Vec<T>> {
    move |context, node, path| match &node.data {
        Data::List(items) => {
            let read_item = |(i, item)| read(context, item, &format!("{path}[{i}]"));
            Some(items.iter().enumerate().filter_map(read_item).collect())
        }
        Data::Scalar(_) | Data::Map(_) => {
            context.refuse(node, path, "must be a list");
            None
        }
    }
}

/// A list whose order does not matter; an item that is there twice is an error.
pub fn set<T: Ord>(
    read: impl Fn(&mut Context<'_>, &Node, &str) -> Option<T>,
) -> impl Fn(&mut Context<'_>, &Node, &str) -> Option<BTreeSet<T>> {
    move |context, node, path| match &node.data {
        Data::List(items) => {
            let mut set = BTreeSet::new();
            for (i, item) in items.iter().enumerate() {
                let path = format!("{path}[{i}]");
                if let Some(value) = read(context, item, &path)
                    && !set.insert(value)
                {
                    context.refuse(item, &path, "is there twice");
                }
            }
            Some(set)
        }
        Data::Scalar(_) | Data::Map(_) => {
            context.refuse(node, path, "must be a list");
            None
        }
    }
}

/// A map with free keys.
pub fn map<T>(
    read: impl Fn(&mut Context<'_>, &Node, &str) -> Option<T>,
) -> impl Fn(&mut Context<'_>, &Node, &str) -> Option<BTreeMap<String, T>> {
    move |context, node, path| match &node.data {
        Data::Map(fields) => {
            let read_field = |field: &crate::tree::Field| {
                read(context, &field.value, &format!("{path}.{}", field.name)).map(|value| (field.name.clone(), value))
            };
            Some(fields.iter().filter_map(read_field).collect())
        }
        Data::Scalar(_) | Data::List(_) => {
            context.refuse(node, path, "must be a map");
            None
        }
    }
}

/// Tags, attribute values and the like.
pub fn texts(context: &mut Context<'_>, node: &Node, path: &str) -> Option<BTreeSet<String>> {
    set(text)(context, node, path)
}
