//! The linked releases of one cohort as a graph, with shortcuts for the walk and for positions.
//!
//! For each node: where a walk that begins there stops, and the next candidate that could be offered to anybody. The
//! graph is an in-tree, so depth (steps to the last node) tells which of two nodes on one path comes first.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_model::{BundleId, Created, ReleaseId};

use crate::compiled::release::{FromVersion, ReleaseView};
use crate::table::KeyHash;
use crate::version::VersionRef;

/// One linked release.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) view: Arc<ReleaseView>,
    /// The next release.
    pub(crate) next: Option<usize>,
    /// Where a walk that begins here stops: the first release that nobody may pass, else the last one.
    pub(crate) stop: usize,
    /// The first release from here on (this one included, stop or not) that passes the device-independent checks.
    pub(crate) candidate: Option<usize>,
    /// Steps to the last release; absent if the graph runs in a circle from here.
    pub(crate) depth: Option<usize>,
}

/// The linked releases of one cohort.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    // Node by hash of the release id, sorted.
    by_release: Vec<(KeyHash, usize)>,
    // Position by hash of the bundle id, sorted: one node per bundle in use.
    by_bundle: Vec<(KeyHash, usize)>,
    // Nodes with version and requirement, by (version, creation).
    entries: Vec<usize>,
}

impl Graph {
    /// Builds the graph of the linked among `releases`. Costs time in proportion to their number.
    pub(crate) fn compile(releases: impl Iterator<Item = Arc<ReleaseView>>) -> Self {
        let views: Vec<_> = releases.filter(|view| view.release().linked).collect();
        let place: BTreeMap<ReleaseId, usize> = views.iter().enumerate().map(|(i, view)| (view.id().clone(), i)).collect();
        let next: Vec<_> = views.iter().map(|view| view.release().next.as_ref().and_then(|id| place.get(id)).copied()).collect();
        let mut nodes: Vec<_> = views
            .into_iter()
            .zip(next)
            .enumerate()
            .map(|(i, (view, next))| Node { view, next, stop: i, candidate: None, depth: None })
            .collect();
        link(&mut nodes);
        let mut by_release: Vec<_> = nodes.iter().enumerate().map(|(i, n)| (KeyHash::of(n.view.id().as_str()), i)).collect();
        by_release.sort_unstable();
        let mut entries: Vec<_> = (0..nodes.len()).filter(|i| is_entry(&nodes[*i])).collect();
        entries.sort_by(|a, b| compare_entries(&nodes[*a], &nodes[*b]));
        Self { by_release, by_bundle: positions_by_bundle(&nodes), entries, nodes }
    }

    /// The node of a release id.
    pub(crate) fn by_release(&self, hash: KeyHash, id: &str) -> Option<usize> {
        find(&self.by_release, hash, |node| self.nodes[node].view.id().as_str() == id)
    }

    /// Where a device is that runs this bundle.
    pub(crate) fn by_bundle(&self, hash: KeyHash, id: &str) -> Option<usize> {
        find(&self.by_bundle, hash, |node| self.nodes[node].view.release().bundle.as_str() == id)
    }

    /// Where a device of this version enters: the lowest greater version whose requirement accepts it.
    pub(crate) fn by_version(&self, version: &VersionRef<'_>) -> Option<usize> {
        let is_above = |node: usize| {
            let own = self.nodes[node].view.own_version.as_ref().map(VersionRef::of);
            own.is_some_and(|own| version.is_below(&own))
        };
        let first = self.entries.partition_point(|node| !is_above(*node));
        self.entries[first..].iter().copied().find(|node| match &self.nodes[*node].view.from_version {
            FromVersion::Only(requirement) => version.satisfies(requirement),
            FromVersion::Any | FromVersion::Unreadable => false,
        })
    }
}

/// Fills in stops, candidates and depths, from the last releases backwards.
fn link(nodes: &mut [Node]) {
    let mut previous = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if let Some(next) = node.next {
            previous[next].push(i);
        }
    }
    let mut ready: Vec<_> = (0..nodes.len()).filter(|i| nodes[*i].next.is_none()).collect();
    while let Some(i) = ready.pop() {
        let ahead = nodes[i].next.map(|next| (nodes[next].stop, nodes[next].candidate, nodes[next].depth));
        let (stop, candidate, depth) = ahead.unwrap_or((i, None, None));
        nodes[i].stop = if nodes[i].view.counts_as_required { i } else { stop };
        nodes[i].candidate = if nodes[i].view.failure.is_none() { Some(i) } else { candidate };
        nodes[i].depth = Some(depth.map_or(0, |depth| depth + 1));
        ready.append(&mut previous[i]);
    }
}

fn is_entry(node: &Node) -> bool {
    node.view.own_version.is_some() && matches!(node.view.from_version, FromVersion::Only(_))
}

fn compare_versions(a: &Node, b: &Node) -> Ordering {
    let version = |node: &Node| node.view.own_version.clone();
    match (version(a), version(b)) {
        (Some(a), Some(b)) => a.precedence(&b).unwrap_or(Ordering::Equal),
        // Versioned before unversioned.
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

fn creation(node: &Node) -> (Created, &ReleaseId) {
    (node.view.stored.created, node.view.id())
}

fn compare_entries(a: &Node, b: &Node) -> Ordering {
    compare_versions(a, b).then_with(|| creation(a).cmp(&creation(b)))
}

/// Of the releases that use a bundle: the versioned ones if there are any, of these the lowest, of equal ones the
/// earliest created.
fn positions_by_bundle(nodes: &[Node]) -> Vec<(KeyHash, usize)> {
    let mut of_bundle: BTreeMap<&BundleId, usize> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let first = of_bundle.entry(&node.view.release().bundle).or_insert(i);
        if compare_entries(node, &nodes[*first]).is_lt() {
            *first = i;
        }
    }
    let mut positions: Vec<_> = of_bundle.into_iter().map(|(bundle, i)| (KeyHash::of(bundle.as_str()), i)).collect();
    positions.sort_unstable();
    positions
}

fn find(sorted: &[(KeyHash, usize)], hash: KeyHash, is_it: impl Fn(usize) -> bool) -> Option<usize> {
    let first = sorted.partition_point(|(found, _)| *found < hash);
    sorted[first..].iter().take_while(|(found, _)| *found == hash).map(|(_, node)| *node).find(|node| is_it(*node))
}
