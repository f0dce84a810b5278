//! Answers that were given, so that a retry has one effect and hears the same answer.

use std::hash::{DefaultHasher, Hash, Hasher};
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

/// A remembered answer with the key that it was given to.
pub type Remembered = (RequestKey, RequestRecord);

/// The answers of at least the last [`limits::REQUEST_AGE`] of log time, in a bounded table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestTable {
    /// By log index. Log time never goes back, so index order is age order.
    by_index: OrdMap<u64, Arc<Remembered>>,
    // Invariant: exactly the index of each, by the hash of its key and a number that counts those of one hash, oldest first
    // and from 0. Numbers lie side by side in the tree; keys would be looked up one by one all over the memory, which took
    // longer than carrying out a command.
    by_hash: OrdMap<(u64, u32), u64>,
    /// How many answers this table stands for without holding them; see [`RequestTable::counted`].
    counted: usize,
}

/// The hash that a key is found by. It is kept nowhere but in memory and orders nothing that anybody sees.
fn hash_of(principal: &Principal, request_id: &RequestId) -> u64 {
    let mut hasher = DefaultHasher::new();
    (principal.as_str(), request_id.as_str()).hash(&mut hasher);
    hasher.finish()
}

impl RequestTable {
    /// A table that tells how many answers there are and holds none of them.
    pub(crate) fn counted(&self) -> Self {
        Self { counted: self.len(), ..Self::default() }
    }

    /// Number of remembered answers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_index.len() + self.counted
    }

    /// True if nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer that was given, if it is remembered.
    #[must_use]
    pub fn get(&self, principal: &Principal, request_id: &RequestId) -> Option<&RequestRecord> {
        self.find(hash_of(principal, request_id), |key| key.0 == *principal && key.1 == *request_id)
    }

    fn find(&self, hash: u64, is_meant: impl Fn(&RequestKey) -> bool) -> Option<&RequestRecord> {
        // Mostly there is none, else hardly ever more than one.
        self.of_hash(hash).find_map(|index| {
            let (key, record) = self.by_index.get(&index)?.as_ref();
            is_meant(key).then_some(record)
        })
    }

    /// Log indexes of the answers whose keys have this hash.
    fn of_hash(&self, hash: u64) -> impl Iterator<Item = u64> {
        (0..).map_while(move |number| self.by_hash.get(&(hash, number)).copied())
    }

    /// All remembered answers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Remembered>> {
        self.by_index.values()
    }

    /// True if one more answer can be remembered; those to commands that only stop things may use the reserve.
    pub(crate) fn has_room(&self, command: &Command) -> bool {
        self.len() < room(command)
    }

    /// Remembers an answer. Returns false, and remembers nothing, if the key or index is taken.
    pub(crate) fn remember(&mut self, answer: Arc<Remembered>) -> bool {
        let (key, record) = answer.as_ref();
        let (hash, index) = (hash_of(&key.0, &key.1), record.index);
        if self.by_index.contains_key(&index) {
            return false;
        }
        let mut taken = 0;
        for other in self.of_hash(hash) {
            if self.by_index.get(&other).is_some_and(|other| other.0 == *key) {
                return false;
            }
            taken += 1;
        }
        self.by_hash.insert((hash, taken), index);
        self.by_index.insert(index, answer);
        true
    }

    /// Forgets answers that are old enough, oldest first, a few at a time.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        for _ in 0..limits::REQUESTS_FORGOTTEN_PER_ENTRY {
            let Some((index, oldest)) = self.by_index.get_min() else { return };
            let (key, record) = oldest.as_ref();
            if record.at.plus(limits::REQUEST_AGE) >= now {
                return;
            }
            let (index, hash) = (*index, hash_of(&key.0, &key.1));
            self.by_index.remove(&index);
            self.forget_hash(hash, index);
        }
    }

    /// Forgets where an answer lies; those after it of its hash move down by one.
    fn forget_hash(&mut self, hash: u64, index: u64) {
        let from_it: Vec<(u32, u64)> = (0..).zip(self.of_hash(hash)).skip_while(|(_, found)| *found != index).collect();
        for ((number, _), (_, next)) in from_it.iter().zip(from_it.iter().skip(1)) {
            self.by_hash.insert((hash, *number), *next);
        }
        if let Some((last, _)) = from_it.last() {
            self.by_hash.remove(&(hash, *last));
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
        let record = RequestRecord { digest: Digest([0; 32]), index: number, at, result: Ok(outcome) };
        table.remember(Arc::new((key, record)))
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
        assert_eq!(table.iter().map(|answer| answer.1.index).collect::<Vec<_>>(), [many]);
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let mut table = RequestTable::default();
        (1..=3).for_each(|number| assert!(remember(&mut table, number, 100)));
        // As if all of them had the hash of the first.
        let one = hash_of(&Principal::new("ops").unwrap(), &RequestId::new("q1").unwrap());
        table.by_hash = (0..).zip(1..=3_u64).map(|(number, index)| ((one, number), index)).collect();
        let found = |table: &RequestTable, number: u64| {
            let key = (Principal::new("ops").unwrap(), RequestId::new(&format!("q{number}")).unwrap());
            table.find(one, |known| *known == key).map(|record| record.index)
        };
        assert_eq!([1, 2, 3, 4].map(|number| found(&table, number)), [Some(1), Some(2), Some(3), None]);
        assert!(table.get(&Principal::new("dev").unwrap(), &RequestId::new("q1").unwrap()).is_none());
        // Whichever goes, the others are found, and their numbers have no hole.
        for (gone, left) in [(1, [None, Some(2), Some(3)]), (2, [Some(1), None, Some(3)]), (3, [Some(1), Some(2), None])] {
            let mut table = table.clone();
            table.forget_hash(one, gone);
            assert_eq!([1, 2, 3].map(|number| found(&table, number)), left);
            assert_eq!(table.by_hash.keys().map(|(_, number)| *number).collect::<Vec<_>>(), [0, 1]);
        }
    }

    #[test]
    fn both_trees_hold_the_same_answers() {
        let mut table = RequestTable::default();
        for number in 0..500 {
            assert!(remember(&mut table, number, i64::try_from(number).unwrap() * 400));
            table.forget_old(Timestamp::from_secs(i64::try_from(number).unwrap() * 400));
            assert_eq!(table.by_hash.len(), table.by_index.len());
            for answer in table.iter() {
                let (key, record) = answer.as_ref();
                assert_eq!(table.get(&key.0, &key.1), Some(record));
            }
        }
        assert_eq!(table.len(), 217, "a day of one answer in 400 s, both ends included");
    }
}
