//! Triggers that wait for another release, and what completes or follows by itself.

use tidegate_model::{
    Catalog, CellState, CohortId, Product, Release, ReleaseId, RolloutState, StageState, SteerStep, Timestamp, Trigger, Version,
};

use crate::rolling::Rolling;

/// Releases that have come to an end while drafts wait for them. A draft that was flagged has had its chance.
pub(crate) fn awaited(catalog: &Catalog) -> std::collections::BTreeSet<ReleaseId> {
    let waiting = catalog.releases().values().filter(|stored| {
        stored.body.rollout.state == RolloutState::Draft && stored.body.rollout.flag.is_none()
    });
    let awaited = waiting.filter_map(|stored| match &catalog.policies().get(&stored.body.id)?.body.trigger {
        Trigger::After(release) => Some(release.clone()),
        Trigger::Now | Trigger::At(_) => None,
    });
    let has_ended = |release: &ReleaseId| {
        let state = catalog.releases().get(release).map(|stored| stored.body.rollout.state);
        matches!(state, Some(RolloutState::Completed | RolloutState::RolledBack))
    };
    awaited.filter(has_ended).collect()
}

/// True if the rollout completes by itself now: its policy says so, its last stage has passed, and that is for everybody.
pub(crate) fn completes(rolling: &Rolling<'_>, now: Timestamp) -> bool {
    completes_at(rolling).is_some_and(|at| at <= now)
}

/// From when on the rollout may complete by itself, if nothing else has to happen.
pub(crate) fn completes_at(rolling: &Rolling<'_>) -> Option<Timestamp> {
    let (release, rollout) = (rolling.release(), rolling.rollout());
    if !rolling.policy.auto_complete || rollout.state != RolloutState::Active || !rolling.is_in_last_stage() {
        return None;
    }
    let stage = rolling.stage()?;
    let ends_at = rolling.exposure_ends_at()?;
    let passed_at = match rollout.stage_state {
        StageState::Passed => rollout.stage_opened_at?,
        // Nothing is written for a last stage without a gate.
        StageState::Open if stage.gate.is_none() && rollout.cells.values().all(|cell| cell.state == CellState::Passed) => ends_at,
        StageState::Pending
        | StageState::Open
        | StageState::Baking
        | StageState::Inconclusive
        | StageState::AwaitingApproval
        | StageState::Failed => return None,
    };
    let final_exposure = match rollout.stage_state {
        StageState::Passed => &rollout.passed.last()?.exposure,
        _ => &stage.exposure,
    };
    let origin = rollout.ramp_origin(release.published_at);
    (stage.selector.is_everybody() && final_exposure.is_everybody(origin, passed_at)).then_some(passed_at)
}

/// The followers that lack this completed release: one step for each.
pub(crate) fn followers(catalog: &Catalog, release: &Release) -> Vec<SteerStep> {
    if release.rollout.state != RolloutState::Completed || !release.linked || release.disabled || release.dead_end {
        return Vec::new();
    }
    let Some(product) = catalog.products().get(&release.product) else { return Vec::new() };
    let following = catalog.cohorts().values().map(|stored| &stored.body).filter(|cohort| {
        cohort.product == release.product && cohort.follows.as_ref() == Some(&release.cohort) && cohort.id != release.cohort
    });
    following
        .filter(|cohort| lacks(catalog, &product.body, &cohort.id, release))
        .map(|cohort| SteerStep::Follow { cohort: cohort.id.clone() })
        .collect()
}

/// True if the release belongs above the follower's latest, and is not there in any form.
fn lacks(catalog: &Catalog, product: &Product, follower: &CohortId, release: &Release) -> bool {
    let Ok(copy) = ReleaseId::new(&format!("{}@{follower}", release.id)) else { return false };
    if catalog.releases().contains_key(&copy) {
        return false;
    }
    let Some(version) = version_of(catalog, product, release) else { return false };
    let latest = catalog.releases().values().map(|stored| &stored.body).find(|other| {
        other.product == release.product && other.cohort == *follower && other.linked && other.next.is_none()
    });
    latest.is_none_or(|latest| version_of(catalog, product, latest).is_some_and(|latest| latest.is_below(&version)))
}

/// The version of the software: the release's own, else its bundle's.
pub(crate) fn version_of(catalog: &Catalog, product: &Product, release: &Release) -> Option<Version> {
    let bundle = || catalog.bundles().get(&release.bundle)?.body.version.clone();
    let text = release.version.clone().or_else(bundle)?;
    Version::parse(product.version_scheme, text.as_str()).ok()
}
