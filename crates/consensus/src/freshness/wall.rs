//! The nodes' wall clocks, as far as this node has heard of them, and the cluster's wall time made from them.
//!
//! The cluster's time is the lower middle of the voters' clocks as the leader knows them: one clock that runs ahead, be
//! it the leader's own, moves it nowhere. It bounds decision times only; no staleness is ever computed from it.
//!
//! What others said is remembered against this node's boot clock. Against its wall clock it would move along when that one
//! is set: a leader an hour fast would take the others for an hour fast too, until it heard each of them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_platform::{BootTime, Clock};

use super::{offset_ms, whole_ms};
use crate::limits::CLOCK_REPORT_AGE_MAX;
use crate::roster::Roster;

/// What one node said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// How far its wall clock lay ahead of this node's boot clock, transit time included.
    ahead_of_boot_ms: i64,
    pub(crate) supported_version: u32,
    pub(crate) at: BootTime,
}

/// All reports; bounded by the number of nodes that ever were members, for strangers' probes are refused.
pub(crate) struct Walls {
    clock: Arc<dyn Clock>,
    roster: Roster,
    node: u64,
    reports: Mutex<BTreeMap<u64, Report>>,
}

impl Walls {
    pub(crate) fn new(clock: Arc<dyn Clock>, roster: Roster, node: u64) -> Self {
        Self { clock, roster, node, reports: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn local_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Notes that `node` says it is `wall_ms` there, now.
    pub(crate) fn heard(&self, node: u64, wall_ms: i64, supported_version: u32) {
        let at = self.clock.boot();
        let report = Report { ahead_of_boot_ms: offset_ms(wall_ms, at), supported_version, at };
        self.reports.lock().expect("no panic happens under this lock").insert(node, report);
    }

    pub(crate) fn report(&self, node: u64) -> Option<Report> {
        self.reports.lock().expect("no panic happens under this lock").get(&node).copied()
    }

    pub(crate) fn age(&self, report: &Report) -> Duration {
        self.clock.boot().since(report.at)
    }

    /// How far the clock of whoever gave the report lies ahead of this node's wall clock.
    pub(crate) fn offset_ms(&self, report: &Report) -> i64 {
        report.ahead_of_boot_ms.saturating_sub(self.own_ms())
    }

    /// This node's wall clock ahead of its boot clock.
    fn own_ms(&self) -> i64 {
        let (boot, wall_ms) = self.clock.both();
        offset_ms(wall_ms, boot)
    }

    /// How far this node's wall clock lies ahead of the cluster's; 0 as long as nobody else was heard.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.local_ms().saturating_sub(self.reference_ms())
    }

    /// The cluster's wall time now: the lower middle of the clocks of this node and the voters heard lately.
    pub(crate) fn reference_ms(&self) -> i64 {
        let now = self.clock.boot();
        let reports = self.reports.lock().expect("no panic happens under this lock");
        let members = self.roster.load();
        let others = members.voters().filter(|voter| voter.id != self.node);
        let fresh = others.filter_map(|voter| reports.get(&voter.id)).filter(|r| now.since(r.at) <= CLOCK_REPORT_AGE_MAX);
        let mut clocks: Vec<i64> = fresh.map(|report| report.ahead_of_boot_ms).chain([self.own_ms()]).collect();
        whole_ms(now.0).saturating_add(lower_middle(&mut clocks))
    }
}

/// The middle of the sorted values, the smaller one of two.
fn lower_middle(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::roster::{Entry, Members};
    use crate::status::{Member, MemberKind};

    const TRUE_MS: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    /// A clock that stands still but for what a test does to its wall time.
    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn boot(&self) -> BootTime {
            BootTime(Duration::from_secs(100))
        }

        fn wall_ms(&self) -> i64 {
            TRUE_MS + self.0.load(Ordering::Relaxed)
        }
    }

    /// P-43: a leader whose clock is set between two words of the others does not take them along.
    #[test]
    fn a_clock_that_is_set_moves_nobody_elses() {
        let clock = Arc::new(SetClock(AtomicI64::new(0)));
        let voter = |id| Entry { member: Member { id, ..Member::default() }, kind: MemberKind::Voter };
        let roster = Roster::default();
        roster.store(Members::new([voter(1), voter(2), voter(3)]));
        let walls = Walls::new(Arc::clone(&clock) as Arc<dyn Clock>, roster, 1);
        walls.heard(2, TRUE_MS + 3, 1);
        walls.heard(3, TRUE_MS - 4, 1);
        assert_eq!(walls.reference_ms(), TRUE_MS);
        for (step_ms, expected_ms) in [(HOUR_MS, TRUE_MS + 3), (-HOUR_MS, TRUE_MS - 4)] {
            clock.0.store(step_ms, Ordering::Relaxed);
            assert_eq!(walls.reference_ms(), expected_ms, "own clock set by {step_ms} ms");
            assert!((walls.ahead_ms() - step_ms).abs() <= 4);
            assert_eq!(walls.offset_ms(&walls.report(2).unwrap()), 3 - step_ms);
        }
    }

    #[test]
    fn one_wrong_clock_of_three_moves_nothing() {
        assert_eq!(lower_middle(&mut [0, 3_600_000, 5]), 5);
        assert_eq!(lower_middle(&mut [0, -3_600_000, -4]), -4);
        // This node itself is an hour ahead of two others that agree.
        assert_eq!(lower_middle(&mut [0, -3_600_000, -3_600_010]), -3_600_000);
    }

    #[test]
    fn of_two_clocks_the_earlier_counts() {
        assert_eq!(lower_middle(&mut [0, 7_000]), 0);
        assert_eq!(lower_middle(&mut [0, -7_000]), -7_000);
        assert_eq!(lower_middle(&mut [0]), 0);
    }
}
