//! `/v1/status`: the cluster and its rollouts, for the dashboard. Read-only.

use std::sync::Mutex;

use bytes::Bytes;
use serde::Serialize;
use tidegate_model::exposure::Admission;
use tidegate_model::{Catalog, Exposure, Policy, Release, ReleaseId, RolloutState, Stage, Stored, Timestamp};
use tidegate_platform::BootTime;

use crate::desk::whole_ms;
use crate::limits;
use crate::pages::to_json;
use crate::source::{SnapshotSource, SnapshotView};
use crate::status::Status;

/// The last overview, kept for [`limits::OVERVIEW_AGE_MAX`].
#[derive(Default)]
pub(crate) struct Overviews(Mutex<Option<(BootTime, Bytes)>>);

#[derive(Serialize)]
struct Overview<'a> {
    node: &'a str,
    config_version: Option<u64>,
    staleness_ms: Option<u64>,
    ready: bool,
    #[serde(flatten)]
    cluster: Status,
    products: Vec<String>,
    rollouts: Vec<RolloutLine>,
    rollouts_left_out: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RolloutLine {
    product: String,
    cohort: String,
    release: String,
    version: Option<String>,
    state: &'static str,
    stage: Option<String>,
    /// Number of the current stage, from 1.
    stage_number: Option<u32>,
    stages: usize,
    /// Share that the current stage admits now, where one number can say it.
    share_ppm: Option<u32>,
    latest: bool,
    required: bool,
    disabled: bool,
    dead_end: bool,
}

impl Overviews {
    /// The overview of this moment, or of the last second.
    pub(crate) fn current<S: SnapshotSource>(&self, source: &S, boot: BootTime) -> Bytes {
        // Held while it is made, so that a crowd of readers makes one.
        let mut kept = self.0.lock().expect("no panic happens under this lock");
        if let Some((made, bytes)) = kept.as_ref()
            && boot.since(*made) < limits::OVERVIEW_AGE_MAX
        {
            return bytes.clone();
        }
        let bytes = to_json(&overview(source));
        *kept = Some((boot, bytes.clone()));
        bytes
    }
}

fn overview<S: SnapshotSource>(source: &S) -> Overview<'_> {
    let view = source.current();
    let snapshot = view.as_ref().map(SnapshotView::snapshot);
    let now = source.decision_now();
    let (rollouts, rollouts_left_out) = snapshot.map_or((Vec::new(), 0), |snapshot| rollouts(snapshot.catalog(), now));
    let staleness = view.as_ref().and_then(|view| source.staleness(view));
    Overview {
        node: source.node(),
        config_version: snapshot.map(|snapshot| snapshot.stamp().config_version),
        staleness_ms: staleness.map(whole_ms),
        ready: source.is_ready() && staleness.is_some_and(|age| age <= source.max_staleness()),
        cluster: source.status(),
        products: snapshot.map_or(Vec::new(), |snapshot| snapshot.catalog().products().keys().map(ToString::to_string).collect()),
        rollouts,
        rollouts_left_out,
    }
}

/// The newest rollouts, newest first, and how many there are beyond them.
fn rollouts(catalog: &Catalog, now: Timestamp) -> (Vec<RolloutLine>, usize) {
    let mut releases: Vec<&Stored<Release>> = catalog.releases().values().map(AsRef::as_ref).collect();
    let left_out = releases.len().saturating_sub(limits::OVERVIEW_ROLLOUTS_MAX);
    let newest_first = |stored: &&Stored<Release>| std::cmp::Reverse((stored.created, stored.body.id.clone()));
    releases.sort_by_cached_key(newest_first);
    releases.truncate(limits::OVERVIEW_ROLLOUTS_MAX);
    (releases.into_iter().map(|stored| line(catalog, &stored.body, now)).collect(), left_out)
}

fn line(catalog: &Catalog, release: &Release, now: Timestamp) -> RolloutLine {
    let policy = catalog.policies().get(&release.id).map(|stored| stored.body.clone());
    let policy = policy.unwrap_or_else(|| Policy::implicit(ReleaseId::clone(&release.id)));
    let rollout = &release.rollout;
    let is_running = matches!(rollout.state, RolloutState::Active | RolloutState::Paused);
    let stage = usize::try_from(rollout.stage_index).ok().and_then(|index| policy.stages.get(index)).filter(|_| is_running);
    RolloutLine {
        product: release.product.to_string(),
        cohort: release.cohort.to_string(),
        release: release.id.to_string(),
        version: release.version.as_ref().map(ToString::to_string),
        state: rollout.state.as_str(),
        stage: stage.map(|stage| stage.name.clone()),
        stage_number: stage.map(|_| rollout.stage_index.saturating_add(1)),
        stages: policy.stages.len(),
        share_ppm: stage.and_then(|stage| share_ppm(release, stage, now)),
        latest: release.linked && release.next.is_none(),
        required: release.required,
        disabled: release.disabled,
        dead_end: release.dead_end,
    }
}

/// Share that the stage admits now; a paused ramp stands where it was paused.
fn share_ppm(release: &Release, stage: &Stage, now: Timestamp) -> Option<u32> {
    let rollout = &release.rollout;
    match &stage.exposure {
        Exposure::All => Some(1_000_000),
        Exposure::Percent { share, .. } => Some(share.get()),
        Exposure::Count(_) | Exposure::Tags(_) => None,
        Exposure::Ramp(ramp) => {
            let origin = rollout.ramp_origin(release.published_at)?;
            match ramp.admission(origin, rollout.paused_at.unwrap_or(now)) {
                Admission::Nobody => Some(0),
                Admission::Everybody => Some(1_000_000),
                Admission::Below(threshold) => u32::try_from((u128::from(threshold) * 1_000_000) >> 64).ok(),
            }
        }
    }
}
