//! The one shape of "this message cannot be a value of the model": which part of it, and what is wrong with it.

use thiserror::Error;
use tidegate_model::Invalid;

/// A message that the model's types cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct Malformed {
    /// Path of the part within the message, such as `stages[1].exposure.percent.share_ppm`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// A part without a default was left out.
    #[error("is missing")]
    Missing,
    /// No alternative of a oneof, or one that this build does not know: the sender may be newer.
    #[error("holds no alternative that this build knows")]
    UnknownAlternative,
    /// An enum value that this build does not know: the sender may be newer.
    #[error("value {0} is none that this build knows")]
    UnknownValue(i32),
    /// A hash, salt or seed of the wrong length.
    #[error("has {actual} bytes, must have {expected}")]
    Length {
        /// Bytes that came.
        actual: usize,
        /// Bytes that it must have.
        expected: usize,
    },
    /// A value that its type does not take.
    #[error("{value:?} {rule}")]
    Invalid {
        /// The value, shortened.
        value: String,
        /// The rule it breaks.
        rule: String,
    },
    /// A batch within a batch.
    #[error("a batch must not hold a batch")]
    NestedBatch,
}

impl Malformed {
    pub(crate) fn new(field: impl Into<String>, problem: Problem) -> Self {
        Self { field: field.into(), problem }
    }

    /// The same error seen from the message that contains the part.
    #[must_use]
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }

    /// The same error in the model's words, so that a refusal can name field, value and rule.
    #[must_use]
    pub fn into_invalid(self) -> Invalid {
        match self.problem {
            Problem::Invalid { value, rule } => Invalid { field: self.field, value, rule },
            problem => Invalid { field: self.field, value: String::new(), rule: problem.to_string() },
        }
    }
}
