//! Copies of a release in cohorts that follow its cohort, and what is done to them together with it.

use std::collections::BTreeSet;

use tidegate_model::{CohortId, Place, Release, ReleaseId, Rollout};

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
/// cohort follows no more.
pub(crate) fn copies(edit: &Edit, source: &Release) -> Vec<Release> {
    let mut found = Vec::new();
    let mut names = vec![source.id.clone()];
    for id in edit.releases_beginning_with(&format!("{}@", source.id)) {
        let Some(release) = edit.release(&id).map(|release| release.body.clone()) else { continue };
        let is_same = release.product == source.product && release.bundle == source.bundle;
        // Ids come in order, so that a copy comes after what it is a copy of.
        let is_copy = names.iter().any(|name| copy_name(name, &release.cohort) == id.as_str());
        if is_same && is_copy {
            names.push(id);
            found.push(release);
        }
    }
    found
}

/// Disables or enables a release together with its copies.
pub(crate) fn set_disabled(edit: &mut Edit, release: &Release, disabled: bool) {
    for release in copies(edit, release).into_iter().chain([release.clone()]) {
        if release.disabled != disabled {
            edit.put(Release { disabled, ..release }, Counts::Yes);
        }
    }
}
