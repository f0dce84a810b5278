//! Writes JSON into a string, piece by piece: what the answers on the hot path and the printed manifests share.

use std::fmt::Write;

use tidegate_model::Timestamp;

use crate::scalar;

/// Begins an object with its first field; names of fields are ours and need no escapes.
pub fn open(out: &mut String, name: &'static str) {
    out.push_str("{\"");
    out.push_str(name);
    out.push_str("\":");
}

/// Goes on with another field.
pub fn field(out: &mut String, name: &'static str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
}

/// Whether a byte stands for itself in a string.
fn is_plain(byte: u8) -> bool {
    (byte >= 0x20) & (byte != b'"') & (byte != b'\\')
}

/// A string with everything escaped that JSON wants escaped.
pub fn text(out: &mut String, text: &str) {
    out.push('"');
    // All bytes are looked at, so that many are at once: hardly any text has one to escape.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if is_plain(byte) {
            continue;
        }
        out.push_str(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => write!(out, "\\u{control:04x}").expect("writing to a string cannot fail"),
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

/// A whole number.
pub fn number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// An instant in RFC 3339.
pub fn instant(out: &mut String, at: Timestamp) {
    out.push('"');
    scalar::write_instant(out, at);
    out.push('"');
}

/// A value or `null`.
pub fn optional<T>(out: &mut String, value: Option<T>, write: impl FnOnce(&mut String, T)) {
    match value {
        Some(value) => write(out, value),
        None => out.push_str("null"),
    }
}

/// A list.
pub fn list<'a, T>(out: &mut String, items: &'a [T], write: impl Fn(&mut String, &'a T)) {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}
