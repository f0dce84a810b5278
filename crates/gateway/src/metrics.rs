//! The closed list of this crate's metrics. No label ever holds a device, a product or anything else that clients choose.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tidegate_eligibility::Reason;

use crate::tally::{Tally, TookOf};

/// How a check came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Transport {
    Http,
    Grpc,
}

impl Transport {
    pub(crate) const ALL: [Self; 2] = [Self::Http, Self::Grpc];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    pub(crate) transport: Transport,
    /// A reason code, or the code of an error: both closed lists.
    pub(crate) reason: &'static str,
}

/// Checks answered: decisions from the tally, and refusals, which are few.
#[derive(Debug)]
struct Checks {
    tally: Tally,
    refused: Family<Answered, Counter>,
}

impl EncodeMetric for Checks {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.tally.encode_decided(&mut encoder)?;
        self.refused.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// Counters and gauges of one gateway.
#[derive(Clone, Debug)]
pub struct Metrics {
    tally: Tally,
    refused: Family<Answered, Counter>,
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
            tally: Tally::default(),
            refused: Family::default(),
            probes_waited: Counter::default(),
            shed: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        };
        registry.register(
            "tidegate_gateway_checks",
            "Checks answered, by transport and reason or error code",
            Checks { tally: this.tally.clone(), refused: this.refused.clone() },
        );
        let took = TookOf(this.tally.clone());
        registry.register("tidegate_gateway_check_seconds", "Time from a check's head to its answer", took);
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
        self.tally.decided(transport, reason, took);
    }

    /// A check was refused.
    pub(crate) fn check_refused(&self, transport: Transport, code: &'static str, took: Duration) {
        self.refused.get_or_create(&Answered { transport, reason: code }).inc();
        self.tally.took(took);
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
