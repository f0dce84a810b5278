//! A release of the same bundle in another cohort, as a draft: what was tested is what goes out, digest for digest.

use tidegate_model::{CohortId, ObjectRef, Place, Release, ReleaseId, RolloutState, Version, VersionScheme, VersionText};

use super::Asked;
use crate::edit::{Counts, Edit};
use crate::follows;
use crate::index::CohortKey;
use crate::lifecycle::Action;
use crate::readiness;
use crate::rejection::{Cause, Code};

/// Stages the release's bundle in another cohort of the product, at the place of the latest.
pub(super) fn promote(
    edit: &mut Edit,
    asked: &Asked,
    to: &CohortId,
    new_id: Option<&ReleaseId>,
    keep_version: bool,
) -> Result<(), Cause> {
    let source = asked.body();
    let target: CohortKey = (source.product.clone(), to.clone());
    if *to == source.cohort {
        return Err(asked.invalid("to", to.as_str(), "must be another cohort"));
    }
    if edit.cohort(&target.0, &target.1).is_none() {
        return Err(asked.invalid("to", to.as_str(), format!("must be a cohort of product {}", source.product)));
    }
    let version = if keep_version { source.version.clone() } else { Some(next_number(edit, asked, &target)?) };
    let id = match new_id {
        Some(id) => id.clone(),
        None => default_id(asked, to, version.as_ref())?,
    };
    let name = ObjectRef::Release(id.clone());
    if let Some(taken) = edit.release(&id) {
        return Err(Cause::AlreadyExists { object: name, current: taken.version });
    }
    asked.allow(Action::Promote)?;
    readiness::check(edit, &asked.name(), &source.bundle)?;
    refuse_identical(edit, asked, &target)?;
    refuse_used_version(edit, asked, &target, version.as_ref())?;
    edit.name(name);
    // Numbers of one cohort say nothing in another.
    let version_requirement = source.version_requirement.clone().filter(|_| keep_version);
    let copy = Release { version, version_requirement, ..follows::draft_of(source, id, to.clone()) };
    edit.put(copy, Counts::Yes);
    Ok(())
}

/// One more than the greatest number in the cohort, drafts included.
fn next_number(edit: &Edit, asked: &Asked, target: &CohortKey) -> Result<VersionText, Cause> {
    let scheme = edit.product(&target.0).map(|product| product.body.version_scheme);
    if scheme != Some(VersionScheme::Integer) {
        let rule = "must be given: only products with whole-number versions have a next number";
        return Err(asked.invalid("keep_version", "false", rule));
    }
    let numbers = edit.index().releases(target).filter_map(|id| match version_of(edit, id, VersionScheme::Integer) {
        Some(Version::Integer(number)) => Some(number),
        Some(Version::SemVer(_) | Version::Dotted(_)) | None => None,
    });
    let next = numbers.max().unwrap_or(0).checked_add(1);
    let next = next.and_then(|number| VersionText::new(&number.to_string()).ok());
    next.ok_or_else(|| asked.invalid("keep_version", "false", "must be given: the cohort's numbers are used up"))
}

fn version_of(edit: &Edit, id: &ReleaseId, scheme: VersionScheme) -> Option<Version> {
    let release = edit.release(id)?;
    Version::parse(scheme, release.body.version.as_ref()?.as_str()).ok()
}

/// `COHORT-VERSION`, or `COHORT-BUNDLE` for an unversioned one.
fn default_id(asked: &Asked, to: &CohortId, version: Option<&VersionText>) -> Result<ReleaseId, Cause> {
    let end = version.map_or(asked.body().bundle.as_str(), VersionText::as_str);
    let text = format!("{to}-{end}");
    ReleaseId::new(&text).map_err(|invalid| asked.invalid("as", &text, format!("must be given: {}", invalid.rule)))
}

/// Refuses if the bundle is what the cohort has or is about to get as its latest.
fn refuse_identical(edit: &Edit, asked: &Asked, target: &CohortKey) -> Result<(), Cause> {
    let latest = edit.index().latest(target).into_iter();
    let staged = edit.index().drafts(target, &Place::Latest);
    let is_same = |id: &&ReleaseId| edit.release(id).is_some_and(|release| release.body.bundle == asked.body().bundle);
    let is_withdrawn =
        |id: &ReleaseId| edit.release(id).is_some_and(|release| release.body.rollout.state == RolloutState::RolledBack);
    match latest.filter(|id| !is_withdrawn(id)).chain(staged).find(is_same) {
        Some(id) => {
            let rule = format!("bundle {} is that of release {id}, the latest of cohort {}", asked.body().bundle, target.1);
            Err(Cause::guard(Code::IdenticalLatest, asked.name(), rule))
        }
        None => Ok(()),
    }
}

fn refuse_used_version(edit: &Edit, asked: &Asked, target: &CohortKey, version: Option<&VersionText>) -> Result<(), Cause> {
    let scheme = edit.product(&target.0).map_or(VersionScheme::Dotted, |product| product.body.version_scheme);
    let Some(wanted) = version.and_then(|text| Version::parse(scheme, text.as_str()).ok()) else { return Ok(()) };
    match edit.index().releases(target).find(|id| version_of(edit, id, scheme).is_some_and(|used| used == wanted)) {
        Some(id) => {
            let rule =
                format!("version {} is that of release {id} in cohort {}", version.map_or("", VersionText::as_str), target.1);
            Err(Cause::guard(Code::VersionUsed, asked.name(), rule))
        }
        None => Ok(()),
    }
}
