//! The decision procedure, step by step.

use tidegate_model::Timestamp;

use crate::decision::{Decision, InstallMode, Urgency};
use crate::limits;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trace::{Entry, TraceSink};

/// Decides what the device of `request` hears at `now`. Pure and total; allocates nothing.
#[must_use]
pub fn decide<'s>(snapshot: &'s Snapshot, request: &Request<'_>, now: Timestamp) -> Decision<'s> {
    struct Nobody;
    impl TraceSink<'_> for Nobody {
        fn record(&mut self, _: Entry<'_>) {}
    }
    decide_traced(snapshot, request, now, &mut Nobody)
}

/// As [`decide`], and tells `trace` what led there, naming every candidate.
pub fn decide_traced<'s>(
    snapshot: &'s Snapshot,
    request: &Request<'_>,
    now: Timestamp,
    trace: &mut dyn TraceSink<'s>,
) -> Decision<'s> {
    let _ = now;
    let reason = if !request.is_well_formed() { Reason::InvalidRequest } else { Reason::UnknownProduct };
    trace.record(Entry::Decided { reason });
    Decision {
        reason,
        target: None,
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        source: None,
        next_eligible_at: None,
        config_version: snapshot.stamp().config_version,
        retry_after: limits::POLL_INTERVAL_DEFAULT,
        flatten: false,
    }
}
