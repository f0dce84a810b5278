//! The freshness oracle (P-41): it stands outside, knows when everything was acknowledged, and judges every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a node said when it answered an update check.
#[derive(Clone, Debug)]
pub struct Claim {
    pub node: u64,
    /// When the answer was given.
    pub answered_at: Duration,
    /// Age that the node claimed for the snapshot it decided on.
    pub staleness: Duration,
    /// Oldest snapshot that it may answer from.
    pub max_staleness: Duration,
    /// Config version of the snapshot that it decided on.
    pub decided_on: u64,
    /// The release that it offered.
    pub offered: Option<String>,
}

/// Knows when each config version was acknowledged, and which releases were stopped.
#[derive(Default)]
pub struct Oracle {
    /// In the order of acknowledgement, with the highest config version acknowledged so far.
    acknowledged: Vec<(Duration, u64)>,
    /// Releases whose stop was acknowledged, and when.
    stopped: BTreeMap<String, Duration>,
    /// Releases that somebody may have let go on without knowing: nothing can be said about them any more.
    unknown: BTreeSet<String>,
}

impl Oracle {
    pub fn acknowledged(&mut self, at: Duration, config_version: u64) {
        let highest = self.acknowledged.last().map_or(0, |(_, highest)| *highest).max(config_version);
        self.acknowledged.push((at, highest));
    }

    /// A stop of the release was acknowledged.
    pub fn stopped(&mut self, release: &str, at: Duration) {
        self.stopped.entry(release.to_owned()).or_insert(at);
    }

    /// Somebody is about to let the release go on.
    pub fn goes_on(&mut self, release: &str) {
        self.stopped.remove(release);
    }

    /// Nobody will ever know whether, or when, the release was let go on.
    pub fn lost_track(&mut self, release: &str) {
        self.unknown.insert(release.to_owned());
    }

    /// The snapshot decided on contains everything acknowledged at least the claimed staleness before the answer, and no
    /// release is offered later than the bound after its stop was acknowledged.
    pub fn judge(&self, claim: &Claim) -> Result<(), String> {
        let Claim { node, answered_at, staleness, max_staleness, decided_on, offered } = claim;
        if staleness > max_staleness {
            return Err(format!("node {node} answered from a snapshot {staleness:?} old, the bound is {max_staleness:?}"));
        }
        self.judge_offer(claim, offered.as_deref())?;
        let Some(covered) = answered_at.checked_sub(*staleness) else { return Ok(()) };
        let before = self.acknowledged.partition_point(|(at, _)| *at < covered);
        let needed = before.checked_sub(1).map_or(0, |last| self.acknowledged[last].1);
        if *decided_on < needed {
            return Err(format!(
                "node {node} claimed at {answered_at:?} to be {staleness:?} old and decided on config version {decided_on}, \
                 {needed} was acknowledged before {covered:?}"
            ));
        }
        Ok(())
    }

    fn judge_offer(&self, claim: &Claim, offered: Option<&str>) -> Result<(), String> {
        let Some(release) = offered.filter(|release| !self.unknown.contains(*release)) else { return Ok(()) };
        let Some(stopped_at) = self.stopped.get(release) else { return Ok(()) };
        if claim.answered_at > *stopped_at + claim.max_staleness {
            return Err(format!(
                "node {} offered {release} at {:?} although it was stopped since {stopped_at:?}, the bound is {:?}",
                claim.node, claim.answered_at, claim.max_staleness
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn claim(answered_at: u64, staleness: u64, decided_on: u64) -> Claim {
        let (answered_at, staleness, max_staleness) = (MS(answered_at), MS(staleness), MS(5_000));
        Claim { node: 1, answered_at, staleness, max_staleness, decided_on, offered: None }
    }

    #[test]
    fn claims_are_judged_by_what_was_acknowledged_before_them() {
        let mut oracle = Oracle::default();
        oracle.acknowledged(MS(100), 7);
        oracle.acknowledged(MS(200), 8);
        assert!(oracle.judge(&claim(300, 150, 7)).is_ok(), "8 came after 150 ms");
        assert!(oracle.judge(&claim(300, 50, 7)).is_err(), "8 came before 250 ms");
        assert!(oracle.judge(&claim(300, 50, 8)).is_ok());
        assert!(oracle.judge(&claim(9_000, 5_001, 8)).is_err(), "beyond the bound");
        assert!(oracle.judge(&claim(100, 200, 0)).is_ok(), "older than the run");
    }

    #[test]
    fn offers_of_a_stopped_release_end_with_the_bound() {
        let mut oracle = Oracle::default();
        let offer = |at| Claim { offered: Some("r1".to_owned()), ..claim(at, 0, 0) };
        oracle.stopped("r1", MS(1_000));
        oracle.stopped("r1", MS(4_000));
        assert!(oracle.judge(&offer(6_000)).is_ok());
        assert!(oracle.judge(&offer(6_001)).is_err(), "the first stop counts");
        oracle.goes_on("r1");
        assert!(oracle.judge(&offer(9_000)).is_ok());
        oracle.stopped("r1", MS(1_000));
        oracle.lost_track("r1");
        assert!(oracle.judge(&offer(9_000)).is_ok(), "a lost resume may come late");
    }
}
