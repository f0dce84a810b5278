//! The closed list of this crate's metrics. No label ever holds what a client chooses.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::edge::Shared;
use crate::limits::FOLLOWERS_MAX;

type Level = Gauge<f64, AtomicU64>;

/// Counters and gauges of one edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    config_version: Gauge,
    objects: Gauge,
    ready: Gauge,
    connected: Gauge,
    staleness: Level,
    stops: Gauge,
    followers: Gauge,
    clock_alarm: Gauge,
    pub(crate) connects: Counter,
    pub(crate) refused: Counter,
    pub(crate) replaced: Counter,
    pub(crate) advanced: Counter,
    pub(crate) probes: Counter,
    pub(crate) copies: Counter,
    pub(crate) copies_failed: Counter,
}

impl Metrics {
    /// Makes the metrics and enters them in `registry`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let this = Self::default();
        let mut gauge =
            |name: &str, help: &str, gauge: &Gauge| registry.register(format!("tidegate_edge_{name}"), help, gauge.clone());
        gauge("config_version", "Config version of the snapshot", &this.config_version);
        gauge("objects", "Objects of the snapshot", &this.objects);
        gauge("ready", "1 if checks are answered from a fresh snapshot", &this.ready);
        gauge("connected", "1 while an upstream is followed", &this.connected);
        gauge("stops", "Stops in force that the snapshot does not hold yet", &this.stops);
        gauge("followers", "Edges and programs that follow this edge", &this.followers);
        gauge("clock_alarm", "1 while the wall clock is far from the upstream's", &this.clock_alarm);
        registry.register("tidegate_edge_staleness_seconds", "Proven age of the snapshot; -1: not known", this.staleness.clone());
        let mut counter =
            |name: &str, help: &str, count: &Counter| registry.register(format!("tidegate_edge_{name}"), help, count.clone());
        counter("connects", "Streams opened to upstreams", &this.connects);
        counter("refused", "Streams given up because what came was not believed", &this.refused);
        counter("snapshots", "Whole catalogs taken over", &this.replaced);
        counter("batches", "Config versions taken over as changes", &this.advanced);
        counter("probes", "Probes that proved an age", &this.probes);
        counter("copies", "Disk copies written", &this.copies);
        counter("copies_failed", "Disk copies that could not be written", &this.copies_failed);
        this
    }

    /// Brings the gauges up to date.
    pub(crate) fn refresh(&self, shared: &Shared) {
        let shown = shared.shelf.load();
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.config_version.set(shown.as_ref().map_or(0, |shown| whole(shown.held.stamp.config_version)));
        self.objects.set(shown.as_ref().map_or(0, |shown| whole(shown.held.catalog.len() as u64)));
        self.ready.set(i64::from(shared.is_ready()));
        self.connected.set(i64::from(shared.is_connected()));
        self.staleness.set(shared.freshness.current_staleness().map_or(-1.0, |age| age.as_secs_f64()));
        self.stops.set(whole(shared.shelf.stops_count() as u64));
        self.followers.set(whole((FOLLOWERS_MAX - shared.followers.available_permits().min(FOLLOWERS_MAX)) as u64));
        self.clock_alarm.set(i64::from(shared.freshness.clock_alarm_ms().is_some()));
    }
}
