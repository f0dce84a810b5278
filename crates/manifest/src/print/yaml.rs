//! Values as YAML: block style, lists of scalars in one line, text in quotes wherever any YAML reader could take it for
//! something else.

use super::value::Value;
use crate::json;
use crate::tree::{Look, Scalar};

/// One document, ending with a line feed.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// Writes `value` at the beginning of a line that is indented already.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Map(fields) if !fields.is_empty() => {
            for (i, (name, value)) in fields.iter().enumerate() {
                if i > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                text(out, name);
                out.push(':');
                if is_inline(value) {
                    out.push(' ');
                    inline(out, value);
                    out.push('\n');
                } else {
                    out.push('\n');
                    let deeper = indent + 2;
                    out.extend(std::iter::repeat_n(' ', deeper));
                    block(out, value, deeper);
                }
            }
        }
        Value::List(items) if !is_inline(value) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                out.push_str("- ");
                block(out, item, indent + 2);
            }
        }
        _ => {
            inline(out, value);
            out.push('\n');
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Map(_))
}

fn is_inline(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().all(is_scalar),
        Value::Map(fields) => fields.is_empty(),
        _ => true,
    }
}

fn inline(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(digits) => out.push_str(digits),
        Value::Text(content) => text(out, content),
        Value::List(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                inline(out, item);
            }
            out.push(']');
        }
        Value::Map(_) => out.push_str("{}"),
    }
}

/// Words that YAML 1.1 takes for booleans.
const OLD_BOOLEANS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];

fn text(out: &mut String, content: &str) {
    let is_plain = content.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && content.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@+~/-".contains(&byte))
        && !OLD_BOOLEANS.contains(&content.to_ascii_lowercase().as_str())
        && Scalar { text: content.to_owned(), quoted: false }.look() == Look::Text;
    if is_plain {
        out.push_str(content);
    } else {
        quoted(out, content);
    }
}

/// Double quotes with JSON's escapes, which YAML shares, and escapes for what YAML counts as unprintable.
fn quoted(out: &mut String, content: &str) {
    let mut plain = String::new();
    let mut escaped = String::new();
    json::text(&mut plain, content);
    for character in plain.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => escaped.push(character),
        }
    }
    out.push_str(&escaped);
}
