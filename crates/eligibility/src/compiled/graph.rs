//! The linked releases of one cohort as a graph, with shortcuts for positions, for the walk and for the search.
//!
//! The graph is an in-tree: any number of releases lead to one, and each leads to one. It is cut into lanes: from each
//! release, the lane goes back to the one of those before it that has the most releases behind it. So a path of any
//! length runs through a few lanes only (each change of lane at least doubles what lies behind), and within a lane the
//! search goes from one release that somebody could be offered to the one before it, without touching those between.

use std::cmp::Ordering;
use std::sync::Arc;

use tidegate_model::{Created, ReleaseId};

use crate::compiled::release::{FromVersion, ReleaseView};
use crate::limits;
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
    /// Steps to the last release; absent if the graph runs in a circle from here.
    pub(crate) depth: Option<usize>,
    /// The last release of this one's lane.
    lane_end: usize,
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
    /// Builds the graph of the linked among `releases`, which come in order. Costs time in proportion to their number.
    pub(crate) fn compile(releases: impl Iterator<Item = Arc<ReleaseView>>) -> Self {
        let views: Vec<_> = releases.filter(|view| view.release().linked).collect();
        let mut by_release: Vec<_> = views.iter().enumerate().map(|(i, view)| (view.hash, i)).collect();
        by_release.sort_unstable();
        let place = |id: &ReleaseId| find(&by_release, KeyHash::of(id.as_str()), |i| views[i].id() == id);
        let next: Vec<_> = views.iter().map(|view| view.release().next.as_ref().and_then(place)).collect();
        let node = |(i, (view, next)): (usize, (Arc<ReleaseView>, Option<usize>))| Node {
            view,
            next,
            stop: i,
            depth: None,
            lane_end: i,
            candidate_before: None,
            piercing_before: None,
            rank: 0,
        };
        let mut nodes: Vec<_> = views.into_iter().zip(next).enumerate().map(node).collect();
        link(&mut nodes);
        let mut entries: Vec<_> = (0..nodes.len()).filter(|i| is_entry(&nodes[*i])).collect();
        entries.sort_by(|a, b| compare_entries(&nodes[*a], &nodes[*b]));
        Self { by_bundle: positions_by_bundle(&nodes), by_release, entries, nodes }
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
        let (stretches, count) = self.stretches(start, end);
        let mut met = 0;
        for (enters, leaves) in stretches[..count].iter().rev().copied() {
            // The candidates of this stretch are those above the rank of what lies before it, up to the highest one.
            let passes = |node: usize| usize::from(self.nodes[node].view.failure.is_none());
            let below = self.nodes[enters].rank - passes(enters);
            let highest = self.nodes[leaves].rank - if leaves == end { passes(leaves) } else { 0 };
            let mut node = leaves;
            let mut is_inclusive = leaves != end;
            loop {
                let found = match onward {
                    Onward::Done => return,
                    Onward::Next if is_inclusive && passes(node) == 1 => Some(node),
                    Onward::Next => self.nodes[node].candidate_before,
                    Onward::NextPiercing if is_inclusive && self.nodes[node].pierces() => Some(node),
                    Onward::NextPiercing => self.nodes[node].piercing_before,
                };
                is_inclusive = false;
                let Some(candidate) = found.filter(|candidate| self.nodes[*candidate].rank > below) else { break };
                if met + highest - self.nodes[candidate].rank >= limit {
                    return;
                }
                onward = each(candidate);
                node = candidate;
            }
            met += highest - below;
            if met >= limit {
                return;
            }
        }
    }

    /// The stretches of the path from `start` to `end`, lane by lane: where it enters the lane, and where it leaves it.
    fn stretches(&self, start: usize, end: usize) -> ([(usize, usize); limits::LANES_MAX], usize) {
        let mut stretches = [(0, 0); limits::LANES_MAX];
        let mut count = 0;
        let mut enters = start;
        loop {
            let is_last = self.nodes[enters].lane_end == self.nodes[end].lane_end;
            let leaves = if is_last { end } else { self.nodes[enters].lane_end };
            stretches[count] = (enters, leaves);
            count += 1;
            match self.nodes[leaves].next.filter(|_| !is_last) {
                Some(next) => enters = next,
                None => return (stretches, count),
            }
        }
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

impl Node {
    /// True if it passes the device-independent checks, and soft holds may let it through where they hold others.
    fn pierces(&self) -> bool {
        self.view.failure.is_none() && self.view.may_pierce
    }
}

/// Fills in stops, depths and lanes: from the last releases backwards, and back again.
fn link(nodes: &mut [Node]) {
    let mut previous = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if let Some(next) = node.next {
            previous[next].push(i);
        }
    }
    // Last ones first; what runs in a circle is not in it.
    let mut order: Vec<_> = (0..nodes.len()).filter(|i| nodes[*i].next.is_none()).collect();
    let mut done = 0;
    while let Some(i) = order.get(done).copied() {
        let ahead = nodes[i].next.map(|next| (nodes[next].stop, nodes[next].depth));
        let (stop, depth) = ahead.unwrap_or((i, None));
        nodes[i].stop = if nodes[i].view.counts_as_required { i } else { stop };
        nodes[i].depth = Some(depth.map_or(0, |depth| depth + 1));
        order.extend(&previous[i]);
        done += 1;
    }
    // How many releases lead to each, itself included; and which of those before it goes on in its lane.
    let mut weights = vec![1_usize; nodes.len()];
    let mut before = vec![None; nodes.len()];
    for i in order.iter().rev().copied() {
        if let Some(next) = nodes[i].next {
            weights[next] += weights[i];
        }
        before[i] = previous[i].iter().copied().max_by_key(|earlier| (weights[*earlier], *earlier));
        let earlier = before[i].map(|earlier: usize| (earlier, &nodes[earlier]));
        let passes = |node: &Node| node.view.failure.is_none();
        let candidate = earlier.and_then(|(at, node)| if passes(node) { Some(at) } else { node.candidate_before });
        let piercing = earlier.and_then(|(at, node)| if node.pierces() { Some(at) } else { node.piercing_before });
        let rank = earlier.map_or(0, |(_, node)| node.rank) + usize::from(passes(&nodes[i]));
        (nodes[i].candidate_before, nodes[i].piercing_before, nodes[i].rank) = (candidate, piercing, rank);
    }
    for i in order {
        if let Some(next) = nodes[i].next.filter(|next| before[*next] == Some(i)) {
            nodes[i].lane_end = nodes[next].lane_end;
        }
    }
}

fn is_entry(node: &Node) -> bool {
    node.view.own_version.is_some() && matches!(node.view.from_version, FromVersion::Only(_))
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

fn compare_entries(a: &Node, b: &Node) -> Ordering {
    compare_versions(a, b).then_with(|| creation(a).cmp(&creation(b)))
}

/// Of the releases that use a bundle: the versioned ones if there are any, of these the lowest, of equal ones the
/// earliest created.
fn positions_by_bundle(nodes: &[Node]) -> Vec<(KeyHash, usize)> {
    let bundle = |node: usize| &nodes[node].view.release().bundle;
    let mut positions: Vec<_> = nodes.iter().enumerate().map(|(i, node)| (node.view.bundle_hash, i)).collect();
    positions.sort_by(|(hash_a, a), (hash_b, b)| {
        let by_bundle = hash_a.cmp(hash_b).then_with(|| bundle(*a).cmp(bundle(*b)));
        by_bundle.then_with(|| compare_entries(&nodes[*a], &nodes[*b]))
    });
    positions.dedup_by(|(_, later), (_, first)| bundle(*later) == bundle(*first));
    positions
}

fn find(sorted: &[(KeyHash, usize)], hash: KeyHash, is_it: impl Fn(usize) -> bool) -> Option<usize> {
    let first = sorted.partition_point(|(found, _)| *found < hash);
    sorted[first..].iter().take_while(|(found, _)| *found == hash).map(|(_, node)| *node).find(|node| is_it(*node))
}
