//! Counters since start, shared by the parts of a node.

use std::sync::atomic::{AtomicU64, Ordering};

/// One counter. Only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What [`Counters`](crate::Counters) is read from; the rest lives where it is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) proposals: Count,
    pub(crate) proposals_unknown: Count,
    pub(crate) proposals_refused: Count,
    pub(crate) entries_applied: Count,
    pub(crate) batches_published: Count,
    pub(crate) snapshots_built: Count,
    pub(crate) snapshots_installed: Count,
    pub(crate) read_rounds: Count,
    pub(crate) reads_confirmed: Count,
    pub(crate) probes_ok: Count,
    pub(crate) probes_failed: Count,
    pub(crate) leader_changes: Count,
}
