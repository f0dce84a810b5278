//! Brings a graph up to date without laying it out anew, where that is possible: the changes that are made all day long, and that must
//! reach devices soonest, cost the same in a graph of any length.

use std::sync::Arc;

use tidegate_model::ReleaseId;

use crate::compiled::graph::{Graph, Node, compare_entries};
use crate::compiled::release::ReleaseView;
use crate::table::KeyHash;

/// Most changed releases that are patched one by one; of more, laying out anew is as quick.
const PATCHED_MAX: usize = 64;

/// What a batch of changes comes to.
#[derive(Default)]
struct Plan<'p> {
    /// Releases that stay where they are.
    kept: Vec<(usize, &'p Arc<ReleaseView>)>,
    /// The one release that is new, and comes after the last of its tree or begins one.
    added: Option<&'p Arc<ReleaseView>>,
    /// That last one.
    predecessor: Option<usize>,
}

impl Graph {
    /// The graph after these releases of its cohort have changed (absent: are gone). `None` if it has to be laid out anew: if
    /// releases go, come in the middle or in numbers, change what places them, or change in the middle of a lane whether they
    /// can be offered.
    pub(crate) fn patched(&self, changed: &[(ReleaseId, Option<Arc<ReleaseView>>)]) -> Option<Self> {
        let plan = self.plan(changed)?;
        let mut graph = self.clone();
        for (at, view) in plan.kept {
            let (had, has) = (self.nodes[at].passes(), view.failure.is_none());
            let node = graph.nodes.edit(at);
            node.view = view.clone();
            node.rank = node.rank + usize::from(has) - usize::from(had);
        }
        if let Some(view) = plan.added {
            graph.add(view, plan.predecessor);
        }
        Some(graph)
    }

    fn plan<'p>(&self, changed: &'p [(ReleaseId, Option<Arc<ReleaseView>>)]) -> Option<Plan<'p>> {
        if changed.len() > PATCHED_MAX {
            return None;
        }
        let mut plan = Plan::default();
        for (id, view) in changed {
            let linked = view.as_ref().filter(|view| view.release().linked);
            match (self.by_release(KeyHash::of(id.as_str()), id.as_str()), linked) {
                (None, None) => {}
                (Some(at), Some(view)) => plan.kept.push((at, view)),
                // A release that others were waiting for changes where those lead.
                (None, Some(view)) if plan.added.is_none() && !self.has_loose_end && view.release().next.is_none() => {
                    plan.added = Some(view);
                }
                (None, Some(_)) | (Some(_), None) => return None,
            }
        }
        for (at, view) in &plan.kept {
            let node = &self.nodes[*at];
            let is_searched = node.tree.is_none() || !self.ends_its_lane(*at);
            if !node.stands_with(view) || (node.differs_to_search(view) && is_searched) {
                return None;
            }
            if view.release().next != node.view.release().next {
                let leads_to_added = plan.added.is_some_and(|added| view.release().next.as_ref() == Some(added.id()));
                // What nobody may pass ends the walk of those before it, which do not know yet that more comes after it.
                if !leads_to_added || plan.predecessor.is_some() || node.next.is_some() || view.counts_as_required {
                    return None;
                }
                plan.predecessor = Some(*at);
            }
        }
        Some(plan)
    }

    fn ends_its_lane(&self, node: usize) -> bool {
        self.lane_ends[self.nodes[node].lane] == node
    }

    fn add(&mut self, view: &Arc<ReleaseView>, predecessor: Option<usize>) {
        let at = self.nodes.len();
        let (tree, lane) = match predecessor {
            Some(before) => (self.nodes[before].tree, self.nodes[before].lane),
            None => (Some(self.tree_ends.len()), self.lane_ends.len()),
        };
        let node = Node {
            view: view.clone(),
            next: None,
            stop: view.counts_as_required.then_some(at),
            tree,
            lane,
            place: 0,
            candidate_before: None,
            piercing_before: None,
            rank: 0,
        };
        let node = node.along(predecessor.map(|before| (before, &self.nodes[before])));
        if let (Some(before), Some(tree)) = (predecessor, tree) {
            self.nodes.edit(before).next = Some(at);
            *self.tree_ends.edit(tree) = at;
            *self.lane_ends.edit(lane) = at;
        } else {
            self.tree_ends.push(at);
            self.lane_ends.push(at);
        }
        self.by_release.insert(view.id().as_str(), at);
        let bundle = view.release().bundle.as_str();
        let mut of_bundle = self.by_bundle.get_hashed(view.bundle_hash, bundle).map_or_else(Vec::new, |nodes| nodes.to_vec());
        of_bundle.insert(of_bundle.partition_point(|other| compare_entries(&self.nodes[*other], &node).is_lt()), at);
        self.by_bundle.insert(bundle, Arc::from(of_bundle));
        if node.is_entry() {
            // Nearly always the highest version so far, and so the last.
            let place = self.first_entry(|other| compare_entries(&self.nodes[other], &node).is_gt());
            let moved: Vec<_> = (place..self.entries.len()).map(|other| self.entries[other]).collect();
            self.entries.push(at);
            moved.into_iter().enumerate().for_each(|(i, other)| *self.entries.edit(place + 1 + i) = other);
            *self.entries.edit(place) = at;
        }
        self.nodes.push(node);
    }
}

impl Node {
    /// True if `view` is filed like this release and has the same say in where walks stop.
    fn stands_with(&self, view: &ReleaseView) -> bool {
        let old = &self.view;
        old.stored.created == view.stored.created
            && old.bundle_hash == view.bundle_hash
            && old.release().bundle == view.release().bundle
            && old.own_version == view.own_version
            && old.from_version == view.from_version
            && old.counts_as_required == view.counts_as_required
    }

    /// True if a search meets `view` where it does not meet this release, or the other way round.
    fn differs_to_search(&self, view: &ReleaseView) -> bool {
        let pierces = view.failure.is_none() && view.may_pierce;
        self.passes() != view.failure.is_none() || self.pierces() != pierces
    }
}
