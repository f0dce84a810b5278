//! Writes JSON into a string, piece by piece: what the answers on the hot path and the printed manifests share.

use std::fmt::Write;

use tidegate_model::Timestamp;

use crate::scalar;

/// Begins an object with its first field.
pub fn open(out: &mut String, name: &str) {
    out.push('{');
    text(out, name);
    out.push(':');
}

/// Goes on with another field.
pub fn field(out: &mut String, name: &str) {
    out.push(',');
    text(out, name);
    out.push(':');
}

/// A string with everything escaped that JSON wants escaped.
pub fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
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
    write!(out, "{number}").expect("writing to a string cannot fail");
}

/// An instant in RFC 3339.
pub fn instant(out: &mut String, at: Timestamp) {
    text(out, &scalar::print_instant(at));
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
