//! What a log should hold: the plainest possible implementation, and the comparison with a real one.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::fault::Fault;
use crate::log::{LogId, LogRecord, LogState, LogStore, Op};

/// A log as a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Last entry purged.
    pub purged: Option<LogId>,
    /// Entries by index.
    pub entries: BTreeMap<u64, LogRecord>,
    /// The vote.
    pub vote: Option<Bytes>,
    /// The committed index.
    pub committed: Option<LogId>,
}

impl Model {
    /// Does what the log should do.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Append(records) => self.entries.extend(records.iter().map(|record| (record.id.index, record.clone()))),
            Op::SaveVote(vote) => self.vote = Some(vote.clone()),
            Op::SaveCommitted(committed) => self.committed = *committed,
            Op::Truncate { from } => drop(self.entries.split_off(from)),
            Op::Purge { upto } => {
                if self.purged.is_none_or(|purged| purged.index < upto.index) {
                    self.purged = Some(*upto);
                    self.entries = self.entries.split_off(&(upto.index + 1));
                }
            }
        }
    }

    /// What `log` holds.
    pub fn read(log: &dyn LogStore) -> Result<Self, Fault> {
        let LogState { purged, vote, committed, .. } = log.state();
        let records = Self::all(log)?;
        let entries = records.into_iter().map(|record| (record.id.index, record)).collect();
        Ok(Self { purged, entries, vote, committed })
    }

    /// Every entry of `log`, read in many small steps.
    fn all(log: &dyn LogStore) -> Result<Vec<LogRecord>, Fault> {
        let mut found = Vec::new();
        let mut next = 0;
        loop {
            let records = log.get(next..u64::MAX, 2_000)?;
            let Some(last) = records.last() else { return Ok(found) };
            next = last.id.index + 1;
            found.extend(records);
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> LogState {
        let last = self.entries.values().next_back().map(|record| record.id).or(self.purged);
        LogState { purged: self.purged, last, vote: self.vote.clone(), committed: self.committed }
    }

    /// Says how `log` differs, entries included.
    pub fn compare(&self, log: &dyn LogStore) -> Result<(), String> {
        if log.state() != self.state() {
            return Err(format!("state is {:?}, expected {:?}", log.state(), self.state()));
        }
        let found = Self::all(log).map_err(|fault| fault.to_string())?;
        if !found.iter().eq(self.entries.values()) {
            let indexes = |records: &mut dyn Iterator<Item = &LogRecord>| records.map(|r| r.id.to_string()).collect::<Vec<_>>();
            return Err(format!(
                "entries are {:?}, expected {:?}",
                indexes(&mut found.iter()),
                indexes(&mut self.entries.values())
            ));
        }
        Ok(())
    }

    /// Whether `log` stands where this does, with these entries.
    #[must_use]
    pub fn equals(&self, log: &dyn LogStore) -> bool {
        self.compare(log).is_ok()
    }
}
