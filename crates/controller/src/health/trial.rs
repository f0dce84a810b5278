//! What one device has told of one release.

use tidegate_model::Timestamp;

use crate::event::{Ending, EventKind};
use crate::limits;

/// How an attempt ended, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    /// By the device's clock.
    at: Timestamp,
    /// When it was taken in.
    taken_in: Timestamp,
    /// The stage that was open then.
    stage: Option<u32>,
}

/// One device's attempt at one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// When its first event for this release was taken in.
    pub(crate) first_at: Timestamp,
    /// Stages in which it sent something that is an attempt.
    attempted_in: Vec<u32>,
    /// Outcomes, each of which won over the ones before it when it came.
    outcomes: Vec<Outcome>,
    /// When its failures were taken in, in order.
    failures: Vec<Timestamp>,
}

impl Trial {
    /// A device whose first event is taken in at `at`.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { first_at: at, attempted_in: Vec::new(), outcomes: Vec::new(), failures: Vec::new() }
    }

    /// Takes in an event while `stage` is open. Of two outcomes the later one by the device's clock wins, of two at one
    /// instant the later one to arrive.
    pub(super) fn take_in(&mut self, kind: EventKind, at: Timestamp, taken_in: Timestamp, stage: Option<u32>) {
        if let Some(stage) = stage.filter(|stage| kind.is_attempt() && !self.attempted_in.contains(stage)) {
            self.attempted_in.push(stage);
        }
        let Some(ending) = kind.ending() else { return };
        if ending.is_failure() {
            self.failures.push(taken_in);
            if self.failures.len() > limits::FAILURES_MAX {
                self.failures.remove(0);
            }
        }
        if self.outcomes.last().is_none_or(|last| last.at <= at) {
            self.outcomes.push(Outcome { ending, at, taken_in, stage });
            if self.outcomes.len() > limits::OUTCOMES_MAX {
                self.outcomes.remove(0);
            }
        }
    }

    /// Forgets failures, as if the device had never failed. If nothing else is known of it, it did not try either.
    pub(super) fn forgive(&mut self) {
        self.failures.clear();
        self.outcomes.retain(|outcome| !outcome.ending.is_failure());
        if self.outcomes.is_empty() {
            self.attempted_in.clear();
        }
    }

    /// True if it attempted the installation while this stage was open.
    pub(crate) fn attempted(&self, stage: u32) -> bool {
        self.attempted_in.contains(&stage)
    }

    /// How it ended, if the event that says so was taken in while this stage was open.
    pub(crate) fn ending_in(&self, stage: u32) -> Option<Ending> {
        self.outcomes.last().filter(|outcome| outcome.stage == Some(stage)).map(|outcome| outcome.ending)
    }

    /// As [`Trial::ending_in`], by what had been taken in at `at` or before.
    pub(crate) fn ending_in_as_of(&self, stage: u32, at: Timestamp) -> Option<Ending> {
        let known = self.outcomes.iter().rev().find(|outcome| outcome.taken_in <= at);
        known.filter(|outcome| outcome.stage == Some(stage)).map(|outcome| outcome.ending)
    }

    /// When its failures were taken in.
    pub(crate) fn failures(&self) -> &[Timestamp] {
        &self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn the_last_outcome_by_the_devices_clock_wins_then_the_last_to_arrive() {
        let mut trial = Trial::new(at(0));
        trial.take_in(EventKind::Succeeded, at(10), at(20), Some(0));
        trial.take_in(EventKind::Failed, at(5), at(21), Some(0));
        assert_eq!(trial.ending_in(0), Some(Ending::Succeeded));
        trial.take_in(EventKind::Failed, at(10), at(22), Some(0));
        assert_eq!(trial.ending_in(0), Some(Ending::Failed));
        assert_eq!(trial.ending_in_as_of(0, at(21)), Some(Ending::Succeeded));
        assert_eq!(trial.ending_in_as_of(0, at(19)), None);
        assert_eq!(trial.failures().len(), 2);
    }

    #[test]
    fn a_late_outcome_belongs_to_the_stage_that_is_open_when_it_comes() {
        let mut trial = Trial::new(at(0));
        trial.take_in(EventKind::Succeeded, at(1), at(1), Some(0));
        trial.take_in(EventKind::RolledBackLocally, at(2), at(2), Some(1));
        assert_eq!((trial.ending_in(0), trial.ending_in(1)), (None, Some(Ending::RolledBack)));
        assert!(trial.attempted(0) && trial.attempted(1) && !trial.attempted(2));
        trial.forgive();
        assert_eq!((trial.ending_in(0), trial.ending_in(1)), (Some(Ending::Succeeded), None));
        assert!(trial.failures().is_empty());
    }
}
