//! The closed list of this crate's metrics. No label ever holds what a client chooses.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tidegate_consensus::{Counters, Role, Status};

use crate::context::Context;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    code: &'static str,
}

type Level = Gauge<f64, AtomicU64>;

/// Counters and gauges of one node.
#[derive(Clone, Debug)]
pub struct Metrics {
    admin_refused: Family<Refused, Counter>,
    admin_seconds: Histogram,
    config_version: Gauge,
    applied_index: Gauge,
    committed_index: Gauge,
    snapshot_index: Gauge,
    purged_index: Gauge,
    term: Gauge,
    leader: Gauge,
    members: Gauge,
    ready: Gauge,
    diverged: Gauge,
    disk_low: Gauge,
    clock_alarm: Gauge,
    staleness: Level,
    objects: Gauge,
    remembered_requests: Gauge,
    journal_lag: Gauge,
    consensus: Arc<ConsensusCounters>,
}

/// Gauges that mirror the counters of consensus: it counts, this crate names.
#[derive(Debug, Default)]
struct ConsensusCounters {
    proposals: Gauge,
    proposals_unknown: Gauge,
    proposals_refused: Gauge,
    entries_applied: Gauge,
    snapshots_built: Gauge,
    snapshots_installed: Gauge,
    probes_ok: Gauge,
    probes_failed: Gauge,
    freshness_dropped: Gauge,
    leader_changes: Gauge,
    peer_calls_refused: Gauge,
}

impl Metrics {
    /// Makes the metrics and enters them in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        // 100 us to 26 s in steps of four.
        let buckets = (0..10).map(|step| 1e-4 * f64::from(4_u32.pow(step)));
        let admin_refused = Family::default();
        let admin_seconds = Histogram::new(buckets);
        registry.register("tidegate_admin_refused", "Admin calls refused at the door, by code", admin_refused.clone());
        registry.register("tidegate_admin_seconds", "Time of admin calls until their head", admin_seconds.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let consensus = ConsensusCounters::register(&mut gauge);
        let config_version = gauge("tidegate_config_version", "Config version of the published snapshot");
        let applied_index = gauge("tidegate_applied_index", "Last applied log index");
        let committed_index = gauge("tidegate_committed_index", "Last log index known as committed");
        let snapshot_index = gauge("tidegate_snapshot_index", "Last log index in the newest snapshot file");
        let purged_index = gauge("tidegate_purged_index", "Last log index removed from the log");
        let term = gauge("tidegate_term", "Current term");
        let leader = gauge("tidegate_is_leader", "1 on the leader");
        let members = gauge("tidegate_members", "Members of the cluster");
        let ready = gauge("tidegate_ready", "1 while the node answers checks");
        let diverged = gauge("tidegate_diverged", "1 if this node's digest differs from another's: act at once");
        let disk_low = gauge("tidegate_disk_low", "1 while only emergency writes are taken");
        let clock_alarm = gauge("tidegate_clock_alarm", "1 while the wall clock is too far off");
        let objects = gauge("tidegate_objects", "Objects in the catalog");
        let remembered_requests = gauge("tidegate_remembered_requests", "Answers kept for request ids");
        let journal_lag = gauge("tidegate_journal_lag", "Log entries whose history and audit rows are not written yet");
        let staleness = Level::default();
        registry.register("tidegate_staleness_seconds", "Proven age of the snapshot; -1 if unknown", staleness.clone());
        Self {
            admin_refused,
            admin_seconds,
            config_version,
            applied_index,
            committed_index,
            snapshot_index,
            purged_index,
            term,
            leader,
            members,
            ready,
            diverged,
            disk_low,
            clock_alarm,
            staleness,
            objects,
            remembered_requests,
            journal_lag,
            consensus: Arc::new(consensus),
        }
    }

    pub(crate) fn admin_refused(&self, code: &'static str) {
        self.admin_refused.get_or_create(&Refused { code }).inc();
    }

    pub(crate) fn admin_answered(&self, took: Duration) {
        self.admin_seconds.observe(took.as_secs_f64());
    }

    /// Reads everything that is not counted where it happens. Called about once per second.
    pub(crate) fn refresh(&self, context: &Context) {
        let published = context.shelf.load();
        set(&self.config_version, published.state.config_version());
        set(&self.applied_index, published.state.applied_index());
        set(&self.objects, published.state.catalog().len() as u64);
        set(&self.remembered_requests, published.state.requests().len() as u64);
        set(&self.journal_lag, published.state.applied_index().saturating_sub(context.books.applied_to()));
        set(&self.ready, u64::from(context.is_ready()));
        set(&self.diverged, u64::from(context.has_diverged()));
        self.staleness.set(context.staleness().map_or(-1.0, |age| age.as_secs_f64()));
        if let Ok(handle) = context.handle() {
            self.of_status(&handle.status());
            self.consensus.mirror(&handle.counters());
        }
    }

    fn of_status(&self, status: &Status) {
        set(&self.committed_index, status.committed_index);
        set(&self.snapshot_index, status.snapshot_index);
        set(&self.purged_index, status.purged_index);
        set(&self.term, status.term);
        set(&self.leader, u64::from(status.role == Role::Leader));
        set(&self.members, status.members.len() as u64);
        set(&self.disk_low, u64::from(status.is_disk_low));
        set(&self.clock_alarm, u64::from(status.clock_alarm.is_some()));
    }
}

impl ConsensusCounters {
    fn register(gauge: &mut impl FnMut(&str, &str) -> Gauge) -> Self {
        Self {
            proposals: gauge("tidegate_proposals", "Proposals taken since start"),
            proposals_unknown: gauge("tidegate_proposals_unknown", "Proposals whose outcome was unknown, since start"),
            proposals_refused: gauge("tidegate_proposals_refused", "Proposals refused unexecuted, since start"),
            entries_applied: gauge("tidegate_entries_applied", "Log entries applied since start"),
            snapshots_built: gauge("tidegate_snapshots_built", "Snapshots written since start"),
            snapshots_installed: gauge("tidegate_snapshots_installed", "Snapshots received and installed since start"),
            probes_ok: gauge("tidegate_probes_ok", "Freshness probes that succeeded since start"),
            probes_failed: gauge("tidegate_probes_failed", "Freshness probes that failed since start"),
            freshness_dropped: gauge("tidegate_freshness_dropped", "Times that clocks disagreed, since start"),
            leader_changes: gauge("tidegate_leader_changes", "Changes of leadership seen since start"),
            peer_calls_refused: gauge("tidegate_peer_calls_refused", "Peer calls of strangers refused since start"),
        }
    }

    fn mirror(&self, counters: &Counters) {
        set(&self.proposals, counters.proposals);
        set(&self.proposals_unknown, counters.proposals_unknown);
        set(&self.proposals_refused, counters.proposals_refused);
        set(&self.entries_applied, counters.entries_applied);
        set(&self.snapshots_built, counters.snapshots_built);
        set(&self.snapshots_installed, counters.snapshots_installed);
        set(&self.probes_ok, counters.probes_ok);
        set(&self.probes_failed, counters.probes_failed);
        set(&self.freshness_dropped, counters.freshness_dropped);
        set(&self.leader_changes, counters.leader_changes);
        set(&self.peer_calls_refused, counters.peer_calls_refused);
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
