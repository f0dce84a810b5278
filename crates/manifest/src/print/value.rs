//! A printable value, and its two texts.

use crate::json;

/// What is printed; maps keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, as its digits: shares with decimals are exact.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// A whole number.
    #[must_use]
    pub fn number(number: impl Into<u64>) -> Self {
        Self::Number(number.into().to_string())
    }

    /// One YAML document, ending with a line feed.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        super::yaml::to_yaml(self)
    }

    /// JSON over several lines, indented by two.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        let mut out = String::new();
        self.write_pretty(&mut out, 0);
        out
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => json::text(out, text),
            Self::List(items) => json::list(out, items, |out, item| item.write_json(out)),
            Self::Map(fields) => {
                out.push('{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    json::text(out, name);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }

    fn write_pretty(&self, out: &mut String, indent: usize) {
        let line = |out: &mut String, indent: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
        };
        match self {
            Self::List(items) if !items.is_empty() => {
                for (i, item) in items.iter().enumerate() {
                    out.push(if i == 0 { '[' } else { ',' });
                    line(out, indent + 2);
                    item.write_pretty(out, indent + 2);
                }
                line(out, indent);
                out.push(']');
            }
            Self::Map(fields) if !fields.is_empty() => {
                for (i, (name, value)) in fields.iter().enumerate() {
                    out.push(if i == 0 { '{' } else { ',' });
                    line(out, indent + 2);
                    json::text(out, name);
                    out.push_str(": ");
                    value.write_pretty(out, indent + 2);
                }
                line(out, indent);
                out.push('}');
            }
            _ => self.write_json(out),
        }
    }
}
