//! Builds the map of a manifest, leaving out what is at its default.

use tidegate_model::Timestamp;

use super::value::Value;
use crate::scalar;

/// A map that is being filled, in the order in which it will be printed.
#[derive(Default)]
pub struct Map(Vec<(String, Value)>);

impl Map {
    /// Adds a field.
    pub fn put(mut self, name: &str, value: Value) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    /// Adds a field of text.
    pub fn text(self, name: &str, text: impl ToString) -> Self {
        self.put(name, Value::text(text))
    }

    /// Adds a field if there is a value.
    pub fn optional(self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// Adds a field of text if there is one.
    pub fn optional_text(self, name: &str, text: Option<impl ToString>) -> Self {
        self.optional(name, text.map(Value::text))
    }

    /// Adds an instant if there is one.
    pub fn optional_instant(self, name: &str, at: Option<Timestamp>) -> Self {
        self.optional_text(name, at.map(scalar::print_instant))
    }

    /// Adds a flag if it is set.
    pub fn flag(self, name: &str, is_set: bool) -> Self {
        self.optional(name, is_set.then_some(Value::Bool(true)))
    }

    /// Adds a field of text unless it is empty.
    pub fn some_text(self, name: &str, text: &str) -> Self {
        self.optional_text(name, (!text.is_empty()).then_some(text))
    }

    /// Adds a list of texts unless it is empty.
    pub fn some_texts(self, name: &str, texts: impl IntoIterator<Item = impl ToString>) -> Self {
        self.some_list(name, texts.into_iter().map(Value::text))
    }

    /// Adds a list unless it is empty.
    pub fn some_list(self, name: &str, items: impl IntoIterator<Item = Value>) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        self.optional(name, (!items.is_empty()).then_some(Value::List(items)))
    }

    /// Adds a map unless it is empty.
    pub fn some_map(self, name: &str, map: Self) -> Self {
        self.optional(name, (!map.0.is_empty()).then(|| map.into_value()))
    }

    /// The map as a value.
    pub fn into_value(self) -> Value {
        Value::Map(self.0)
    }
}

/// A map of one field.
pub fn only(name: &str, value: Value) -> Value {
    Map::default().put(name, value).into_value()
}
