//! The log as readers see it: every submitted operation at once, with the place of each entry on disk as soon as it has
//! one, and the newest payloads in memory. Pure bookkeeping: no file is touched here.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::op::{LogId, LogRecord, LogState, Op, Refused};
use crate::limits::{READ_ENTRIES_MAX, VOTE_BYTES_MAX};

/// Where an entry's record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
    pub(crate) payload_len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    term: u64,
    node: u64,
    /// `None` until the record is written.
    place: Option<Place>,
}

/// One entry found by [`View::find`].
#[derive(Clone, Debug)]
pub(crate) enum Hit {
    Memory(LogRecord),
    Disk(LogId, Place),
}

/// Invariants: `slots` holds the entries `first .. first + slots.len()` without a hole; `payloads` those of the last
/// `payloads.len()` of them; an entry without a place is among these.
#[derive(Debug)]
pub(crate) struct View {
    purged: Option<LogId>,
    first: u64,
    slots: VecDeque<Slot>,
    payloads: VecDeque<Bytes>,
    payload_bytes: usize,
    payload_bytes_max: usize,
    vote: Option<Bytes>,
    committed: Option<LogId>,
}

impl View {
    /// An empty log that keeps up to `payload_bytes_max` bytes of payloads in memory.
    pub(crate) fn new(payload_bytes_max: usize) -> Self {
        Self {
            purged: None,
            first: 0,
            slots: VecDeque::new(),
            payloads: VecDeque::new(),
            payload_bytes: 0,
            payload_bytes_max,
            vote: None,
            committed: None,
        }
    }

    pub(crate) fn state(&self) -> LogState {
        LogState { purged: self.purged, last: self.last(), vote: self.vote.clone(), committed: self.committed }
    }

    fn last(&self) -> Option<LogId> {
        let slot = self.slots.back();
        slot.map(|slot| LogId { term: slot.term, node: slot.node, index: self.end() - 1 }).or(self.purged)
    }

    /// Index after the last entry held.
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Whether no entry is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Index that the next entry must have; `None` if any will do.
    pub(crate) fn next(&self) -> Option<u64> {
        if self.slots.is_empty() { self.purged.map(|purged| purged.index.saturating_add(1)) } else { Some(self.end()) }
    }

    /// Says why `op` cannot be taken, if so.
    pub(crate) fn check(&self, op: &Op, entry_bytes_max: usize) -> Result<(), Refused> {
        match op {
            Op::Append(records) => {
                let mut next = self.next();
                for record in records {
                    if let Some(expected) = next
                        && expected != record.id.index
                    {
                        return Err(Refused::Gap { expected, found: record.id.index });
                    }
                    // The index after the last one must be a number too.
                    if record.id.index == u64::MAX {
                        return Err(Refused::Gap { expected: next.unwrap_or(0), found: u64::MAX });
                    }
                    if record.payload.len() > entry_bytes_max {
                        return Err(Refused::TooLarge { what: "entry", bytes: record.payload.len(), max: entry_bytes_max });
                    }
                    next = Some(record.id.index + 1);
                }
                Ok(())
            }
            Op::SaveVote(vote) if vote.len() > VOTE_BYTES_MAX => {
                Err(Refused::TooLarge { what: "vote", bytes: vote.len(), max: VOTE_BYTES_MAX })
            }
            Op::Truncate { from } => match self.purged {
                Some(purged) if *from <= purged.index => Err(Refused::Purged { from: *from, purged: purged.index }),
                _ => Ok(()),
            },
            Op::SaveVote(_) | Op::SaveCommitted(_) | Op::Purge { .. } => Ok(()),
        }
    }

    /// Takes an operation that [`View::check`] passed.
    pub(crate) fn take(&mut self, op: &Op) {
        match op {
            Op::Append(records) => records.iter().for_each(|record| self.push(record.id, record.payload.clone(), None)),
            Op::SaveVote(vote) => self.vote = Some(vote.clone()),
            Op::SaveCommitted(committed) => self.committed = *committed,
            Op::Truncate { from } => self.truncate(*from),
            Op::Purge { upto } => self.purge(*upto),
        }
    }

    pub(crate) fn push(&mut self, id: LogId, payload: Bytes, place: Option<Place>) {
        if self.slots.is_empty() {
            self.first = id.index;
        }
        assert_eq!(id.index, self.end(), "entries are pushed in order: checked before");
        self.slots.push_back(Slot { term: id.term, node: id.node, place });
        self.payload_bytes += payload.len();
        self.payloads.push_back(payload);
        self.evict();
    }

    fn truncate(&mut self, from: u64) {
        while self.end() > from && self.slots.pop_back().is_some() {
            if let Some(payload) = self.payloads.pop_back() {
                self.payload_bytes -= payload.len();
            }
        }
    }

    fn purge(&mut self, upto: LogId) {
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return;
        }
        self.purged = Some(upto);
        while self.first <= upto.index && self.slots.pop_front().is_some() {
            self.first += 1;
            if self.payloads.len() > self.slots.len() {
                self.drop_oldest_payload();
            }
        }
    }

    /// Notes where the record of `id` was written, unless the entry has gone since.
    pub(crate) fn locate(&mut self, id: LogId, place: Place) {
        let at = id.index.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = at.and_then(|at| self.slots.get_mut(at))
            && (slot.term, slot.node) == (id.term, id.node)
        {
            slot.place = Some(place);
        }
    }

    /// Lets old payloads go until the bound is kept, but none whose record is not yet written.
    pub(crate) fn evict(&mut self) {
        while self.payload_bytes > self.payload_bytes_max && self.payloads.len() > 1 {
            let oldest = self.slots.len() - self.payloads.len();
            if self.slots[oldest].place.is_none() {
                return;
            }
            self.drop_oldest_payload();
        }
    }

    fn drop_oldest_payload(&mut self) {
        if let Some(payload) = self.payloads.pop_front() {
            self.payload_bytes -= payload.len();
        }
    }

    /// The entries of `range`, at least one of those held and no more than the bounds allow.
    pub(crate) fn find(&self, range: Range<u64>, bytes_max: u64) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut bytes = 0u64;
        let in_memory_from = self.end() - self.payloads.len() as u64;
        for index in range.start.max(self.first)..range.end.min(self.end()) {
            let slot = self.slots[usize::try_from(index - self.first).expect("an index into a deque")];
            let id = LogId { term: slot.term, node: slot.node, index };
            let hit = if index >= in_memory_from {
                let payload = &self.payloads[usize::try_from(index - in_memory_from).expect("an index into a deque")];
                bytes += payload.len() as u64;
                Hit::Memory(LogRecord { id, payload: payload.clone() })
            } else {
                let place = slot.place.expect("a payload is let go only when its record has a place");
                bytes += u64::from(place.payload_len);
                Hit::Disk(id, place)
            };
            if !hits.is_empty() && (bytes > bytes_max || hits.len() >= READ_ENTRIES_MAX) {
                break;
            }
            hits.push(hit);
        }
        hits
    }

    /// Whether the entry still lies at that place.
    pub(crate) fn is_at(&self, id: LogId, place: Place) -> bool {
        let at = id.index.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.slots.get(at))
            .is_some_and(|slot| (slot.term, slot.node, slot.place) == (id.term, id.node, Some(place)))
    }
}
