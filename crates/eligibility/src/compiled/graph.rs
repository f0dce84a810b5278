//! The linked releases of one cohort as a graph, with shortcuts for positions, for the walk and for the search.
//!
//! The graph is an in-tree (or some of them): any number of releases lead to one, and each leads to one. It is cut into
//! lanes: from each release, the lane goes back to the one of those before it that has the most releases behind it. So a
//! path of any length runs through a few lanes only (each change of lane at least doubles what lies behind), and within a
//! lane the search goes from one release that somebody could be offered to the one before it, without touching those between.
//!
//! Nothing that a release knows of itself depends on what comes after it, but for the last of its lane and of its tree,
//! which it finds by number. So a release that changes its state, and one that is published after the latest, change
//! the graph in a few places, however long it is ([`patch`]); everything else lays it out anew ([`layout`]).

mod layout;
mod patch;

use std::cmp::Ordering;
use std::sync::Arc;

use tidegate_model::{Created, ReleaseId};

use crate::compiled::pages::Pages;
use crate::compiled::release::{FromVersion, ReleaseView};
use crate::limits;
use crate::table::{KeyHash, Table};
use crate::version::VersionRef;

/// One linked release.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) view: Arc<ReleaseView>,
    /// The next release.
    pub(crate) next: Option<usize>,
    /// Where a walk that begins here stops: the first release that nobody may pass; absent: the last of the tree.
    stop: Option<usize>,
    /// Number of its tree; absent if the graph runs in a circle from here.
    tree: Option<usize>,
    /// Number of its lane, and its place there from the beginning.
    lane: usize,
    place: usize,
    /// The nearest release before this one in its lane that passes the device-independent checks.
    candidate_before: Option<usize>,
    /// As `candidate_before`, of those that get past soft holds where others do not.
    piercing_before: Option<usize>,
    /// How many releases of the lane pass the device-independent checks, from its beginning to this one.
    rank: usize,
}

/// How a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// To the next lower candidate.
    Next,
    /// To the next lower candidate that may get past soft holds where others do not; those between are counted.
    NextPiercing,
    /// No further.
    Done,
}

/// The linked releases of one cohort. Two are equal if they say the same of the same releases, however they number them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    nodes: Pages<Node>,
    /// The last release of each tree and of each lane.
    tree_ends: Pages<usize>,
    lane_ends: Pages<usize>,
    /// Some release names a next one that is not linked.
    has_loose_end: bool,
    by_release: Table<usize>,
    /// The nodes of each bundle, the one where its devices are first.
    by_bundle: Table<Arc<[usize]>>,
    /// Nodes with version and requirement, by (version, creation).
    entries: Pages<usize>,
}

impl Graph {
    /// True if no release is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A release by its number here, which must be one that this graph gave.
    pub(crate) fn node(&self, node: usize) -> &Node {
        &self.nodes[node]
    }

    /// Where a walk from `node` stops: the first release that nobody may pass, else the last one; absent if the graph runs in
    /// a circle from here.
    pub(crate) fn stop(&self, node: usize) -> Option<usize> {
        let from = &self.nodes[node];
        from.tree.map(|tree| from.stop.unwrap_or_else(|| self.tree_ends[tree]))
    }

    /// Calls `each` for the releases from `start` to before `end` that pass the device-independent checks, the highest
    /// first, going on as it answers, from `onward` at the beginning. Ends after `limit` candidates, passed over or not. `end` must
    /// lie on the way from `start`.
    pub(crate) fn search_below(
        &self,
        (start, end): (usize, usize),
        mut onward: Onward,
        limit: usize,
        mut each: impl FnMut(usize) -> Onward,
    ) {
        if onward == Onward::Done {
            return;
        }
        let mut met = 0;
        // One stretch; false if the search ends there.
        let mut along = |(enters, leaves): (usize, usize)| {
            // The candidates of this stretch are those above the rank of what lies before it, up to the highest one.
            let (first, mut node) = (&self.nodes[enters], &self.nodes[leaves]);
            let below = first.rank - usize::from(first.passes());
            let highest = node.rank - usize::from(leaves == end && node.passes());
            let mut is_inclusive = leaves != end;
            loop {
                let found = match onward {
                    Onward::Done => return false,
                    Onward::Next if is_inclusive && node.passes() => Some(leaves),
                    Onward::Next => node.candidate_before,
                    Onward::NextPiercing if is_inclusive && node.pierces() => Some(leaves),
                    Onward::NextPiercing => node.piercing_before,
                };
                is_inclusive = false;
                let Some(candidate) = found else { break };
                node = &self.nodes[candidate];
                if node.rank <= below {
                    break;
                }
                if met + highest - node.rank >= limit {
                    return false;
                }
                onward = each(candidate);
            }
            met += highest - below;
            met < limit
        };
        if self.nodes[start].lane == self.nodes[end].lane {
            along((start, end));
        } else {
            let mut stretches = [(0, 0); limits::LANES_MAX];
            let count = self.stretches(start, end, &mut stretches);
            stretches[..count].iter().rev().copied().all(along);
        }
    }

    /// The stretches of the path from `start` to `end`, lane by lane: where it enters the lane, and where it leaves it.
    /// Returns how many there are.
    fn stretches(&self, start: usize, end: usize, stretches: &mut [(usize, usize); limits::LANES_MAX]) -> usize {
        let mut count = 0;
        let mut enters = start;
        loop {
            let is_last = self.nodes[enters].lane == self.nodes[end].lane;
            let leaves = if is_last { end } else { self.lane_ends[self.nodes[enters].lane] };
            stretches[count] = (enters, leaves);
            count += 1;
            match self.nodes[leaves].next.filter(|_| !is_last) {
                Some(next) => enters = next,
                None => return count,
            }
        }
    }

    /// The node of a release id.
    pub(crate) fn by_release(&self, hash: KeyHash, id: &str) -> Option<usize> {
        self.by_release.get_hashed(hash, id).copied()
    }

    /// Where a device is that runs this bundle.
    pub(crate) fn by_bundle(&self, hash: KeyHash, id: &str) -> Option<usize> {
        self.by_bundle.get_hashed(hash, id).and_then(|nodes| nodes.first().copied())
    }

    /// Where a device of this version enters: the lowest greater version whose requirement accepts it.
    pub(crate) fn by_version(&self, version: &VersionRef<'_>) -> Option<usize> {
        let is_above = |node: usize| {
            let own = self.nodes[node].view.own_version.as_ref().map(VersionRef::of);
            own.is_some_and(|own| version.is_below(&own))
        };
        let first = self.first_entry(is_above);
        (first..self.entries.len()).map(|at| self.entries[at]).find(|node| match &self.nodes[*node].view.from_version {
            FromVersion::Only(requirement) => version.satisfies(requirement),
            FromVersion::Any | FromVersion::Unreadable => false,
        })
    }

    /// Place of the first entry that is far enough; all after it are.
    fn first_entry(&self, is_far_enough: impl Fn(usize) -> bool) -> usize {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if is_far_enough(self.entries[middle]) { high = middle } else { low = middle + 1 }
        }
        low
    }
}

impl Node {
    /// True if a walk from here comes to an end; false in a circle.
    pub(crate) fn leads_somewhere(&self) -> bool {
        self.tree.is_some()
    }

    /// True if it passes the device-independent checks.
    fn passes(&self) -> bool {
        self.view.failure.is_none()
    }

    /// True if soft holds may let it through besides, where they hold others.
    fn pierces(&self) -> bool {
        self.passes() && self.view.may_pierce
    }

    fn is_entry(&self) -> bool {
        self.view.own_version.is_some() && matches!(self.view.from_version, FromVersion::Only(_))
    }
}

impl PartialEq for Graph {
    fn eq(&self, other: &Self) -> bool {
        let names = |graph: &Self, nodes: &mut dyn Iterator<Item = usize>| -> Vec<ReleaseId> {
            nodes.map(|node| graph.nodes[node].view.id().clone()).collect()
        };
        let entries = |graph: &Self| names(graph, &mut (0..graph.entries.len()).map(|at| graph.entries[at]));
        let sorted = |graph: &Self| {
            let mut nodes: Vec<_> = (0..graph.nodes.len()).collect();
            nodes.sort_by(|a, b| graph.nodes[*a].view.id().cmp(graph.nodes[*b].view.id()));
            nodes
        };
        // All that a release is said to be, with names for numbers.
        let said = |graph: &Self, node: usize| {
            let Node { next, candidate_before, piercing_before, place, rank, lane, .. } = graph.nodes[node];
            let others = [next, graph.stop(node), Some(graph.lane_ends[lane]), candidate_before, piercing_before];
            let others = others.map(|other| other.map(|other| graph.nodes[other].view.id().clone()));
            let view = &graph.nodes[node].view;
            let at_bundle = graph.by_bundle(view.bundle_hash, view.release().bundle.as_str());
            let at = graph.by_release(view.hash, view.id().as_str());
            (others, place, rank, names(graph, &mut at_bundle.into_iter().chain(at)), view.clone())
        };
        let all = |graph: &Self| sorted(graph).into_iter().map(|node| said(graph, node)).collect::<Vec<_>>();
        self.has_loose_end == other.has_loose_end && entries(self) == entries(other) && all(self) == all(other)
    }
}

fn compare_versions(a: &Node, b: &Node) -> Ordering {
    match (&a.view.own_version, &b.view.own_version) {
        (Some(a), Some(b)) => a.precedence(b).unwrap_or(Ordering::Equal),
        // Versioned before unversioned.
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

fn creation(node: &Node) -> (Created, &ReleaseId) {
    (node.view.stored.created, node.view.id())
}

/// Of the releases that use a bundle the versioned ones come first, of these the lowest, of equal ones the earliest created.
fn compare_entries(a: &Node, b: &Node) -> Ordering {
    compare_versions(a, b).then_with(|| creation(a).cmp(&creation(b)))
}
