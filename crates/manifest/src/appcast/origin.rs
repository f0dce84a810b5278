//! Dates and intervals as Sparkle reads them: what it cannot read does not stop it, and so must not stop an import.

use jiff::fmt::rfc2822::DateTimeParser;
use tidegate_model::limits::{INSTANT_MS_MAX, INSTANT_MS_MIN, SPAN_MS_MAX};
use tidegate_model::{Span, Timestamp};

/// A date such as `Mon, 05 Oct 2015 19:20:11 +0000`.
pub fn date(text: &str) -> Option<Timestamp> {
    static PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let at = PARSER.parse_timestamp(text.trim()).ok()?;
    let ms = at.as_millisecond();
    (INSTANT_MS_MIN..=INSTANT_MS_MAX).contains(&ms).then(|| Timestamp::from_millis(ms))
}

/// The date as feeds write it, in whole seconds, rounded up: nothing begins early.
pub fn print_date(at: Timestamp) -> Option<String> {
    let seconds = at.as_millis().div_euclid(1_000) + i64::from(at.as_millis().rem_euclid(1_000) > 0);
    let at = jiff::Timestamp::from_second(seconds).ok()?;
    // Two digits of the day and an offset of +0000, as Sparkle's own parser asks for.
    Some(at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
}

/// An interval in seconds as Sparkle reads it, by the number that the text begins with, and whether that is all it says.
/// No number is 0, and so is a negative one: it would admit groups before the date.
pub fn interval(text: &str) -> (Span, bool) {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let ms_max = SPAN_MS_MAX / 1_000 * 1_000;
    let read = text[..digits].parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let ms = if digits == 0 { 0 } else { read.unwrap_or(ms_max).min(ms_max) };
    (Span::from_millis(ms), digits > 0 && digits == text.len() && read == Some(ms))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_by_the_number_they_begin_with() {
        for (text, seconds, is_whole) in [
            ("86400", 86_400, true),
            (" 86400\n", 86_400, true),
            ("0", 0, true),
            ("abc", 0, false),
            ("", 0, false),
            ("-5", 0, false),
            ("12h", 12, false),
            ("1.5", 1, false),
        ] {
            assert_eq!(interval(text), (Span::from_secs(seconds), is_whole), "{text:?}");
        }
        assert!(!interval("99999999999999999999999").1);
        assert!(interval("99999999999999999999999").0.as_millis() <= SPAN_MS_MAX);
    }

    #[test]
    fn dates_are_rfc_2822() {
        let at = Timestamp::from_secs(1_444_072_811);
        for text in [
            "Mon, 05 Oct 2015 19:20:11 +0000",
            "Mon, 05 Oct 2015 19:20:11 GMT",
            "05 Oct 2015 21:20:11 +0200",
            "Tue, 05 Oct 2015 19:20:11 +0000",
        ] {
            assert_eq!(date(text), Some(at), "{text}");
        }
        for text in ["", "yesterday", "2015-10-05", "Mon, 32 Oct 2015 19:20:11 +0000"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(date(&print_date(at).unwrap()), Some(at));
        assert_eq!(date(&print_date(Timestamp::from_millis(1_444_072_810_001)).unwrap()), Some(at));
    }
}
