//! One update check from request to decision, for every transport.
//!
//! The order is the invariant: take the snapshot, decide, and only **then** read how old it is. An answer that was
//! decided on time but delivered late says so; one whose snapshot turned out too old is `SNAPSHOT_STALE`, whatever was
//! decided. If it is too old the shared probe gets one chance, and the check is decided anew on what it brought.

use std::time::Duration;

use tidegate_eligibility::{Decision, Entry, InstallMode, Reason, Request, Stamp, TraceSink, Urgency};
use tidegate_model::{Digest, Span, Timestamp};
use tidegate_platform::Random;

use crate::jitter::Jitter;
use crate::limits;
use crate::metrics::Metrics;
use crate::problem::Refusal;
use crate::source::{SnapshotSource, SnapshotView, Stop};

/// Decides checks.
pub(crate) struct Desk<S> {
    source: S,
    jitter: Jitter,
    metrics: Metrics,
}

/// Whether the answer is to say how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explain {
    No,
    Yes,
}

impl From<bool> for Explain {
    fn from(is_wanted: bool) -> Self {
        if is_wanted { Self::Yes } else { Self::No }
    }
}

/// A decision with its age: everything that an answer is written from.
pub(crate) struct Answered<'a> {
    /// As the device may hear it.
    pub(crate) decision: Decision<'a>,
    pub(crate) stamp: Stamp,
    /// Age of the snapshot after the decision; `None` is unknown.
    pub(crate) staleness: Option<Duration>,
    /// Time of the decision.
    pub(crate) now: Timestamp,
    pub(crate) node: &'a str,
    pub(crate) retry_after_s: u64,
    pub(crate) trace: &'a [Entry<'a>],
}

/// A decision that has not been judged by its age yet.
struct Attempt<'v> {
    decision: Decision<'v>,
    stamp: Stamp,
    now: Timestamp,
    trace: Trace<'v>,
    bound: Duration,
    /// Read after everything above.
    staleness: Option<Duration>,
}

impl Attempt<'_> {
    fn is_stale(&self) -> bool {
        self.staleness.is_none_or(|age| age > self.bound)
    }
}

/// What `/readyz`, `/v1/snapshot` and their gRPC twin tell about the snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotInfo {
    pub(crate) stamp: Stamp,
    pub(crate) digest: Digest,
    pub(crate) staleness: Option<Duration>,
    pub(crate) max_staleness: Duration,
    pub(crate) is_ready: bool,
}

impl<S: SnapshotSource> Desk<S> {
    pub(crate) fn new(source: S, random: &dyn Random, metrics: Metrics) -> Self {
        Self { source, jitter: Jitter::new(random), metrics }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Decides one check and has the answer written while the snapshot is held.
    pub(crate) async fn check<T>(
        &self,
        request: &Request<'_>,
        explain: Explain,
        write: impl FnOnce(&Answered<'_>) -> T,
    ) -> Result<T, Refusal> {
        let bound = {
            let view = self.current()?;
            let attempt = self.attempt(&view, request, explain);
            if !attempt.is_stale() || attempt.decision.reason == Reason::InvalidRequest {
                return self.finish(&attempt, request, write);
            }
            attempt.bound
        };
        self.metrics.probe_waited();
        self.source.ensure_fresh(bound).await;
        let view = self.current()?;
        let attempt = self.attempt(&view, request, explain);
        self.finish(&attempt, request, write)
    }

    fn current(&self) -> Result<S::View, Refusal> {
        self.source.current().ok_or_else(|| self.not_ready())
    }

    pub(crate) fn not_ready(&self) -> Refusal {
        Refusal::NotReady { retry_after_s: self.retry_soon_s() }
    }

    /// When a client that was refused for the moment should come back.
    pub(crate) fn retry_soon_s(&self) -> u64 {
        self.jitter.retry_after_s(limits::RETRY_SOON_MS)
    }

    fn attempt<'v>(&self, view: &'v S::View, request: &Request<'_>, explain: Explain) -> Attempt<'v> {
        let snapshot = view.snapshot();
        let now = self.source.decision_now();
        let mut trace = Trace(Vec::new());
        let decision = match explain {
            Explain::No => tidegate_eligibility::decide(snapshot, request, now),
            Explain::Yes => tidegate_eligibility::decide_traced(snapshot, request, now, &mut trace),
        };
        let decision = self.stop(view, decision);
        let node_bound = self.source.max_staleness();
        let product_bound = snapshot.product(request.product).and_then(|product| product.max_staleness);
        let bound = product_bound.map_or(node_bound, |own| node_bound.min(Duration::from_millis(own.as_millis())));
        // Nothing may move below this line: the clock is read once the decision is there.
        let staleness = self.source.staleness(view);
        Attempt { decision, stamp: snapshot.stamp(), now, trace, bound, staleness }
    }

    /// Applies the stop list, which can only deny.
    fn stop<'v>(&self, view: &'v S::View, decision: Decision<'v>) -> Decision<'v> {
        let Some(target) = decision.target else { return decision };
        let release = target.release.map(tidegate_model::ReleaseId::as_str);
        match self.source.stopped(view, release, target.bundle.id.as_str()) {
            None => decision,
            Some(Stop::Paused) => denied(decision, Reason::Paused),
            Some(Stop::Withdrawn) => denied(decision, Reason::Withdrawn),
        }
    }

    fn finish<T>(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<'_>,
        write: impl FnOnce(&Answered<'_>) -> T,
    ) -> Result<T, Refusal> {
        let (decision, trace) = if attempt.decision.reason == Reason::InvalidRequest {
            return Err(Refusal::InvalidRequest { field: None, rule: "a field of the request is over its limit".to_owned() });
        } else if attempt.is_stale() {
            let soon = Span::from_millis(limits::RETRY_SOON_MS);
            // What led to an answer that is not given would only mislead.
            (Decision { retry_after: soon, ..denied(attempt.decision, Reason::SnapshotStale) }, [].as_slice())
        } else {
            (attempt.decision, attempt.trace.0.as_slice())
        };
        match decision.reason {
            Reason::UnknownProduct => return Err(Refusal::UnknownProduct),
            Reason::NotReady => return Err(self.not_ready()),
            _ => {} // Every other code is a decision.
        }
        let decision = decision.public();
        let written = write(&Answered {
            decision,
            stamp: attempt.stamp,
            staleness: attempt.staleness,
            now: attempt.now,
            node: self.source.node(),
            retry_after_s: self.jitter.retry_after_s(decision.retry_after.as_millis()),
            trace,
        });
        self.source.seen(request);
        Ok(written)
    }

    /// The state of the snapshot now; `None` before there is one.
    pub(crate) fn snapshot_info(&self) -> Option<SnapshotInfo> {
        let view = self.source.current()?;
        let max_staleness = self.source.max_staleness();
        let staleness = self.source.staleness(&view);
        Some(SnapshotInfo {
            stamp: view.snapshot().stamp(),
            digest: view.snapshot().digest(),
            staleness,
            max_staleness,
            is_ready: self.source.is_ready() && staleness.is_some_and(|age| age <= max_staleness),
        })
    }
}

/// The same decision turned into a refusal: nothing of the offer remains.
fn denied(decision: Decision<'_>, reason: Reason) -> Decision<'_> {
    Decision {
        reason,
        target: None,
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        source: None,
        next_eligible_at: None,
        ..decision
    }
}

/// Keeps the first [`limits::TRACE_LINES_MAX`] steps of a decision, and the last.
struct Trace<'s>(Vec<Entry<'s>>);

impl<'s> TraceSink<'s> for Trace<'s> {
    fn record(&mut self, entry: Entry<'s>) {
        if self.0.len() == limits::TRACE_LINES_MAX {
            self.0.pop();
        }
        self.0.push(entry);
    }
}

/// Whole milliseconds, rounded up: an answer never claims to be fresher than it is.
pub(crate) fn whole_ms(age: Duration) -> u64 {
    u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
