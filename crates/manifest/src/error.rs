//! What is wrong with a manifest, and where.

use std::fmt;

use thiserror::Error;
use tidegate_model::Invalid;

use crate::tree::Mark;

/// How the rule begins that an unknown field breaks.
pub(crate) const UNKNOWN_FIELD: &str = "is no field";

/// One broken rule, with the place where it is broken. Prints as one line:
/// `rollout.yaml:12:5: release r5: urgency: "urgent" must be normal, critical or {critical_below: VERSION}`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ManifestError {
    /// Name of the source, as given by the caller: a file name, `-`, `body`.
    pub source_name: String,
    /// Line, from 1; 0 if the source has no lines (a value that came from no text).
    pub line: usize,
    /// Column in characters, from 1; 0 if the source has no lines.
    pub column: usize,
    /// The document that it belongs to, such as `release r5`; empty if that cannot be told.
    pub document: String,
    /// Path of the field within its document, such as `stages[1].exposure.percent`; empty for the document as a whole.
    pub field: String,
    /// The offending value, shortened; empty if there is none (a missing field, say).
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl ManifestError {
    /// The broken rule without its place, for callers whose own errors have none.
    #[must_use]
    pub fn invalid(&self) -> Invalid {
        Invalid::new(self.field.clone(), &self.value, self.rule.clone())
    }

    /// True if a field has a name that nothing is called: a slip of the author, not a value that could be refused.
    #[must_use]
    pub fn is_unknown_field(&self) -> bool {
        self.rule.starts_with(UNKNOWN_FIELD)
    }

    pub(crate) fn at(source_name: &str, mark: Mark, invalid: Invalid) -> Self {
        Self {
            source_name: source_name.to_owned(),
            line: mark.line,
            column: mark.column,
            document: String::new(),
            field: invalid.field,
            value: invalid.value,
            rule: invalid.rule,
        }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source_name)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        for part in [&self.document, &self.field] {
            if !part.is_empty() {
                write!(f, ": {part}")?;
            }
        }
        if self.value.is_empty() { write!(f, ": {}", self.rule) } else { write!(f, ": {:?} {}", self.value, self.rule) }
    }
}
