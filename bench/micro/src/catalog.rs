//! A catalog of a given shape: pure, and the same for the same shape.

use std::sync::Arc;

use tidegate_eligibility::Stamp;
use tidegate_model::{Catalog, CatalogChange, Created, Object, Release, RolloutState, Stored};

use crate::objects;
use crate::shape::Shape;

/// Releases per cohort of the products beside the first.
const DEPTH_BESIDE: usize = 6;
/// Cohorts of the products beside the first.
const COHORTS_BESIDE: usize = 2;

/// A generated catalog.
#[derive(Clone)]
pub struct World {
    /// What it holds.
    pub shape: Shape,
    /// The objects.
    pub catalog: Catalog,
    made: u64,
}

/// Makes a stored object of a body, at its creation.
macro_rules! stored {
    ($kind:ident, $created:expr, $body:expr) => {
        Object::$kind(Arc::new(Stored { version: 1, created: $created, body: $body }))
    };
}

impl World {
    /// Builds the catalog of a shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut world = Self { shape, catalog: Catalog::default(), made: 0 };
        for product in 0..shape.products {
            world.product(product);
        }
        for number in 0..shape.devices {
            world.put(|created| stored!(Device, created, objects::device(number, shape.cohorts())));
        }
        for number in 0..shape.overrides {
            let device = world.overridden(number);
            world.put(|created| stored!(Override, created, objects::overriding(number, device, shape.cohorts())));
        }
        for number in 0..shape.holds {
            let device = world.held(number);
            world.put(|created| stored!(Hold, created, objects::hold(number, device, shape.cohorts(), shape.depth())));
        }
        world
    }

    fn product(&mut self, product: usize) {
        let (cohorts, depth) =
            if product == 0 { (self.shape.cohorts(), self.shape.depth()) } else { (COHORTS_BESIDE, DEPTH_BESIDE) };
        self.put(|created| stored!(Product, created, objects::product(product)));
        for cohort in 0..cohorts {
            self.put(|created| stored!(Cohort, created, objects::cohort(product, cohort)));
            for place in 0..depth {
                self.put(|created| stored!(Bundle, created, objects::bundle(product, cohort, place)));
                let state = self.state(cohort, place + 1 == depth);
                self.put(|created| stored!(Release, created, objects::release(product, cohort, place, depth, state)));
                self.put(|created| stored!(Policy, created, objects::policy(product, cohort, place)));
            }
        }
    }

    /// The last cohorts are those in which the latest release went wrong.
    fn state(&self, cohort: usize, is_latest: bool) -> RolloutState {
        match is_latest {
            false => RolloutState::Completed,
            true if cohort < self.shape.rollouts => RolloutState::Active,
            true => RolloutState::Paused,
        }
    }

    fn put(&mut self, object: impl FnOnce(Created) -> Object) {
        self.made += 1;
        let object = object(Created { config_version: self.made, seq: 0 });
        self.catalog.apply(&CatalogChange::Put(object));
    }

    /// The stamp of a snapshot of it.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { config_version: self.made, epoch: 1, applied_index: self.made }
    }

    /// The device that an override is about. The last tenth of the records is overridden; overrides beyond that are about
    /// devices without a record, as most devices of a fleet are.
    #[must_use]
    pub fn overridden(&self, number: usize) -> usize {
        let devices = self.shape.devices;
        if number < devices / 10 { devices - 1 - number } else { devices + number }
    }

    /// The device that a hold is about: among the tenth of the records before that, else one without a record.
    #[must_use]
    pub fn held(&self, number: usize) -> usize {
        let devices = self.shape.devices;
        let tenth = devices / 10;
        if number < tenth { devices - 1 - tenth - number } else { devices + self.shape.overrides + number }
    }

    /// Records that no override or hold names: those before this number.
    #[must_use]
    pub fn plain_devices(&self) -> usize {
        // Customers are of ten neighbouring devices, some of which may have been named.
        (self.shape.devices - self.shape.devices / 10 * 2).saturating_sub(10)
    }

    /// A change of the latest release of a cohort of the first product: its rollout goes to `state`.
    #[must_use]
    pub fn turn(&self, cohort: usize, state: RolloutState, version: u64) -> CatalogChange {
        let depth = self.shape.depth();
        change(&self.catalog, version, objects::release(0, cohort, depth - 1, depth, state))
    }

    /// The changes by which a cohort of the first product gets one more release, after `already` others have been published in it, as
    /// `catalog` has them: bundle, release, policy, and the latest one so far, which now leads to it.
    #[must_use]
    pub fn publish(&self, catalog: &Catalog, cohort: usize, already: usize, version: u64) -> Vec<CatalogChange> {
        let place = self.shape.depth() + already;
        let created = Created { config_version: version, seq: 0 };
        let before = objects::release(0, cohort, place - 1, place + 1, RolloutState::Completed);
        let latest = objects::release(0, cohort, place, place + 1, RolloutState::Active);
        vec![
            CatalogChange::Put(stored!(Bundle, created, objects::bundle(0, cohort, place))),
            change(catalog, version, before),
            change(catalog, version, latest),
            CatalogChange::Put(stored!(Policy, created, objects::policy(0, cohort, place))),
        ]
    }

    /// A record that is new or, if it is there, has been changed.
    #[must_use]
    pub fn register(&self, device: usize, version: u64) -> CatalogChange {
        let created = Created { config_version: version, seq: 0 };
        let body = objects::device(device, self.shape.cohorts());
        CatalogChange::Put(Object::Device(Arc::new(Stored { version, created, body })))
    }

    /// A hold on a device.
    #[must_use]
    pub fn hold(&self, number: usize, version: u64) -> CatalogChange {
        let created = Created { config_version: version, seq: 0 };
        // Every tenth is about one device.
        let body = objects::hold(number * 10, self.held(number), self.shape.cohorts(), self.shape.depth());
        CatalogChange::Put(Object::Hold(Arc::new(Stored { version, created, body })))
    }

    /// An override of a device.
    #[must_use]
    pub fn overriding(&self, number: usize, version: u64) -> CatalogChange {
        let created = Created { config_version: version, seq: 0 };
        let body = objects::overriding(number * 10, self.overridden(number), self.shape.cohorts());
        CatalogChange::Put(Object::Override(Arc::new(Stored { version, created, body })))
    }
}

/// A release that is new or, if `catalog` has it, has been changed: then it keeps its creation, as it does in a cluster.
fn change(catalog: &Catalog, version: u64, body: Release) -> CatalogChange {
    let created = catalog.releases().get(&body.id).map_or(Created { config_version: version, seq: 0 }, |stored| stored.created);
    CatalogChange::Put(Object::Release(Arc::new(Stored { version, created, body })))
}
