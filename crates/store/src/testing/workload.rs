//! Random operations in the order in which Raft could ask for them, repeatable from a seed.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::model::Model;
use crate::log::{LogId, LogRecord, Op};

/// What comes next.
#[derive(Clone, Debug)]
pub enum Step {
    /// An operation on the log.
    Log(Op),
    /// Build a snapshot up to here, then purge the log up to here.
    BuildSnapshot(LogId),
    /// Receive a snapshot that ends here, beyond the log's end, then purge the log up to here.
    InstallSnapshot(LogId),
}

/// Draws steps that fit a model.
#[derive(Debug)]
pub struct Workload {
    rng: StdRng,
    term: u64,
    serial: u64,
}

impl Workload {
    /// The steps that belong to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), term: 1, serial: 0 }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.random_range(0..bound)
    }

    /// A seed for something else.
    pub fn seed(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// The next step on a log that stands as `model` does.
    pub fn next(&mut self, model: &Model) -> Step {
        let index_after = |id: LogId| id.index + 1;
        let first_free = model.committed.map(index_after).max(model.purged.map(index_after)).unwrap_or(0);
        let last = model.state().last;
        self.term = self.term.max(last.map_or(0, |last| last.term));
        let can_truncate = last.is_some_and(|last| last.index >= first_free);
        match self.below(100) {
            0..60 => Step::Log(self.append(model)),
            60..74 => Step::Log(self.vote()),
            74..84 => Step::Log(Op::SaveCommitted(self.commit(model).or(model.committed))),
            84..91 if can_truncate => {
                let last = last.map_or(first_free, |last| last.index);
                let from = first_free + self.below(last - first_free + 1);
                self.term += 1;
                Step::Log(Op::Truncate { from })
            }
            91..97 => match model.committed {
                Some(committed) if model.purged.is_none_or(|purged| purged.index < committed.index) => {
                    Step::BuildSnapshot(committed)
                }
                _ => Step::Log(self.append(model)),
            },
            97..99 if self.below(3) == 0 => {
                let index = last.map_or(0, |last| last.index) + 1 + self.below(50);
                self.term += 1;
                Step::InstallSnapshot(LogId { term: self.term, node: 2, index })
            }
            _ => Step::Log(self.vote()),
        }
    }

    /// Entries that follow the model's last.
    pub fn append(&mut self, model: &Model) -> Op {
        let next = model.state().last.map_or(0, |last| last.index + 1);
        let count = 1 + self.below(4);
        Op::Append((next..next + count).map(|index| self.record(index)).collect())
    }

    fn record(&mut self, index: u64) -> LogRecord {
        self.serial += 1;
        let len = match self.below(20) {
            0 => self.below(6_000),
            _ => self.below(300),
        };
        let mut payload = vec![0; usize::try_from(len).expect("small")];
        self.rng.fill_bytes(&mut payload);
        // No two records are alike, so that one can never be taken for another.
        payload.extend_from_slice(&self.serial.to_le_bytes());
        LogRecord { id: LogId { term: self.term, node: 1, index }, payload: Bytes::from(payload) }
    }

    fn vote(&mut self) -> Op {
        self.serial += 1;
        self.term += self.below(2);
        Op::SaveVote(Bytes::from(format!("vote {} {}", self.term, self.serial)))
    }

    fn commit(&mut self, model: &Model) -> Option<LogId> {
        let from = model.committed.map_or(0, |id| id.index + 1);
        let candidates: Vec<LogId> = model.entries.range(from..).map(|(_, record)| record.id).collect();
        let at = self.below(candidates.len() as u64 + 1);
        candidates.get(usize::try_from(at).expect("small")).copied()
    }
}
