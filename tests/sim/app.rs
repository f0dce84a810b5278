//! The application of production under observation: the real state machine and compiler, judged after every entry and at
//! every publication.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tidegate_consensus::{Application, Frozen, InstallError};
use tidegate_machine::State;
use tidegate_proto::types::v1 as types;
use tidegate_server::application::Tidegate;
use tidegate_server::codec;
use tidegate_server::published::Shelf;

use crate::world::{Applied, Position, World};

/// Names some bytes; equal ones have equal digests.
pub type Digest = [u8; 32];

/// What became of a command, as digest: what every caller that asks under the same request id has to hear.
pub fn verdict(result: Result<&types::Outcome, &types::Rejection>) -> Digest {
    let (tag, bytes) = match result {
        Ok(outcome) => (0, outcome.encode_to_vec()),
        Err(rejection) => (1, rejection.encode_to_vec()),
    };
    Sha256::new_with_prefix([tag]).chain_update(bytes).finalize().into()
}

fn verdict_of(response: &[u8]) -> Option<Digest> {
    match codec::decode_result(response).ok()?.kind? {
        types::result::Kind::Outcome(outcome) => Some(verdict(Ok(&outcome))),
        types::result::Kind::Rejection(rejection) => Some(verdict(Err(&rejection))),
    }
}

/// Where a state stands. Blank entries move the applied index and nothing of this.
pub fn position(state: &State) -> Position {
    let audit = state.audit();
    let mut hash = Sha256::new();
    let catalog = state.catalog().digest().0;
    hash.update(catalog);
    hash.update(audit.head.0);
    let counts = [state.requests().len() as u64, state.tokens().len() as u64, state.settings().version, audit.count];
    counts.iter().for_each(|count| hash.update(count.to_be_bytes()));
    hash.update(state.log_time().as_millis().to_be_bytes());
    Position { config_version: state.config_version(), catalog, state: hash.finalize().into() }
}

/// The real application, with the world looking on.
pub struct Observed {
    pub inner: Tidegate,
    pub shelf: Arc<Shelf>,
    pub node: u64,
    pub world: Arc<World>,
    pub applied_index: u64,
}

impl Application for Observed {
    type Frozen = ObservedFrozen;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        if index <= self.applied_index {
            self.world.violated(format!("node {} applied index {index} after {}", self.node, self.applied_index));
        }
        self.applied_index = index;
        let response = self.inner.apply(index, payload);
        let (Ok(entry), Some(verdict)) = (codec::decode_entry(payload), verdict_of(&response)) else {
            self.world.violated(format!("node {} could not carry out index {index}", self.node));
            return response;
        };
        let request = format!("{}/{}", entry.principal, entry.request_id);
        self.world.applied(self.node, index, Applied { request, verdict, position: position(self.inner.state()) });
        response
    }

    fn is_publishing_long(&self) -> bool {
        self.inner.is_publishing_long()
    }

    fn publish(&mut self, applied_index: u64) {
        self.inner.publish(applied_index);
        self.applied_index = applied_index;
        let published = self.shelf.load();
        self.world.published(self.node, applied_index, position(&published.state), published.snapshot.digest().0);
    }

    fn freeze(&self) -> Self::Frozen {
        ObservedFrozen { inner: self.inner.freeze(), world: Arc::clone(&self.world) }
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        self.world.count(|tally| tally.snapshots_installed += 1);
        self.inner.install(records)
    }
}

/// A frozen state whose writing is counted.
pub struct ObservedFrozen {
    inner: <Tidegate as Application>::Frozen,
    world: Arc<World>,
}

impl Frozen for ObservedFrozen {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.world.count(|tally| tally.snapshots_built += 1);
        self.inner.write(sink)
    }
}
