//! Where the gateway of a cluster member takes its snapshots: the shelf, with consensus' proof of freshness.

use std::sync::Arc;
use std::time::Duration;

use tidegate_consensus::{Fresh, Role};
use tidegate_eligibility::{Request, Snapshot};
use tidegate_gateway::{Member, SnapshotSource, SnapshotView, Status};
use tidegate_model::Timestamp;

use crate::context::Context;
use crate::published::Published;

/// This node as the gateway sees it.
pub struct Source {
    context: Arc<Context>,
    node: String,
}

impl Source {
    /// This node as the gateway sees it.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        let node = context.config.node.to_string();
        Self { context, node }
    }
}

/// A state held for one check, with the proof that was there before it was loaded.
pub struct View {
    proof: Option<Fresh>,
    published: arc_swap::Guard<Arc<Published>>,
}

impl SnapshotView for View {
    fn snapshot(&self) -> &Snapshot {
        &self.published.snapshot
    }
}

impl SnapshotSource for Source {
    type View = View;

    fn current(&self) -> Option<View> {
        if !self.context.is_sound() {
            return None;
        }
        // The proof first: a snapshot that is loaded after it covers it.
        let proof = self.context.handle().ok()?.freshness().fresh();
        let published = self.context.shelf.peek();
        // Before the first entry there is nothing to decide on.
        (published.state.applied_index() > 0).then_some(View { proof, published })
    }

    fn staleness(&self, view: &View) -> Option<Duration> {
        let proof = view.proof.as_ref()?;
        self.context.handle().ok()?.freshness().staleness(proof)
    }

    fn decision_now(&self) -> Timestamp {
        let now = self.context.handle().map(|handle| handle.freshness().decision_wall_ms());
        Timestamp::from_millis(now.unwrap_or_else(|_| self.context.platform.clock.wall_ms()))
    }

    fn max_staleness(&self) -> Duration {
        self.context.config.max_staleness
    }

    async fn ensure_fresh(&self, bound: Duration) {
        if let Ok(handle) = self.context.handle() {
            // Whether it worked is read from the clock afterwards.
            let _is_fresh = handle.freshness().ensure_fresh(bound).await.is_ok();
        }
    }

    fn seen(&self, request: &Request<'_>) {
        self.context.sightings.note(request);
    }

    fn node(&self) -> &str {
        &self.node
    }

    fn is_ready(&self) -> bool {
        self.context.is_open()
    }

    fn status(&self) -> Status {
        let mut alarms = Vec::new();
        if self.context.has_diverged() {
            alarms.push("the digest of this node differs from another node's: it serves nothing".to_owned());
        }
        let Ok(handle) = self.context.handle() else { return Status { alarms, ..Status::default() } };
        let status = handle.status();
        if status.is_disk_low {
            alarms.push("the disk is nearly full: only emergency writes are taken".to_owned());
        }
        if let Some(alarm) = status.clock_alarm {
            alarms.push(format!("the wall clock is {} ms ahead of the cluster's", alarm.ahead_ms));
        }
        let role = |id: u64, kind: tidegate_consensus::MemberKind| match kind {
            tidegate_consensus::MemberKind::Learner => "learner",
            tidegate_consensus::MemberKind::Voter if status.leader == Some(id) => "leader",
            tidegate_consensus::MemberKind::Voter if id == status.node && status.role == Role::Candidate => "candidate",
            tidegate_consensus::MemberKind::Voter => "follower",
        };
        let members = status.members.iter().map(|member| Member {
            node: member.member.id.to_string(),
            role: role(member.member.id, member.kind).to_owned(),
            device_addr: member.member.device_addr.clone(),
            matched_index: member.matched_index,
        });
        Status { term: Some(status.term), leader: status.leader.map(|id| id.to_string()), members: members.collect(), alarms }
    }
}
