//! Reads a map field by field, and refuses what nobody asked for.

use super::context::Context;
use crate::error::UNKNOWN_FIELD;
use crate::tree::{Data, Field, Node};

/// A map that is being read. Every field must be asked for before [`Fields::finish`].
pub struct Fields<'c, 'a, 'n> {
    /// Where errors go.
    pub context: &'c mut Context<'a>,
    /// The map itself.
    pub node: &'n Node,
    fields: &'n [Field],
    path: String,
    known: Vec<&'static str>,
}

/// Reads one value known by its path; `None` once its error is reported.
pub trait Read<T>: FnOnce(&mut Context<'_>, &Node, &str) -> Option<T> {}

impl<T, F: FnOnce(&mut Context<'_>, &Node, &str) -> Option<T>> Read<T> for F {}

impl<'c, 'a, 'n> Fields<'c, 'a, 'n> {
    /// Begins to read `node`, which must be a map.
    pub fn open(context: &'c mut Context<'a>, node: &'n Node, path: &str) -> Option<Self> {
        match &node.data {
            Data::Map(fields) => Some(Self { context, node, fields, path: path.to_owned(), known: Vec::new() }),
            Data::Scalar(_) | Data::List(_) => {
                context.refuse(node, path, "must be a map");
                None
            }
        }
    }

    /// The path of a field of this map.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The fields that were asked for so far.
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }

    fn find(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value).filter(|value| !value.is_null())
    }

    /// The value of a field that may be left out.
    pub fn optional<T>(&mut self, name: &'static str, read: impl Read<T>) -> Option<T> {
        let value = self.find(name)?;
        let path = self.path(name);
        read(self.context, value, &path)
    }

    /// The value of a field that must be there.
    pub fn required<T>(&mut self, name: &'static str, read: impl Read<T>) -> Option<T> {
        match self.find(name) {
            Some(value) => {
                let path = self.path(name);
                read(self.context, value, &path)
            }
            None => {
                let path = self.path(name);
                self.context.report(self.node, tidegate_model::Invalid::new(path, "", "must be given"));
                None
            }
        }
    }

    /// Which of these fields is there; it must be exactly one. The field itself is still to be read.
    pub fn exactly_one(&mut self, names: &[&'static str]) -> Option<&'static str> {
        self.known.extend(names);
        let is_there = |name: &&&str| self.node.get(name).is_some_and(|value| !value.is_null());
        let there: Vec<_> = names.iter().filter(is_there).copied().collect();
        match there.as_slice() {
            [one] => Some(one),
            [] => {
                let rule = format!("must have one of {}", names.join(", "));
                self.context.report(self.node, tidegate_model::Invalid::new(self.path.clone(), "", rule));
                None
            }
            [first, second, ..] => {
                let value = self.node.get(second).unwrap_or(self.node);
                let path = self.path(second);
                self.context.refuse(value, &path, format!("must not be combined with {first}"));
                None
            }
        }
    }

    /// Refuses every field that was not asked for, with the nearest one that could have been.
    pub fn finish(self) {
        for field in self.fields.iter().filter(|field| !self.known.contains(&field.name.as_str())) {
            let whose = if self.path.is_empty() { String::new() } else { format!(" of {}", self.path) };
            let rule = match suggestion(&field.name, &self.known) {
                Some(nearest) => format!("{UNKNOWN_FIELD}{whose}; did you mean {nearest}?"),
                None => format!("{UNKNOWN_FIELD}{whose}; there are {}", self.known.join(", ")),
            };
            let place = Node { mark: field.mark, ..Node::unmarked(Data::List(Vec::new())) };
            self.context.report(&place, tidegate_model::Invalid::new(self.path(&field.name), &field.name, rule));
        }
    }
}

/// The candidate that is at most a third of `name` away in edits (at least one), the nearest first.
pub fn suggestion<'k>(name: &str, candidates: &[&'k str]) -> Option<&'k str> {
    // Longer texts are no misspelt names, and the distance costs the product of both lengths.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    candidates
        .iter()
        .map(|candidate| (strsim::osa_distance(&name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
