//! The closed list of this crate's metrics. No label ever holds a device, a product or anything else that clients choose.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tidegate_eligibility::Reason;

use crate::times::Times;

/// How a check came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Transport {
    Http,
    Grpc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    transport: Transport,
    /// A reason code, or the code of an error: both closed lists.
    reason: &'static str,
}

/// Counters and gauges of one gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    checks: Family<Answered, Counter>,
    /// The counters of decisions, by transport and reason, once each has been looked up in `checks`.
    decided: Arc<[[OnceLock<Counter>; Reason::ALL.len()]; 2]>,
    check_seconds: Times,
    probes_waited: Counter,
    shed: Counter,
    connections: Gauge,
    connections_refused: Counter,
}

impl Metrics {
    /// Makes the metrics and enters them in `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let this = Self {
            checks: Family::default(),
            decided: Arc::new(std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new()))),
            check_seconds: Times::default(),
            probes_waited: Counter::default(),
            shed: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        };
        registry.register(
            "tidegate_gateway_checks",
            "Checks answered, by transport and reason or error code",
            this.checks.clone(),
        );
        registry.register("tidegate_gateway_check_seconds", "Time from a check's head to its answer", this.check_seconds.clone());
        registry.register(
            "tidegate_gateway_probes_waited",
            "Checks that waited for a freshness probe because the snapshot was too old",
            this.probes_waited.clone(),
        );
        registry.register("tidegate_gateway_shed", "Checks refused because too many were running", this.shed.clone());
        registry.register("tidegate_gateway_connections", "Open device connections", this.connections.clone());
        registry.register(
            "tidegate_gateway_connections_refused",
            "Connections closed at once because too many were open",
            this.connections_refused.clone(),
        );
        this
    }

    /// A check was decided.
    pub(crate) fn check_decided(&self, transport: Transport, reason: Reason, took: Duration) {
        let look_up = || self.checks.get_or_create(&Answered { transport, reason: reason.as_str() }).clone();
        self.decided[transport as usize][reason as usize].get_or_init(look_up).inc();
        self.check_seconds.observe(took);
    }

    /// A check was refused.
    pub(crate) fn check_refused(&self, transport: Transport, code: &'static str, took: Duration) {
        self.checks.get_or_create(&Answered { transport, reason: code }).inc();
        self.check_seconds.observe(took);
    }

    pub(crate) fn probe_waited(&self) {
        self.probes_waited.inc();
    }

    pub(crate) fn check_shed(&self) {
        self.shed.inc();
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.inc();
    }
}
