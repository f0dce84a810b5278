//! What the dashboard shows, as plain data: the source fills it in, [`crate::pages`] writes it out.

use serde::Serialize;

/// State of the cluster and of its rollouts as this node knows them. Read-only, and bounded: see
/// [`crate::limits::STATUS_ROLLOUTS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Current term of the consensus group; absent on an edge.
    pub term: Option<u64>,
    /// Id of the leader, if one is known.
    pub leader: Option<String>,
    /// All members, by id.
    pub members: Vec<Member>,
    /// All products, by id.
    pub products: Vec<ProductStatus>,
    /// Alarms that somebody should act on, one line each.
    pub alarms: Vec<String>,
}

/// One member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its id.
    pub node: String,
    /// `leader`, `follower`, `candidate` or `learner`.
    pub role: String,
    /// Where devices reach it.
    pub device_addr: String,
    /// Last log index that it is known to hold, if this node knows.
    pub matched_index: Option<u64>,
}

/// One product with what is going on in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductStatus {
    /// Its id.
    pub id: String,
    /// Its cohorts, by id.
    pub cohorts: Vec<CohortStatus>,
}

/// One cohort and its newest rollouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CohortStatus {
    /// Its id.
    pub id: String,
    /// Rollouts, newest first; older ones are left out beyond [`crate::limits::STATUS_ROLLOUTS_MAX`].
    pub rollouts: Vec<RolloutStatus>,
    /// How many were left out.
    pub rollouts_left_out: u64,
}

/// One rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RolloutStatus {
    /// Its release.
    pub release: String,
    /// Software version of the release, if it has one.
    pub version: Option<String>,
    /// `DRAFT`, `ACTIVE`, `PAUSED`, `COMPLETED` or `ROLLED_BACK`.
    pub state: String,
    /// Name of the current stage.
    pub stage: Option<String>,
    /// Its number, from 1, and how many there are.
    pub stage_number: Option<(u32, u32)>,
    /// Share of devices admitted by the current stage now, in parts per million, where one number can say it.
    pub share_ppm: Option<u32>,
    /// Marks such as `required`, `disabled`, `dead_end`, `latest`.
    pub marks: Vec<String>,
}
