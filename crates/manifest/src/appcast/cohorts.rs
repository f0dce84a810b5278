//! From the items of a feed to one stream for each cohort, and from their plans to one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    Artifact, Bundle, CohortId, Command, Digest, DottedVersion, Invalid, Object, Ppm, Ramp, RampStep, Release, ReleaseId,
    ReleaseSpec, RolloutState, Signature, Span, Spec, Timestamp, Urgency, Version, VersionScheme, VersionText,
};

use super::Target;
use super::feed::{self, Feed, File, Item};
use super::xml::Report;
use crate::Source;
use crate::error::ManifestError;
use crate::limits;
use crate::stream::{self, Details, Entry, Habits, Known, Order, Plan, Rollout, Stream};
use crate::tree::Mark;

/// How the names of keys begin under which a bundle keeps the signatures of a feed; the file's name follows.
pub const SIGNATURE_KEY: &str = "sparkle-ed25519:";

/// Sparkle's groups.
const GROUPS: u32 = 7;

/// Reads the feed and plans all its cohorts, the default channel's first.
pub fn plan(source: &Source, target: &Target, objects: &[Object], now: Timestamp) -> Result<Plan, Vec<ManifestError>> {
    let mut report = Report::new(&source.name, &source.text);
    let mut known = Known::from_objects(objects, &target.product, &target.cohort);
    let feed = feed::read(&mut report, &source.name, &source.text, known.product)?;
    let cohorts = cohorts(&feed, target).map_err(|invalid| vec![ManifestError::at(&source.name, Mark::default(), invalid)])?;
    let all_known: Vec<Known> = cohorts.iter().map(|(cohort, _)| Known::from_objects(objects, &target.product, cohort)).collect();
    let ranks = ranks(&feed, &all_known);
    check_equal_versions(&mut report, &feed, &ranks);
    if !report.errors.is_empty() {
        return Err(report.errors);
    }
    let mut shop = Shop { feed: &feed, ranks, bundles: std::mem::take(&mut known.bundles), now, warnings: Vec::new() };
    let details: Vec<Details> = feed.items.iter().map(|item| shop.details(item)).collect();

    let releases = all_known.iter().flat_map(|known| &known.releases);
    let disabled = releases.map(|release| (release.id.clone(), release.disabled)).collect();
    let mut whole = Whole { followed: Some(target.cohort.clone()), disabled, ..Whole::default() };
    for ((cohort, channel), mut known) in cohorts.iter().zip(all_known) {
        whole.tell(&mut known);
        let stream = shop.stream(&details, channel.as_deref(), &known, target);
        let planned = stream::plan(&stream, &target.product, cohort, &known);
        let refuse = |rule| vec![ManifestError::at(&source.name, Mark::default(), Invalid::new("", "", rule))];
        whole.add(planned.map_err(refuse)?, channel.as_ref().map(|_| cohort));
    }
    report.warnings.extend(shop.warnings);
    report.warnings.extend(unnamed_followers(objects, target, &cohorts));
    Ok(whole.into_plan(report.warnings))
}

/// The cohorts, each with its channel.
fn cohorts(feed: &Feed, target: &Target) -> Result<Vec<(CohortId, Option<String>)>, Invalid> {
    let mut channels: BTreeSet<&str> = feed.items.iter().filter_map(|item| item.channel.as_deref()).collect();
    channels.extend(target.channels.iter().map(|(channel, _)| channel.as_str()));
    if channels.len() > limits::APPCAST_CHANNELS_MAX {
        let rule = format!("must be at most {}", limits::APPCAST_CHANNELS_MAX);
        return Err(Invalid::new("channels", channels.len().to_string(), rule));
    }
    let mut cohorts = vec![(target.cohort.clone(), None)];
    for channel in channels {
        let listed = target.channels.iter().filter(|(name, _)| name == channel).map(|(_, cohort)| cohort.clone());
        let mut own: Vec<CohortId> = listed.collect();
        if own.is_empty() {
            own.push(CohortId::new(channel).map_err(|invalid| Invalid::new("sparkle:channel", channel, invalid.rule))?);
        }
        for cohort in own {
            if cohorts.iter().any(|(other, _)| *other == cohort) {
                let rule = format!("must have a cohort of its own: {cohort} is taken");
                return Err(Invalid::new("sparkle:channel", channel, rule));
            }
            cohorts.push((cohort, Some(channel.to_owned())));
        }
    }
    Ok(cohorts)
}

/// A cohort that follows may have been a channel of the feed once, or may never have been one.
fn unnamed_followers(objects: &[Object], target: &Target, cohorts: &[(CohortId, Option<String>)]) -> Vec<String> {
    let follower = |object: &Object| match object {
        Object::Cohort(stored)
            if stored.body.product == target.product && stored.body.follows.as_ref() == Some(&target.cohort) =>
        {
            Some(stored.body.id.clone())
        }
        _ => None, // Only cohorts follow.
    };
    let unnamed = objects.iter().filter_map(follower).filter(|id| cohorts.iter().all(|(cohort, _)| cohort != id));
    unnamed
        .map(|id| format!("cohort {id} follows {} but is no channel of the feed: it is left as it is", target.cohort))
        .collect()
}

/// A number for each version of feed and cohorts, ascending, equal for equal ones.
fn ranks(feed: &Feed, known: &[Known]) -> BTreeMap<VersionText, DottedVersion> {
    let of_releases = known.iter().flat_map(|known| &known.releases).filter_map(|release| release.version.as_ref());
    let texts: BTreeSet<&VersionText> = feed.items.iter().map(|item| &item.version).chain(of_releases).collect();
    let read = |text: &VersionText| Version::parse(feed.scheme, text.as_str()).ok().map(|version| (version, text.clone()));
    let mut versions: Vec<(Version, VersionText)> = texts.into_iter().filter_map(read).collect();
    let order = |a: &Version, b: &Version| a.precedence(b).unwrap_or(Ordering::Equal);
    versions.sort_by(|(a, _), (b, _)| order(a, b));
    let mut ranks = BTreeMap::new();
    let mut rank = 0_u64;
    for (i, (version, text)) in versions.iter().enumerate() {
        if i == 0 || order(&versions[i - 1].0, version) != Ordering::Equal {
            rank += 1;
        }
        ranks.insert(text.clone(), DottedVersion::parse(&rank.to_string()).expect("a number is a dotted version"));
    }
    ranks
}

/// `2` and `2.0` are one version: one of them has to go.
fn check_equal_versions(report: &mut Report<'_>, feed: &Feed, ranks: &BTreeMap<VersionText, DottedVersion>) {
    let mut seen: BTreeMap<(Option<&str>, DottedVersion), &Item> = BTreeMap::new();
    for item in &feed.items {
        let Some(rank) = ranks.get(&item.version) else { continue };
        if let Some(other) = seen.insert((item.channel.as_deref(), *rank), item) {
            let rule = format!("must differ from {}, which is the same version", other.version);
            report.refuse(item.place, &item.name(), Invalid::new("sparkle:version", item.version.as_str(), rule));
        }
    }
}

/// What all streams of one feed are made from.
struct Shop<'f> {
    feed: &'f Feed,
    ranks: BTreeMap<VersionText, DottedVersion>,
    // Of the product, as stored.
    bundles: BTreeMap<tidegate_model::BundleId, Bundle>,
    now: Timestamp,
    warnings: Vec<String>,
}

impl Shop<'_> {
    fn details(&mut self, item: &Item) -> Details {
        let mut artifacts = Vec::new();
        for file in &item.files {
            let base_sha256 = match file.delta_from.as_ref().map(|from| (from, self.full_file_of(from))) {
                None => None,
                Some((_, Some(base))) => Some(base),
                Some((from, None)) => {
                    let (version, name) = (&item.version, &file.name);
                    self.warn(format!("{version}: delta {name} is left out: it is against {from}, which nothing is known of"));
                    continue;
                }
            };
            artifacts.push(Artifact {
                name: file.name.clone(),
                size: file.length,
                sha256: sha256(file),
                base_sha256,
                url: Some(file.url.clone()),
            });
        }
        if item.files.iter().any(|file| file.sha256.is_none()) {
            self.stand_in(&item.version);
        }
        let is_kept = |file: &&File| artifacts.iter().any(|artifact| artifact.name == file.name);
        let signatures = item.files.iter().filter(is_kept).filter_map(|file| {
            Some(Signature { key: format!("{SIGNATURE_KEY}{}", file.name), signature: Some(file.signature.clone()?) })
        });
        let own = item.version.as_str();
        Details {
            urgency: item.urgency.clone(),
            install_mode: item.install_mode.clone(),
            requirement: item.requirement.clone(),
            signatures: signatures.collect(),
            artifacts,
            published_at: item.date,
            notes: item.notes.clone(),
            version_requirement: item.from.as_ref().map(|from| format!(">={from}, <{own}")),
        }
    }

    fn warn(&mut self, text: String) {
        if self.warnings.len() < limits::ERRORS_MAX {
            self.warnings.push(text);
        }
    }

    fn stand_in(&mut self, version: &VersionText) {
        const TEXT: &str = "the feed names no SHA-256 of its files (tidegate:sha256): in its place stands a hash of what it does say, \
                            and devices that compare it with a download will refuse it; beginning with";
        if !self.warnings.iter().any(|warning| warning.starts_with(TEXT)) {
            self.warn(format!("{TEXT} {version}"));
        }
    }

    /// Hash of the full file of a version, from the feed or from what was imported before.
    fn full_file_of(&self, version: &VersionText) -> Option<String> {
        let item = self.feed.items.iter().find(|item| item.version == *version);
        let in_feed = item.and_then(|item| item.files.first()).filter(|file| file.delta_from.is_none()).map(sha256);
        let is_of_version = |bundle: &&Bundle| bundle.version.as_ref() == Some(version);
        let stored = || self.bundles.values().filter(is_of_version).flat_map(|bundle| &bundle.artifacts);
        in_feed.or_else(|| stored().find(|artifact| artifact.base_sha256.is_none()).map(|artifact| artifact.sha256.clone()))
    }

    /// What a cohort is to hold: the items of its channel, and for a channel those of the default channel that are through,
    /// or that it has already.
    fn stream(&mut self, details: &[Details], channel: Option<&str>, known: &Known, target: &Target) -> Stream {
        let mut entries: BTreeMap<DottedVersion, Entry> = BTreeMap::new();
        for (item, details) in self.feed.items.iter().zip(details) {
            let is_own = item.channel.as_deref() == channel;
            let Some(version) = self.ranks.get(&item.version).copied() else { continue };
            if !is_own && (channel.is_none() || item.channel.is_some()) {
                continue;
            }
            let release = self.linked(known, version);
            let mut entry = self.entry(item, details.clone(), version);
            let is_through = entry.is_full_at(self.now) || item.urgency == Urgency::Critical;
            if !is_own && (entries.contains_key(&version) || !is_through && release.is_none()) {
                continue;
            }
            let went_through = release.is_some_and(|release| {
                release.rollout.state == RolloutState::Completed && !stream::is_stopped_by_import(release)
            });
            if entry.throttle().is_some() && (went_through || !is_own && is_through) {
                entry.rollout = Some(Rollout::Full);
                if is_own && item.urgency != Urgency::Critical {
                    self.warn(format!("{}: has gone to everybody here and stays so, although the feed phases it", item.version));
                }
            }
            entries.insert(version, entry);
        }
        Stream {
            written_at: Some(self.now),
            entries: entries.into_values().collect(),
            warnings: Vec::new(),
            order: Order::Ranked(self.ranks.clone()),
            habits: Habits {
                scheme: self.feed.scheme,
                client_phased: true,
                follows: channel.map(|_| target.cohort.clone()),
                auto_complete: true,
                interactive_bypasses_phase: true,
            },
        }
    }

    /// The last attempt at a version in a cohort.
    fn linked<'k>(&self, known: &'k Known, version: DottedVersion) -> Option<&'k Release> {
        let is_it = |release: &&Release| {
            release.linked && release.version.as_ref().and_then(|text| self.ranks.get(text)) == Some(&version)
        };
        known.releases.iter().rfind(is_it)
    }

    fn entry(&self, item: &Item, details: Details, version: DottedVersion) -> Entry {
        let ramp = |interval: Span| match interval {
            // Nobody before the date, everybody from then on.
            Span::ZERO => Ramp::Steps(vec![RampStep { offset: Span::ZERO, share: Ppm::EVERYBODY }]),
            interval => Ramp::Groups { groups: GROUPS, interval },
        };
        let throttled =
            item.date.zip(item.interval).map(|(origin, interval)| Rollout::Throttled { origin, ramp: ramp(interval) });
        let text = item.version.clone();
        let mut entry = Entry { text, version, barrier: None, dead_end: None, rollout: throttled, details: Some(details) };
        if entry.is_full_at(self.now) {
            entry.rollout = Some(Rollout::Full);
        }
        entry
    }
}

/// The content's SHA-256 if the feed says it, else a hash of all that the feed does say of the content: the same for the
/// same file, another for another.
fn sha256(file: &File) -> String {
    file.sha256.clone().unwrap_or_else(|| stand_in(&file.url, file.length, file.signature.as_deref()))
}

/// What stands for the SHA-256 of a file of which only this is known.
pub fn stand_in(url: &str, length: u64, signature: Option<&str>) -> String {
    let told = match signature {
        // The signature is of the content alone: the same file elsewhere is the same file.
        Some(signature) => format!("{length}\n{signature}"),
        None => format!("{length}\n\n{url}"),
    };
    Digest::of("appcast enclosure", told.as_bytes()).to_string()
}

/// The plans of all cohorts, put together for one entry.
#[derive(Default)]
struct Whole {
    /// The cohort that those of the channels follow.
    followed: Option<CohortId>,
    /// Which releases are disabled as things stand.
    disabled: BTreeMap<ReleaseId, bool>,
    completions: Vec<Command>,
    documents: Vec<tidegate_model::Document>,
    publications: Vec<Command>,
    plan: Plan,
}

impl Whole {
    /// A release that is disabled or enabled takes its copies in following cohorts along.
    fn take_copies_along(&self, release: &ReleaseSpec, known: &mut Known) {
        let is_change = |to: &bool| self.disabled.get(&release.id).is_some_and(|from| from != to);
        let Some(disabled) = release.disabled.filter(is_change) else { return };
        if self.followed.as_ref() != Some(&release.cohort) {
            return;
        }
        let is_copy =
            |copy: &&mut Release| copy.bundle == release.bundle && copy.id.as_str() == format!("{}@{}", release.id, copy.cohort);
        known.releases.iter_mut().filter(is_copy).for_each(|copy| copy.disabled = disabled);
    }

    /// Tells the next cohort what the ones before it create and change.
    fn tell(&self, known: &mut Known) {
        for document in &self.documents {
            match &document.spec {
                Spec::Product(product) => known.product = Some(product.version_scheme),
                Spec::Bundle(bundle) => {
                    known.bundles.insert(bundle.id.clone(), bundle.clone());
                }
                Spec::Release(release) => {
                    known.foreign_releases.insert(release.id.clone());
                    self.take_copies_along(release, known);
                }
                _ => {} // Imports make nothing else that another cohort could trip over.
            }
        }
    }

    fn add(&mut self, plan: Plan, cohort: Option<&CohortId>) {
        let mut is_applied = false;
        for command in plan.commands {
            match command {
                Command::Apply(documents) => {
                    self.documents.extend(documents);
                    is_applied = true;
                }
                other if is_applied => self.publications.push(other),
                other => self.completions.push(other),
            }
        }
        let named = |line: String| cohort.map_or_else(|| line.clone(), |cohort| format!("{cohort}: {line}"));
        self.plan.summary.extend(plan.summary.into_iter().map(named));
        self.plan.warnings.extend(plan.warnings.into_iter().map(named));
    }

    fn into_plan(self, mut warnings: Vec<String>) -> Plan {
        let mut commands = self.completions;
        if !self.documents.is_empty() {
            commands.push(Command::Apply(self.documents));
        }
        commands.extend(self.publications);
        warnings.extend(self.plan.warnings);
        Plan { commands, summary: self.plan.summary, warnings }
    }
}

/// True if a release of this scheme's version `a` comes before one of `b`; for the writer.
pub fn is_older(scheme: VersionScheme, a: &VersionText, b: &VersionText) -> Ordering {
    let read = |text: &VersionText| Version::parse(scheme, text.as_str()).ok();
    read(a).zip(read(b)).and_then(|(a, b)| a.precedence(&b)).unwrap_or_else(|| a.cmp(b))
}
