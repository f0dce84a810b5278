//! The nodes' wall clocks, as far as this node has heard of them, and the cluster's wall time made from them.
//!
//! The cluster's time is the lower middle of the voters' clocks as the leader knows them: one clock that runs ahead, be
//! it the leader's own, moves it nowhere. It bounds decision times only; no staleness is ever computed from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_platform::{BootTime, Clock};

use crate::limits::CLOCK_REPORT_AGE_MAX;
use crate::roster::Roster;

/// What one node said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// How far its wall clock lay ahead of this node's, transit time included.
    pub(crate) offset_ms: i64,
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
        let offset_ms = wall_ms.saturating_sub(self.clock.wall_ms());
        let report = Report { offset_ms, supported_version, at: self.clock.boot() };
        self.reports.lock().expect("no panic happens under this lock").insert(node, report);
    }

    pub(crate) fn report(&self, node: u64) -> Option<Report> {
        self.reports.lock().expect("no panic happens under this lock").get(&node).copied()
    }

    pub(crate) fn age(&self, report: &Report) -> Duration {
        self.clock.boot().since(report.at)
    }

    /// The cluster's wall time now: this node's clock moved to the lower middle of the voters heard lately.
    pub(crate) fn reference_ms(&self) -> i64 {
        let now = self.clock.boot();
        let reports = self.reports.lock().expect("no panic happens under this lock");
        let members = self.roster.load();
        let others = members.voters().filter(|voter| voter.id != self.node);
        let fresh = others.filter_map(|voter| reports.get(&voter.id)).filter(|r| now.since(r.at) <= CLOCK_REPORT_AGE_MAX);
        let mut offsets: Vec<i64> = fresh.map(|report| report.offset_ms).chain([0]).collect();
        self.clock.wall_ms().saturating_add(lower_middle(&mut offsets))
    }
}

/// The middle of the sorted values, the smaller one of two.
fn lower_middle(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::lower_middle;

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
