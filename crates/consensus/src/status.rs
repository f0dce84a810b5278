//! What a node knows about itself and its cluster, as plain data: for `cluster status`, readiness and metrics.

use std::time::Duration;

/// One member as the membership records it. A changed field is a changed member: addresses are not updated in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Node id, never reused within a cluster.
    pub id: u64,
    /// Identity of the node's store. A wiped disk gets a new one, so that a wiped voter cannot come back under its old id.
    pub store_uuid: u128,
    /// `host:port` of the peer listener.
    pub peer_addr: String,
    /// `host:port` of the admin listener.
    pub admin_addr: String,
    /// `host:port` of the device listener.
    pub device_addr: String,
}

/// How a member takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    /// Votes and counts towards a majority.
    Voter,
    /// Receives the log only: a read replica, or a voter to be.
    Learner,
}

/// What this node does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Leads the current term.
    Leader,
    /// Follows, whether or not a leader is known.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Follows without a vote, or is no member (yet).
    Learner,
    /// Is shutting down.
    Stopped,
}

/// One line of [`Status::members`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// The recorded member.
    pub member: Member,
    /// Voter or learner.
    pub kind: MemberKind,
    /// On the leader: the index up to which the member's log is known to match; `None` elsewhere or before first contact.
    pub matched_index: Option<u64>,
    /// On the leader: entries that the member lacks (`last_index - matched_index`).
    pub lag: Option<u64>,
    /// Newest command kind that the member says it understands, from its last probe; `None` if not heard on this node.
    pub supported_version: Option<u32>,
    /// How far the member's wall clock lay ahead of this node's, from its last probe; `None` if not heard on this node.
    pub wall_offset_ms: Option<i64>,
    /// Time since this node last heard a probe of that member or an answer to one; `None` if never.
    pub heard_ago: Option<Duration>,
}

/// One node's view of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: u64,
    /// This node's store.
    pub store_uuid: u128,
    /// The cluster.
    pub cluster_id: u128,
    /// The cluster's epoch.
    pub epoch: u64,
    /// Current term.
    pub term: u64,
    /// The leader of that term, where known.
    pub leader: Option<u64>,
    /// What this node does.
    pub role: Role,
    /// Last log index on this node, 0 for an empty log.
    pub last_index: u64,
    /// Last index known as committed.
    pub committed_index: u64,
    /// Last index applied and published.
    pub applied_index: u64,
    /// Last index contained in the newest snapshot file.
    pub snapshot_index: u64,
    /// Last index removed from the log.
    pub purged_index: u64,
    /// All members by id; empty before the cluster is initialized.
    pub members: Vec<MemberStatus>,
    /// The disk is so full that only emergency proposals are taken.
    pub is_disk_low: bool,
    /// This node's wall clock is too far from the others', see [`ClockAlarm`].
    pub clock_alarm: Option<ClockAlarm>,
}

impl Status {
    /// Whether this node is in the membership, as voter or learner.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.members.iter().any(|m| m.member.id == self.node)
    }
}

/// A wall clock that is more than [`CLOCK_SKEW_MAX`](crate::limits::CLOCK_SKEW_MAX) off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockAlarm {
    /// How far this node's wall clock lies ahead of the reference (the leader's; on the leader, a majority's).
    pub ahead_ms: i64,
}

/// Who leads, for those who want to hear of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Current term.
    pub term: u64,
    /// Leader of that term, where known.
    pub leader: Option<u64>,
    /// Whether that is this node.
    pub is_here: bool,
}

/// Counters since start. They only grow; names and help texts belong to the server's metric list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Proposals taken.
    pub proposals: u64,
    /// Proposals that ended with an unknown outcome.
    pub proposals_unknown: u64,
    /// Proposals refused at the door, for any reason.
    pub proposals_refused: u64,
    /// Entries applied.
    pub entries_applied: u64,
    /// Batches published.
    pub batches_published: u64,
    /// Snapshots built here.
    pub snapshots_built: u64,
    /// Snapshots received and installed.
    pub snapshots_installed: u64,
    /// Quorum rounds for read indexes, run as leader.
    pub read_rounds: u64,
    /// Read indexes handed out, run as leader (several share a round).
    pub reads_confirmed: u64,
    /// Freshness probes that proved the snapshot fresh.
    pub probes_ok: u64,
    /// Freshness probes that failed.
    pub probes_failed: u64,
    /// Times that freshness was dropped because wall and boot clock disagreed.
    pub freshness_dropped: u64,
    /// Changes of leadership seen.
    pub leader_changes: u64,
    /// Peer calls refused because of a wrong cluster, epoch, group, node or store.
    pub peer_calls_refused: u64,
}
