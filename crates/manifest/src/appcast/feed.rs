//! Reads the items of a feed, strictly, but for what Sparkle itself forgives: dates and intervals.

mod item;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{InstallMode, Invalid, Requirement, Span, Timestamp, Urgency, Version, VersionScheme, VersionText};

use self::item::Reader;
use super::xml::{self, Report};
use crate::error::ManifestError;
use crate::limits;

/// What a feed says.
pub struct Feed {
    /// How its versions are written.
    pub scheme: VersionScheme,
    /// In the order of the feed.
    pub items: Vec<Item>,
}

/// One item.
pub struct Item {
    /// Where it stands, in bytes.
    pub place: usize,
    /// Its version.
    pub version: VersionText,
    /// Its channel; absent for the default one.
    pub channel: Option<String>,
    /// When it was published.
    pub date: Option<Timestamp>,
    /// Time between the seven groups; never without a date.
    pub interval: Option<Span>,
    /// How much of the caution is set aside.
    pub urgency: Urgency,
    /// Who decides on the device.
    pub install_mode: InstallMode,
    /// What the device must be.
    pub requirement: Requirement,
    /// Lowest version that may come here.
    pub from: Option<VersionText>,
    /// Files, the full one first.
    pub files: Vec<File>,
    /// For people.
    pub notes: String,
}

/// One enclosure.
pub struct File {
    /// Where to fetch it.
    pub url: String,
    /// Its name, unique in the item.
    pub name: String,
    /// Its size in bytes.
    pub length: u64,
    /// Ed25519 signature, base64.
    pub signature: Option<String>,
    /// SHA-256 of its content, if the feed says it.
    pub sha256: Option<String>,
    /// The version that it is a delta against.
    pub delta_from: Option<VersionText>,
}

/// Reads a feed. `scheme` is that of the product, if it exists; else dotted numbers if all versions are, else semantic ones.
///
/// # Errors
/// All of them.
pub fn read(
    report: &mut Report<'_>,
    source_name: &str,
    text: &str,
    scheme: Option<VersionScheme>,
) -> Result<Feed, Vec<ManifestError>> {
    let document = xml::parse(source_name, text)?;
    let root = document.root_element();
    let channel = root.children().find(|node| xml::is_plain(*node, "channel")).filter(|_| xml::is_plain(root, "rss"));
    let Some(channel) = channel else {
        let rule = "must be an rss element with a channel in it";
        report.refuse(xml::place(root), "", Invalid::new("", root.tag_name().name(), rule));
        return Err(std::mem::take(&mut report.errors));
    };
    let mut items = Vec::new();
    for (i, node) in channel.children().filter(|node| xml::is_plain(*node, "item")).enumerate() {
        if i == limits::STREAM_RELEASES_MAX {
            let rule = format!("must have at most {} items", limits::STREAM_RELEASES_MAX);
            report.refuse(xml::place(node), "", Invalid::new("channel", "", rule));
            break;
        }
        items.extend(Reader::new(report, node, i).item());
    }
    let scheme = scheme.unwrap_or_else(|| common_scheme(&items));
    check_versions(report, &items, scheme);
    check_twins(report, &items);
    if report.errors.is_empty() { Ok(Feed { scheme, items }) } else { Err(std::mem::take(&mut report.errors)) }
}

impl Item {
    /// What errors call it.
    pub fn name(&self) -> String {
        format!("item {}", self.version)
    }

    /// All versions that it names, each with its field.
    fn versions(&self) -> Vec<(&'static str, &VersionText)> {
        let mut versions = vec![("sparkle:version", &self.version)];
        versions.extend(self.from.iter().map(|version| ("sparkle:minimumUpdateVersion", version)));
        match &self.urgency {
            Urgency::CriticalBelow(version) => versions.push(("sparkle:criticalUpdate", version)),
            Urgency::Normal | Urgency::Critical => {}
        }
        match &self.install_mode {
            InstallMode::Auto => {}
            InstallMode::Ask { auto_from } => {
                versions.extend(auto_from.iter().map(|version| ("sparkle:minimumAutoupdateVersion", version)));
            }
            InstallMode::Info { versions: named, below } => {
                versions.extend(named.iter().chain(below).map(|version| ("sparkle:informationalUpdate", version)));
            }
        }
        versions.extend(self.files.iter().filter_map(|file| Some(("sparkle:deltaFrom", file.delta_from.as_ref()?))));
        versions
    }
}

fn common_scheme(items: &[Item]) -> VersionScheme {
    let fits = |scheme| items.iter().flat_map(Item::versions).all(|(_, text)| Version::parse(scheme, text.as_str()).is_ok());
    if !fits(VersionScheme::Dotted) && fits(VersionScheme::SemVer) { VersionScheme::SemVer } else { VersionScheme::Dotted }
}

fn check_versions(report: &mut Report<'_>, items: &[Item], scheme: VersionScheme) {
    for item in items {
        for (field, text) in item.versions() {
            if let Err(invalid) = Version::parse(scheme, text.as_str()) {
                report.refuse(item.place, &item.name(), invalid.at(field));
            }
        }
    }
}

/// One version may stand in a channel once: which of two were meant cannot be told.
fn check_twins(report: &mut Report<'_>, items: &[Item]) {
    let mut seen: BTreeSet<(Option<&str>, &VersionText)> = BTreeSet::new();
    let mut files: BTreeMap<&VersionText, Vec<&str>> = BTreeMap::new();
    for item in items {
        if !seen.insert((item.channel.as_deref(), &item.version)) {
            let rule = "must stand in a channel only once";
            report.refuse(item.place, &item.name(), Invalid::new("sparkle:version", item.version.as_str(), rule));
        }
        let urls: Vec<&str> = item.files.iter().map(|file| file.url.as_str()).collect();
        if files.get(&item.version).is_some_and(|other| *other != urls) {
            let rule = "must be the same build in each channel: its enclosures differ";
            report.refuse(item.place, &item.name(), Invalid::new("enclosure", item.version.as_str(), rule));
        }
        files.entry(&item.version).or_insert(urls);
    }
}
