//! Ids of what an import creates: the version where that is free, else the version at the cohort.

use std::collections::BTreeSet;

use tidegate_model::{BundleId, CohortId, ProductId, Release, ReleaseId, VersionText};

use super::super::entry::{Entry, Stream};
use super::super::graph::Graph;
use super::super::known::Known;
use super::parts;

/// How the ids of stops end.
const STOP: &str = "~stop";

/// Chooses ids that nobody has.
pub struct Names<'a> {
    product: &'a ProductId,
    cohort: &'a CohortId,
    known: &'a Known,
    releases: BTreeSet<ReleaseId>,
    new_bundles: BTreeSet<BundleId>,
}

impl<'a> Names<'a> {
    /// For one import.
    pub fn new(product: &'a ProductId, cohort: &'a CohortId, known: &'a Known) -> Self {
        let own = known.releases.iter().map(|release| release.id.clone());
        let releases = own.chain(known.foreign_releases.iter().cloned()).collect();
        Self { product, cohort, known, releases, new_bundles: BTreeSet::new() }
    }

    /// The bundle of a version, and whether it is to be created: one that the product has, or one that was chosen
    /// before, is not.
    pub fn bundle(&mut self, version: &VersionText) -> Result<(BundleId, bool), String> {
        for text in [version.to_string(), format!("{version}@{}", self.product)] {
            let id = BundleId::new(&text).map_err(|invalid| invalid.to_string())?;
            match self.known.bundles.get(&id) {
                Some(own) if own.version.as_ref() == Some(version) => return Ok((id, false)),
                Some(_) => {}
                None if self.known.foreign_bundles.contains(&id) => {}
                None => {
                    let is_new = self.new_bundles.insert(id.clone());
                    return Ok((id, is_new));
                }
            }
        }
        Err(format!("bundle ids {version} and {version}@{} are taken by other bundles", self.product))
    }

    /// The release of the attempt after `earlier` ones, the first of which is named.
    pub fn attempt(&mut self, version: &VersionText, first: Option<&ReleaseId>, earlier: usize) -> Result<ReleaseId, String> {
        match first {
            None => {
                let at_cohort = format!("{version}@{}", self.cohort);
                self.take([version.to_string(), at_cohort, format!("{version}@{}.{}", self.product, self.cohort)])
            }
            Some(first) => self.take((earlier + 1..earlier + 10).map(|number| format!("{first}~{number}"))),
        }
    }

    /// The stop beside a dead end, whose release is named.
    pub fn stop(&mut self, dead_end: &str) -> Result<ReleaseId, String> {
        self.take([format!("{dead_end}{STOP}"), format!("{dead_end}@{}{STOP}", self.cohort)])
    }

    fn take(&mut self, candidates: impl IntoIterator<Item = String>) -> Result<ReleaseId, String> {
        let mut last = String::new();
        for text in candidates {
            let id = ReleaseId::new(&text).map_err(|invalid| invalid.to_string())?;
            if self.releases.insert(id.clone()) {
                return Ok(id);
            }
            last = text;
        }
        Err(format!("release id {last} and the like are taken"))
    }
}

/// True for a release that an import has put beside a dead end.
pub fn is_stop(release: &Release) -> bool {
    let asks_for_one = release.version_requirement.as_ref().is_some_and(|requirement| requirement.starts_with('='));
    asks_for_one && release.id.as_str().ends_with(STOP)
}

/// The version of the stop beside a dead end: the dead end's own with so many parts more that no other version of the
/// stream or the cohort can lie between.
pub fn stop_version(dead_end: &Entry, stream: &Stream, graph: &Graph) -> Result<VersionText, String> {
    let in_graph =
        graph.nodes.iter().map(|node| node.version.parts().iter().rposition(|part| *part != 0).map_or(1, |last| last + 1));
    let widest = stream.entries.iter().map(|entry| parts(&entry.text)).chain(in_graph).max().unwrap_or(1);
    let existing = graph.nodes.iter().find(|node| {
        node.role == super::super::graph::Role::Stop
            && node.version > dead_end.version
            && stream.entries.iter().all(|entry| entry.version <= dead_end.version || node.version < entry.version)
            && graph.nodes.iter().all(|other| other.version <= dead_end.version || other.version >= node.version)
    });
    let text = match existing {
        Some(stop) => stop.version.to_string(),
        None => format!("{}{}.1", dead_end.text, ".0".repeat(widest - parts(&dead_end.text).min(widest))),
    };
    VersionText::new(&text)
        .and_then(|text| tidegate_model::DottedVersion::parse(text.as_str()).map(|_| text))
        .map_err(|_| format!("{}: has too many parts for a dead end", dead_end.text))
}
