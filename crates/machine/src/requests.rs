//! Answers that were given, so that a retry has one effect and hears the same answer.

use std::sync::Arc;

use imbl::OrdMap;
use tidegate_model::{Command, Digest, Principal, RequestId, SteerStep, Timestamp, Verb};

use crate::limits;
use crate::outcome::Outcome;
use crate::rejection::Rejection;

/// Who asked under which id.
pub type RequestKey = (Principal, RequestId);

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// Digest of the command; another one under the same id is `REQUEST_ID_REUSED`.
    pub digest: Digest,
    /// Log index of the entry that was answered.
    pub index: u64,
    /// Log time of that entry.
    pub at: Timestamp,
    /// The answer.
    pub result: Result<Outcome, Rejection>,
}

/// The answers of at least the last [`limits::REQUEST_AGE`] of log time, in a bounded table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTable {
    records: OrdMap<RequestKey, Arc<RequestRecord>>,
    // Invariant: exactly the indexes of `records`. Log time never goes back, so index order is age order.
    by_index: OrdMap<u64, RequestKey>,
    /// How many answers this table stands for without holding them; see [`RequestTable::counted`].
    counted: usize,
}

impl RequestTable {
    /// A table that tells how many answers there are and holds none of them.
    pub(crate) fn counted(&self) -> Self {
        Self { counted: self.len(), ..Self::default() }
    }

    /// Number of remembered answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() + self.counted
    }

    /// True if nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer that was given, if it is remembered.
    #[must_use]
    pub fn get(&self, principal: &Principal, request_id: &RequestId) -> Option<&RequestRecord> {
        self.records.get(&(principal.clone(), request_id.clone())).map(AsRef::as_ref)
    }

    /// All remembered answers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&RequestKey, &RequestRecord)> {
        self.by_index.values().filter_map(|key| self.records.get(key).map(|record| (key, record.as_ref())))
    }

    /// True if one more answer can be remembered; those to commands that only stop things may use the reserve.
    pub(crate) fn has_room(&self, command: &Command) -> bool {
        self.len() < room(command)
    }

    /// Remembers an answer. Returns false, and remembers nothing, if the key or index is taken.
    pub(crate) fn remember(&mut self, key: RequestKey, record: RequestRecord) -> bool {
        if self.records.contains_key(&key) || self.by_index.contains_key(&record.index) {
            return false;
        }
        self.by_index.insert(record.index, key.clone());
        self.records.insert(key, Arc::new(record));
        true
    }

    /// Forgets answers that are old enough, oldest first, a few at a time.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        for _ in 0..limits::REQUESTS_FORGOTTEN_PER_ENTRY {
            let Some((index, key)) = self.by_index.get_min().cloned() else { return };
            let is_old = self.records.get(&key).is_none_or(|record| record.at.plus(limits::REQUEST_AGE) < now);
            if !is_old {
                return;
            }
            self.by_index.remove(&index);
            self.records.remove(&key);
        }
    }
}

/// Most answers that may be remembered when this command comes.
fn room(command: &Command) -> usize {
    if only_stops(command) { limits::REQUESTS_MAX + limits::REQUESTS_RESERVE } else { limits::REQUESTS_MAX }
}

/// True if the command can only take something out of circulation.
fn only_stops(command: &Command) -> bool {
    match command {
        Command::Transition(transition) => {
            matches!(transition.verb, Verb::Pause | Verb::Withdraw { .. } | Verb::Disable | Verb::Discard)
        }
        Command::Steer(steer) => matches!(steer.step, SteerStep::Fail { .. }),
        Command::Apply(_) | Command::Delete(_) | Command::Batch(_) | Command::Settings(_) | Command::Token(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_model::{ReleaseId, Transition};

    use super::*;

    fn transition(verb: Verb) -> Command {
        let release = ReleaseId::new("r1").unwrap();
        Command::Transition(Transition { release, expected_version: None, reason: None, verb })
    }

    fn remember(table: &mut RequestTable, number: u64, secs: i64) -> bool {
        let key = (Principal::new("ops").unwrap(), RequestId::new(&format!("q{number}")).unwrap());
        let outcome = Outcome { config_version: number, objects: Vec::new(), warnings: Vec::new() };
        let at = Timestamp::from_secs(secs);
        table.remember(key, RequestRecord { digest: Digest([0; 32]), index: number, at, result: Ok(outcome) })
    }

    #[test]
    fn a_full_table_still_takes_emergency_stops() {
        assert_eq!(room(&transition(Verb::Resume { acknowledge: true })), limits::REQUESTS_MAX);
        assert_eq!(room(&Command::Apply(Vec::new())), limits::REQUESTS_MAX);
        for stop in [Verb::Pause, Verb::Disable, Verb::Discard] {
            assert_eq!(room(&transition(stop)), limits::REQUESTS_MAX + limits::REQUESTS_RESERVE);
        }
        // A batch may hold anything, so it may not use the reserve.
        assert_eq!(room(&Command::Batch(vec![transition(Verb::Pause)])), limits::REQUESTS_MAX);
    }

    #[test]
    fn old_answers_go_a_few_at_a_time_and_young_ones_stay() {
        let mut table = RequestTable::default();
        let many = limits::REQUESTS_FORGOTTEN_PER_ENTRY as u64 + 3;
        for number in 0..many {
            assert!(remember(&mut table, number, 100));
        }
        assert!(remember(&mut table, many, 200));
        assert!(!remember(&mut table, many, 200), "a key is taken once");
        let day = 86_400;
        table.forget_old(Timestamp::from_secs(100 + day));
        assert_eq!(table.len() as u64, many + 1, "exactly a day is not more than a day");
        table.forget_old(Timestamp::from_secs(101 + day));
        assert_eq!(table.len(), 4);
        table.forget_old(Timestamp::from_secs(101 + day));
        table.forget_old(Timestamp::from_secs(101 + day));
        assert_eq!(table.iter().map(|(_, record)| record.index).collect::<Vec<_>>(), [many]);
    }
}
