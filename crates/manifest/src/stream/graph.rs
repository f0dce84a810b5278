//! Which releases must be linked, and where, so that every device meets the offered versions above its own in order.
//!
//! A node is a linked release; its version may have several (attempts), of which the last is the *representative*, the
//! only one that may be offered. Edges of nodes that exist can only be changed by linking a new node: it takes over the
//! edges that must lead to it. Nothing here knows states or flags.

use std::collections::BTreeMap;

use tidegate_model::{DottedVersion, ReleaseId};

/// Index of a node.
pub type NodeIndex = usize;

/// A linked release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its id; absent for a node that is still to be linked.
    pub id: Option<ReleaseId>,
    /// Its version.
    pub version: DottedVersion,
    /// Where devices on it go on.
    pub next: Option<NodeIndex>,
    /// What it is for.
    pub role: Role,
    /// True if it may be throttled as long as it is the latest: it is ACTIVE.
    pub is_limitable: bool,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A release of its version.
    Version,
    /// Where devices enter that report nothing but the version of a dead end. Nothing leads to it.
    Stop,
}

/// What the stream wants of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The version.
    pub version: DottedVersion,
    /// What for.
    pub purpose: Purpose,
}

/// What a version is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Devices are sent to it.
    Offered,
    /// Devices are sent to it, but not all of them yet: it must be the latest. Only the greatest offered version can be.
    Throttled,
    /// Devices on it stay; it needs a stop of this version beside it.
    DeadEnd {
        /// Version of the stop: above its own, below any other.
        stop: DottedVersion,
    },
}

/// The nodes of a cohort.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Graph {
    /// In the order in which they were linked.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// The node without a next one.
    pub fn latest(&self) -> Option<NodeIndex> {
        self.nodes.iter().position(|node| node.next.is_none() && node.role == Role::Version)
    }

    /// The last attempt of each version.
    pub fn representatives(&self) -> BTreeMap<DottedVersion, NodeIndex> {
        let versions = self.nodes.iter().enumerate().filter(|(_, node)| node.role == Role::Version);
        versions.map(|(index, node)| (node.version, index)).collect()
    }

    /// The graph with all that is missing, and what has to be linked for it, in order. `None` if that cannot be found.
    pub fn extended(&self, wanted: &[Wanted]) -> Option<(Self, Vec<NodeIndex>)> {
        // Versions from here on are linked anew, at the end: their present order cannot be mended.
        let mut anew = None;
        loop {
            let mut graph = self.clone();
            let links = graph.extend(wanted, anew);
            match graph.first_misplaced(wanted) {
                None => return Some((graph, links)),
                Some(version) if anew.is_none_or(|anew| version < anew) => anew = Some(version),
                Some(_) => return None,
            }
        }
    }

    fn extend(&mut self, wanted: &[Wanted], anew: Option<DottedVersion>) -> Vec<NodeIndex> {
        let mut links = Vec::new();
        let before = self.representatives();
        let stays = |graph: &Self, wanted: &Wanted| {
            let Some(index) = before.get(&wanted.version) else { return false };
            let is_latest = graph.latest() == Some(*index) && graph.nodes[*index].is_limitable;
            anew.is_none_or(|anew| wanted.version < anew) && (is_latest || wanted.purpose != Purpose::Throttled)
        };
        let offered: Vec<_> = wanted.iter().filter(|wanted| wanted.is_offered()).collect();
        let missing: Vec<_> = offered.iter().filter(|wanted| !stays(self, wanted)).map(|wanted| wanted.version).collect();
        for version in &missing {
            let follower = offered.iter().find(|other| other.version > *version && !missing.contains(&other.version));
            let next = follower.map(|follower| before[&follower.version]);
            links.push(self.link(*version, next));
        }
        for Wanted { version, purpose } in wanted {
            if let Purpose::DeadEnd { stop } = purpose {
                self.side_links(*version, *stop, &offered, &mut links);
            }
        }
        links
    }

    /// Links a node of `version` before `next`, or as the latest, with the edges that must lead to it.
    fn link(&mut self, version: DottedVersion, next: Option<NodeIndex>) -> NodeIndex {
        let leads_here = |node: &Node| {
            let target = node.next.map(|next| self.nodes[next].version);
            if node.version == version {
                // An earlier attempt: a device on it has the bundle, and moves on from the new one.
                return target != Some(version);
            }
            let leads_past = target.is_some_and(|target| target > version || target < node.version);
            node.version < version && leads_past
        };
        let latest = if next.is_none() { self.latest() } else { None };
        let previous: Vec<_> = (0..self.nodes.len()).filter(|i| leads_here(&self.nodes[*i]) || latest == Some(*i)).collect();
        self.insert(version, Role::Version, next, previous)
    }

    /// A dead end and its stop, beside the chain: devices leave neither, and are sent to neither.
    fn side_links(&mut self, version: DottedVersion, stop: DottedVersion, offered: &[&Wanted], links: &mut Vec<NodeIndex>) {
        let representatives = self.representatives();
        let follower = offered.iter().find(|other| other.version > version).map(|other| representatives[&other.version]);
        let next = follower.or(self.latest());
        if !representatives.contains_key(&version) {
            links.push(self.insert(version, Role::Version, next, Vec::new()));
        }
        if !self.nodes.iter().any(|node| node.role == Role::Stop && node.version == stop) {
            let next = next.or(self.latest());
            links.push(self.insert(stop, Role::Stop, next, Vec::new()));
        }
    }

    fn insert(&mut self, version: DottedVersion, role: Role, next: Option<NodeIndex>, previous: Vec<NodeIndex>) -> NodeIndex {
        let node = self.nodes.len();
        self.nodes.push(Node { id: None, version, next, role, is_limitable: true });
        for index in previous {
            self.nodes[index].next = Some(node);
        }
        node
    }

    /// The first offered version that some device would miss, or meet too late: from every node, the first representative
    /// of an offered version on the way must be the one of the smallest offered version above. (What follows it is
    /// checked from there.)
    fn first_misplaced(&self, wanted: &[Wanted]) -> Option<DottedVersion> {
        let representatives = self.representatives();
        let offered: BTreeMap<_, _> =
            wanted.iter().filter(|wanted| wanted.is_offered()).map(|w| (w.version, representatives[&w.version])).collect();
        let throttled = wanted.iter().find(|wanted| wanted.purpose == Purpose::Throttled);
        if let Some(throttled) = throttled.filter(|throttled| self.latest() != offered.get(&throttled.version).copied()) {
            return Some(throttled.version);
        }
        let misplaced = |start: &Node| {
            let expected = offered.range(start.version..).find(|(version, _)| **version > start.version)?;
            let mut at = start;
            // A graph without cycles is left after as many steps as it has nodes.
            for _ in 0..self.nodes.len() {
                let Some(next) = at.next else { break };
                let is_same_bundle = self.nodes[next].version == start.version && at.version == start.version;
                at = &self.nodes[next];
                if next == *expected.1 {
                    return None;
                }
                if !is_same_bundle && offered.get(&at.version) == Some(&next) {
                    break;
                }
            }
            Some(*expected.0)
        };
        self.nodes.iter().filter_map(misplaced).min()
    }
}

impl Wanted {
    fn is_offered(&self) -> bool {
        self.purpose == Purpose::Offered || self.purpose == Purpose::Throttled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn version(number: u8) -> DottedVersion {
        DottedVersion::parse(&number.to_string()).unwrap()
    }

    fn wanted(number: u8, purpose: Purpose) -> Wanted {
        Wanted { version: version(number), purpose }
    }

    proptest! {
        /// Whatever the stream said before: each device meets all offered versions above its own, in order, and then
        /// only ones below; what is throttled is the latest; the graph stays an in-tree without cycles.
        #[test]
        fn devices_meet_the_offered_versions_in_order(
            documents in proptest::collection::vec((proptest::collection::btree_map(0..12_u8, 0..4_u8, 0..8), any::<bool>()), 1..12)
        ) {
            let mut graph = Graph::default();
            for (document, is_throttled) in documents {
                let mut document: Vec<_> = document
                    .into_iter()
                    .map(|(number, kind)| {
                        let stop = DottedVersion::parse(&format!("{number}.1")).unwrap();
                        wanted(number, if kind == 0 { Purpose::DeadEnd { stop } } else { Purpose::Offered })
                    })
                    .collect();
                if is_throttled && let Some(newest) = document.iter_mut().rfind(|wanted| wanted.is_offered()) {
                    newest.purpose = Purpose::Throttled;
                }
                let (extended, links) = graph.extended(&document).unwrap();
                prop_assert_eq!(extended.nodes.len(), graph.nodes.len() + links.len());
                prop_assert!(extended.extended(&document).unwrap().1.is_empty(), "nothing is left to do");
                check_walks(&extended, &document)?;
                graph = extended;
                // What was throttled has gone through, or has been completed for its follower; the latest may go on.
                let latest = graph.latest();
                for (i, node) in graph.nodes.iter_mut().enumerate() {
                    node.is_limitable = node.is_limitable && latest == Some(i) && is_throttled;
                }
            }
        }
    }

    fn check_walks(graph: &Graph, document: &[Wanted]) -> Result<(), TestCaseError> {
        let representatives = graph.representatives();
        let offered: BTreeSet<_> = document.iter().filter(|w| w.is_offered()).map(|w| w.version).collect();
        prop_assert!(graph.nodes.iter().filter(|node| node.next.is_none()).count() <= 1);
        for start in &graph.nodes {
            let (mut at, mut met, mut steps) = (start, Vec::new(), 0);
            while let Some(next) = at.next {
                prop_assert_eq!(graph.nodes[next].role, Role::Version, "nothing leads to a stop");
                at = &graph.nodes[next];
                if offered.contains(&at.version) && representatives[&at.version] == next && at.version != start.version {
                    met.push(at.version);
                }
                steps += 1;
                prop_assert!(steps <= graph.nodes.len(), "a cycle");
            }
            let above: Vec<_> = offered.range(start.version..).filter(|version| **version > start.version).copied().collect();
            prop_assert_eq!(&met[..above.len().min(met.len())], &above[..], "from {:?}", start.version);
            prop_assert!(met[above.len()..].iter().all(|version| *version < start.version));
        }
        if let Some(throttled) = document.iter().find(|wanted| wanted.purpose == Purpose::Throttled) {
            prop_assert_eq!(graph.latest(), Some(representatives[&throttled.version]));
        }
        Ok(())
    }
}
