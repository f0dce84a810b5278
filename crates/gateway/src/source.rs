//! Where snapshots come from: the only thing that this crate knows about the process around it.

use std::future::Future;
use std::time::Duration;

use tidegate_eligibility::{Request, Snapshot};
use tidegate_model::Timestamp;

use crate::status::Status;

/// A snapshot held for the length of one decision, together with whatever proves its age.
pub trait SnapshotView: Send + Sync {
    /// The snapshot to decide on.
    fn snapshot(&self) -> &Snapshot;
}

/// Supplies snapshots and their age. The server implements it over its applied state, an edge over what it follows.
///
/// The order of one check is fixed: [`current`](Self::current) once, [`decision_now`](Self::decision_now), decide, and
/// **then** [`staleness`](Self::staleness), which reads the clock. A stop anywhere in between makes the answer older,
/// never falsely fresh.
pub trait SnapshotSource: Send + Sync + 'static {
    /// What one request holds on to. Cheap to take and to drop.
    type View: SnapshotView;

    /// The newest snapshot; `None` before there is one (`NOT_READY`). The proof of age in the view must be taken
    /// **before** the snapshot is loaded, so that the snapshot covers the proof.
    fn current(&self) -> Option<Self::View>;

    /// Age of the view now: reads the clock at the moment of the call. `None` means unknown, and counts as too old.
    fn staleness(&self, view: &Self::View) -> Option<Duration>;

    /// The time to decide at: the smaller of the local wall clock and the bound that the last probe gave.
    fn decision_now(&self) -> Timestamp;

    /// The node's own bound on staleness. A product may ask for a tighter one; the tighter one holds.
    fn max_staleness(&self) -> Duration;

    /// Tries to make the current snapshot at most `bound` old, by a probe that all callers share. Returns after 200 ms
    /// at the latest, whether or not it worked; at once when it is known not to work.
    fn ensure_fresh(&self, bound: Duration) -> impl Future<Output = ()> + Send;

    /// A device asked, and its answer is written. Called once per answered check, after the decision; must neither wait
    /// nor fail, and may forget.
    fn seen(&self, _request: &Request<'_>) {}

    /// The name of this node, as answers carry it.
    fn node(&self) -> &str;

    /// Whether this process wants traffic at all: false while it starts, drains or has found itself diverged. Whether
    /// the snapshot is fresh enough is judged separately.
    fn is_ready(&self) -> bool;

    /// The stop list: whether an offer of this release and bundle is to be refused although the snapshot allows it. It
    /// can only deny. Members of the cluster have none; an edge may have heard of a stop that its snapshot does not hold
    /// yet.
    fn stopped(&self, _view: &Self::View, _release: Option<&str>, _bundle: &str) -> Option<Stop> {
        None
    }

    /// The cluster as the dashboard shows it. Called at most once per second, not per check; may not block.
    fn status(&self) -> Status;
}

/// Why an offer is refused although the snapshot allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The rollout was paused.
    Paused,
    /// The release was withdrawn, or its bundle recalled.
    Withdrawn,
}
