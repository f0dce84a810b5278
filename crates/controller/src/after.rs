//! Triggers that wait for another release, and what completes or follows by itself.

use std::collections::BTreeSet;

use tidegate_machine::stages;
use tidegate_model::{Catalog, CohortId, Product, Release, ReleaseId, RolloutState, SteerStep, Timestamp, Trigger, Version};

use crate::rolling::Rolling;

/// Releases that have come to an end while drafts wait for them. A draft that was flagged has had its chance.
pub(crate) fn awaited(catalog: &Catalog) -> BTreeSet<ReleaseId> {
    let waiting = catalog
        .releases()
        .values()
        .filter(|stored| stored.body.rollout.state == RolloutState::Draft && stored.body.rollout.flag.is_none());
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
    let (release, policy) = (rolling.release(), &*rolling.policy);
    policy.auto_complete
        && rolling.rollout().state == RolloutState::Active
        && stages::last_stage_has_passed(release, policy, now)
        && stages::last_stage_is_for_everybody(release, policy, now)
}

/// When the last stage counts as passed, and the rollout may complete, by time alone.
pub(crate) fn completes_at(rolling: &Rolling<'_>) -> Option<Timestamp> {
    let waits = rolling.policy.auto_complete && rolling.is_in_last_stage() && rolling.stage()?.gate.is_none();
    rolling.exposure_ends_at().filter(|_| waits)
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
    let latest = catalog
        .releases()
        .values()
        .map(|stored| &stored.body)
        .find(|other| other.product == release.product && other.cohort == *follower && other.linked && other.next.is_none());
    latest.is_none_or(|latest| version_of(catalog, product, latest).is_some_and(|latest| latest.is_below(&version)))
}

/// The version of the software: the release's own, else its bundle's.
pub(crate) fn version_of(catalog: &Catalog, product: &Product, release: &Release) -> Option<Version> {
    let bundle = || catalog.bundles().get(&release.bundle)?.body.version.clone();
    let text = release.version.clone().or_else(bundle)?;
    Version::parse(product.version_scheme, text.as_str()).ok()
}
