//! Compares every node's decisions with those of the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_client::{Client, Consistency, device};
use tidegate_harness::cluster::Cluster;
use tidegate_model::{Object, ObjectKind, ProductId, RolloutState, Salt, Timestamp};

use super::rules::{Document, Graph, Target, age, choose};
use tidegate_harness::fleet;

/// Versions asked about in one call.
const VERSIONS_PER_CALL: usize = 20;
/// Differences worth printing.
const DIFFERENCES_MAX: usize = 20;

/// What a run has found so far.
pub struct Judge {
    clients: Vec<Client>,
    product: String,
    keys: Vec<String>,
    known: Vec<String>,
    /// Edits compared.
    pub edits: usize,
    instants: usize,
    decisions: usize,
    offers: usize,
    /// Differences that nothing explains; empty is a pass.
    pub differences: Vec<String>,
    /// Edits with explained differences.
    pub explained_edits: BTreeSet<usize>,
    explained: usize,
    /// Dead ends seen in documents.
    pub dead_ends: usize,
    /// Throttled barriers seen in documents.
    pub rolling_barriers: usize,
}

/// What the cluster says about the releases of the stream.
struct Releases {
    version_of: BTreeMap<String, String>,
    salt_of: BTreeMap<String, Salt>,
}

impl Judge {
    /// A judge who asks every node of `cluster` for `devices` devices.
    pub fn new(cluster: &Cluster, product: &str, devices: usize) -> Self {
        let clients = (0..cluster.nodes.len()).map(|node| fleet::client(cluster, &[node], Duration::from_secs(60))).collect();
        Self {
            clients,
            product: product.to_owned(),
            keys: (0..devices).map(|number| format!("dev-{number:04}")).collect(),
            known: Vec::new(),
            edits: 0,
            instants: 0,
            decisions: 0,
            offers: 0,
            differences: Vec::new(),
            explained_edits: BTreeSet::new(),
            explained: 0,
            dead_ends: 0,
            rolling_barriers: 0,
        }
    }

    /// The versions of a document are known from now on.
    pub fn learn(&mut self, document: &Document) {
        for entry in &document.releases {
            if !self.known.contains(&entry.version) {
                self.known.push(entry.version.clone());
            }
            self.dead_ends += usize::from(entry.metadata.deadend.is_some());
            let is_throttled = entry.metadata.rollout.as_ref().is_some_and(|rollout| !rollout.is_full());
            self.rolling_barriers += usize::from(is_throttled && entry.metadata.barrier.is_some());
        }
        self.known.sort_by_key(|version| age(version));
    }

    /// Asks all nodes about all devices on all versions at all instants.
    pub async fn compare(&mut self, edit: usize, document: &Document, at_ms: &[i64]) {
        assert!(at_ms.len() >= 20, "edit {edit} has only {} instants", at_ms.len());
        self.edits += 1;
        self.instants += at_ms.len();
        let releases = self.releases().await;
        let at: Vec<Timestamp> = at_ms.iter().map(|ms| Timestamp::from_millis(*ms)).collect();
        let known = self.known.clone();
        let graph = Graph::new(document, &known);
        let throttled: Vec<&str> = document
            .releases
            .iter()
            .filter(|entry| entry.metadata.rollout.as_ref().is_some_and(|rollout| !rollout.is_full()))
            .map(|entry| entry.version.as_str())
            .collect();
        for first in (0..graph.len()).step_by(VERSIONS_PER_CALL) {
            let versions: Vec<usize> = (first..graph.len().min(first + VERSIONS_PER_CALL)).collect();
            let requests: Vec<device::v1::CheckRequest> =
                versions.iter().flat_map(|v| self.requests(graph.version(*v))).collect();
            let asked = self.clients.iter().map(|client| {
                let (client, requests, at, product) = (client.clone(), requests.clone(), at.clone(), self.product.clone());
                tokio::spawn(async move { client.check_fleet(&product, &requests, &at, Consistency::Linearizable).await })
            });
            let mut answers = Vec::new();
            for node in asked.collect::<Vec<_>>() {
                answers.push(node.await.expect("the call ends").expect("every node answers a fleet check"));
            }
            for (place, version) in versions.iter().enumerate() {
                let targets = graph.targets(*version);
                for (instant, now_ms) in at_ms.iter().enumerate() {
                    for (number, key) in self.keys.clone().iter().enumerate() {
                        let expected = choose(&targets, *now_ms, |target| wariness(&releases, target, key));
                        let device = place * self.keys.len() + number;
                        for (node, answer) in answers.iter().enumerate() {
                            let column = &answer.instants[instant];
                            let heard = &column.answers[column.answer_of_device[device] as usize];
                            let target = heard.target_release.as_ref().map(|id| releases.version_of[id].as_str());
                            self.decisions += 1;
                            self.offers += usize::from(target.is_some());
                            if target != expected {
                                let question = Question { edit, node, version: graph.version(*version), key, now_ms: *now_ms };
                                self.note(&question, &throttled, &targets, target, expected, &heard.reason);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Files a difference as explained or not. Explained is one thing only: of two throttled releases the rules offer the
    /// older one, and the cluster offers something older still, or nothing.
    fn note(
        &mut self,
        question: &Question<'_>,
        throttled: &[&str],
        targets: &[Target<'_>],
        target: Option<&str>,
        expected: Option<&str>,
        reason: &str,
    ) {
        let older = throttled.len() == 2 && expected == throttled.iter().min_by_key(|version| age(version)).copied();
        let is_safe = target.is_none_or(|target| {
            expected.is_some_and(|expected| age(target) < age(expected)) && targets.iter().any(|one| one.version == target)
        });
        if older && is_safe {
            self.explained += 1;
            self.explained_edits.insert(question.edit);
        } else if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(format!("{question:?}: cluster {target:?} ({reason}), rules {expected:?}"));
        }
    }

    /// One request per device on `version`; devices differ in what they report.
    fn requests(&self, version: &str) -> impl Iterator<Item = device::v1::CheckRequest> {
        let text = version.to_owned();
        self.keys.iter().enumerate().map(move |(number, key)| {
            let report = |is_reported: bool| is_reported.then(|| text.clone());
            device::v1::CheckRequest {
                device: Some(key.clone()),
                release: report(number % 4 == 0 || number % 4 == 3),
                bundle: report(number % 4 == 1),
                version: report(number % 4 >= 2),
                ..device::v1::CheckRequest::default()
            }
        })
    }

    async fn releases(&self) -> Releases {
        let product = ProductId::new(&self.product).expect("a plain id");
        let listed = self.clients[0].list(ObjectKind::Release, Some(&product), Consistency::Linearizable).await;
        let mut releases = Releases { version_of: BTreeMap::new(), salt_of: BTreeMap::new() };
        for object in listed.expect("releases can be listed").value {
            let Object::Release(stored) = object else { continue };
            let release = &stored.body;
            let version = release.version.as_ref().expect("imported releases have versions").to_string();
            // Of several attempts at one version the running one throttles it.
            if let Some(salt) = release.rollout.salt
                && (release.rollout.state == RolloutState::Active || !releases.salt_of.contains_key(&version))
            {
                releases.salt_of.insert(version.clone(), salt);
            }
            releases.version_of.insert(release.id.to_string(), version);
        }
        releases
    }

    /// What was compared, for people.
    pub fn figure(&self) -> String {
        format!(
            "replay of {}: {} edits, {} instants, {} devices on each of {} versions, {} decisions ({} offers) on {} nodes, \
             {} differences, {} explained (edits {:?})",
            self.product,
            self.edits,
            self.instants,
            self.keys.len(),
            self.known.len(),
            self.decisions,
            self.offers,
            self.clients.len(),
            self.differences.len(),
            self.explained,
            self.explained_edits
        )
    }
}

/// Where a difference was seen.
#[derive(Debug)]
#[allow(dead_code, reason = "printed with Debug")]
struct Question<'q> {
    edit: usize,
    node: usize,
    version: &'q str,
    key: &'q str,
    now_ms: i64,
}

/// A device's wariness of a version: its position in that version's rollout, the same that the cluster uses.
fn wariness(releases: &Releases, version: &str, key: &str) -> f64 {
    let salt = releases.salt_of.get(version).copied().unwrap_or(Salt([0; 16]));
    salt.position(key).0 as f64 / 2f64.powi(64)
}
