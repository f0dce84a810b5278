//! Between openraft's types, the peer protocol's messages, and bytes on disk.
//!
//! Everything that comes from a peer or a disk is checked here; nothing panics on it. The stored forms are the entry
//! payload (one kind byte, then raw bytes or a message), the vote, and the membership in a snapshot's header.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_proto::peer::v1 as wire;

use crate::node::types::{Entry, LogId, Membership, Payload, StoredMembership, Vote, log_id, term_of};
use crate::status::Member;

const KIND_BLANK: u8 = 0;
const KIND_NORMAL: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Bytes or a message that do not mean anything here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    /// A field that has to be there is not.
    #[error("message lacks {field}")]
    Missing { field: &'static str },
    /// An identity of the wrong length.
    #[error("{field} of {bytes} bytes must be 16 bytes")]
    Identity { field: &'static str, bytes: usize },
    /// An entry kind of another build.
    #[error("entry kind {kind} is unknown to this build")]
    UnknownKind { kind: u8 },
    /// An entry or snapshot without any kind byte.
    #[error("stored entry is empty")]
    Empty,
    /// Not a message of that type.
    #[error("stored message cannot be decoded")]
    Message(#[from] prost::DecodeError),
    /// A membership that names voters without addresses, or none at all.
    #[error("membership is inconsistent: {reason}")]
    Membership { reason: String },
}

pub(crate) fn uuid_bytes(uuid: u128) -> Bytes {
    Bytes::copy_from_slice(&uuid.to_be_bytes())
}

pub(crate) fn uuid(bytes: &[u8], field: &'static str) -> Result<u128, CodecError> {
    let array: [u8; 16] = bytes.try_into().map_err(|_| CodecError::Identity { field, bytes: bytes.len() })?;
    Ok(u128::from_be_bytes(array))
}

pub(crate) fn log_id_out(id: &LogId) -> wire::LogId {
    wire::LogId { term: term_of(id), index: id.index }
}

pub(crate) fn log_id_in(id: wire::LogId) -> LogId {
    log_id(id.term, id.index)
}

pub(crate) fn vote_out(vote: &Vote) -> wire::Ballot {
    wire::Ballot { term: vote.leader_id.term, node: vote.leader_id.voted_for, is_committed: vote.committed }
}

pub(crate) fn vote_in(ballot: Option<wire::Ballot>) -> Result<Vote, CodecError> {
    let ballot = ballot.ok_or(CodecError::Missing { field: "ballot" })?;
    Ok(if ballot.is_committed { Vote::new_committed(ballot.term, ballot.node) } else { Vote::new(ballot.term, ballot.node) })
}

pub(crate) fn member_out(member: &Member) -> wire::Member {
    wire::Member {
        id: member.id,
        store_uuid: uuid_bytes(member.store_uuid),
        peer_addr: member.peer_addr.clone(),
        admin_addr: member.admin_addr.clone(),
        device_addr: member.device_addr.clone(),
    }
}

pub(crate) fn member_in(member: wire::Member) -> Result<Member, CodecError> {
    Ok(Member {
        id: member.id,
        store_uuid: uuid(&member.store_uuid, "member.store_uuid")?,
        peer_addr: member.peer_addr,
        admin_addr: member.admin_addr,
        device_addr: member.device_addr,
    })
}

pub(crate) fn membership_out(membership: &Membership) -> wire::Membership {
    let voter_sets = membership.get_joint_config().iter();
    wire::Membership {
        voter_sets: voter_sets.map(|set| wire::VoterSet { nodes: set.iter().copied().collect() }).collect(),
        members: membership.nodes().map(|(_, member)| member_out(member)).collect(),
    }
}

pub(crate) fn membership_in(membership: wire::Membership) -> Result<Membership, CodecError> {
    let sets: Vec<BTreeSet<u64>> = membership.voter_sets.into_iter().map(|set| set.nodes.into_iter().collect()).collect();
    let mut members = BTreeMap::new();
    for member in membership.members {
        members.insert(member.id, member_in(member)?);
    }
    if sets.is_empty() && members.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(sets, members).map_err(|error| CodecError::Membership { reason: error.to_string() })
}

pub(crate) fn stored_membership_out(stored: &StoredMembership) -> wire::StoredMembership {
    wire::StoredMembership {
        log_id: stored.log_id().as_ref().map(log_id_out),
        membership: Some(membership_out(stored.membership())),
    }
}

pub(crate) fn stored_membership_in(stored: wire::StoredMembership) -> Result<StoredMembership, CodecError> {
    let membership = stored.membership.ok_or(CodecError::Missing { field: "membership" })?;
    Ok(StoredMembership::new(stored.log_id.map(log_id_in), membership_in(membership)?))
}

pub(crate) fn entry_out(entry: &Entry) -> wire::Entry {
    let payload = match &entry.payload {
        EntryPayload::Blank => wire::entry::Payload::Blank(wire::Blank {}),
        EntryPayload::Normal(payload) => wire::entry::Payload::Normal(payload.0.clone()),
        EntryPayload::Membership(membership) => wire::entry::Payload::Membership(membership_out(membership)),
    };
    wire::Entry { log_id: Some(log_id_out(&entry.log_id)), payload: Some(payload) }
}

pub(crate) fn entry_in(entry: wire::Entry) -> Result<Entry, CodecError> {
    let log_id = log_id_in(entry.log_id.ok_or(CodecError::Missing { field: "entry.log_id" })?);
    // An arm of a newer build decodes as none: refused, never skipped.
    let payload = match entry.payload.ok_or(CodecError::Missing { field: "entry.payload" })? {
        wire::entry::Payload::Blank(wire::Blank {}) => EntryPayload::Blank,
        wire::entry::Payload::Normal(bytes) => EntryPayload::Normal(Payload(bytes)),
        wire::entry::Payload::Membership(membership) => EntryPayload::Membership(membership_in(membership)?),
    };
    Ok(Entry { log_id, payload })
}

/// The stored form of an entry's payload; term and index are the log's own fields.
pub(crate) fn payload_to_disk(payload: &EntryPayload<Payload, u64, Member>) -> Bytes {
    let mut out = BytesMut::new();
    match payload {
        EntryPayload::Blank => out.put_u8(KIND_BLANK),
        EntryPayload::Normal(payload) => {
            out.reserve(1 + payload.0.len());
            out.put_u8(KIND_NORMAL);
            out.put_slice(&payload.0);
        }
        EntryPayload::Membership(membership) => {
            out.put_u8(KIND_MEMBERSHIP);
            out.put_slice(&membership_out(membership).encode_to_vec());
        }
    }
    out.freeze()
}

pub(crate) fn payload_from_disk(stored: &Bytes) -> Result<EntryPayload<Payload, u64, Member>, CodecError> {
    let kind = *stored.first().ok_or(CodecError::Empty)?;
    let rest = stored.slice(1..);
    match kind {
        KIND_BLANK => Ok(EntryPayload::Blank),
        KIND_NORMAL => Ok(EntryPayload::Normal(Payload(rest))),
        KIND_MEMBERSHIP => Ok(EntryPayload::Membership(membership_in(wire::Membership::decode(rest)?)?)),
        kind => Err(CodecError::UnknownKind { kind }),
    }
}

pub(crate) fn vote_to_disk(vote: &Vote) -> Bytes {
    vote_out(vote).encode_to_vec().into()
}

pub(crate) fn vote_from_disk(stored: &[u8]) -> Result<Vote, CodecError> {
    vote_in(Some(wire::Ballot::decode(stored)?))
}

pub(crate) fn stored_membership_to_disk(stored: &StoredMembership) -> Bytes {
    stored_membership_out(stored).encode_to_vec().into()
}

pub(crate) fn stored_membership_from_disk(stored: &[u8]) -> Result<StoredMembership, CodecError> {
    stored_membership_in(wire::StoredMembership::decode(stored)?)
}
