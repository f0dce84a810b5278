//! The commands that bring a cohort to what the stream says.

mod flags;
mod names;
mod policy;

use std::collections::BTreeSet;

use tidegate_model::{
    Bundle, BundleId, BundleState, Cohort, CohortId, Command, Document, DottedVersion, InstallMode, Product, ProductId, Release,
    ReleaseId, ReleaseSpec, Requirement, RolloutState, Spec, Transition, Urgency, Verb, VersionScheme, VersionText,
};

use self::flags::Flags;
use self::names::Names;
use super::entry::{Details, Entry, Order, Stream};
use super::graph::{Graph, Node, NodeIndex, Purpose, Role, Wanted};
use super::{Known, Plan};
use crate::limits;
use crate::scalar::print_instant;

/// Plans an import.
///
/// # Errors
/// What stands in the way.
pub fn plan(stream: &Stream, product: &ProductId, cohort: &CohortId, known: &Known) -> Result<Plan, String> {
    if let Some(scheme) = known.product.filter(|scheme| *scheme != stream.habits.scheme) {
        let own = stream.habits.scheme;
        return Err(format!("product {product} has versions of scheme {scheme:?} but the stream has {own:?} ones"));
    }
    let linked: Vec<&Release> = known.releases.iter().filter(|release| release.linked).collect();
    let graph = graph_of(&linked, &stream.order)?;
    let wanted = wanted(stream, &graph)?;
    let Some((extended, links)) = graph.extended(&wanted) else {
        return Err(format!("the graph of cohort {cohort} cannot be brought into the order of the stream"));
    };
    let mut planner = Planner {
        stream,
        product,
        cohort,
        known,
        linked,
        before: graph,
        graph: extended,
        names: Names::new(product, cohort, known),
        completions: Vec::new(),
        objects: Objects::default(),
        publish: None,
        plan: Plan { warnings: stream.warnings.clone(), ..Plan::default() },
    };
    planner.containers();
    planner.existing()?;
    planner.new_releases(&links)?;
    Ok(planner.into_plan())
}

fn graph_of(linked: &[&Release], order: &Order) -> Result<Graph, String> {
    let index = |id: &ReleaseId| linked.iter().position(|release| release.id == *id);
    let node = |release: &&Release| {
        let version = release.version.as_ref().and_then(|text| order.place(text));
        let version = version
            .ok_or_else(|| format!("release {} has no version like the stream's: import into a cohort of its own", release.id))?;
        let is_stop = names::is_stop(release);
        Ok(Node {
            id: Some(release.id.clone()),
            version,
            next: release.next.as_ref().and_then(index),
            role: if is_stop { Role::Stop } else { Role::Version },
            is_limitable: matches!(release.rollout.state, RolloutState::Active | RolloutState::Paused | RolloutState::RolledBack),
        })
    };
    Ok(Graph { nodes: linked.iter().map(node).collect::<Result<_, String>>()? })
}

/// What the graph must have: all entries, but those that are offered to nobody for now only if they are there already.
fn wanted(stream: &Stream, graph: &Graph) -> Result<Vec<Wanted>, String> {
    let newest = stream.newest_offered();
    let purpose = |entry: &Entry| -> Result<Purpose, String> {
        if entry.dead_end.is_some() {
            let stop = names::stop_version(entry, stream, graph)?;
            return Ok(Purpose::DeadEnd { stop: DottedVersion::parse(stop.as_str()).map_err(|invalid| invalid.to_string())? });
        }
        let is_throttled = newest == Some(entry.version) && entry.throttle().is_some();
        Ok(if is_throttled { Purpose::Throttled } else { Purpose::Offered })
    };
    let entries = stream.entries.iter().filter(|entry| entry.is_offered() || entry.dead_end.is_some());
    entries.map(|entry| Ok(Wanted { version: entry.version, purpose: purpose(entry)? })).collect()
}

/// Objects of the one apply, in the order in which people read them.
#[derive(Default)]
struct Objects {
    containers: Vec<Spec>,
    bundles: Vec<Spec>,
    releases: Vec<Spec>,
    policies: Vec<Spec>,
}

struct Planner<'a> {
    stream: &'a Stream,
    product: &'a ProductId,
    cohort: &'a CohortId,
    known: &'a Known,
    // In the order of the nodes of `before`, which are the first ones of `graph`.
    linked: Vec<&'a Release>,
    before: Graph,
    graph: Graph,
    names: Names<'a>,
    completions: Vec<Command>,
    objects: Objects,
    publish: Option<Command>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn containers(&mut self) {
        if self.known.product.is_none() {
            let product = Product {
                id: self.product.clone(),
                version_scheme: self.stream.habits.scheme,
                allow_unregistered: true,
                default_cohort: Some(self.cohort.clone()),
                max_staleness: None,
                required_attestations: BTreeSet::new(),
                poll_interval: None,
                trusted_keys: BTreeSet::new(),
                client_phased: self.stream.habits.client_phased,
                active_window: Product::ACTIVE_WINDOW_DEFAULT,
                retry: None,
                flatten_reasons: false,
            };
            let scheme = match product.version_scheme {
                VersionScheme::Dotted => "dotted",
                VersionScheme::SemVer => "semantic",
                VersionScheme::Integer => "whole-number",
            };
            let hears = if product.client_phased { ", hears the groups that devices name" } else { "" };
            self.plan
                .summary
                .push(format!("new product {}: {scheme} versions, open to unregistered devices{hears}", self.product));
            self.objects.containers.push(Spec::Product(product));
        }
        if !self.known.has_cohort {
            let cohort = Cohort {
                id: self.cohort.clone(),
                product: self.product.clone(),
                rules: Vec::new(),
                entry_release: None,
                follows: self.stream.habits.follows.clone(),
                fixed_salt: None,
            };
            let follows = cohort.follows.as_ref().map_or_else(String::new, |other| format!(", follows {other}"));
            self.plan.summary.push(format!("new cohort {}{follows}", self.cohort));
            self.objects.containers.push(Spec::Cohort(cohort));
        }
    }

    /// Changes the releases that are there already.
    fn existing(&mut self) -> Result<(), String> {
        let representatives = self.graph.representatives();
        let latest_before = self.before.latest();
        let latest_stays = latest_before == self.graph.latest();
        for (index, release) in self.linked.clone().into_iter().enumerate() {
            let node = &self.graph.nodes[index];
            let is_representative = representatives.get(&node.version) == Some(&index) && node.role == Role::Version;
            let entry = self.stream.entry(node.version);
            let is_throttled_latest =
                is_representative && latest_stays && latest_before == Some(index) && self.is_newest_throttled(entry);
            let flags = match node.role {
                Role::Stop => Flags::of_stop(self.is_dead_end_beside(node)),
                Role::Version if is_representative => Flags::of_entry(self.stream, entry, is_throttled_latest),
                Role::Version => Flags::of_earlier_attempt(entry),
            };
            self.settle_state(release, index, &flags, latest_stays)?;
            self.settle_fields(release, &flags, entry, is_throttled_latest);
        }
        Ok(())
    }

    fn is_newest_throttled(&self, entry: Option<&Entry>) -> bool {
        entry.is_some_and(|entry| {
            entry.is_offered() && entry.throttle().is_some() && self.stream.newest_offered() == Some(entry.version)
        })
    }

    /// True if the version that a stop belongs to, the greatest one below, is a dead end now.
    fn is_dead_end_beside(&self, stop: &Node) -> bool {
        let versions = self.before.nodes.iter().filter(|node| node.role == Role::Version && node.version < stop.version);
        let own = versions.map(|node| node.version).max().and_then(|version| self.stream.entry(version));
        own.is_some_and(|entry| entry.dead_end.is_some())
    }

    /// Completes what is ACTIVE and must not or need not limit anybody any more.
    fn settle_state(&mut self, release: &Release, index: NodeIndex, flags: &Flags, latest_stays: bool) -> Result<(), String> {
        let is_latest = self.before.latest() == Some(index);
        // As long as it is the latest, nobody gets it while it is disabled; its ramp may go on when its entry comes back.
        let reason = match (flags.is_full, is_latest && latest_stays) {
            (true, _) => Some("the stream offers it to everybody"),
            (false, true) => None,
            (false, false) => Some("another release follows it in the stream"),
        };
        match release.rollout.state {
            RolloutState::Active => {
                if let Some(reason) = reason {
                    self.plan.summary.push(format!("complete {}: {reason}", release.id));
                    self.completions.push(Command::Transition(Transition {
                        release: release.id.clone(),
                        expected_version: None,
                        reason: Some(reason.to_owned()),
                        verb: Verb::Complete,
                    }));
                }
            }
            RolloutState::Paused if is_latest && !latest_stays => {
                return Err(format!(
                    "release {} is paused by hand and another one must follow it: resume or withdraw it first",
                    release.id
                ));
            }
            RolloutState::Paused if flags.is_offered => {
                self.plan.warnings.push(format!("{}: is paused by hand and stays so", release.id));
            }
            RolloutState::RolledBack if flags.is_offered => {
                self.plan.warnings.push(format!("{}: is withdrawn by hand and stays so", release.id));
            }
            RolloutState::Draft | RolloutState::Paused | RolloutState::RolledBack | RolloutState::Completed => {}
        }
        Ok(())
    }

    /// Applies the flags, and for the throttled latest its ramp, where they differ.
    fn settle_fields(&mut self, release: &Release, flags: &Flags, entry: Option<&Entry>, is_throttled_latest: bool) {
        let mut spec = crate::print::release_spec(release);
        let mut changes = flags.write(release, &mut spec);
        if flags.is_offered && flags::is_stopped_by_hand(release) {
            self.plan.warnings.push(format!("{}: is disabled by hand and stays so", release.id));
        }
        if let Some(warning) = flags.warning.as_ref().filter(|_| !changes.is_empty()) {
            self.plan.warnings.push(format!("{}: {warning}", release.id));
        }
        if let Some(details) = entry.and_then(|entry| entry.details.as_ref()) {
            self.settle_details(release, details, &mut spec, &mut changes);
        }
        if is_throttled_latest && let Some((origin, ramp)) = entry.and_then(Entry::throttle) {
            if release.published_at != Some(origin) {
                spec.published_at = Some(origin);
                changes.retain(|change| !change.starts_with("published"));
                changes.push(format!("starts at {}", print_instant(origin)));
            }
            let is_ours = matches!(release.rollout.state, RolloutState::Active | RolloutState::Paused);
            match policy::with_ramp(self.known.policies.get(&release.id), &release.id, ramp) {
                Ok(Some(policy)) if is_ours => {
                    self.plan.summary.push(format!("{}: {}", release.id, policy::describe(ramp)));
                    self.objects.policies.push(Spec::Policy(policy));
                }
                Ok(_) => {}
                Err(warning) => self.plan.warnings.push(format!("{}: {warning}", release.id)),
            }
        }
        if !changes.is_empty() {
            self.plan.summary.push(format!("{}: {}", release.id, changes.join(", ")));
            self.objects.releases.push(Spec::Release(Box::new(spec)));
        }
    }

    /// Writes what the stream says beyond who gets it, where it differs. A bundle never changes: what it asks of devices is
    /// overridden by the release where the stream has changed its mind, everything else of it stays.
    fn settle_details(&mut self, release: &Release, details: &Details, spec: &mut ReleaseSpec, changes: &mut Vec<String>) {
        let bundle = self.known.bundles.get(&release.bundle);
        let of_bundle = bundle.map(|bundle| &bundle.requires);
        let requirement =
            if of_bundle == Some(&details.requirement) { Requirement::default() } else { details.requirement.clone() };
        if spec.urgency != details.urgency {
            changes.push("urgency".to_owned());
        }
        if spec.install_mode != details.install_mode {
            changes.push("install mode".to_owned());
        }
        if spec.requirement != requirement {
            changes.push("requirement".to_owned());
        }
        let version_requirement =
            details.version_requirement.clone().or_else(|| release.version.as_ref().map(|version| format!("<{version}")));
        if spec.version_requirement != version_requirement {
            changes.push("version requirement".to_owned());
        }
        spec.version_requirement = version_requirement;
        if spec.published_at != details.published_at {
            changes.push(
                details
                    .published_at
                    .map_or_else(|| "published at no known date".to_owned(), |at| format!("published at {}", print_instant(at))),
            );
        }
        spec.urgency = details.urgency.clone();
        spec.install_mode = details.install_mode.clone();
        spec.requirement = requirement;
        spec.published_at = details.published_at;
        let Some(bundle) = bundle else { return };
        if is_looser(&details.requirement, &bundle.requires) {
            let id = &bundle.id;
            self.plan
                .warnings
                .push(format!("{}: bundle {id} asks for more than the stream now does, and never changes", release.id));
        }
        if bundle.artifacts != details.artifacts {
            let id = &bundle.id;
            self.plan
                .warnings
                .push(format!("{}: bundle {id} keeps the files it was imported with, and never changes", release.id));
        } else if bundle.signatures != details.signatures {
            self.plan.summary.push(format!("bundle {}: signatures", bundle.id));
            self.objects.bundles.push(Spec::Bundle(Bundle { signatures: details.signatures.clone(), ..bundle.clone() }));
        }
    }

    /// Bundles and releases for the nodes that are to be linked.
    fn new_releases(&mut self, links: &[NodeIndex]) -> Result<(), String> {
        let mut named: Vec<(NodeIndex, &Entry, ReleaseId, BundleId)> = Vec::new();
        for index in links {
            let Node { version, role, .. } = self.graph.nodes[*index];
            let own = match role {
                Role::Version => self.stream.entry(version),
                // A stop bears the bundle of the dead end that it stands beside.
                Role::Stop => self.stream.entries.iter().rfind(|entry| entry.version < version),
            };
            let Some(entry) = own else { continue };
            let earlier: Vec<&Release> = self.attempts(entry.version);
            if earlier.len() >= limits::ATTEMPTS_MAX {
                return Err(format!("{} has {} attempts already", entry.text, earlier.len()));
            }
            let bundle = match earlier.first() {
                Some(release) => release.bundle.clone(),
                None => self.bundle(entry)?,
            };
            let first = earlier.first().map(|release| &release.id);
            let id = match role {
                Role::Version => self.names.attempt(&entry.text, first, earlier.len())?,
                Role::Stop => {
                    let of_dead_end = |(_, other, id, _): &(NodeIndex, &Entry, ReleaseId, BundleId)| {
                        (other.version == entry.version).then(|| id.clone())
                    };
                    let new = named.iter().find_map(of_dead_end);
                    self.names.stop(first.or(new.as_ref()).map_or(entry.text.as_str(), ReleaseId::as_str))?
                }
            };
            self.graph.nodes[*index].id = Some(id.clone());
            named.push((*index, entry, id, bundle));
        }
        let draft = named.iter().find(|(index, entry, ..)| self.is_to_be_published(*index, entry)).map(|(index, ..)| *index);
        let latest_meanwhile = self.latest_without(draft, links);
        for (index, entry, id, bundle) in named {
            self.new_release(index, entry, id, bundle, draft, latest_meanwhile);
        }
        Ok(())
    }

    /// The latest release as long as the draft is not published.
    fn latest_without(&self, draft: Option<NodeIndex>, links: &[NodeIndex]) -> Option<NodeIndex> {
        let next = |index: NodeIndex| self.graph.nodes[index].next.filter(|next| Some(*next) != draft);
        if let Some(before) = self.before.latest() {
            // What follows the former latest is new.
            return std::iter::successors(Some(before), |index| next(*index)).last();
        }
        let mut adopted = links.iter().copied().filter(|index| Some(*index) != draft);
        adopted.find(|index| self.graph.nodes[*index].role == Role::Version && next(*index).is_none())
    }

    fn leads_to(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.graph.nodes[from].next == Some(to)
    }

    fn attempts(&self, version: DottedVersion) -> Vec<&'a Release> {
        let nodes = self.before.nodes.iter().zip(&self.linked);
        nodes.filter(|(node, _)| node.version == version && node.role == Role::Version).map(|(_, release)| *release).collect()
    }

    /// The bundle of a version; a new one is created.
    fn bundle(&mut self, entry: &Entry) -> Result<BundleId, String> {
        let version = &entry.text;
        let (id, is_new) = self.names.bundle(version)?;
        let details = entry.details.as_ref();
        if is_new {
            self.objects.bundles.push(Spec::Bundle(Bundle {
                id: id.clone(),
                product: self.product.clone(),
                version: Some(version.clone()),
                artifacts: details.map(|details| details.artifacts.clone()).unwrap_or_default(),
                requires: details.map(|details| details.requirement.clone()).unwrap_or_default(),
                provides: Vec::new(),
                security_epoch: 0,
                state: BundleState::Ready,
                signatures: details.map(|details| details.signatures.clone()).unwrap_or_default(),
            }));
        }
        Ok(id)
    }

    /// True for the new node that the stream throttles: it is published as a draft, all others are adopted.
    fn is_to_be_published(&self, index: NodeIndex, entry: &Entry) -> bool {
        self.graph.nodes[index].role == Role::Version && self.is_newest_throttled(Some(entry))
    }

    fn new_release(
        &mut self,
        index: NodeIndex,
        entry: &Entry,
        id: ReleaseId,
        bundle: BundleId,
        draft: Option<NodeIndex>,
        latest_meanwhile: Option<NodeIndex>,
    ) {
        let is_draft = draft == Some(index);
        let (flags, version, version_requirement) = match self.graph.nodes[index].role {
            Role::Stop => {
                let version = VersionText::new(&self.graph.nodes[index].version.to_string()).expect("digits and dots");
                (Flags::of_stop(true), version, format!("={}", entry.text))
            }
            Role::Version => {
                let own = entry.details.as_ref().and_then(|details| details.version_requirement.clone());
                let requirement = own.unwrap_or_else(|| format!("<{}", entry.text));
                (Flags::of_entry(self.stream, Some(entry), is_draft), entry.text.clone(), requirement)
            }
        };
        let throttle = entry.throttle().filter(|_| is_draft);
        let details = entry.details.as_ref();
        let known_bundle = self.known.bundles.get(&bundle);
        let requirement = match (details, known_bundle) {
            (Some(details), Some(known)) if known.requires != details.requirement => details.requirement.clone(),
            _ => Requirement::default(), // The bundle asks for it.
        };
        let (previous, next) = self.edges(index, draft, latest_meanwhile);
        let spec = ReleaseSpec {
            id: id.clone(),
            product: self.product.clone(),
            cohort: self.cohort.clone(),
            bundle,
            version: Some(version),
            version_requirement: Some(version_requirement),
            required: flags.required,
            disabled: flags.is_disabled.then_some(true),
            dead_end: flags.dead_end,
            requirement,
            urgency: details.map_or(Urgency::Normal, |details| details.urgency.clone()),
            install_mode: details.map_or(InstallMode::Auto, |details| details.install_mode.clone()),
            published_at: throttle.map(|(origin, _)| origin).or(details.and_then(|details| details.published_at)),
            notes: flags.notes.clone(),
            previous,
            next,
            adopt: !is_draft,
            replace: false,
        };
        self.plan.warnings.extend(flags.warning.as_ref().map(|warning| format!("{id}: {warning}")));
        self.plan.summary.push(format!("new release {id}: {}", flags.describe(throttle.map(|(_, ramp)| ramp))));
        self.objects.releases.push(Spec::Release(Box::new(spec)));
        if let Some((_, ramp)) = throttle {
            self.objects.policies.push(Spec::Policy(policy::of_ramp(&id, ramp, &self.stream.habits)));
            self.publish = Some(Command::Transition(Transition {
                release: id,
                expected_version: None,
                reason: None,
                verb: Verb::Publish { supersede: false, insert_unphased: false },
            }));
        }
    }

    /// The edges that a new release must write: each new one its own next, and those of the old ones that change. The
    /// draft becomes the latest when it is published; until then what is to lead to it leads to the latest meanwhile.
    fn edges(
        &self,
        index: NodeIndex,
        draft: Option<NodeIndex>,
        latest_meanwhile: Option<NodeIndex>,
    ) -> (BTreeSet<ReleaseId>, Option<ReleaseId>) {
        let id_of = |index: NodeIndex| self.graph.nodes[index].id.clone();
        let is_draft = draft == Some(index);
        let changes = |from: &NodeIndex| match self.before.nodes.get(*from) {
            Some(old) => old.next != Some(index),
            None => is_draft,
        };
        let to_this = (0..self.graph.nodes.len()).filter(|from| self.leads_to(*from, index));
        let previous = to_this.filter(changes).filter_map(id_of).collect();
        let next = match self.graph.nodes[index].next {
            next if next == draft => latest_meanwhile.filter(|latest| *latest != index),
            next => next,
        };
        (previous, next.filter(|_| !is_draft).and_then(id_of))
    }

    fn into_plan(self) -> Plan {
        let Objects { containers, bundles, releases, policies } = self.objects;
        let specs = containers.into_iter().chain(bundles).chain(releases).chain(policies);
        let documents: Vec<_> = specs.map(|spec| Document { spec, expected_version: None }).collect();
        let mut commands = self.completions;
        if !documents.is_empty() {
            commands.push(Command::Apply(documents));
        }
        commands.extend(self.publish);
        Plan { commands, ..self.plan }
    }
}

/// True if `wanted` lets a device in that `stored` keeps out by its operating system.
fn is_looser(wanted: &Requirement, stored: &Requirement) -> bool {
    let is_lower = stored.os_min.is_some_and(|stored| wanted.os_min.is_none_or(|wanted| wanted < stored));
    let is_higher = stored.os_max.is_some_and(|stored| wanted.os_max.is_none_or(|wanted| wanted > stored));
    is_lower || is_higher || stored.attributes.iter().any(|asked| wanted.attributes.get(asked.0) != Some(asked.1))
}

/// True for a release that an import has disabled, and may enable again.
pub fn is_stopped_by_import(release: &Release) -> bool {
    release.disabled && !flags::is_stopped_by_hand(release)
}

/// Number of parts that a version is written with.
fn parts(version: &VersionText) -> usize {
    version.as_str().split('.').count()
}
