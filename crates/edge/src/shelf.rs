//! What an edge has: the newest snapshot, the changes that led to it, and the stops that it does not hold yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, ArcSwapOption};
use tidegate_distribution::limits::STOPS_MAX;
use tidegate_distribution::{Batch, Held, Recent, Stop, StopCode, Subject};
use tidegate_eligibility::{Snapshot, Stamp, compile};
use tidegate_model::CatalogChange;
use tokio::sync::watch;

/// One verified catalog, compiled. Never changes once it is on the shelf.
pub(crate) struct Shown {
    pub(crate) held: Held,
    pub(crate) snapshot: Snapshot,
}

type StopMap = BTreeMap<Subject, Stop>;

/// Where the newest [`Shown`] lies. One writer, the follower; readers never block it nor each other.
pub(crate) struct Shelf {
    shown: ArcSwapOption<Shown>,
    recent: Mutex<Recent>,
    version: watch::Sender<(u64, u64)>,
    /// For the checks, which ask by name.
    stops: ArcSwap<StopMap>,
    /// The same, for edges below.
    told: watch::Sender<Arc<[Stop]>>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            shown: ArcSwapOption::empty(),
            recent: Mutex::new(Recent::default()),
            version: watch::Sender::new((0, 0)),
            stops: ArcSwap::from_pointee(StopMap::new()),
            told: watch::Sender::new(Arc::new([])),
        }
    }

    /// The newest catalog, if there is one.
    pub(crate) fn load(&self) -> Option<Arc<Shown>> {
        self.shown.load_full()
    }

    /// Shows another catalog. What led to it is not known, so those below start anew.
    pub(crate) fn replace(&self, held: Held, snapshot: Snapshot) {
        *self.recent() = Recent::from(held.stamp.config_version);
        self.show(held, snapshot);
    }

    /// Shows the catalog that came about by these batches.
    pub(crate) fn advance(&self, held: Held, batches: Vec<Batch>) {
        let before = self.load().map_or_else(Snapshot::empty, |shown| shown.snapshot.clone());
        let changes: Vec<CatalogChange> = batches.iter().flat_map(|batch| batch.changes.iter().cloned()).collect();
        let snapshot = compile(&before, &held.catalog, &changes, held.stamp);
        self.recent().extend(batches);
        self.show(held, snapshot);
    }

    fn show(&self, held: Held, snapshot: Snapshot) {
        let stamp = held.stamp;
        self.shown.store(Some(Arc::new(Shown { held, snapshot })));
        self.version.send_replace((stamp.epoch, stamp.config_version));
        // After the snapshot: a check that finds the entry gone finds the snapshot that made it superfluous.
        self.keep_stops(|_| ());
    }

    /// Takes in what is not to be offered any more.
    pub(crate) fn stop(&self, stops: Vec<Stop>) {
        self.keep_stops(|kept| {
            for stop in stops {
                // Of two entries the later one holds longer. A full list takes no further ones.
                let is_later = kept.get(&stop.subject).is_none_or(|known| order(known) < order(&stop));
                if is_later && (kept.len() < STOPS_MAX || kept.contains_key(&stop.subject)) {
                    kept.insert(stop.subject.clone(), stop);
                }
            }
        });
    }

    /// Edits the stop list, without what the snapshot holds by itself.
    fn keep_stops(&self, edit: impl FnOnce(&mut StopMap)) {
        let before = self.stops.load();
        let mut stops: StopMap = StopMap::clone(&before);
        edit(&mut stops);
        let at = self.load().map(|shown| shown.held.stamp).unwrap_or_default();
        stops.retain(|_, stop| order(stop) > (at.epoch, at.config_version));
        if stops != **before {
            let told: Arc<[Stop]> = stops.values().cloned().collect();
            self.stops.store(Arc::new(stops));
            self.told.send_replace(told);
        }
    }

    /// Whether an offer is to be refused although the snapshot of this stamp allows it.
    pub(crate) fn stopped(&self, stamp: Stamp, release: Option<&str>, bundle: &str) -> Option<StopCode> {
        let stops = self.stops.load();
        if stops.is_empty() {
            return None;
        }
        let is_news = |stop: &&Stop| order(stop) > (stamp.epoch, stamp.config_version);
        let of = |subject: Subject| stops.get(&subject).filter(is_news).map(|stop| stop.code);
        release.and_then(|id| of(Subject::Release(id.to_owned()))).or_else(|| of(Subject::Bundle(bundle.to_owned())))
    }

    /// Number of stops in force.
    pub(crate) fn stops_count(&self) -> usize {
        self.stops.load().len()
    }

    pub(crate) fn recent_since(&self, config_version: u64) -> Option<Vec<Batch>> {
        self.recent().since(config_version)
    }

    pub(crate) fn recent_floor(&self) -> u64 {
        self.recent().floor()
    }

    pub(crate) fn versions(&self) -> watch::Receiver<(u64, u64)> {
        self.version.subscribe()
    }

    pub(crate) fn stops_told(&self) -> watch::Receiver<Arc<[Stop]>> {
        self.told.subscribe()
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().expect("no panic happens under this lock")
    }
}

fn order(stop: &Stop) -> (u64, u64) {
    (stop.epoch, stop.config_version)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_distribution::Roots;
    use tidegate_model::Catalog;

    use super::*;

    fn held(epoch: u64, config_version: u64) -> Held {
        let catalog = Catalog::default();
        let stamp = Stamp { config_version, epoch, applied_index: config_version };
        Held { cluster_id: 7, stamp, roots: Roots::of(&catalog), catalog }
    }

    fn stop(release: &str, epoch: u64, config_version: u64) -> Stop {
        Stop { subject: Subject::Release(release.to_owned()), code: StopCode::Paused, epoch, config_version }
    }

    fn shelf(config_version: u64) -> Shelf {
        let shelf = Shelf::new();
        shelf.replace(held(1, config_version), Snapshot::empty());
        shelf
    }

    #[test]
    fn a_stop_denies_until_the_snapshot_holds_it_and_is_told_to_those_below() {
        let shelf = shelf(5);
        let at = |config_version| Stamp { config_version, epoch: 1, applied_index: 0 };
        shelf.stop(vec![stop("r1", 1, 8)]);
        assert_eq!(shelf.stopped(at(5), Some("r1"), "b1"), Some(StopCode::Paused));
        assert_eq!(shelf.stopped(at(5), Some("r2"), "b1"), None);
        assert_eq!(shelf.stopped(at(5), None, "r1"), None, "a bundle of that name is not meant");
        assert_eq!(shelf.stopped(at(8), Some("r1"), "b1"), None, "this snapshot says so itself");
        assert_eq!(shelf.stops_told().borrow().len(), 1);
        shelf.replace(held(1, 7), Snapshot::empty());
        assert_eq!(shelf.stops_count(), 1);
        shelf.replace(held(1, 8), Snapshot::empty());
        assert_eq!((shelf.stops_count(), shelf.stops_told().borrow().len()), (0, 0));
    }

    #[test]
    fn a_stop_that_the_snapshot_holds_already_is_not_kept_and_a_later_one_holds_longer() {
        let shelf = shelf(5);
        shelf.stop(vec![stop("r1", 1, 5)]);
        assert_eq!(shelf.stops_count(), 0);
        shelf.stop(vec![stop("r1", 1, 9)]);
        shelf.stop(vec![stop("r1", 1, 7)]);
        shelf.replace(held(1, 8), Snapshot::empty());
        assert_eq!(shelf.stops_count(), 1);
        shelf.replace(held(2, 1), Snapshot::empty());
        assert_eq!(shelf.stops_count(), 0, "a later epoch holds everything of the earlier one or has taken it back");
    }

    #[test]
    fn a_full_list_takes_no_further_stops() {
        let shelf = shelf(5);
        shelf.stop((0..STOPS_MAX + 5).map(|number| stop(&format!("r{number}"), 1, 9)).collect());
        assert_eq!(shelf.stops_count(), STOPS_MAX);
    }
}
