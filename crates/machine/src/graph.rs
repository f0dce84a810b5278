//! The release graph of a cohort: an in-tree whose edges lead to the one latest release.
//!
//! A single publication cannot make a cycle: the release is new to the graph, so nothing leads to it but the edges that
//! are written here. Only adoption writes several edges at once; [`crate::commands`] judges those.

use tidegate_model::{ObjectRef, Place, Release, ReleaseId};

use crate::edit::{Counts, Edit};
use crate::index::cohort_of;
use crate::rejection::{Cause, Code};

/// Where a release is linked.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// Releases whose next one it becomes.
    pub(crate) previous: Vec<ReleaseId>,
    /// Its own next one; without one it becomes the latest. With one it is an insertion.
    pub(crate) next: Option<ReleaseId>,
}

/// Where a draft would be linked now.
pub(crate) fn resolve(edit: &Edit, draft: &Release) -> Result<Spot, Cause> {
    match &draft.place {
        Place::Latest => {
            let previous = edit.index().latest(&cohort_of(draft)).cloned().into_iter().collect();
            Ok(Spot { previous, next: None })
        }
        Place::After(previous) => {
            let mut nexts = Vec::new();
            for id in previous {
                nexts.push(neighbour(edit, draft, id)?.next.clone());
            }
            nexts.sort();
            nexts.dedup();
            let next = match nexts.as_slice() {
                // None sorts first: after the latest it is the new latest, and the others join it there.
                [] | [None, ..] => None,
                [Some(next)] => Some(next.clone()),
                [Some(one), other, ..] => {
                    let other = other.as_ref().map_or("none", ReleaseId::as_str);
                    let rule = format!("its previous releases lead to {one} and to {other}: name those before one of them");
                    return Err(invalid(draft, rule));
                }
            };
            Ok(Spot { previous: previous.iter().cloned().collect(), next })
        }
        Place::Before(next) => {
            neighbour(edit, draft, next)?;
            Ok(Spot { previous: Vec::new(), next: Some(next.clone()) })
        }
    }
}

/// Writes a release that is now linked at this spot, and the edges of its neighbours.
pub(crate) fn link(edit: &mut Edit, mut release: Release, spot: &Spot) {
    release.linked = true;
    release.next.clone_from(&spot.next);
    let id = release.id.clone();
    edit.put(release, Counts::Yes);
    for previous in &spot.previous {
        point_to(edit, previous, &id);
    }
}

/// Gives a release another next one. An edge gained through a neighbour does not count for its version.
pub(crate) fn point_to(edit: &mut Edit, from: &ReleaseId, to: &ReleaseId) {
    if let Some(release) = edit.release(from) {
        edit.put(Release { next: Some(to.clone()), ..release.body.clone() }, Counts::No);
    }
}

/// A linked release of the same cohort.
pub(crate) fn neighbour(edit: &Edit, release: &Release, id: &ReleaseId) -> Result<Release, Cause> {
    let Some(found) = edit.release(id) else { return Err(invalid(release, format!("{id} does not exist"))) };
    if cohort_of(&found.body) != cohort_of(release) {
        return Err(invalid(release, format!("{id} is in cohort {}, not in {}", found.body.cohort, release.cohort)));
    }
    if !found.body.linked {
        return Err(invalid(release, format!("{id} is not published")));
    }
    Ok(found.body.clone())
}

/// The graph cannot be as it is asked for.
pub(crate) fn invalid(release: &Release, rule: impl Into<String>) -> Cause {
    Cause::guard(Code::GraphInvalid, ObjectRef::Release(release.id.clone()), rule)
}

/// The former latest still limits its rollout.
pub(crate) fn latest_is_constrained(subject: ObjectRef, latest: &ReleaseId) -> Cause {
    let rule = format!("{latest}, the latest of the cohort, still limits its rollout: complete it, withdraw it, or supersede");
    Cause::guard(Code::LatestConstrained, subject, rule)
}
