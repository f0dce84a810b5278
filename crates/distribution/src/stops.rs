//! The stop list: what may not be offered any more, told ahead of the changes that say so.
//!
//! It can only deny, and only until the snapshot holds the stop itself; so the snapshot stays the snapshot of one config
//! version, and a lost or superfluous entry costs at most an offer that would have been right.

use std::collections::BTreeMap;

use tidegate_model::{BundleState, Catalog, CatalogChange, Object, Release, RolloutState};
use tidegate_proto::edge::v1 as edge;

use crate::batch::Batch;
use crate::limits::STOPS_MAX;

/// What is not to be offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A release, by id.
    Release(String),
    /// A bundle, by id.
    Bundle(String),
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCode {
    /// Its rollout was paused, or it was disabled: it may come back.
    Paused,
    /// It was withdrawn, or its bundle recalled.
    Withdrawn,
}

/// One entry of a stop list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What is not to be offered.
    pub subject: Subject,
    /// Why.
    pub code: StopCode,
    /// Epoch of the stop.
    pub epoch: u64,
    /// The stop is part of the snapshot from this config version on.
    pub config_version: u64,
}

/// What is stopped once all of `batches` are taken in. Something that is stopped and let go again within them is not.
pub(crate) fn ahead_of(batches: &[Batch], epoch: u64) -> Vec<Stop> {
    let mut stops: BTreeMap<Subject, (StopCode, u64)> = BTreeMap::new();
    for batch in batches {
        for change in batch.changes.iter() {
            let CatalogChange::Put(object) = change else { continue };
            let Some((subject, code)) = judged(object) else { continue };
            match code {
                None => {
                    stops.remove(&subject);
                }
                // The first one holds: from there on the snapshot says so itself.
                Some(code) => {
                    stops.entry(subject).and_modify(|stop| stop.0 = code).or_insert((code, batch.config_version));
                }
            }
        }
    }
    listed(stops, epoch)
}

/// Everything that is stopped in `catalog`, for whoever has something older and is about to get all of it.
pub(crate) fn in_catalog(catalog: &Catalog, epoch: u64, config_version: u64) -> Vec<Stop> {
    let releases = catalog.releases().values().cloned().map(Object::Release);
    let bundles = catalog.bundles().values().cloned().map(Object::Bundle);
    let stops = releases.chain(bundles).filter_map(|object| {
        let (subject, code) = judged(&object)?;
        Some((subject, (code?, config_version)))
    });
    listed(stops.collect(), epoch)
}

fn listed(stops: BTreeMap<Subject, (StopCode, u64)>, epoch: u64) -> Vec<Stop> {
    let entry = |(subject, (code, config_version))| Stop { subject, code, epoch, config_version };
    stops.into_iter().map(entry).take(STOPS_MAX).collect()
}

/// What the object could be stopped as, and whether it is.
fn judged(object: &Object) -> Option<(Subject, Option<StopCode>)> {
    match object {
        Object::Release(release) => Some((Subject::Release(release.body.id.to_string()), of_release(&release.body))),
        Object::Bundle(bundle) => {
            let code = (bundle.body.state == BundleState::Recalled).then_some(StopCode::Withdrawn);
            Some((Subject::Bundle(bundle.body.id.to_string()), code))
        }
        _ => None, // Nothing else is offered.
    }
}

fn of_release(release: &Release) -> Option<StopCode> {
    match release.rollout.state {
        RolloutState::RolledBack => Some(StopCode::Withdrawn),
        RolloutState::Paused => Some(StopCode::Paused),
        RolloutState::Draft | RolloutState::Active | RolloutState::Completed => release.disabled.then_some(StopCode::Paused),
    }
}

impl From<&Stop> for edge::Stop {
    fn from(stop: &Stop) -> Self {
        let subject = match &stop.subject {
            Subject::Release(id) => edge::stop::Subject::Release(id.clone()),
            Subject::Bundle(id) => edge::stop::Subject::Bundle(id.clone()),
        };
        let code = match stop.code {
            StopCode::Paused => "PAUSED",
            StopCode::Withdrawn => "WITHDRAWN",
        };
        let (epoch, config_version) = (stop.epoch, stop.config_version);
        Self { subject: Some(subject), code: code.to_owned(), epoch, config_version }
    }
}

impl Stop {
    /// Reads an entry; `None` if it names nothing. A code that this build does not know denies all the same.
    pub(crate) fn read(stop: edge::Stop) -> Option<Self> {
        let subject = match stop.subject? {
            edge::stop::Subject::Release(id) => Subject::Release(id),
            edge::stop::Subject::Bundle(id) => Subject::Bundle(id),
        };
        let code = if stop.code == "WITHDRAWN" { StopCode::Withdrawn } else { StopCode::Paused };
        Some(Self { subject, code, epoch: stop.epoch, config_version: stop.config_version })
    }
}
