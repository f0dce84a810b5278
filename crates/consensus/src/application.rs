//! The replicated application, as consensus sees it: bytes in log order, a cheap frozen copy, an install.
//!
//! It must not know what the bytes mean, nor where a snapshot is kept. `server` implements [`Application`] with the
//! state machine and the compiled snapshot, and the simulation runs that one with the world looking on.

use std::io;

use bytes::Bytes;

/// The replicated application. Every method is called from one task, in log order.
pub trait Application: Send + 'static {
    /// A frozen, cheap clone of the state, written out elsewhere.
    type Frozen: Frozen;

    /// Applies one normal entry; returns the response bytes for its proposer. Pure: it cannot fail locally, and may
    /// read neither clock nor randomness.
    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes;

    /// Called after each batch, before any proposer is answered, with the index of the last applied entry of any kind
    /// (blank and membership entries count): publish the snapshot that readers see. Everything applied up to
    /// `applied_index` has to be visible to readers when this returns; freshness relies on it.
    fn publish(&mut self, applied_index: u64);

    /// Whether the publication that is due may take longer than some dozen milliseconds. It is made on a thread of its own then,
    /// so that the node hears and says meanwhile what keeps elections away.
    fn is_publishing_long(&self) -> bool {
        false
    }

    /// Takes a frozen copy of the state as it is now. Called between batches; has to be cheap.
    fn freeze(&self) -> Self::Frozen;

    /// Replaces the whole state, all or nothing, by records written by [`Frozen::write`], in their order.
    ///
    /// # Errors
    /// The records cannot be read or mean nothing to this build; the old state stays, and the node stops.
    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError>;
}

/// A state frozen at one log index.
pub trait Frozen: Send + 'static {
    /// Writes the state as records, each at most [`SNAPSHOT_RECORD_BYTES_MAX`](crate::limits::SNAPSHOT_RECORD_BYTES_MAX)
    /// long, on a thread where blocking is allowed.
    ///
    /// # Errors
    /// Those of `sink`, passed on unchanged.
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>;
}

/// Why a snapshot could not be installed into the application.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The records could not be read.
    #[error("cannot read the snapshot's records")]
    Read(#[source] io::Error),
    /// A record means nothing to this build of the application.
    #[error("snapshot record {number} cannot be understood: {reason}")]
    Record {
        /// Which record, counted from zero.
        number: u64,
        /// What the application said about it.
        reason: String,
    },
    /// The records end too early or contradict one another.
    #[error("snapshot does not form a state: {reason}")]
    State {
        /// What the application said about it.
        reason: String,
    },
}
