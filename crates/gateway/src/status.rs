//! The cluster as the dashboard shows it: plain data that the source fills in. Rollouts are read from the snapshot itself.

use serde::Serialize;

/// State of the cluster as this node knows it. Read-only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Current term of the consensus group; absent on an edge.
    pub term: Option<u64>,
    /// Id of the leader, if one is known.
    pub leader: Option<String>,
    /// All members, by id.
    pub members: Vec<Member>,
    /// Alarms that somebody should act on, one line each.
    pub alarms: Vec<String>,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its id.
    pub node: String,
    /// `leader`, `follower`, `candidate` or `learner`, as far as this node knows.
    pub role: String,
    /// Where devices reach it.
    pub device_addr: String,
    /// Last log index that it is known to hold, if this node knows.
    pub matched_index: Option<u64>,
}
