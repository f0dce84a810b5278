//! The replicated application: the state machine and the compiled snapshot behind consensus' `Application`.
//!
//! Entries come in log order on one task. What they do is decided by `tidegate-machine`; this file carries their results
//! to the proposer, to readers ([`Shelf`]) and to the journal ([`BookWriter`]), and nothing else.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tidegate_consensus::{Application, InstallError};
use tidegate_eligibility::{Snapshot, Stamp};
use tidegate_machine::{Applied, Genesis, State};
use tidegate_model::CatalogChange;

use crate::codec::{self, FrozenState};
use crate::journal::{BookWriter, Rows};
use crate::published::{Batch, Published, Shelf};

/// State machine, compiler and what follows from them.
pub struct Tidegate {
    state: State,
    snapshot: Snapshot,
    shelf: Arc<Shelf>,
    books: BookWriter,
    cluster_id: u128,
    /// Changes since the last publication, in order.
    changes: Vec<CatalogChange>,
    /// The same, by config version.
    batches: Vec<Batch>,
}

impl Tidegate {
    /// The state before the first entry, and the shelf that shows it.
    #[must_use]
    pub fn new(cluster_id: u128, epoch: u64, books: BookWriter) -> (Self, Arc<Shelf>) {
        let state = State::new(Genesis { version_base: 0, epoch, bare_signatures: false });
        let snapshot = compile_anew(&state);
        let shelf = Arc::new(Shelf::new(state.clone(), snapshot.clone()));
        let (changes, batches) = (Vec::new(), Vec::new());
        (Self { state, snapshot, shelf: Arc::clone(&shelf), books, cluster_id, changes, batches }, shelf)
    }

    fn carry_out(&mut self, index: u64, entry: &tidegate_model::Entry) -> Applied {
        let before = self.state.catalog().clone();
        let applied = tidegate_machine::apply(&mut self.state, index, entry);
        self.books.write(Rows::of(&applied, &before, self.state.config_version(), *self.state.settings()));
        if !applied.changes.is_empty() {
            self.changes.extend(applied.changes.iter().cloned());
            let changes = applied.changes.clone().into();
            self.batches.push(Batch { config_version: self.state.config_version(), changes });
        }
        applied
    }
}

impl Application for Tidegate {
    type Frozen = FrozenState;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        if self.shelf.poison_reason().is_some() {
            return Bytes::new();
        }
        match codec::decode_entry(payload) {
            Ok(entry) => {
                let applied = self.carry_out(index, &entry);
                codec::result_out(&applied.result).encode_to_vec().into()
            }
            // Skipping it would make this node differ from the others: it stops, and nothing it has is served.
            Err(error) => {
                let source = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
                self.shelf.poison(format!("log entry {index} cannot be carried out by this build: {error}{source}"));
                Bytes::new()
            }
        }
    }

    fn publish(&mut self, applied_index: u64) {
        if self.shelf.poison_reason().is_some() {
            return;
        }
        if applied_index > self.state.applied_index() {
            tidegate_machine::skip(&mut self.state, applied_index);
        }
        let changes = std::mem::take(&mut self.changes);
        let stamp = stamp(&self.state);
        self.snapshot = tidegate_eligibility::compile(&self.snapshot, self.state.catalog(), &changes, stamp);
        let published = Published { state: self.state.clone(), snapshot: self.snapshot.clone() };
        self.shelf.publish(published, std::mem::take(&mut self.batches));
        self.books.reached(applied_index);
    }

    fn freeze(&self) -> FrozenState {
        FrozenState::new(self.state.clone(), self.cluster_id)
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        let state = codec::read_state(records, self.cluster_id)?;
        let snapshot = compile_anew(&state);
        self.books.jumped(state.applied_index());
        self.changes.clear();
        self.batches.clear();
        self.shelf.replace(Published { state: state.clone(), snapshot: snapshot.clone() });
        self.state = state;
        self.snapshot = snapshot;
        Ok(())
    }
}

fn stamp(state: &State) -> Stamp {
    Stamp { config_version: state.config_version(), epoch: state.epoch(), applied_index: state.applied_index() }
}

fn compile_anew(state: &State) -> Snapshot {
    let changes: Vec<CatalogChange> = state.catalog().objects().map(CatalogChange::Put).collect();
    tidegate_eligibility::compile(&Snapshot::empty(), state.catalog(), &changes, stamp(state))
}
