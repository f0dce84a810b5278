//! The one shape of "this value breaks that rule", so that every layer above can name field, value and rule.

use thiserror::Error;

/// A value that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {value:?} {rule}")]
pub struct Invalid {
    /// Path of the field within its object, such as `stages[1].exposure`.
    pub field: String,
    /// The offending value, shortened to 64 characters.
    pub value: String,
    /// The rule it breaks, such as `must be 0 to 100`.
    pub rule: String,
}

impl Invalid {
    /// Names a broken rule; long values are shortened.
    #[must_use]
    pub fn new(field: impl Into<String>, value: impl AsRef<str>, rule: impl Into<String>) -> Self {
        let value = value.as_ref();
        let value = match value.char_indices().nth(64) {
            Some((cut, _)) => format!("{}…", &value[..cut]),
            None => value.to_owned(),
        };
        Self { field: field.into(), value, rule: rule.into() }
    }

    /// The same error seen from the object that contains the field.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.field =
            if self.field.starts_with('[') { format!("{outer}{}", self.field) } else { format!("{outer}.{}", self.field) };
        self
    }

    /// The same error under another field name.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}
