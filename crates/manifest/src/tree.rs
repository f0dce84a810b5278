//! A YAML or JSON text as a tree whose every node knows its line and column, and whose scalars keep the text that their
//! author wrote: `15.04` and `0.1` are read by whoever knows what they mean, never as floats.
//!
//! This module knows nothing of kinds or fields. [`read`] is bounded in nodes, depth and documents, also when aliases
//! are expanded.

mod json;
mod reader;
mod surrogates;

use tidegate_model::Invalid;

pub use json::from_json;
pub use reader::{Budget, read};

/// A place in a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark {
    /// Line, from 1; 0 for what came from no text.
    pub line: usize,
    /// Column in characters, from 1; 0 for what came from no text.
    pub column: usize,
}

/// One value of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub mark: Mark,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A text, number, boolean or null.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map in the order written; keys are unique.
    Map(Vec<Field>),
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes and with escapes resolved.
    pub text: String,
    /// True if it was quoted (or tagged `!!str`): then it is text, whatever it looks like.
    pub quoted: bool,
}

/// One entry of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where the key begins.
    pub mark: Mark,
    /// The key.
    pub name: String,
    /// The value.
    pub value: Node,
}

/// What a plain scalar looks like under YAML's core schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole or decimal number, also `.nan` and `.inf`.
    Number,
    /// Anything else, and everything quoted.
    Text,
}

impl Scalar {
    /// What it is: quoted scalars are text, plain ones what they look like.
    #[must_use]
    pub fn look(&self) -> Look {
        if self.quoted {
            return Look::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Look::Null,
            "true" | "True" | "TRUE" => Look::Bool(true),
            "false" | "False" | "FALSE" => Look::Bool(false),
            text if is_number(text) => Look::Number,
            _ => Look::Text,
        }
    }
}

/// The numbers of YAML's core schema: `12`, `-1.5`, `.5`, `1e3`, `0x1f`, `0o17`, `.inf`, `.nan`.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all = |text: &str, radix: u32| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, 8);
    }
    if [".inf", ".Inf", ".INF"].contains(&unsigned) || [".nan", ".NaN", ".NAN"].contains(&text) {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| all(exponent.strip_prefix(['+', '-']).unwrap_or(exponent), 10));
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, part)) => (all(whole, 10) || whole.is_empty()) && (all(part, 10) || (part.is_empty() && !whole.is_empty())),
        None => all(mantissa, 10),
    };
    exponent_fits && mantissa_fits
}

impl Node {
    /// A node that came from no text.
    #[must_use]
    pub fn unmarked(data: Data) -> Self {
        Self { mark: Mark::default(), data }
    }

    /// The value of a field, if this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match &self.data {
            Data::Map(fields) => fields.iter().find(|field| field.name == name).map(|field| &field.value),
            Data::Scalar(_) | Data::List(_) => None,
        }
    }

    /// True for a plain `null`, `~` or nothing at all: the same as a field that is left out.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Scalar(scalar) if scalar.look() == Look::Null)
    }

    /// The node at a path such as `stages[1].exposure`, or the deepest one on the way that exists.
    #[must_use]
    pub fn locate(&self, path: &str) -> &Self {
        let mut node = self;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = match (&node.data, part.strip_suffix(']').map(str::parse::<usize>)) {
                (Data::List(items), Some(Ok(index))) => items.get(index),
                _ => node.get(part),
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }

    /// The node as error messages quote it: the text of a scalar; lists and maps by their kind.
    #[must_use]
    pub fn quote(&self) -> &str {
        match &self.data {
            Data::Scalar(scalar) => &scalar.text,
            Data::List(_) => "[...]",
            Data::Map(_) => "{...}",
        }
    }

    /// An error about this node under the name of its field.
    #[must_use]
    pub fn refuse(&self, field: &str, rule: impl Into<String>) -> Invalid {
        Invalid::new(field, self.quote(), rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_they_look_like() {
        let look = |text: &str| Scalar { text: text.to_owned(), quoted: false }.look();
        for number in ["0", "12", "-1", "+1", "15.04", "1.", ".5", "1e3", "1.5E-7", "0x1F", "0o17", ".inf", "-.INF", ".nan"] {
            assert_eq!(look(number), Look::Number, "{number}");
        }
        for text in ["1.0.0", "1_000", "on", "no", ".", "-", "e3", "1e", "0x", "nan", "inf", "--1", "31.20200108.3.0", "1h"] {
            assert_eq!(look(text), Look::Text, "{text}");
        }
        assert_eq!([look(""), look("~"), look("null")], [Look::Null; 3]);
        assert_eq!(look("true"), Look::Bool(true));
        assert_eq!(Scalar { text: "1".to_owned(), quoted: true }.look(), Look::Text);
    }
}
