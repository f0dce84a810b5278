//! The clock seam: time since boot (suspend included) and wall time.

use std::time::Duration;

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
