//! The evidence that this node keeps, shared by whoever takes it in and the loop that acts on it.

use std::sync::{Mutex, MutexGuard};

use tidegate_controller::{Event, Health, Intake, Sighting};
use tidegate_model::{BundleId, Catalog, CatalogChange, DeviceKey, ProductId, Timestamp};
use tokio::sync::Notify;

use crate::wire;

/// Evidence of devices. Not replicated: it lives as long as the process.
#[derive(Default)]
pub struct Records {
    health: Mutex<Health>,
    news: Notify,
}

impl Records {
    /// No evidence yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("no panic happens under this lock")
    }

    /// The evidence as it is now. Costs nothing.
    #[must_use]
    pub fn frozen(&self) -> Health {
        self.health().clone()
    }

    /// Takes in what devices sent, at `at`.
    pub fn take_in(&self, catalog: &Catalog, events: &[Event], sightings: &[Sighting], at: Timestamp) -> wire::TakenIn {
        let mut taken_in = wire::TakenIn::default();
        {
            let mut health = self.health();
            for sighting in sightings {
                health.sight(catalog, sighting, at);
            }
            for event in events {
                match health.take_in(catalog, event, at) {
                    Intake::Counted => taken_in.accepted += 1,
                    Intake::Duplicate => taken_in.duplicates += 1,
                    Intake::NotAttributed => {
                        taken_in.accepted += 1;
                        taken_in.unattributed += 1;
                    }
                }
            }
        }
        self.news.notify_one();
        taken_in
    }

    /// Notes what applied entries changed; a registration counts as being seen.
    pub fn learn(&self, changes: &[CatalogChange], at: Timestamp) {
        self.health().learn(changes, at);
    }

    /// Forgets a device's failures and local roll-back of a bundle.
    pub fn clear(&self, product: &ProductId, device: &DeviceKey, bundle: &BundleId) {
        self.health().clear(product, device, bundle);
        self.news.notify_one();
    }

    /// Resolves when something was taken in since the last call. For the one loop that acts on it.
    pub async fn news(&self) {
        self.news.notified().await;
    }
}
