//! Adoption: releases that come in as they are, with exactly the edges written, judged on the result.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{ReleaseId, ReleaseSpec, RolloutState, StageState};

use super::Item;
use crate::commands::transition;
use crate::edit::{Counts, Edit};
use crate::graph;
use crate::index::{CohortKey, cohort_of};
use crate::rejection::Cause;
use crate::stages;

/// Links the releases that the documents adopt.
pub(super) fn adopt(edit: &mut Edit, items: &[Item<'_>]) -> Result<(), Cause> {
    let adopted: Vec<&ReleaseSpec> = items.iter().filter_map(Item::new_release).filter(|spec| spec.adopt).collect();
    let mut cohorts = BTreeMap::new();
    for spec in &adopted {
        if let Some(release) = edit.release(&spec.id) {
            let cohort = cohort_of(&release.body);
            let latest = edit.index().latest(&cohort).cloned();
            cohorts.entry(cohort).or_insert(latest);
        }
    }
    // Former latest releases are noted above, before any edge is written.
    let former: BTreeMap<CohortKey, Option<ReleaseId>> = cohorts;
    adopted.iter().for_each(|spec| complete(edit, spec));
    let edges = edges(edit, &adopted)?;
    for (from, to) in &edges {
        graph::point_to(edit, from, to);
    }
    let touched: BTreeSet<&ReleaseId> = edges.keys().chain(adopted.iter().map(|spec| &spec.id)).collect();
    judge(edit, &touched)?;
    former.iter().try_for_each(|(cohort, latest)| judge_latest(edit, cohort, latest.as_ref()))
}

fn complete(edit: &mut Edit, spec: &ReleaseSpec) {
    let Some(release) = edit.release(&spec.id) else { return };
    let mut release = release.body.clone();
    release.linked = true;
    release.rollout.state = RolloutState::Completed;
    release.rollout.was_completed = true;
    release.rollout.activated_at = Some(edit.now);
    release.rollout.stage_opened_at = Some(edit.now);
    release.rollout.stage_state = StageState::Open;
    transition::draw_salt(edit, &mut release);
    edit.put(release, Counts::Yes);
}

/// The edges that the documents write: to `next`, and from each of `previous`.
fn edges(edit: &Edit, adopted: &[&ReleaseSpec]) -> Result<BTreeMap<ReleaseId, ReleaseId>, Cause> {
    let mut edges: BTreeMap<ReleaseId, ReleaseId> = BTreeMap::new();
    for spec in adopted {
        let Some(release) = edit.release(&spec.id) else { continue };
        let written = spec.previous.iter().map(|from| (from, &spec.id)).chain(spec.next.iter().map(|to| (&spec.id, to)));
        for (from, to) in written {
            let other = if *from == spec.id { to } else { from };
            graph::neighbour(edit, &release.body, other)?;
            if let Some(earlier) = edges.insert(from.clone(), to.clone()).filter(|earlier| earlier != to) {
                return Err(graph::invalid(&release.body, format!("{from} cannot lead both to {earlier} and to {to}")));
            }
        }
    }
    Ok(edges)
}

/// Judges the graph around the releases whose edges were written: no cycle, one latest per cohort.
fn judge(edit: &Edit, touched: &BTreeSet<&ReleaseId>) -> Result<(), Cause> {
    let mut reaches_an_end: BTreeSet<ReleaseId> = BTreeSet::new();
    for start in touched {
        let Some(first) = edit.release(start) else { continue };
        let mut way = BTreeSet::new();
        let mut current = Some((*start).clone());
        while let Some(id) = current.filter(|id| !reaches_an_end.contains(id)) {
            if !way.insert(id.clone()) {
                return Err(graph::invalid(&first.body, format!("the way on from it comes back to {id}")));
            }
            current = edit.release(&id).and_then(|release| release.body.next.clone());
        }
        reaches_an_end.append(&mut way);
        let cohort = cohort_of(&first.body);
        if edit.index().sinks(&cohort) > 1 {
            let rule = format!("cohort {} would have more than one latest release: say what comes next", cohort.1);
            return Err(graph::invalid(&first.body, rule));
        }
    }
    Ok(())
}

/// An adopted release may only become the latest if the former one limits nobody.
fn judge_latest(edit: &Edit, cohort: &CohortKey, former: Option<&ReleaseId>) -> Result<(), Cause> {
    let (Some(former), Some(latest)) = (former, edit.index().latest(cohort)) else { return Ok(()) };
    let Some(release) = edit.release(former).filter(|_| former != latest) else { return Ok(()) };
    let policy = stages::policy_of(edit, &release.body);
    if stages::is_unconstrained(&release.body, &policy.body, edit.now) {
        return Ok(());
    }
    Err(graph::latest_is_constrained(tidegate_model::ObjectRef::Release(latest.clone()), former))
}
