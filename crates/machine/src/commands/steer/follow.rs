//! A COMPLETED release comes into a cohort that follows its cohort, for everybody and completing by itself, so that chains
//! of followers work.

use tidegate_model::{CohortId, ObjectRef, Policy, Release, ReleaseId, RolloutState, Version};

use super::{Due, fire};
use crate::edit::{Counts, Edit};
use crate::follows;
use crate::index::CohortKey;
use crate::rejection::Cause;

/// Makes the copy `RELEASE@COHORT` and publishes it; a refusal leaves it a flagged draft.
pub(super) fn follow(edit: &mut Edit, due: &Due, cohort: &CohortId) -> Result<(), Cause> {
    let source = due.body();
    let target: CohortKey = (source.product.clone(), cohort.clone());
    let is_follower =
        edit.cohort(&target.0, &target.1).is_some_and(|follower| follower.body.follows.as_ref() == Some(&source.cohort));
    if !is_follower {
        return Err(due.invalid("cohort", cohort.as_str(), format!("must be a cohort that follows {}", source.cohort)));
    }
    let text = follows::copy_name(&source.id, cohort);
    let id = ReleaseId::new(&text).map_err(|invalid| due.invalid("cohort", &text, invalid.rule))?;
    if let Some(taken) = edit.release(&id) {
        return Err(Cause::AlreadyExists { object: ObjectRef::Release(id), current: taken.version });
    }
    if source.rollout.state != RolloutState::Completed {
        return Err(due.not_now("it is not COMPLETED"));
    }
    if !is_newer(edit, source, &target) {
        return Err(due.not_now(format!("its version is not above that of the latest of cohort {cohort}")));
    }
    edit.name(ObjectRef::Release(id.clone()));
    let copy = Release {
        version: source.version.clone(),
        version_requirement: source.version_requirement.clone(),
        disabled: source.disabled,
        ..follows::draft_of(source, id.clone(), cohort.clone())
    };
    edit.put(copy, Counts::Yes);
    edit.put(Policy { auto_complete: true, ..Policy::implicit(id.clone()) }, Counts::Yes);
    fire::publish_or_flag(edit, &id);
    Ok(())
}

/// True if the follower has no latest release, or one of a lower version. Versions that are not known are not compared.
fn is_newer(edit: &Edit, source: &Release, target: &CohortKey) -> bool {
    let Some(version) = version_of(edit, source) else { return false };
    match edit.index().latest(target).and_then(|latest| edit.release(latest)) {
        None => true,
        Some(latest) => version_of(edit, &latest.body).is_some_and(|latest| latest.is_below(&version)),
    }
}

/// The version of a release: its own, else its bundle's.
fn version_of(edit: &Edit, release: &Release) -> Option<Version> {
    let scheme = edit.product(&release.product)?.body.version_scheme;
    let text = release.version.clone().or_else(|| edit.bundle(&release.bundle)?.body.version.clone())?;
    Version::parse(scheme, text.as_str()).ok()
}
