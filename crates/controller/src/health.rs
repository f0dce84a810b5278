//! The evidence: which devices are there, and what became of their installations.
//!
//! Not replicated. Every event and sighting reaches whoever keeps it, and a new leader builds it anew from what devices
//! send from then on. What must outlive that (the memory of a local roll-back, rosters, how far a stage has come) is
//! written into the replicated state as soon as it is known.

pub(crate) mod codes;
mod ids;
pub(crate) mod trial;

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use tidegate_model::{
    BundleId, Catalog, CatalogChange, DeviceKey, Object, ObjectRef, ProductId, Release, ReleaseId, RolloutState, Timestamp,
};

use crate::event::{Event, EventKind, Intake, Sighting};
use crate::health::codes::Reports;
use crate::health::ids::SeenIds;
use crate::health::trial::{Baseline, Moment, Trial};
use crate::limits;

/// What is known of a device because it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When, last.
    pub(crate) at: Timestamp,
    /// What it said of itself.
    pub(crate) facts: Arc<SeenFacts>,
}

/// What a device said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenFacts {
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) tags: BTreeSet<String>,
}

/// All attempts at one release.
#[derive(Clone, Debug)]
pub(crate) struct Trials {
    product: ProductId,
    bundle: BundleId,
    pub(crate) devices: OrdMap<DeviceKey, Trial>,
    /// Codes of failures.
    codes: OrdMap<String, Reports>,
}

/// Names of what a device rolled back by itself.
type Memory = (ProductId, BundleId, DeviceKey);

/// Evidence. A clone costs nothing and is a frozen view.
#[derive(Clone, Debug, Default)]
pub struct Health {
    ids: SeenIds,
    seen: OrdMap<ProductId, OrdMap<DeviceKey, Seen>>,
    seen_total: usize,
    trials: OrdMap<ReleaseId, Trials>,
    trials_total: usize,
    roll_backs: OrdSet<Memory>,
    /// Number of events taken in.
    arrivals: u64,
    /// Releases whose gate has failed and was not acknowledged yet.
    failed_gates: OrdSet<ReleaseId>,
    /// The last acknowledgement of a failed gate, and how many events had been taken in until then.
    acknowledged: OrdMap<ReleaseId, (Timestamp, u64)>,
    /// Attempts with failures, so that back-offs are found without looking at all.
    troubled: OrdSet<(ReleaseId, DeviceKey)>,
}

impl Health {
    /// No evidence at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A device was seen by a check.
    pub fn sight(&mut self, _catalog: &Catalog, sighting: &Sighting, at: Timestamp) {
        let attributes = sighting.attributes.iter().take(limits::SIGHTED_FACTS_MAX);
        let facts = SeenFacts {
            attributes: attributes.map(|(name, value)| (name.clone(), value.clone())).collect(),
            tags: sighting.tags.iter().take(limits::SIGHTED_FACTS_MAX).cloned().collect(),
        };
        self.note_seen(&sighting.product, &sighting.device, at, Some(facts), SeenFacts::default);
    }

    /// Entries changed the catalog. Whoever applies entries hands over their changes, in order: a device that is registered
    /// counts as being seen, and what is taken in before a failed gate is acknowledged is told from what comes after, also
    /// at one instant. (Without this, a registered device counts as seen always, and instants decide.)
    pub fn learn(&mut self, changes: &[CatalogChange], at: Timestamp) {
        for change in changes {
            match change {
                CatalogChange::Put(Object::Device(device)) => {
                    self.note_seen(&device.body.product, &device.body.key, at, None, SeenFacts::default);
                }
                CatalogChange::Put(Object::Release(release)) => self.note_gate(&release.body),
                CatalogChange::Remove(ObjectRef::Release(release)) => {
                    self.failed_gates.remove(release);
                    self.acknowledged.remove(release);
                }
                // Nothing else bears on evidence.
                CatalogChange::Put(_) | CatalogChange::Remove(_) => {}
            }
        }
    }

    fn note_gate(&mut self, release: &Release) {
        let id = &release.id;
        if release.rollout.gate_failed {
            self.failed_gates.insert(id.clone());
        } else if self.failed_gates.remove(id).is_some()
            && let Some(at) = release.rollout.acknowledged_at
        {
            self.acknowledged.insert(id.clone(), (at, self.arrivals));
        }
    }

    /// Which failures belong to the acknowledgement of this instant.
    pub(crate) fn baseline(&self, release: &ReleaseId, at: Timestamp) -> Baseline {
        match self.acknowledged.get(release) {
            Some((seen, arrival)) if *seen == at => Baseline::Arrival(*arrival),
            Some(_) | None => Baseline::Time(at),
        }
    }

    /// Takes in one install event at `at`. It counts for the stage of its release that is open then; whose cell it counts
    /// for follows from what is known of the device when somebody looks.
    pub fn take_in(&mut self, catalog: &Catalog, event: &Event, at: Timestamp) -> Intake {
        if !self.ids.note(&event.product, &event.event_id) {
            return Intake::Duplicate;
        }
        self.arrivals += 1;
        let release = release_of(catalog, event);
        // A device that is only known by its events is taken to be where its release is.
        let presumed = || SeenFacts {
            attributes: release.iter().map(|release| ("cohort".to_owned(), release.cohort.to_string())).collect(),
            tags: BTreeSet::new(),
        };
        self.note_seen(&event.product, &event.device, at, None, presumed);
        let bundle = release.map(|release| &release.bundle).or(event.bundle.as_ref());
        if let Some(bundle) = bundle.filter(|_| event.kind == EventKind::RolledBackLocally)
            && self.roll_backs.len() < limits::ROLL_BACKS_MAX
        {
            self.roll_backs.insert((event.product.clone(), bundle.clone(), event.device.clone()));
        }
        let Some(release) = release else { return Intake::NotAttributed };
        let stage = open_stage(release, at);
        if !self.note_trial(catalog, release, event, at, stage) {
            return Intake::NotAttributed;
        }
        if stage.is_some() { Intake::Counted } else { Intake::NotAttributed }
    }

    /// An operator cleared the device's failures and local roll-back of the bundle: it may try again.
    pub fn clear(&mut self, product: &ProductId, device: &DeviceKey, bundle: &BundleId) {
        self.roll_backs.remove(&(product.clone(), bundle.clone(), device.clone()));
        let about: Vec<ReleaseId> = self
            .trials
            .iter()
            .filter(|(_, trials)| trials.product == *product && trials.bundle == *bundle)
            .map(|(release, _)| release.clone())
            .collect();
        for release in about {
            if let Some(trial) = self.trials.get_mut(&release).and_then(|trials| trials.devices.get_mut(device)) {
                trial.forgive();
            }
            self.troubled.remove(&(release, device.clone()));
        }
    }

    /// Devices that were seen, of one product.
    pub(crate) fn seen(&self, product: &ProductId) -> Option<&OrdMap<DeviceKey, Seen>> {
        self.seen.get(product)
    }

    /// Attempts at a release.
    pub(crate) fn trials(&self, release: &ReleaseId) -> Option<&Trials> {
        self.trials.get(release)
    }

    /// Devices that went back from a bundle by themselves.
    pub(crate) fn roll_backs(&self) -> impl Iterator<Item = &Memory> {
        self.roll_backs.iter()
    }

    /// Devices that failed, with the release.
    pub(crate) fn troubled(&self) -> impl Iterator<Item = (&ReleaseId, &DeviceKey, &Trial)> {
        let trial = |release, device| self.trials.get(release)?.devices.get(device);
        self.troubled.iter().filter_map(move |(release, device)| Some((release, device, trial(release, device)?)))
    }

    /// Notes that a device is there. `told` replaces what is known of it; a device that is new without telling anything is
    /// what `presumed` says.
    fn note_seen(
        &mut self,
        product: &ProductId,
        device: &DeviceKey,
        at: Timestamp,
        told: Option<SeenFacts>,
        presumed: impl FnOnce() -> SeenFacts,
    ) {
        let devices = self.seen.entry(product.clone()).or_default();
        if let Some(seen) = devices.get_mut(device) {
            seen.at = seen.at.max(at);
            if let Some(told) = told.filter(|told| *told != *seen.facts) {
                seen.facts = Arc::new(told);
            }
        } else if self.seen_total < limits::SIGHTINGS_MAX {
            let facts = Arc::new(told.unwrap_or_else(presumed));
            devices.insert(device.clone(), Seen { at, facts });
            self.seen_total += 1;
        }
    }

    /// Files an event; false if there is no room for another attempt.
    fn note_trial(&mut self, catalog: &Catalog, release: &Release, event: &Event, at: Timestamp, stage: Option<u32>) -> bool {
        let is_known = self.trials.get(&release.id).is_some_and(|trials| trials.devices.contains_key(&event.device));
        if !is_known && self.trials_total >= limits::TRIALS_MAX {
            self.forget_finished(catalog);
            if self.trials_total >= limits::TRIALS_MAX {
                return false;
            }
        }
        let trials = self.trials.entry(release.id.clone()).or_insert_with(|| Trials {
            product: release.product.clone(),
            bundle: release.bundle.clone(),
            devices: OrdMap::new(),
            codes: OrdMap::new(),
        });
        let trial = trials.devices.entry(event.device.clone()).or_insert_with(|| Trial::new(stage));
        let moment = Moment { at, arrival: self.arrivals };
        trial.take_in(event.kind, event.at, moment, stage);
        if !is_known {
            self.trials_total += 1;
        }
        if event.kind.ending().is_some_and(crate::event::Ending::is_failure) {
            self.troubled.insert((release.id.clone(), event.device.clone()));
            if !event.code.is_empty() && (trials.codes.contains_key(&event.code) || trials.codes.len() < limits::CODES_MAX) {
                let reports = trials.codes.entry(event.code.clone()).or_insert_with(|| Reports::new(moment));
                reports.take_in(&event.device, stage);
            }
        }
        true
    }

    /// Makes room: attempts at releases that no gate watches any more. Codes are kept for as long as there is the release:
    /// what it has shown is no new problem of the next one.
    fn forget_finished(&mut self, catalog: &Catalog) {
        let is_watched = |release: &ReleaseId| {
            let state = catalog.releases().get(release).map(|release| release.body.rollout.state);
            matches!(state, Some(RolloutState::Active | RolloutState::Paused))
        };
        let finished: Vec<ReleaseId> = self.trials.keys().filter(|release| !is_watched(release)).cloned().collect();
        for release in finished {
            let Some(mut trials) = self.trials.remove(&release) else { continue };
            self.trials_total -= trials.devices.len();
            if catalog.releases().contains_key(&release) && !trials.codes.is_empty() {
                trials.devices = OrdMap::new();
                self.trials.insert(release.clone(), trials);
            }
            self.troubled = self.troubled.iter().filter(|(of, _)| *of != release).cloned().collect();
        }
    }
}

/// The release that an event is about: the one that it names, else the one of its bundle that is furthest in its rollout
/// where the device can be. Of several active ones of one bundle (in several cohorts) it is the last created.
fn release_of<'c>(catalog: &'c Catalog, event: &Event) -> Option<&'c Release> {
    if let Some(id) = &event.release {
        let named = catalog.releases().get(id).map(|stored| &stored.body);
        return named.filter(|release| release.product == event.product);
    }
    let bundle = event.bundle.as_ref()?;
    let of_bundle = catalog.releases().values().filter(|stored| {
        let release = &stored.body;
        release.bundle == *bundle && release.product == event.product && release.linked
    });
    of_bundle
        .max_by_key(|stored| {
            let is_open = matches!(stored.body.rollout.state, RolloutState::Active | RolloutState::Paused);
            (is_open, stored.created, stored.body.id.clone())
        })
        .map(|stored| &stored.body)
}

/// The stage that is open at `at`, paused or not.
fn open_stage(release: &Release, at: Timestamp) -> Option<u32> {
    let rollout = &release.rollout;
    let is_open = match rollout.state {
        RolloutState::Active | RolloutState::Paused => rollout.stage_opened_at.is_some_and(|opened| opened <= at),
        RolloutState::Draft | RolloutState::RolledBack | RolloutState::Completed => false,
    };
    is_open.then_some(rollout.stage_index)
}
