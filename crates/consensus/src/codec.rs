//! Between openraft's types, the peer protocol's messages, and bytes on disk.
//!
//! Everything that comes from a peer or a disk is checked here; nothing panics on it. The stored forms are the entry
//! payload (one kind byte, then raw bytes or a message), the vote, and the membership in a snapshot's header.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_proto::peer::v1 as wire;

use crate::node::types::{Entry, LogId, Membership, Payload, Record, StoredMembership, Vote, log_id, term_of};
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
        members: membership.nodes().map(|(id, record)| member_out(&record.member(*id))).collect(),
    }
}

pub(crate) fn membership_in(membership: wire::Membership) -> Result<Membership, CodecError> {
    let sets: Vec<BTreeSet<u64>> = membership.voter_sets.into_iter().map(|set| set.nodes.into_iter().collect()).collect();
    let mut members = BTreeMap::new();
    for member in membership.members {
        let (id, record) = Record::of(member_in(member)?);
        members.insert(id, record);
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
        retired: Vec::new(),
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
pub(crate) fn payload_to_disk(payload: &EntryPayload<Payload, u64, Record>) -> Bytes {
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

pub(crate) fn payload_from_disk(stored: &Bytes) -> Result<EntryPayload<Payload, u64, Record>, CodecError> {
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

pub(crate) fn stored_membership_to_disk(stored: &StoredMembership, retired: &BTreeSet<u64>) -> Bytes {
    let retired = retired.iter().copied().collect();
    wire::StoredMembership { retired, ..stored_membership_out(stored) }.encode_to_vec().into()
}

/// Ids that were given up by the time of a snapshot.
pub(crate) fn retired_from_disk(stored: &[u8]) -> Result<BTreeSet<u64>, CodecError> {
    Ok(wire::StoredMembership::decode(stored)?.retired.into_iter().collect())
}

pub(crate) fn stored_membership_from_disk(stored: &[u8]) -> Result<StoredMembership, CodecError> {
    stored_membership_in(wire::StoredMembership::decode(stored)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use openraft::vote::RaftLeaderId as _;

    fn member(id: u64) -> Member {
        Member {
            id,
            store_uuid: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f00 + u128::from(id),
            peer_addr: format!("n{id}:7"),
            admin_addr: "a".to_owned(),
            device_addr: "d".to_owned(),
        }
    }

    fn membership() -> Membership {
        let nodes = BTreeMap::from([Record::of(member(1)), Record::of(member(2))]);
        Membership::new(vec![BTreeSet::from([1])], nodes).unwrap()
    }

    fn bytes(hex: &str) -> Bytes {
        let digits: Vec<u8> = hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap().try_into().unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>().into()
    }

    /// Bytes as the first release wrote them. They have to be understood for ever; never change them.
    const BLANK: &str = "00";
    const NORMAL: &str = "0168656c6c6f";
    const MEMBERSHIP: &str = "020a030a01011220080112100102030405060708090a0b0c0d0e0f011a046e313a372201612a01641220080212100102030405060708090a0b0c0d0e0f021a046e323a372201612a0164";
    const VOTE: &str = "080310021801";
    const STORED: &str = "0a040803100912490a030a01011220080112100102030405060708090a0b0c0d0e0f011a046e313a372201612a01641220080212100102030405060708090a0b0c0d0e0f021a046e323a372201612a0164";
    const RETIRED: &str = "1a0304ac02";

    #[test]
    fn stored_forms_of_the_first_release_are_understood_and_still_written() {
        let normal = EntryPayload::Normal(Payload(Bytes::from_static(b"hello")));
        for (frozen, payload) in
            [(BLANK, EntryPayload::Blank), (NORMAL, normal), (MEMBERSHIP, EntryPayload::Membership(membership()))]
        {
            assert_eq!(payload_from_disk(&bytes(frozen)).unwrap(), payload);
            assert_eq!(payload_to_disk(&payload), bytes(frozen));
        }
        let vote = Vote::new_committed(3, 2);
        assert_eq!(vote_from_disk(&bytes(VOTE)).unwrap(), vote);
        assert_eq!(vote_to_disk(&vote), bytes(VOTE));
        let stored = StoredMembership::new(Some(log_id(3, 9)), membership());
        assert_eq!(stored_membership_from_disk(&bytes(STORED)).unwrap(), stored);
        assert_eq!(stored_membership_to_disk(&stored, &BTreeSet::new()), bytes(STORED));
        assert_eq!(retired_from_disk(&bytes(STORED)).unwrap(), BTreeSet::new());
        let retired = BTreeSet::from([4, 300]);
        let with_retired = stored_membership_to_disk(&stored, &retired);
        assert_eq!(with_retired, bytes(&format!("{STORED}{RETIRED}")));
        assert_eq!(stored_membership_from_disk(&with_retired).unwrap(), stored);
        assert_eq!(retired_from_disk(&with_retired).unwrap(), retired);
        assert_eq!(vote.leader_id, crate::node::types::LeaderId::new(3, 2));
    }

    #[test]
    fn bytes_of_other_builds_are_refused_not_skipped() {
        assert_eq!(payload_from_disk(&Bytes::new()), Err(CodecError::Empty));
        assert_eq!(payload_from_disk(&bytes("03")), Err(CodecError::UnknownKind { kind: 3 }));
        assert!(payload_from_disk(&bytes("02ff")).is_err());
        let unknown_arm = wire::Entry { log_id: Some(wire::LogId { term: 1, index: 1 }), payload: None };
        assert_eq!(entry_in(unknown_arm), Err(CodecError::Missing { field: "entry.payload" }));
        let voter_without_address = wire::Membership { voter_sets: vec![wire::VoterSet { nodes: vec![1] }], members: vec![] };
        assert!(matches!(membership_in(voter_without_address), Err(CodecError::Membership { .. })));
        assert_eq!(uuid(&[1, 2], "x"), Err(CodecError::Identity { field: "x", bytes: 2 }));
    }
}
