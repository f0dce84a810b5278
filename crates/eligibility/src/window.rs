//! When a Window hold lets updates through: local times of a cron expression, each the start of an opening.
//!
//! Expression and zone are read once, at compile time. What remains are bit masks, so that an evaluation allocates
//! nothing. The zone data is the one that the binary carries: every node of one build answers alike.
//!
//! A local time that the clock skips opens the window at the end of the gap, one that occurs twice at the first. So the
//! instant of an opening never decreases with its local time, and both searches below may stop at the first hit.

mod seen;

use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use tidegate_model::{Timestamp, Window};

use crate::limits;
use crate::window::seen::Seen;

/// True if the window can ever let anything through: its cron expression has five readable fields, its time zone is known,
/// and it lasts some time. A hold with any other window holds always, so whoever accepts one should ask first.
#[must_use]
pub fn window_is_readable(window: &Window) -> bool {
    Openings::compile(window).is_some()
}

/// Openings, ready to be asked about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Openings {
    minutes: u64,
    hours: u32,
    months: u16,
    // Days of a month by its length (28 to 31) and the weekday of its first (0 is Sunday): all that a day rule looks at.
    days: [[u32; 7]; 4],
    duration_ms: i64,
    zone: TimeZone,
    seen: Seen,
}

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Sunday,
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
];

/// A month of each length; the weekday of its first is given separately.
const MONTH_OF_LENGTH: [(i32, u32); 4] = [(2001, 2), (2000, 2), (2001, 4), (2001, 1)];

impl Openings {
    /// Reads a window; `None` if its expression or zone is none, or it lasts no time: then it never opens.
    pub(crate) fn compile(window: &Window) -> Option<Self> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(&window.cron).ok()?;
        let zone = match window.timezone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZoneDatabase::bundled().get(name).ok()?,
        };
        let duration_ms = i64::try_from(window.duration.as_millis()).ok().filter(|ms| *ms > 0)?;
        let pattern = &cron.pattern;
        let minutes = (0..60).filter(|m| pattern.minute_match(*m).unwrap_or(false)).fold(0, |mask, m| mask | 1 << m);
        let hours = (0..24).filter(|h| pattern.hour_match(*h).unwrap_or(false)).fold(0, |mask, h| mask | 1 << h);
        let months = (1..=12).filter(|m| pattern.month_match(*m).unwrap_or(false)).fold(0, |mask, m| mask | 1 << m);
        let mut days = [[0; 7]; 4];
        for (of_length, (year, month)) in days.iter_mut().zip(MONTH_OF_LENGTH) {
            for (first, mask) in of_length.iter_mut().enumerate() {
                *mask = day_mask(&cron, year, month, first);
            }
        }
        Some(Self { minutes, hours, months, days, duration_ms, zone, seen: Seen::default() })
    }

    /// True if the window is open at `now`.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        let now_ms = now.as_millis();
        if let Some(is_open) = self.seen.at(now_ms) {
            return is_open;
        }
        // Only the last opening can still be running longest: all last equally long.
        let Some(opened) = self.last_opening(now) else { return false };
        let shuts = opened.saturating_add(self.duration_ms);
        if now_ms < shuts {
            self.seen.note(opened, shuts, true);
        } else if let Some(next) = self.next_opening(now) {
            self.seen.note(shuts, next, false);
        }
        now_ms < shuts
    }

    /// The first instant from `now` on at which the window is open.
    pub(crate) fn open_from(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_open(now) { Some(now) } else { self.next_opening(now).map(Timestamp::from_millis) }
    }

    /// The last opening at or before `now`, in milliseconds.
    fn last_opening(&self, now: Timestamp) -> Option<i64> {
        let instant = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let mut start = self.zone.to_datetime(instant);
        if let AmbiguousOffset::Fold { before, .. } = self.zone.to_ambiguous_timestamp(start).offset() {
            // Local times up to the end of a fold have had their first occurrence by now.
            start = before.to_datetime(instant);
        }
        let (mut year, mut month) = (start.year(), start.month());
        for _ in 0..months_max() {
            let is_start = (year, month) == (start.year(), start.month());
            let mut days = self.days_of(year, month)? & if is_start { up_to(start.day()) } else { u32::MAX };
            while days != 0 {
                let day = 31 - days.leading_zeros();
                days &= !(1 << day);
                let date = Date::new(year, month, i8::try_from(day).ok()?).ok()?;
                if let Some(opened) = self.last_of_day(date, start, now) {
                    return Some(opened);
                }
            }
            (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
        }
        None
    }

    fn last_of_day(&self, date: Date, start: DateTime, now: Timestamp) -> Option<i64> {
        let bound = if date == start.date() { start.hour() } else { 23 };
        let mut hours = self.hours & up_to(bound);
        while hours != 0 {
            let hour = 31 - hours.leading_zeros();
            hours &= !(1 << hour);
            let mut minutes = self.minutes;
            while minutes != 0 {
                let minute = 63 - minutes.leading_zeros();
                minutes &= !(1 << minute);
                let opened = self.instant(date, hour, minute)?;
                if opened <= now.as_millis() {
                    return Some(opened);
                }
            }
        }
        None
    }

    /// The first opening after `now`, in milliseconds.
    fn next_opening(&self, now: Timestamp) -> Option<i64> {
        let instant = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let start = self.zone.to_datetime(instant);
        let (mut year, mut month) = (start.year(), start.month());
        for _ in 0..months_max() {
            let is_start = (year, month) == (start.year(), start.month());
            let mut days = self.days_of(year, month)? & if is_start { !up_to(start.day() - 1) } else { u32::MAX };
            while days != 0 {
                let day = days.trailing_zeros();
                days &= days - 1;
                let date = Date::new(year, month, i8::try_from(day).ok()?).ok()?;
                if let Some(opening) = self.next_of_day(date, start, now) {
                    return Some(opening);
                }
            }
            (year, month) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
        }
        None
    }

    fn next_of_day(&self, date: Date, start: DateTime, now: Timestamp) -> Option<i64> {
        let is_past = |hour: i8| if hour == 0 { 0 } else { up_to(hour - 1) };
        let mut hours = self.hours & if date == start.date() { !is_past(start.hour()) } else { u32::MAX };
        while hours != 0 {
            let hour = hours.trailing_zeros();
            hours &= hours - 1;
            let mut minutes = self.minutes;
            while minutes != 0 {
                let minute = minutes.trailing_zeros();
                minutes &= minutes - 1;
                let opening = self.instant(date, hour, minute)?;
                if opening > now.as_millis() {
                    return Some(opening);
                }
            }
        }
        None
    }

    /// Days of a month that the expression names, bit n for day n; none of a month that it does not name.
    fn days_of(&self, year: i16, month: i8) -> Option<u32> {
        if self.months & (1 << month) == 0 {
            return Some(0);
        }
        let first = Date::new(year, month, 1).ok()?;
        let length = usize::try_from(first.days_in_month()).ok()?;
        let weekday = usize::try_from(first.weekday().to_sunday_zero_offset()).ok()?;
        Some(self.days[length - 28][weekday])
    }

    /// The instant at which a local time opens the window, in milliseconds.
    fn instant(&self, date: Date, hour: u32, minute: u32) -> Option<i64> {
        let local = date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        let instant = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the later offset, a skipped time lies before the change of the clock.
                self.zone.following(after.to_timestamp(local).ok()?).next()?.timestamp()
            }
        };
        Some(instant.as_millisecond())
    }
}

/// Bits 0 to `last`.
fn up_to(last: i8) -> u32 {
    match u32::try_from(last) {
        Err(_) => 0,
        Ok(last) => u32::MAX >> (31 - last.min(31)),
    }
}

fn months_max() -> u32 {
    limits::WINDOW_SEARCH_DAYS_MAX / 28
}

fn day_mask(cron: &Cron, year: i32, month: u32, first: usize) -> u32 {
    let length = match month {
        2 if year == 2000 => 29,
        2 => 28,
        4 => 30,
        _ => 31,
    };
    let matches = |day: &u32| {
        let weekday = WEEKDAYS[(first + *day as usize - 1) % 7];
        cron.pattern.day_match(year, month, *day, weekday).unwrap_or(false)
    };
    (1..=length).filter(matches).fold(0, |mask, day| mask | 1 << day)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use tidegate_model::Span;

    use super::*;

    fn openings(cron: &str, duration: Span, zone: Option<&str>) -> Option<Openings> {
        Openings::compile(&Window { cron: cron.to_owned(), duration, timezone: zone.map(str::to_owned) })
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    /// Lists openings of the next days after `from`.
    fn check(cron: &str, zone: &str, from: &str, expected: &[&str]) {
        let openings = openings(cron, Span::from_secs(60), Some(zone)).unwrap();
        let mut now = at(from);
        for expected in expected {
            let next = Timestamp::from_millis(openings.next_opening(now).unwrap());
            assert_eq!(next, at(expected), "{cron} {zone} after {now:?}");
            assert_eq!(openings.last_opening(next), Some(next.as_millis()));
            now = next;
        }
    }

    #[test]
    fn openings_follow_local_time() {
        check("0 2 * * *", "UTC", "2026-01-01T02:00:00Z", &["2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"]);
        check("30 22 * * 5", "America/New_York", "2026-06-01T00:00:00Z", &["2026-06-06T02:30:00Z", "2026-06-13T02:30:00Z"]);
        check("0 0 L * *", "UTC", "2026-02-01T00:00:00Z", &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
        check(
            "0 12 13 * 5",
            "UTC",
            "2026-01-01T00:00:00Z",
            &["2026-01-02T12:00:00Z", "2026-01-09T12:00:00Z", "2026-01-13T12:00:00Z"],
        );
        check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    }

    #[test]
    fn a_skipped_local_time_opens_at_the_end_of_the_gap() {
        // Berlin skips 02:00 to 03:00 on 2026-03-29; the gap ends at 01:00 UTC.
        check("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
        check("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z"]);
    }

    #[test]
    fn a_repeated_local_time_opens_at_the_first() {
        // Berlin repeats 02:00 to 03:00 on 2026-10-25: 00:30 and 01:30 UTC are both 02:30.
        check("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let hour = openings("30 2 * * *", Span::from_secs(3_600), Some("Europe/Berlin")).unwrap();
        assert!(hour.is_open(at("2026-10-25T01:29:59Z")));
        assert!(!hour.is_open(at("2026-10-25T01:30:00Z")), "an hour has elapsed, whatever the clock shows");
    }

    #[test]
    fn windows_that_mean_nothing_never_open() {
        for (cron, secs, zone) in
            [("x", 60, None), ("0 2 * * *", 0, None), ("0 2 * * *", 60, Some("Mars/Base")), ("0 0 2 * * *", 60, None)]
        {
            assert_eq!(openings(cron, Span::from_secs(secs), zone), None, "{cron} {zone:?}");
            let window = Window { cron: cron.to_owned(), duration: Span::from_secs(secs), timezone: zone.map(str::to_owned) };
            assert!(!window_is_readable(&window));
        }
        let never = openings("0 0 30 2 *", Span::from_secs(60), None).unwrap();
        assert!(!never.is_open(at("2026-03-02T00:00:00Z")));
        assert_eq!(never.open_from(at("2026-03-02T00:00:00Z")), None);
        assert!(!never.is_open(Timestamp::from_millis(i64::MAX)), "beyond the calendar");
    }

    fn crons() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "* * * * *",
            "*/7 1-3 * * *",
            "30 2 * * *",
            "0 2 * * 0",
            "15 3 L * *",
            "0 0 1,15 * 1",
            "59 23 * 3,10 *",
            "0 1 * * 0#L",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Open exactly if some minute of the last days opened it: counted one by one, around changes of the clock.
        #[test]
        fn agrees_with_counting_minutes(
            cron in crons(),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
            around in prop::sample::select(vec!["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-04-04T15:00:00Z", "2011-12-30T10:00:00Z", "2026-10-03T15:30:00Z"]),
            shift in -200..200i64,
            duration in 1..180u64,
        ) {
            let window = openings(cron, Span::from_secs(duration * 60), Some(zone)).unwrap();
            let now = Timestamp::from_millis(at(around).as_millis() + shift * 60_000);
            let pattern = CronParser::builder().build().parse(cron).unwrap().pattern;
            let tz = TimeZoneDatabase::bundled().get(zone).unwrap();
            // Every local minute within four days, with the instant at which it opens the window.
            let local = tz.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis()).unwrap());
            let mut opened = Vec::new();
            for minute in -2 * 1_440..2 * 1_440i64 {
                let local = local.with().second(0).subsec_nanosecond(0).build().unwrap()
                    .checked_add(jiff::Span::new().minutes(minute)).unwrap();
                let weekday = WEEKDAYS[local.weekday().to_sunday_zero_offset() as usize];
                let hits = pattern.minute_match(local.minute() as u32).unwrap()
                    && pattern.hour_match(local.hour() as u32).unwrap()
                    && pattern.month_match(local.month() as u32).unwrap()
                    && pattern.day_match(i32::from(local.year()), local.month() as u32, local.day() as u32, weekday).unwrap();
                if hits {
                    // Walk minute by minute to the first instant that shows this local time or a later one.
                    let mut instant = tz.to_ambiguous_timestamp(local).earlier().unwrap();
                    while tz.to_datetime(instant) < local {
                        instant += jiff::SignedDuration::from_mins(1);
                    }
                    opened.push(instant.as_millisecond());
                }
            }
            let open = opened.iter().any(|at| *at <= now.as_millis() && now.as_millis() - at < window.duration_ms);
            prop_assert_eq!(window.is_open(now), open);
            // What it has seen answers alike, wherever it has been asked before.
            let mut asked = window.clone();
            for minutes in [0, -300, 1, 59, 300, -1, 0, 90, -60] {
                let now = Timestamp::from_millis(now.as_millis() + minutes * 60_000 + shift);
                asked.seen = Seen::default();
                prop_assert_eq!(window.is_open(now), asked.is_open(now), "{} minutes on", minutes);
            }
            if let Some(next) = opened.iter().copied().filter(|at| *at > now.as_millis()).min() {
                prop_assert_eq!(window.next_opening(now), Some(next));
            }
        }
    }
}
