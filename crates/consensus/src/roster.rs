//! The membership as this node knows it now, ready to be read from any task without asking consensus.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::node::types::Membership;
use crate::status::{Member, MemberKind};

/// One member and how it takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) member: Member,
    pub(crate) kind: MemberKind,
}

/// All members of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    by_id: BTreeMap<u64, Entry>,
}

impl Members {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { by_id: entries.into_iter().map(|entry| (entry.member.id, entry)).collect() }
    }

    pub(crate) fn of(membership: &Membership) -> Self {
        let voters: std::collections::BTreeSet<u64> = membership.voter_ids().collect();
        Self::new(membership.nodes().map(|(id, record)| Entry {
            member: record.member(*id),
            kind: if voters.contains(id) { MemberKind::Voter } else { MemberKind::Learner },
        }))
    }

    pub(crate) fn get(&self, node: u64) -> Option<&Entry> {
        self.by_id.get(&node)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.by_id.values()
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|entry| entry.kind == MemberKind::Voter).map(|entry| &entry.member)
    }
}

/// The current [`Members`]; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster(Arc<ArcSwap<Members>>);

impl Roster {
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Members>> {
        self.0.load()
    }

    pub(crate) fn load_full(&self) -> Arc<Members> {
        self.0.load_full()
    }

    pub(crate) fn store(&self, members: Members) {
        self.0.store(Arc::new(members));
    }
}
