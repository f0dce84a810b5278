//! This node as the origin of what edges follow and programs fetch; what is said to them is in `tidegate-distribution`.

use std::sync::Arc;
use std::time::Duration;

use tidegate_distribution::{Batch, Origin, Present, Refused, Scope, Stop};
use tidegate_eligibility::Stamp;
use tidegate_platform::Spawner;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::{Code, Status};

use crate::context::Context;
use crate::refusal::Door;

/// The catalogs of this node, one after the other.
pub struct Catalogs {
    context: Arc<Context>,
    scope: Scope,
    /// A member of the cluster holds every stop that it knows of.
    stops: watch::Sender<Arc<[Stop]>>,
    closing: watch::Receiver<bool>,
}

impl Catalogs {
    /// Those of this node, until `closing` turns true.
    #[must_use]
    pub fn new(context: Arc<Context>, closing: watch::Receiver<bool>) -> Self {
        Self { context, scope: Scope::default(), stops: watch::Sender::new(Arc::new([])), closing }
    }
}

impl Origin for Catalogs {
    fn cluster_id(&self) -> u128 {
        self.context.config.cluster_id
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn present(&self) -> Result<Present, Refused> {
        let published = self.context.published().map_err(refused)?;
        let state = &published.state;
        let stamp = Stamp { config_version: state.config_version(), epoch: state.epoch(), applied_index: state.applied_index() };
        Ok(Present { stamp, catalog: state.catalog().clone(), roots: published.roots.clone() })
    }

    fn recent(&self, config_version: u64) -> Option<Vec<Batch>> {
        self.context.shelf.recent_since(config_version)
    }

    async fn since(&self, config_version: u64) -> Result<Vec<Batch>, Refused> {
        self.context.changes_since(config_version).await.map_err(refused)
    }

    fn versions(&self) -> watch::Receiver<(u64, u64)> {
        self.context.shelf.versions()
    }

    fn stops(&self) -> watch::Receiver<Arc<[Stop]>> {
        self.stops.subscribe()
    }

    fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }

    fn staleness(&self) -> Option<Duration> {
        self.context.staleness()
    }

    fn decision_time_ms(&self) -> i64 {
        let wall = self.context.platform.clock.wall_ms();
        self.context.handle().map_or(wall, |handle| handle.freshness().decision_wall_ms())
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.context.watcher_slot().map_err(refused)
    }

    fn spawner(&self) -> &dyn Spawner {
        self.context.platform.spawner.as_ref()
    }

    fn status(&self, refused: Refused) -> Status {
        let message = refused.to_string();
        Status::from(match refused {
            Refused::NotReady | Refused::Behind { .. } => Door::NotReady,
            Refused::Busy => Door::Busy,
            Refused::Gone { from, floor } => Door::Compacted { from, floor },
            Refused::Field { field, value, rule } => Door::field(field, value, rule),
            Refused::Other { code, .. } => Door::Relayed { code, message, grpc: Code::Internal as i32 },
        })
    }
}

/// What a door of this node means to a follower.
fn refused(door: Door) -> Refused {
    match door {
        Door::NotReady => Refused::NotReady,
        Door::Busy => Refused::Busy,
        Door::Compacted { from, floor } => Refused::Gone { from, floor },
        other => Refused::Other { code: other.code().to_owned(), message: other.to_string() },
    }
}
