//! How a rollout is getting on, by the evidence of whoever judges it: the leader.

use std::sync::Arc;

use tidegate_consensus::Target;
use tidegate_model::{ReleaseId, Timestamp};
use tidegate_proto::admin::v1 as admin;
use tokio::time::Instant;

use super::convert;
use crate::codec;
use crate::context::Context;
use crate::limits::PEER_QUESTION_MAX;
use crate::wire;

impl Context {
    /// The rollout's progress as the leader sees it; `None` if no leader could be asked, or there is no such release.
    pub async fn progress(self: &Arc<Self>, release: &ReleaseId) -> Option<admin::RolloutProgress> {
        let handle = self.handle().ok()?;
        if handle.leadership().borrow().is_here {
            let (here, release) = (Arc::clone(self), release.clone());
            return self.blocking("progress", move || here.own_progress(&release)).await.ok()?;
        }
        let question = wire::ProgressQuestion { release: release.to_string() };
        let request = codec::encode_question(wire::question::Kind::Progress(question));
        let answer = handle.ask(Target::Leader, request, Instant::now() + PEER_QUESTION_MAX).await.ok()?;
        match codec::decode_answer(&answer)? {
            wire::answer::Kind::Progress(progress) => Some(progress).filter(|progress| !progress.node.is_empty()),
            _ => None, // A build that does not know the question refuses it.
        }
    }

    /// The same by this node's own evidence.
    pub(crate) fn own_progress(&self, release: &ReleaseId) -> Option<admin::RolloutProgress> {
        let published = self.published().ok()?;
        let now = Timestamp::from_millis(self.platform.clock.wall_ms());
        let progress = tidegate_controller::explain(&published.state, &self.records.frozen(), release, now)?;
        Some(convert::progress_out(&progress, self.config.node))
    }
}
