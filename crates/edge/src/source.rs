//! What devices are shown: the shelf, with the proof of its age.

use std::sync::Arc;
use std::time::Duration;

use tidegate_distribution::{Proof, StopCode};
use tidegate_eligibility::Snapshot;
use tidegate_gateway::{SnapshotSource, SnapshotView, Status, Stop};
use tidegate_model::Timestamp;

use crate::edge::Shared;
use crate::shelf::Shown;

/// This edge as the gateway sees it.
pub(crate) struct Source(pub(crate) Arc<Shared>);

/// A catalog held for one check, with the proof that was there before it was loaded.
pub(crate) struct View {
    proof: Option<Proof>,
    shown: Arc<Shown>,
}

impl SnapshotView for View {
    fn snapshot(&self) -> &Snapshot {
        &self.shown.snapshot
    }
}

impl SnapshotSource for Source {
    type View = View;

    fn current(&self) -> Option<View> {
        // The proof first: a snapshot that is loaded after it covers it.
        let proof = self.0.freshness.proof();
        let shown = self.0.shelf.load()?;
        Some(View { proof, shown })
    }

    fn staleness(&self, view: &View) -> Option<Duration> {
        self.0.freshness.staleness(view.proof.as_ref()?)
    }

    fn decision_now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.freshness.decision_wall_ms())
    }

    fn max_staleness(&self) -> Duration {
        self.0.config.max_staleness
    }

    async fn ensure_fresh(&self, bound: Duration) {
        self.0.freshness.ensure_fresh(bound).await;
    }

    fn node(&self) -> &str {
        &self.0.config.name
    }

    fn is_ready(&self) -> bool {
        self.0.is_open()
    }

    fn stopped(&self, view: &View, release: Option<&str>, bundle: &str) -> Option<Stop> {
        let code = self.0.shelf.stopped(view.snapshot().stamp(), release, bundle)?;
        Some(match code {
            StopCode::Paused => Stop::Paused,
            StopCode::Withdrawn => Stop::Withdrawn,
        })
    }

    fn status(&self) -> Status {
        Status { alarms: self.0.alarms(), ..Status::default() }
    }
}
