//! What one device has told of one release.

use tidegate_model::Timestamp;

use crate::event::{Ending, EventKind};
use crate::limits;

/// When something was taken in: several things at one instant have an order, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    /// Number of events taken in until then.
    pub(crate) arrival: u64,
}

/// Up to when failures belong to the baseline of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// The acknowledgement was seen after this many events.
    Arrival(u64),
    /// It was not seen: what was taken in at or before its instant.
    Time(Timestamp),
}

impl Baseline {
    /// True if what was taken in then belongs to it.
    pub(super) fn covers(self, moment: Moment) -> bool {
        match self {
            Self::Arrival(last) => moment.arrival <= last,
            Self::Time(at) => moment.at <= at,
        }
    }
}

/// How an attempt ended, as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    /// By the device's clock.
    at: Timestamp,
    /// When it was taken in.
    taken_in: Moment,
    /// The stage that was open then.
    stage: Option<u32>,
}

/// One device's attempt at one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// The stage that was open when its first event for this release was taken in, if one was.
    first_in: Option<u32>,
    /// Stages in which it sent something that is an attempt.
    attempted_in: Vec<u32>,
    /// Outcomes, each of which won over the ones before it when it came.
    outcomes: Vec<Outcome>,
    /// When its failures were taken in, in order.
    failures: Vec<Timestamp>,
}

impl Trial {
    /// A device whose first event is taken in while `stage` is open.
    pub(super) fn new(stage: Option<u32>) -> Self {
        Self { first_in: stage, attempted_in: Vec::new(), outcomes: Vec::new(), failures: Vec::new() }
    }

    /// Takes in an event while `stage` is open. Of two outcomes the later one by the device's clock wins, of two at one
    /// instant the later one to arrive.
    pub(super) fn take_in(&mut self, kind: EventKind, at: Timestamp, taken_in: Moment, stage: Option<u32>) {
        if let Some(stage) = stage.filter(|stage| kind.is_attempt() && !self.attempted_in.contains(stage)) {
            self.attempted_in.push(stage);
        }
        let Some(ending) = kind.ending() else { return };
        if ending.is_failure() {
            self.failures.push(taken_in.at);
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

    /// True if its first event for the release was taken in since this stage opened.
    pub(crate) fn began_in(&self, stage: u32) -> bool {
        self.first_in == Some(stage)
    }

    /// True if it attempted the installation while this stage was open.
    pub(crate) fn attempted(&self, stage: u32) -> bool {
        self.attempted_in.contains(&stage)
    }

    /// How it ended, if the event that says so was taken in while this stage was open.
    pub(crate) fn ending_in(&self, stage: u32) -> Option<Ending> {
        self.outcomes.last().filter(|outcome| outcome.stage == Some(stage)).map(|outcome| outcome.ending)
    }

    /// As [`Trial::ending_in`], by what had been taken in until then.
    pub(crate) fn ending_in_as_of(&self, stage: u32, until: Baseline) -> Option<Ending> {
        let known = self.outcomes.iter().rev().find(|outcome| until.covers(outcome.taken_in));
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

    fn moment(arrival: u64) -> Moment {
        Moment { at: at(20), arrival }
    }

    #[test]
    fn the_last_outcome_by_the_devices_clock_wins_then_the_last_to_arrive() {
        let mut trial = Trial::new(Some(0));
        trial.take_in(EventKind::Succeeded, at(10), moment(1), Some(0));
        trial.take_in(EventKind::Failed, at(5), moment(2), Some(0));
        assert_eq!(trial.ending_in(0), Some(Ending::Succeeded));
        trial.take_in(EventKind::Failed, at(10), moment(3), Some(0));
        assert_eq!(trial.ending_in(0), Some(Ending::Failed));
        assert_eq!(trial.ending_in_as_of(0, Baseline::Arrival(2)), Some(Ending::Succeeded));
        assert_eq!(trial.ending_in_as_of(0, Baseline::Arrival(0)), None);
        assert_eq!(trial.ending_in_as_of(0, Baseline::Time(at(20))), Some(Ending::Failed));
        assert_eq!(trial.ending_in_as_of(0, Baseline::Time(at(19))), None);
        assert_eq!(trial.failures().len(), 2);
    }

    #[test]
    fn a_late_outcome_belongs_to_the_stage_that_is_open_when_it_comes() {
        let mut trial = Trial::new(Some(0));
        trial.take_in(EventKind::Succeeded, at(1), moment(1), Some(0));
        trial.take_in(EventKind::RolledBackLocally, at(2), moment(2), Some(1));
        assert_eq!((trial.ending_in(0), trial.ending_in(1)), (None, Some(Ending::RolledBack)));
        assert!(trial.attempted(0) && trial.attempted(1) && !trial.attempted(2));
        assert!(trial.began_in(0) && !trial.began_in(1));
        trial.forgive();
        assert_eq!((trial.ending_in(0), trial.ending_in(1)), (Some(Ending::Succeeded), None));
        assert!(trial.failures().is_empty());
    }
}
