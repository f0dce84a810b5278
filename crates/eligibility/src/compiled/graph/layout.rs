//! Lays a graph out from nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::compiled::graph::{Graph, Node, compare_entries};
use crate::compiled::release::ReleaseView;
use crate::table::{KeyHash, Table};

impl Graph {
    /// Builds the graph of the linked among `releases`, which come in order. Costs time in proportion to their number.
    pub(crate) fn compile(releases: impl Iterator<Item = Arc<ReleaseView>>) -> Self {
        let views: Vec<_> = releases.filter(|view| view.release().linked).collect();
        let mut by_release = Table::default();
        views.iter().enumerate().for_each(|(i, view)| by_release.insert(view.id().as_str(), i));
        let mut has_loose_end = false;
        let mut nodes = Vec::with_capacity(views.len());
        for view in views {
            let next = view.release().next.as_ref();
            let found = next.and_then(|id| by_release.get_hashed(KeyHash::of(id.as_str()), id.as_str()).copied());
            has_loose_end |= next.is_some() && found.is_none();
            nodes.push(Node {
                view,
                next: found,
                stop: None,
                tree: None,
                lane: 0,
                place: 0,
                candidate_before: None,
                piercing_before: None,
                rank: 0,
            });
        }
        let (tree_ends, lane_ends) = link(&mut nodes);
        let mut entries: Vec<_> = (0..nodes.len()).filter(|i| nodes[*i].is_entry()).collect();
        entries.sort_by(|a, b| compare_entries(&nodes[*a], &nodes[*b]));
        Self {
            by_bundle: by_bundle(&nodes),
            by_release,
            entries: entries.into_iter().collect(),
            has_loose_end,
            tree_ends: tree_ends.into_iter().collect(),
            lane_ends: lane_ends.into_iter().collect(),
            nodes: nodes.into_iter().collect(),
        }
    }
}

/// Fills in trees, stops and lanes: from the last releases backwards, and back again. Returns the last ones of trees and lanes.
fn link(nodes: &mut [Node]) -> (Vec<usize>, Vec<usize>) {
    let mut previous = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if let Some(next) = node.next {
            previous[next].push(i);
        }
    }
    // Last ones first; what runs in a circle is not in it.
    let tree_ends: Vec<_> = (0..nodes.len()).filter(|i| nodes[*i].next.is_none()).collect();
    let mut order = tree_ends.clone();
    let mut done = 0;
    while let Some(i) = order.get(done).copied() {
        let ahead = nodes[i].next.map(|next| (nodes[next].stop, nodes[next].tree));
        // The ends of trees come first in the order, each at its own number.
        let (stop, tree) = ahead.unwrap_or((None, Some(done)));
        nodes[i].stop = if nodes[i].view.counts_as_required { Some(i) } else { stop };
        nodes[i].tree = tree;
        order.extend(&previous[i]);
        done += 1;
    }
    let before = lanes_backwards(nodes, &order, &previous);
    // Lanes get their numbers from their ends; what runs in a circle is a lane each, which no search enters.
    let mut lane_ends = Vec::new();
    for i in order.iter().copied() {
        let goes_on = nodes[i].next.filter(|next| before[*next] == Some(i));
        nodes[i].lane = goes_on.map_or(lane_ends.len(), |next| nodes[next].lane);
        if goes_on.is_none() {
            lane_ends.push(i);
        }
    }
    for i in (0..nodes.len()).filter(|i| nodes[*i].tree.is_none()).collect::<Vec<_>>() {
        nodes[i].lane = lane_ends.len();
        lane_ends.push(i);
    }
    (tree_ends, lane_ends)
}

/// Which of those before a release goes on in its lane: the one with the most releases behind it, itself included. Fills in what a
/// release knows of its lane up to itself.
fn lanes_backwards(nodes: &mut [Node], order: &[usize], previous: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut weights = vec![1_usize; nodes.len()];
    let mut before = vec![None; nodes.len()];
    for i in order.iter().rev().copied() {
        if let Some(next) = nodes[i].next {
            weights[next] += weights[i];
        }
        before[i] = previous[i].iter().copied().max_by_key(|earlier| (weights[*earlier], *earlier));
        let along = nodes[i].clone().along(before[i].map(|earlier| (earlier, &nodes[earlier])));
        nodes[i] = along;
    }
    before
}

fn by_bundle(nodes: &[Node]) -> Table<Arc<[usize]>> {
    let mut lists: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        lists.entry(node.view.release().bundle.as_str()).or_default().push(i);
    }
    let mut table = Table::default();
    for (bundle, mut list) in lists {
        list.sort_by(|a, b| compare_entries(&nodes[*a], &nodes[*b]));
        table.insert(bundle, Arc::from(list));
    }
    table
}

impl Node {
    /// This release with what it knows of its lane, given the one before it there.
    pub(super) fn along(self, earlier: Option<(usize, &Self)>) -> Self {
        let candidate = earlier.and_then(|(at, node)| if node.passes() { Some(at) } else { node.candidate_before });
        let piercing = earlier.and_then(|(at, node)| if node.pierces() { Some(at) } else { node.piercing_before });
        Self {
            candidate_before: candidate,
            piercing_before: piercing,
            place: earlier.map_or(0, |(_, node)| node.place + 1),
            rank: earlier.map_or(0, |(_, node)| node.rank) + usize::from(self.passes()),
            ..self
        }
    }
}
