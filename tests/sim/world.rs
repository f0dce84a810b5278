//! What a run records, and the laws it has to keep. Everything is judged as it happens; the first broken law is kept.
//!
//! - Every index is applied with the same command and gives the same state on every node and in every life of a node.
//! - No command is applied at two indexes.
//! - What was acknowledged is applied, at the index acknowledged, and stays.
//! - One node leads a term.
//! - A linearizable read sees everything acknowledged before it began.
//! - No staleness claim is false (`oracle`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::app::Digest;
use crate::oracle::{Claim, Oracle};
use crate::trace::{Kind, Trace};

/// Counts that a run has to reach, and its outcome.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub crashes: u64,
    pub power_losses: u64,
    pub partitions: u64,
    pub clock_steps: u64,
    pub transfers: u64,
    pub acknowledged: u64,
    pub unknown: u64,
    pub reads: u64,
    pub checks: u64,
    pub stale_checks: u64,
    pub snapshots_built: u64,
    pub snapshots_installed: u64,
}

/// One applied entry as the first node applied it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    operation: u64,
    digest: Digest,
}

struct State {
    now: Duration,
    trace: Trace,
    tally: Tally,
    violation: Option<String>,
    applied: BTreeMap<u64, Applied>,
    index_of: BTreeMap<u64, u64>,
    acknowledged: BTreeMap<u64, u64>,
    leaders: BTreeMap<u64, u64>,
    oracle: Oracle,
}

/// Shared by everything in a run. Its lock is held for single steps only.
pub struct World {
    state: Mutex<State>,
}

impl World {
    pub fn new(trace: Trace) -> Self {
        let state = State {
            now: Duration::ZERO,
            trace,
            tally: Tally::default(),
            violation: None,
            applied: BTreeMap::new(),
            index_of: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            leaders: BTreeMap::new(),
            oracle: Oracle::default(),
        };
        Self { state: Mutex::new(state) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().expect("no panic happens under this lock");
        if let Some(now) = turmoil::sim_elapsed() {
            state.now = state.now.max(now);
        }
        act(&mut state)
    }

    /// Simulated time since the beginning; stands still outside the hosts' turns.
    pub fn now(&self) -> Duration {
        self.with(|state| state.now)
    }

    pub fn trace(&self, kind: Kind, who: &str, text: &str, bytes: &[u8]) {
        self.with(|state| state.trace.line(state.now, kind, who, text, bytes));
    }

    pub fn count(&self, count: impl FnOnce(&mut Tally)) {
        self.with(|state| count(&mut state.tally));
    }

    pub fn tally(&self) -> Tally {
        self.with(|state| state.tally.clone())
    }

    pub fn violation(&self) -> Option<String> {
        self.with(|state| state.violation.clone())
    }

    /// Notes a broken law; the first one counts.
    pub fn violated(&self, law: impl Into<String>) {
        self.with(|state| state.violate(law.into()));
    }

    /// A node applied an entry and came to a state.
    pub fn applied(&self, node: u64, index: u64, operation: u64, digest: Digest) {
        self.with(|state| {
            state.trace.line(state.now, Kind::Applied, &format!("node-{node}"), &format!("{index} {operation}"), &digest);
            let here = Applied { operation, digest };
            match state.applied.get(&index) {
                Some(first) if *first == here => {}
                Some(first) => {
                    let first = first.operation;
                    state.violate(format!("node {node} applied operation {operation} at index {index}, another node {first}"));
                }
                None => {
                    state.applied.insert(index, here);
                    if let Some(other) = state.index_of.insert(operation, index) {
                        state.violate(format!("operation {operation} was applied at indexes {other} and {index}"));
                    }
                }
            }
        });
    }

    /// A node's state stands at an index: it must be the one that the log gives.
    pub fn stands_at(&self, node: u64, applied_index: u64, digest: Digest) {
        self.with(|state| {
            let last = state.applied.range(..=applied_index).next_back().map(|(index, applied)| (*index, applied.digest));
            match last {
                Some((index, expected)) if expected != digest => {
                    state.violate(format!("node {node} at index {applied_index} is not in the state of index {index}"));
                }
                Some(_) | None => {}
            }
        });
    }

    /// A client got an acknowledgement.
    pub fn acknowledged(&self, operation: u64, index: u64) {
        self.with(|state| {
            state.tally.acknowledged += 1;
            state.acknowledged.insert(operation, index);
            state.oracle.acknowledged(state.now, index);
        });
    }

    /// A client begins a read: what it has to see at least.
    pub fn acknowledged_so_far(&self) -> u64 {
        self.with(|state| state.acknowledged.values().copied().max().unwrap_or(0))
    }

    /// A linearizable read that had to see `needed` saw the state at `applied_index`.
    pub fn read(&self, node: u64, needed: u64, applied_index: u64, digest: Digest) {
        self.count(|tally| tally.reads += 1);
        if applied_index < needed {
            self.violated(format!("a read on node {node} saw index {applied_index}, index {needed} was acknowledged before it"));
        }
        self.stands_at(node, applied_index, digest);
    }

    /// An update check was answered.
    pub fn claimed(&self, claim: &Claim) {
        self.with(|state| {
            state.tally.checks += 1;
            if let Err(law) = state.oracle.judge(claim) {
                state.violate(law);
            }
        });
    }

    /// A node says that it leads a term.
    pub fn leads(&self, node: u64, term: u64) {
        self.with(|state| {
            let name = format!("node-{node}");
            state.trace.line(state.now, Kind::Leader, &name, &term.to_string(), &[]);
            let first = *state.leaders.entry(term).or_insert(node);
            if first != node {
                state.violate(format!("nodes {first} and {node} both led term {term}"));
            }
        });
    }

    /// At the end: everything acknowledged was applied where it was acknowledged.
    pub fn judge_acknowledged(&self) {
        self.with(|state| {
            let lost = state.acknowledged.iter().find(|(operation, index)| state.index_of.get(operation) != Some(index));
            if let Some((operation, index)) = lost.map(|(operation, index)| (*operation, *index)) {
                let found = state.index_of.get(&operation).copied();
                state.violate(format!("operation {operation} was acknowledged at index {index} and applied at {found:?}"));
            }
        });
    }

    /// Last index that anybody applied a command at.
    pub fn last_applied(&self) -> u64 {
        self.with(|state| state.applied.keys().next_back().copied().unwrap_or(0))
    }

    /// Ends the trace.
    pub fn finish(&self) -> (u64, String) {
        self.with(|state| std::mem::replace(&mut state.trace, Trace::new(None)).finish())
    }
}

impl State {
    fn violate(&mut self, law: String) {
        let at = self.now.as_secs_f64();
        self.trace.line(self.now, Kind::Fault, "world", &law, &[]);
        self.violation.get_or_insert(format!("at {at:.3} s: {law}"));
    }
}
