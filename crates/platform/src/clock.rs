//! The clock seam: time since boot (suspend included) and wall time.

use std::time::Duration;

use crate::limits::{BOTH_CLOCKS_MAX, BOTH_CLOCKS_TRIES};

/// Time since the machine booted, counting suspend (`CLOCK_BOOTTIME`). Comparable only within one machine and boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// Time elapsed since `earlier`; zero if `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Reads time. `std::time::Instant` and tokio time do not count suspend and may not be used for freshness.
pub trait Clock: Send + Sync + 'static {
    /// Time since boot, suspend included.
    fn boot(&self) -> BootTime;
    /// Wall clock, milliseconds since the Unix epoch (UTC).
    fn wall_ms(&self) -> i64;

    /// Both clocks as of one moment: what they are apart means something only then. A thread that is held up between the
    /// two, as on a machine with too much to do, reads them again, so that it does not take that for a clock that was set.
    fn both(&self) -> (BootTime, i64) {
        let read = || {
            let before = self.boot();
            let wall_ms = self.wall_ms();
            let after = self.boot();
            (after.since(before) <= BOTH_CLOCKS_MAX, (after, wall_ms))
        };
        let (mut is_one_moment, mut both) = read();
        for _ in 1..BOTH_CLOCKS_TRIES {
            if is_one_moment {
                break;
            }
            (is_one_moment, both) = read();
        }
        both
    }
}

/// The machine's own clocks.
#[derive(Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Clock of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Clock for SystemClock {
    fn boot(&self) -> BootTime {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let secs = u64::try_from(t.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(t.tv_nsec).unwrap_or(0);
        BootTime(Duration::new(secs, nanos))
    }

    fn wall_ms(&self) -> i64 {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        t.tv_sec.saturating_mul(1_000).saturating_add(t.tv_nsec / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Clocks that go on by the next of these steps, in milliseconds, whenever one is read.
    struct HeldUp(Mutex<(i64, Vec<i64>)>);

    impl HeldUp {
        fn next(&self) -> i64 {
            let mut state = self.0.lock().expect("no panic under this lock");
            state.0 += state.1.pop().unwrap_or_default();
            state.0
        }
    }

    impl Clock for HeldUp {
        fn boot(&self) -> BootTime {
            BootTime(Duration::from_millis(self.next().unsigned_abs()))
        }

        fn wall_ms(&self) -> i64 {
            self.next() + 1_000
        }
    }

    #[test]
    fn a_thread_that_is_held_up_between_two_clocks_reads_them_again() {
        // Popped from the end: held up before the wall clock, then after it, then not at all.
        let clock = HeldUp(Mutex::new((0, vec![0, 0, 1, 700, 0, 3, 0, 500, 2])));
        let (boot, wall_ms) = clock.both();
        assert_eq!(wall_ms - i64::try_from(boot.0.as_millis()).expect("small"), 1_000);
    }

    #[test]
    fn who_is_always_held_up_ends_all_the_same() {
        let clock = HeldUp(Mutex::new((0, vec![500; 1_000])));
        let (boot, _) = clock.both();
        assert!(boot.0 > Duration::ZERO);
    }
}
