//! Copies of a release in cohorts that follow its cohort, and what is done to them together with it.

use std::collections::BTreeSet;

use tidegate_model::{CohortId, Place, ProductId, Release, ReleaseId, Rollout};

use crate::edit::{Counts, Edit};

/// The id of a copy as text: it may be too long for an id.
pub(crate) fn copy_name(release: &ReleaseId, cohort: &CohortId) -> String {
    format!("{release}@{cohort}")
}

/// A draft of the same bundle in another cohort of the product, at the place of the latest. What is numbered or decided
/// anew in each cohort (version, disabled, ramp origin, consents) starts empty.
pub(crate) fn draft_of(source: &Release, id: ReleaseId, cohort: CohortId) -> Release {
    Release {
        id,
        cohort,
        version: None,
        version_requirement: None,
        disabled: false,
        published_at: None,
        consents: BTreeSet::new(),
        place: Place::Latest,
        linked: false,
        next: None,
        rollout: Rollout::draft(),
        ..source.clone()
    }
}

/// The copies of a release, also copies of copies. A copy is known by its name and bundle, so that it stays one when its
/// cohort follows no more; what stands in a cohort that follows others, or is itself followed, is none, whatever its name.
pub(crate) fn copies(edit: &Edit, source: &Release) -> Vec<Release> {
    let above = followed(edit, &source.product, &source.cohort);
    let can_be_in = |cohort: &CohortId| {
        let follows = followed(edit, &source.product, cohort);
        follows.contains(&source.cohort) || follows.is_empty() && !above.contains(cohort)
    };
    let mut found = Vec::new();
    let mut names = vec![source.id.clone()];
    for id in edit.releases_beginning_with(&format!("{}@", source.id)) {
        let Some(release) = edit.release(&id).map(|release| release.body.clone()) else { continue };
        let is_same = release.product == source.product && release.bundle == source.bundle;
        // Ids come in order, so that a copy comes after what it is a copy of.
        let is_copy = names.iter().any(|name| copy_name(name, &release.cohort) == id.as_str());
        if is_same && is_copy && can_be_in(&release.cohort) {
            names.push(id);
            found.push(release);
        }
    }
    found
}

/// The cohorts that a cohort follows, directly or through others. There are no rings.
fn followed(edit: &Edit, product: &ProductId, cohort: &CohortId) -> BTreeSet<CohortId> {
    let mut found = BTreeSet::new();
    let mut next = Some(cohort.clone());
    while let Some(cohort) = next.take() {
        next = edit.cohort(product, &cohort).and_then(|cohort| cohort.body.follows.clone());
        next = next.filter(|cohort| found.insert(cohort.clone()));
    }
    found
}

/// Disables or enables a release together with its copies, but for those in `except` and their own copies.
pub(crate) fn set_disabled(edit: &mut Edit, release: &Release, disabled: bool, except: &BTreeSet<&ReleaseId>) {
    let is_excepted = |copy: &Release| {
        let is_of = |id: &&ReleaseId| copy.id == **id || copy.id.as_str().starts_with(&format!("{id}@"));
        except.iter().filter(|id| **id != &release.id).any(is_of)
    };
    for release in copies(edit, release).into_iter().filter(|copy| !is_excepted(copy)).chain([release.clone()]) {
        if release.disabled != disabled {
            edit.put(Release { disabled, ..release }, Counts::Yes);
        }
    }
}
