//! This edge as what edges below follow.

use std::sync::Arc;
use std::time::Duration;

use tidegate_distribution::{Batch, Origin, Present, Refused, Scope, Stop};
use tidegate_platform::Spawner;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::Status;

use crate::edge::Shared;

/// The catalogs of this edge, one after the other.
pub(crate) struct Catalogs {
    pub(crate) shared: Arc<Shared>,
    pub(crate) closing: watch::Receiver<bool>,
}

impl Origin for Catalogs {
    fn cluster_id(&self) -> u128 {
        // Without a catalog nothing is served, and nobody asks.
        self.shared.shelf.load().map_or(0, |shown| shown.held.cluster_id)
    }

    fn scope(&self) -> &Scope {
        &self.shared.scope
    }

    fn present(&self) -> Result<Present, Refused> {
        self.shared.shelf.load().map(|shown| shown.held.present()).ok_or(Refused::NotReady)
    }

    fn recent(&self, config_version: u64) -> Option<Vec<Batch>> {
        self.shared.shelf.recent_since(config_version)
    }

    async fn since(&self, config_version: u64) -> Result<Vec<Batch>, Refused> {
        let floor = self.shared.shelf.recent_floor();
        self.shared.shelf.recent_since(config_version).ok_or(Refused::Gone { from: config_version, floor })
    }

    fn versions(&self) -> watch::Receiver<(u64, u64)> {
        self.shared.shelf.versions()
    }

    fn stops(&self) -> watch::Receiver<Arc<[Stop]>> {
        self.shared.shelf.stops_told()
    }

    fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }

    fn staleness(&self) -> Option<Duration> {
        self.shared.freshness.current_staleness()
    }

    fn decision_time_ms(&self) -> i64 {
        self.shared.freshness.decision_wall_ms()
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.shared.followers).try_acquire_owned().map_err(|_| Refused::Busy)
    }

    fn spawner(&self) -> &dyn Spawner {
        self.shared.platform.spawner.as_ref()
    }

    fn status(&self, refused: Refused) -> Status {
        let message = refused.to_string();
        match refused {
            Refused::NotReady | Refused::Behind { .. } => Status::unavailable(message),
            Refused::Busy => Status::resource_exhausted(message),
            Refused::Gone { .. } => Status::out_of_range(message),
            Refused::Field { .. } => Status::invalid_argument(message),
            Refused::Other { .. } => Status::internal(message),
        }
    }
}
