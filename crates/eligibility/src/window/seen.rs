//! What a window was found to be when it was last asked, and for how long that holds: it spares the next decisions the
//! calendar.
//!
//! It is a memo and no state: whoever asks gets the answer that the calendar would give, in whatever order and from
//! however many threads, and a clone or a comparison does not see it. One word holds all of it, so that it is never half
//! written; readers share its cache line until the window opens or shuts.

use std::sync::atomic::{AtomicU64, Ordering};

const MINUTE_MS: i64 = 60_000;

/// First minute since 1970 (32 bits), number of minutes (31 bits), and whether it is open then. No minutes: nothing seen.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU64);

impl Seen {
    /// Whether the window is open at `now_ms`, if that was seen.
    pub(super) fn at(&self, now_ms: i64) -> Option<bool> {
        let seen = self.0.load(Ordering::Relaxed);
        let (first, minutes) = (seen >> 32, seen >> 1 & 0x7fff_ffff);
        let since = u64::try_from(now_ms).ok()? / 60_000;
        (since.checked_sub(first)? < minutes).then_some(seen & 1 == 1)
    }

    /// Remembers the whole minutes from `from_ms` to before `until_ms`.
    pub(super) fn note(&self, from_ms: i64, until_ms: i64, is_open: bool) {
        let first = from_ms.max(0).saturating_add(MINUTE_MS - 1) / MINUTE_MS;
        let minutes = (until_ms / MINUTE_MS).saturating_sub(first).min(0x7fff_ffff);
        if let (Ok(first), Ok(minutes @ 1..)) = (u32::try_from(first), u64::try_from(minutes)) {
            self.0.store(u64::from(first) << 32 | minutes << 1 | u64::from(is_open), Ordering::Relaxed);
        }
    }
}

impl Clone for Seen {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Seen {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_whole_minutes_are_remembered() {
        let seen = Seen::default();
        assert_eq!(seen.at(0), None);
        seen.note(MINUTE_MS + 1, 5 * MINUTE_MS + 59_999, true);
        let at: Vec<_> = [1, 2, 4, 5].iter().map(|minute| seen.at(minute * MINUTE_MS)).collect();
        assert_eq!(at, [None, Some(true), Some(true), None]);
        assert_eq!(seen.at(-1), None);
        seen.note(0, 30_000, false);
        assert_eq!(seen.at(2 * MINUTE_MS), Some(true), "less than a minute is not worth a word");
        seen.note(i64::MIN, i64::MAX, false);
        assert_eq!((seen.at(0), seen.at(i64::MAX), seen.at(-MINUTE_MS)), (Some(false), None, None));
    }
}
