//! Instants as people write and read them.

use tidegate_manifest::print::Value;
use tidegate_model::Timestamp;

use crate::exit::{Failure, Outcome};

/// An instant of an answer, as RFC 3339.
pub fn instant(ms: i64) -> Value {
    Value::text(print_instant(Timestamp::from_millis(ms)))
}

/// RFC 3339, UTC.
pub fn print_instant(at: Timestamp) -> String {
    at.to_string()
}

/// Reads an RFC 3339 instant from a flag.
pub fn parse_instant(flag: &str, text: &str) -> Outcome<Timestamp> {
    tidegate_manifest::instant(text)
        .ok_or_else(|| Failure::usage(format!("{flag}: {text:?} must be an instant such as 2026-01-01T00:00:00Z")))
}
