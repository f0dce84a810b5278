//! What the follower brings, onto the shelf and to the writer of the disk copy.

use std::sync::Arc;

use tidegate_distribution::{Batch, Broken, Event, Held, Sink, Stop};
use tidegate_eligibility::Snapshot;
use tokio::sync::oneshot;

use crate::edge::Shared;

/// The follower's hand into this edge.
pub(crate) struct Keeper(pub(crate) Arc<Shared>);

impl Sink for Keeper {
    async fn replaced(&mut self, held: &Held) {
        self.0.metrics.replaced.inc();
        let (done, snapshot) = oneshot::channel();
        let held = held.clone();
        let work = {
            let held = held.clone();
            move || {
                // The follower may have been stopped meanwhile.
                let _is_wanted = done.send(Snapshot::of(&held.catalog, held.stamp)).is_ok();
            }
        };
        // Compiling a large catalog takes seconds of one core, which checks must not wait for.
        self.0.platform.spawner.spawn_blocking("edge compile", Box::new(work));
        if let Ok(snapshot) = snapshot.await {
            tracing::info!(config_version = held.stamp.config_version, objects = held.catalog.len(), "catalog taken over whole");
            self.0.shelf.replace(held, snapshot);
        }
    }

    fn advanced(&mut self, held: &Held, batches: Vec<Batch>) {
        self.0.metrics.advanced.inc_by(batches.len() as u64);
        self.0.shelf.advance(held.clone(), batches);
    }

    fn stopped(&mut self, stops: Vec<Stop>) {
        self.0.shelf.stop(stops);
    }

    fn happened(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { upstream } => {
                self.0.metrics.connects.inc();
                self.0.set_connected(true);
                tracing::info!(upstream, "following");
            }
            Event::Disconnected { upstream, reason, pause } => {
                self.0.set_connected(false);
                if let Broken::Refused(refused) = reason {
                    self.0.metrics.refused.inc();
                    self.0.set_refusal(Some(format!("{upstream}: {refused}")));
                    tracing::error!(upstream, %refused, ?pause, "what the upstream sent is not believed");
                } else {
                    tracing::warn!(upstream, %reason, ?pause, "not following");
                }
            }
            Event::Probed { is_proven } => {
                if is_proven {
                    self.0.metrics.probes.inc();
                    self.0.set_refusal(None);
                }
            }
        }
    }
}
