//! The controller, as the runner drives it: what it has seen, and what it finds due.

use tidegate_controller::{Event, Health, Sighting};
use tidegate_machine::State;
use tidegate_model::{BundleId, Catalog, CatalogChange, Command, DeviceKey, ProductId, Timestamp};

/// The controller with its evidence.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    health: Health,
}

impl Steering {
    /// An entry changed the catalog.
    pub(crate) fn learn(&mut self, changes: &[CatalogChange], at: Timestamp) {
        self.health.learn(changes, at);
    }

    /// A device was seen by a check.
    pub(crate) fn sight(&mut self, catalog: &Catalog, sighting: &Sighting, at: Timestamp) {
        self.health.sight(catalog, sighting, at);
    }

    /// An install event came.
    pub(crate) fn take_in(&mut self, catalog: &Catalog, event: &Event, at: Timestamp) {
        // Duplicates and events of no rollout are none of a test's errors.
        let _what_became_of_it = self.health.take_in(catalog, event, at);
    }

    /// An operator cleared what a device went through with a bundle.
    pub(crate) fn clear(&mut self, product: &ProductId, device: &DeviceKey, bundle: &BundleId) {
        self.health.clear(product, device, bundle);
    }

    /// Everything due at `now`, one command per entry.
    pub(crate) fn due(&self, state: &State, now: Timestamp) -> Vec<Command> {
        tidegate_controller::due(state, &self.health, now)
    }

    /// The next instant after `now` at which something falls due by time alone.
    pub(crate) fn next_due(&self, state: &State, now: Timestamp) -> Option<Timestamp> {
        tidegate_controller::next_due(state, &self.health, now)
    }
}
