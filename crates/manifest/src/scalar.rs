//! Scalars of manifests: text to value and back, exactly. No floats: shares are read digit by digit.

use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter};
use tidegate_model::limits::SPAN_MS_MAX;
use tidegate_model::{Ppm, Span, Timestamp};

/// A whole number of at most 64 bits, digits only.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// A decimal such as `12.5` or `.25` as a count of units of `10^-places`; digits beyond `places` are refused unless they
/// are zero. `None` if it is no plain decimal, or too fine, or too large.
#[must_use]
pub fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let all_digits = whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit());
    let part = part.trim_end_matches('0');
    if !all_digits || part.len() > places || whole.len() > 12 {
        return None;
    }
    format!("{whole}{part:0<places$}").parse().ok()
}

/// A percentage, 0 to 100 with at most four decimals.
#[must_use]
pub fn percent(text: &str) -> Option<Ppm> {
    Ppm::new(u32::try_from(decimal(text, 4)?).ok()?).ok()
}

/// A duration such as `90s`, `2d12h` or `0s`: units `d h m s ms`, each at most once, largest first, at most 100 years.
#[must_use]
pub fn span(text: &str) -> Option<Span> {
    const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (mut rest, mut total, mut next_unit) = (text, 0_u64, 0);
    while !rest.is_empty() || next_unit == 0 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount = number(&rest[..digits])?;
        rest = &rest[digits..];
        let name = &rest[..rest.bytes().take_while(u8::is_ascii_alphabetic).count()];
        let unit = next_unit + UNITS[next_unit..].iter().position(|(unit, _)| *unit == name)?;
        total = total.checked_add(amount.checked_mul(UNITS[unit].1)?)?;
        next_unit = unit + 1;
        rest = &rest[name.len()..];
    }
    (total <= SPAN_MS_MAX).then(|| Span::from_millis(total))
}

/// An instant in RFC 3339 with an offset or `Z`, rounded down to the millisecond.
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    // jiff also takes `[Europe/Berlin]` suffixes and other extensions of RFC 3339; manifests do not.
    if text.len() > 40 || !text.contains(['T', 't']) || text.contains('[') {
        return None;
    }
    let at = PARSER.parse_timestamp(text).ok()?;
    let (seconds, nanoseconds) = (at.as_second(), i64::from(at.subsec_nanosecond()));
    Some(Timestamp::from_millis(seconds.checked_mul(1_000)?.checked_add(nanoseconds.div_euclid(1_000_000))?))
}

/// Appends an instant as RFC 3339 in UTC; what lies beyond the calendar's ends is written as the end.
pub fn write_instant(out: &mut String, at: Timestamp) {
    static PRINTER: DateTimePrinter = DateTimePrinter::new();
    let last = if at.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(last);
    PRINTER.print_timestamp(&at, out).expect("writing to a string cannot fail");
}

/// An instant as [`write_instant`] writes it.
#[must_use]
pub fn print_instant(at: Timestamp) -> String {
    let mut text = String::new();
    write_instant(&mut text, at);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_read_digit_by_digit() {
        for (text, ppm) in [("0", 0), ("10", 100_000), ("12.5", 125_000), ("0.0001", 1), ("100.0000", 1_000_000), (".5", 5_000)] {
            assert_eq!(percent(text), Some(Ppm::new(ppm).unwrap()), "{text}");
        }
        for text in ["", ".", "100.0001", "0.00001", "-1", "+1", "1e1", "1,5", ".nan", "101", "99999999999999999999", " 1"] {
            assert_eq!(percent(text), None, "{text}");
        }
    }

    #[test]
    fn durations_join_units_largest_first() {
        for (text, secs) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("2d12h", 216_000), ("0s", 0), ("1h0m1s", 3_601)] {
            assert_eq!(span(text), Some(Span::from_secs(secs)), "{text}");
        }
        assert_eq!(span("1m500ms"), Some(Span::from_millis(60_500)));
        for text in ["", "5", "h", "1h2d", "1h1h", "1.5h", "-1h", "1 h", "1w", "1hour", "99999999999999999999d", "36601d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_rfc_3339() {
        assert_eq!(instant("2026-01-01T00:00:00Z"), Some(Timestamp::from_secs(1_767_225_600)));
        assert_eq!(instant("2026-01-01T01:00:00.25+01:00"), Some(Timestamp::from_millis(1_767_225_600_250)));
        for text in ["", "2026-01-01", "2026-01-01T00:00:00", "now", "1767225600", "2026-01-01T00:00:00+01:00[Europe/Berlin]"] {
            assert_eq!(instant(text), None, "{text}");
        }
        assert_eq!(print_instant(Timestamp::from_secs(1_767_225_600)), "2026-01-01T00:00:00Z");
        assert_eq!(instant(&print_instant(Timestamp::from_millis(i64::MAX))).map(|at| at > Timestamp::from_secs(0)), Some(true));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(ms in 0..SPAN_MS_MAX, at in -60_000_000_000_000..200_000_000_000_000_i64, ppm in 0..=1_000_000_u32) {
            let (length, at, share) = (Span::from_millis(ms), Timestamp::from_millis(at), Ppm::new(ppm).unwrap());
            prop_assert_eq!(span(&length.to_string()), Some(length));
            prop_assert_eq!(instant(&print_instant(at)), Some(at));
            prop_assert_eq!(percent(&share.to_string()), Some(share));
        }

        #[test]
        fn no_text_makes_them_panic(text in "\\PC*") {
            let _ = (number(&text), decimal(&text, 6), percent(&text), span(&text), instant(&text));
        }
    }
}
