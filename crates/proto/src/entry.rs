//! Log entries as bytes: the model's [`Entry`] in a `tidegate.storage.v1.EntryEnvelope`.
//!
//! A reader stops at what it does not know, because skipping would make nodes diverge: a newer format, a newer
//! command, a newer arm or enum value anywhere within. What it cannot notice is a new field of a known message; a
//! writer that adds one which matters raises `min_reader`.

use prost::Message as _;
use prost::bytes::Bytes;
use thiserror::Error;
use tidegate_model::{Entry, Principal, RequestId, Seed, Timestamp};

use crate::convert::{array, inner, must, text};
use crate::error::Malformed;
use crate::limits;
use crate::storage::v1::EntryEnvelope;

/// The format that this build writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Bytes that are no entry which this build can apply.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// More bytes than an entry may have.
    #[error("entry of {bytes} bytes must be <= {max} bytes")]
    TooLong {
        /// Bytes that came.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Not a protobuf message, or one nested too deeply.
    #[error("entry cannot be decoded")]
    Undecodable(#[source] prost::DecodeError),
    /// Written by a newer build for newer readers.
    #[error("entry of format {format} asks for a reader of format {min_reader}, this build reads up to {newest}")]
    TooNew {
        /// Format that it was written in.
        format: u32,
        /// Oldest format whose readers understand it.
        min_reader: u32,
        /// Newest format that this build reads.
        newest: u32,
    },
    /// Of another consensus group.
    #[error("entry of group {group}, expected group {expected}")]
    OtherGroup {
        /// Group in the entry.
        group: u32,
        /// Group of this log.
        expected: u32,
    },
    /// A part that the model cannot hold, perhaps a command of a newer build.
    #[error("entry is malformed")]
    Malformed(#[from] Malformed),
}

/// Writes an entry of consensus group `group`. Whether it is short enough to propose is for consensus to say.
#[must_use]
pub fn encode_entry(group: u32, entry: &Entry) -> Vec<u8> {
    let Entry { proposed_at, principal, auth_epoch, request_id, seed, command } = entry;
    let envelope = EntryEnvelope {
        format: FORMAT,
        min_reader: FORMAT,
        group,
        proposed_at_ms: proposed_at.as_millis(),
        principal: principal.to_string(),
        auth_epoch: *auth_epoch,
        request_id: request_id.to_string(),
        seed: Bytes::copy_from_slice(&seed.0),
        command: Some(command.into()),
    };
    envelope.encode_to_vec()
}

/// Reads an entry of consensus group `group`.
///
/// # Errors
/// [`EntryError`]. A committed entry that cannot be read means that this build must stop.
pub fn decode_entry(group: u32, bytes: &[u8]) -> Result<Entry, EntryError> {
    if bytes.len() > limits::ENTRY_BYTES_MAX {
        return Err(EntryError::TooLong { bytes: bytes.len(), max: limits::ENTRY_BYTES_MAX });
    }
    let envelope = EntryEnvelope::decode(bytes).map_err(EntryError::Undecodable)?;
    if envelope.format == 0 || envelope.min_reader > FORMAT {
        let EntryEnvelope { format, min_reader, .. } = envelope;
        return Err(EntryError::TooNew { format, min_reader, newest: FORMAT });
    }
    if envelope.group != group {
        return Err(EntryError::OtherGroup { group: envelope.group, expected: group });
    }
    Ok(Entry {
        proposed_at: Timestamp::from_millis(envelope.proposed_at_ms),
        principal: text("principal", &envelope.principal, Principal::new)?,
        auth_epoch: envelope.auth_epoch,
        request_id: text("request_id", &envelope.request_id, RequestId::new)?,
        seed: Seed(array("seed", &envelope.seed)?),
        command: inner("command", must("command", envelope.command)?)?,
    })
}
