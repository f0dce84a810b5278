//! openraft's type configuration: what an entry, a node and an answer are here.
//!
//! Leaders are identified by their term alone (`leader_id_std`): one leader per term, and a log id is (term, index). This
//! is stored and cannot be changed later.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use openraft::impls::leader_id_std;
use openraft::{EntryPayload, RaftTypeConfig};

use crate::runtime::Runtime;
use crate::status::Member;

/// Type configuration on the runtime `Rt`.
pub(crate) struct Types<Rt>(PhantomData<fn() -> Rt>);

impl<Rt: Runtime> RaftTypeConfig for Types<Rt> {
    type D = Payload;
    type R = Answer;
    type NodeId = u64;
    type Node = Record;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Payload, u64, Record>;
    type Entry = openraft::Entry<<Self::LeaderId as openraft::vote::RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = Rt;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// The payload of a normal entry: opaque bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Payload(pub(crate) Bytes);

/// What the membership records of a node, besides its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) store_uuid: u128,
    pub(crate) peer_addr: String,
    pub(crate) admin_addr: String,
    pub(crate) device_addr: String,
}

impl Record {
    pub(crate) fn of(member: Member) -> (u64, Self) {
        let Member { id, store_uuid, peer_addr, admin_addr, device_addr } = member;
        (id, Self { store_uuid, peer_addr, admin_addr, device_addr })
    }

    pub(crate) fn member(&self, id: u64) -> Member {
        let Self { store_uuid, peer_addr, admin_addr, device_addr } = self.clone();
        Member { id, store_uuid, peer_addr, admin_addr, device_addr }
    }
}

/// What the application answered; empty for blank and membership entries.
#[derive(Debug)]
pub(crate) struct Answer(pub(crate) Bytes);

pub(crate) type LeaderId = leader_id_std::LeaderId<u64, u64>;
pub(crate) type CommittedLeaderId = <LeaderId as openraft::vote::RaftLeaderId>::Committed;
pub(crate) type LogId = openraft::LogId<CommittedLeaderId>;
pub(crate) type Vote = openraft::Vote<LeaderId>;
pub(crate) type Entry = openraft::Entry<CommittedLeaderId, EntryPayload<Payload, u64, Record>>;
pub(crate) type Membership = openraft::Membership<u64, Record>;
pub(crate) type StoredMembership = openraft::StoredMembership<CommittedLeaderId, u64, Record>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<CommittedLeaderId, u64, Record>;
pub(crate) type Raft<Rt, SM> = openraft::Raft<Types<Rt>, SM>;
pub(crate) type RaftMetrics<Rt> = openraft::RaftMetrics<Types<Rt>>;

/// A log id of the leader of `term`.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

/// The term of a log id.
pub(crate) fn term_of(log_id: &LogId) -> u64 {
    **log_id.committed_leader_id()
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

// Written by hand: derived ones would ask the same of the runtime, which is only a name here.
impl<Rt> Clone for Types<Rt> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Rt> Copy for Types<Rt> {}
impl<Rt> fmt::Debug for Types<Rt> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}
impl<Rt> Default for Types<Rt> {
    fn default() -> Self {
        Self(PhantomData)
    }
}
impl<Rt> PartialEq for Types<Rt> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}
impl<Rt> Eq for Types<Rt> {}
impl<Rt> PartialOrd for Types<Rt> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<Rt> Ord for Types<Rt> {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
