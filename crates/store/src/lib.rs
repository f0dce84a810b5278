//! Everything that a node keeps on disk, as bytes and indexes.
//!
//! - [`home`]: the folder of one node, its lock and its identity; start here, it opens the rest;
//! - [`log`]: the write-ahead log for Raft entries, vote and committed index;
//! - [`snapshot`]: snapshot files, written, verified, sent and received;
//! - [`backup`]: backup files, which leave the node;
//! - [`journal`]: history and audit rows, which grow and which neither apply nor decide reads.
//!
//! This crate must not know what the bytes mean: no openraft, no command, no catalog object. No type of the embedded
//! database shows in a signature. It opens no file past the seam (`tidegate_platform::Vfs`); the embedded database of
//! [`journal`] alone is exempt, and holds nothing that could not be rebuilt.
//!
//! What is promised, and to whom it matters: an operation whose callback was called with `Ok` survives a power loss at
//! any later moment; a callback may be late, never early. Damage to what was promised is named and stops the node.

pub mod backup;
pub mod fault;
pub mod home;

pub mod journal;
pub mod limits;
pub mod log;
pub mod snapshot;

mod files;
mod prelude;
mod records;
mod sabotage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use backup::{BackupEncoder, BackupFile, BackupHeader, BackupReader};
pub use fault::{Damage, Fault};
pub use home::{ClusterId, Home, Identity, StoreUuid};
pub use journal::{Journal, JournalBounds, JournalError};

pub use log::{Done, Log, LogId, LogOptions, LogRecord, LogState, LogStore, LogWriter, Op, Refused, Space};
#[cfg(any(test, feature = "testing"))]
pub use sabotage::Sabotage;
pub use snapshot::{SnapshotHeader, SnapshotMeta, Snapshots};
