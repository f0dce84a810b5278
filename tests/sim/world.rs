//! What a run records, and the laws it has to keep. Everything is judged as it happens; the first broken law is kept.
//!
//! - Every index is applied with the same command and gives the same state on every node and in every life of a node
//!   (P-03).
//! - A command has one effect, however often it is sent: a later entry of the same request changes nothing and says what
//!   the first one said (P-07).
//! - What a caller heard is what was applied, and stays.
//! - Equal config versions have equal digests, in catalog and compiled snapshot, on every node (P-01).
//! - Config versions of a process never go down (P-05).
//! - One node leads a term.
//! - A linearizable read sees everything acknowledged before it began.
//! - No staleness claim is false, and no stopped release is offered past the bound (P-41, `oracle`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tidegate_machine::settings::CONTROLLER;

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
    pub rejected: u64,
    pub unknown: u64,
    pub repeated: u64,
    /// Entries of the controller.
    pub steered: u64,
    pub reads: u64,
    pub checks: u64,
    pub offers: u64,
    pub stale_checks: u64,
    pub snapshots_built: u64,
    pub snapshots_installed: u64,
}

/// Where a state stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub config_version: u64,
    /// Digest of the catalog.
    pub catalog: Digest,
    /// Digest of everything that entries change.
    pub state: Digest,
}

/// One applied entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Who asked, under which request id.
    pub request: String,
    /// What became of it.
    pub verdict: Digest,
    /// The state after it.
    pub position: Position,
}

struct State {
    now: Duration,
    trace: Trace,
    tally: Tally,
    violation: Option<String>,
    applied: BTreeMap<u64, Applied>,
    /// Where each request was applied first, and what became of it.
    first_of: BTreeMap<String, (u64, Digest)>,
    /// What callers heard.
    heard: BTreeMap<String, Digest>,
    /// Highest config version acknowledged.
    acknowledged: u64,
    /// Digest of the catalog by config version.
    digests: BTreeMap<u64, Digest>,
    /// Config version that the living process of each node shows.
    shown: BTreeMap<u64, u64>,
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
            first_of: BTreeMap::new(),
            heard: BTreeMap::new(),
            acknowledged: 0,
            digests: BTreeMap::new(),
            shown: BTreeMap::new(),
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

    /// A process of a node begins.
    pub fn began(&self, node: u64) {
        self.with(|state| state.shown.remove(&node));
    }

    /// A node applied an entry.
    pub fn applied(&self, node: u64, index: u64, entry: Applied) {
        self.with(|state| {
            let text = format!("{index} {}", entry.request);
            state.trace.line(state.now, Kind::Applied, &format!("node-{node}"), &text, &entry.position.state);
            match state.applied.get(&index) {
                Some(first) if *first == entry => {}
                Some(first) if first.request != entry.request => {
                    let first = first.request.clone();
                    state.violate(format!("node {node} applied {} at index {index}, another node {first}", entry.request));
                }
                Some(_) => state.violate(format!("node {node} came to another state or answer by index {index}")),
                None => state.apply_first(index, entry),
            }
        });
    }

    /// A node shows the state at an index to its readers: it must be the one that the log gives.
    pub fn published(&self, node: u64, applied_index: u64, position: Position, snapshot: Digest) {
        self.with(|state| {
            if snapshot != position.catalog {
                state.violate(format!("node {node} compiled another catalog than it has at index {applied_index}"));
            }
            state.stands_at(node, applied_index, &position);
            let shown = state.shown.insert(node, position.config_version).unwrap_or(0);
            if position.config_version < shown {
                let now = position.config_version;
                state.violate(format!("node {node} showed config version {now} after {shown}"));
            }
        });
    }

    /// A caller heard a definite answer; `config_version` is that of an accepted command.
    pub fn heard(&self, request: &str, verdict: Digest, config_version: Option<u64>) {
        self.with(|state| {
            state.heard.insert(request.to_owned(), verdict);
            match config_version {
                None => state.tally.rejected += 1,
                Some(config_version) => {
                    state.tally.acknowledged += 1;
                    state.acknowledged = state.acknowledged.max(config_version);
                    state.oracle.acknowledged(state.now, config_version);
                }
            }
        });
    }

    /// Lets the oracle note something at this moment.
    pub fn note(&self, note: impl FnOnce(&mut Oracle, Duration)) {
        self.with(|state| note(&mut state.oracle, state.now));
    }

    /// A client begins a read: the config version that it has to see at least.
    pub fn acknowledged_so_far(&self) -> u64 {
        self.with(|state| state.acknowledged)
    }

    /// A linearizable read that had to see `needed` saw this.
    pub fn read(&self, node: u64, needed: u64, config_version: u64, catalog: Digest) {
        self.with(|state| {
            state.tally.reads += 1;
            if config_version < needed {
                state.violate(format!(
                    "a read on node {node} saw config version {config_version}, {needed} was acknowledged before it"
                ));
            }
            state.same_digest(node, config_version, catalog);
        });
    }

    /// An update check was answered.
    pub fn claimed(&self, claim: &Claim) {
        self.with(|state| {
            state.tally.checks += 1;
            state.tally.offers += u64::from(claim.offered.is_some());
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

    /// At the end: whatever callers heard was applied, and is what they heard.
    pub fn judge_heard(&self) {
        self.with(|state| {
            let wrong = state
                .heard
                .iter()
                .find(|(request, verdict)| state.first_of.get(*request).is_none_or(|(_, applied)| applied != *verdict));
            if let Some(request) = wrong.map(|(request, _)| request.clone()) {
                let index = state.first_of.get(&request).map(|(index, _)| *index);
                state.violate(format!("{request} was answered otherwise than it was applied (at index {index:?})"));
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
    /// Nobody has applied this index before.
    fn apply_first(&mut self, index: u64, entry: Applied) {
        self.tally.steered += u64::from(entry.request.starts_with(CONTROLLER));
        if let Some((first, verdict)) = self.first_of.get(&entry.request) {
            self.tally.repeated += 1;
            let before = self.applied.range(..index).next_back().map(|(_, before)| before.position.catalog);
            if *verdict != entry.verdict || before != Some(entry.position.catalog) {
                let law = format!("{} had an effect at index {first} and another at {index}", entry.request);
                self.violate(law);
            }
        } else {
            self.first_of.insert(entry.request.clone(), (index, entry.verdict));
        }
        self.applied.insert(index, entry);
    }

    fn stands_at(&mut self, node: u64, applied_index: u64, position: &Position) {
        let last = self.applied.range(..=applied_index).next_back().map(|(index, applied)| (*index, applied.position));
        if let Some((index, expected)) = last
            && expected != *position
        {
            self.violate(format!("node {node} at index {applied_index} is not in the state of index {index}"));
        }
        self.same_digest(node, position.config_version, position.catalog);
    }

    fn same_digest(&mut self, node: u64, config_version: u64, catalog: Digest) {
        if *self.digests.entry(config_version).or_insert(catalog) != catalog {
            self.violate(format!("node {node} has another catalog at config version {config_version} than others"));
        }
    }

    fn violate(&mut self, law: String) {
        let at = self.now.as_secs_f64();
        self.trace.line(self.now, Kind::Fault, "world", &law, &[]);
        self.violation.get_or_insert(format!("at {at:.3} s: {law}"));
    }
}
