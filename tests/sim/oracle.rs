//! The freshness oracle (P-41): it stands outside, knows when everything was acknowledged, and judges every claim.

use std::time::Duration;

/// What a node said when it answered an update check.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub node: u64,
    /// When the answer was given.
    pub answered_at: Duration,
    /// Age that the node claimed for the snapshot it decided on.
    pub staleness: Duration,
    /// Oldest snapshot that it may answer from.
    pub max_staleness: Duration,
    /// Index of the snapshot that it decided on.
    pub decided_on: u64,
}

/// Knows when each index was acknowledged.
#[derive(Default)]
pub struct Oracle {
    /// In the order of acknowledgement, with the highest index acknowledged so far.
    acknowledged: Vec<(Duration, u64)>,
}

impl Oracle {
    pub fn acknowledged(&mut self, at: Duration, index: u64) {
        let highest = self.acknowledged.last().map_or(0, |(_, highest)| *highest).max(index);
        self.acknowledged.push((at, highest));
    }

    /// The snapshot decided on contains everything acknowledged at least the claimed staleness before the answer.
    pub fn judge(&self, claim: &Claim) -> Result<(), String> {
        let Claim { node, answered_at, staleness, max_staleness, decided_on } = *claim;
        if staleness > max_staleness {
            return Err(format!("node {node} answered from a snapshot {staleness:?} old, the bound is {max_staleness:?}"));
        }
        let Some(covered) = answered_at.checked_sub(staleness) else { return Ok(()) };
        let before = self.acknowledged.partition_point(|(at, _)| *at < covered);
        let needed = before.checked_sub(1).map_or(0, |last| self.acknowledged[last].1);
        if decided_on < needed {
            return Err(format!(
                "node {node} claimed at {answered_at:?} to be {staleness:?} old and decided on index {decided_on}, \
                 index {needed} was acknowledged before {covered:?}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(answered_at: u64, staleness: u64, decided_on: u64) -> Claim {
        let ms = Duration::from_millis;
        let max_staleness = ms(5_000);
        Claim { node: 1, answered_at: ms(answered_at), staleness: ms(staleness), max_staleness, decided_on }
    }

    #[test]
    fn claims_are_judged_by_what_was_acknowledged_before_them() {
        let mut oracle = Oracle::default();
        oracle.acknowledged(Duration::from_millis(100), 7);
        oracle.acknowledged(Duration::from_millis(200), 8);
        assert!(oracle.judge(&claim(300, 150, 7)).is_ok(), "8 came after 150 ms");
        assert!(oracle.judge(&claim(300, 50, 7)).is_err(), "8 came before 250 ms");
        assert!(oracle.judge(&claim(300, 50, 8)).is_ok());
        assert!(oracle.judge(&claim(9_000, 5_001, 8)).is_err(), "beyond the bound");
        assert!(oracle.judge(&claim(100, 200, 0)).is_ok(), "older than the run");
    }
}
