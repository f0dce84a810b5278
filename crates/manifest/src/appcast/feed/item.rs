//! One item, element by element.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;
use tidegate_model::{DottedVersion, InstallMode, Invalid, Requirement, Urgency, VersionText};

use super::super::notes::Notes;
use super::super::origin;
use super::super::xml::{self, Report, SPARKLE, TIDEGATE};
use super::{File, Item};
use crate::limits;
use crate::scalar;

/// Elements of Sparkle's that are understood, or mean nothing to a server.
const KNOWN: [&str; 17] = [
    "version",
    "shortVersionString",
    "channel",
    "phasedRolloutInterval",
    "criticalUpdate",
    "tags",
    "minimumAutoupdateVersion",
    "informationalUpdate",
    "minimumSystemVersion",
    "maximumSystemVersion",
    "minimumUpdateVersion",
    "hardwareRequirements",
    "releaseNotesLink",
    "fullReleaseNotesLink",
    "deltas",
    "installationType",
    "os",
];

/// Reads one item.
pub struct Reader<'r, 'a, 'n> {
    report: &'r mut Report<'a>,
    node: Node<'n, 'n>,
    // What errors call it: its number until its version is known.
    name: String,
}

impl<'r, 'a, 'n> Reader<'r, 'a, 'n> {
    /// Of the item at this place in the feed.
    pub fn new(report: &'r mut Report<'a>, node: Node<'n, 'n>, index: usize) -> Self {
        Self { report, node, name: format!("item[{index}]") }
    }

    /// The item; `None` if something is wrong with it, or if it is not for this kind of device.
    pub fn item(mut self) -> Option<Item> {
        let errors = self.report.errors.len();
        let enclosure = self.plain("enclosure");
        let version = self.required_version(enclosure)?;
        self.name = format!("item {version}");
        if let Some(os) = enclosure.and_then(|node| node.attribute((SPARKLE, "os"))).filter(|os| !["macos", "osx"].contains(os)) {
            self.warn(self.node, &format!("is for {os}: the item is left out"));
            return None;
        }
        for node in self.node.children().filter(|node| node.tag_name().namespace() == Some(SPARKLE)) {
            if !KNOWN.contains(&node.tag_name().name()) {
                self.warn(node, &format!("sparkle:{} is not known and ignored", node.tag_name().name()));
            }
        }
        let date = self.date();
        let interval = self.interval(date.is_some());
        let item = Item {
            place: xml::place(self.node),
            channel: self.channel(),
            date,
            interval,
            urgency: self.urgency(),
            install_mode: self.install_mode(enclosure),
            requirement: self.requirement(),
            from: self.version_of("minimumUpdateVersion"),
            files: self.files(enclosure),
            notes: self.notes(&version, enclosure),
            version,
        };
        (self.report.errors.len() == errors).then_some(item)
    }

    fn plain(&self, name: &str) -> Option<Node<'n, 'n>> {
        self.node.children().find(|node| xml::is_plain(*node, name))
    }

    fn sparkle(&self, name: &str) -> Option<Node<'n, 'n>> {
        self.node.children().find(|node| xml::is_sparkle(*node, name))
    }

    fn refuse(&mut self, node: Node<'_, '_>, field: &str, value: &str, rule: impl Into<String>) {
        let invalid = Invalid::new(field, value, rule);
        self.report.refuse(xml::place(node), &self.name, invalid);
    }

    fn warn(&mut self, node: Node<'_, '_>, text: &str) {
        let text = format!("{}: {text}", self.name);
        self.report.warn(xml::place(node), &text);
    }

    fn required_version(&mut self, enclosure: Option<Node<'n, 'n>>) -> Option<VersionText> {
        let own = self.sparkle("version").map(|node| (node, xml::text(node)));
        let of_enclosure = || enclosure.and_then(|node| Some((node, node.attribute((SPARKLE, "version"))?.to_owned())));
        let Some((node, text)) = own.or_else(of_enclosure) else {
            self.refuse(self.node, "sparkle:version", "", "must be there: it is what versions are compared by");
            return None;
        };
        self.version(node, "sparkle:version", &text)
    }

    fn version(&mut self, node: Node<'_, '_>, field: &str, text: &str) -> Option<VersionText> {
        match VersionText::new(text) {
            Ok(version) => Some(version),
            Err(invalid) => {
                self.refuse(node, field, text, invalid.rule);
                None
            }
        }
    }

    /// The version in an element of Sparkle's, if there is one.
    fn version_of(&mut self, name: &str) -> Option<VersionText> {
        let node = self.sparkle(name)?;
        self.version(node, &format!("sparkle:{name}"), &xml::text(node))
    }

    fn channel(&mut self) -> Option<String> {
        let node = self.sparkle("channel")?;
        let name = xml::text(node);
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(is_legal) {
            // Sparkle would show it to everybody.
            self.refuse(node, "sparkle:channel", &name, "must be one or more of A-Z a-z 0-9 . _ -");
        }
        Some(name)
    }

    fn date(&mut self) -> Option<tidegate_model::Timestamp> {
        let node = self.plain("pubDate")?;
        let text = xml::text(node);
        let date = origin::date(&text);
        if date.is_none() {
            self.warn(node, &format!("pubDate: {:?} is no date of RFC 2822 and ignored", shorten(&text)));
        }
        date
    }

    fn interval(&mut self, has_date: bool) -> Option<tidegate_model::Span> {
        let node = self.sparkle("phasedRolloutInterval")?;
        let text = xml::text(node);
        let (interval, is_whole) = origin::interval(&text);
        if !has_date {
            self.warn(node, "sparkle:phasedRolloutInterval without a pubDate: everybody gets it at once");
            return None;
        }
        if !is_whole {
            let seconds = interval.as_millis() / 1_000;
            let text = shorten(&text);
            self.warn(node, &format!("sparkle:phasedRolloutInterval: {text:?} is no count of seconds and taken as {seconds}"));
        }
        Some(interval)
    }

    fn urgency(&mut self) -> Urgency {
        let in_tags = |tags: Node<'n, 'n>| tags.children().find(|node| xml::is_sparkle(*node, "criticalUpdate"));
        let Some(node) = self.sparkle("criticalUpdate").or_else(|| self.sparkle("tags").and_then(in_tags)) else {
            return Urgency::Normal;
        };
        match node.attribute((SPARKLE, "version")).or(node.attribute("version")).map(str::trim).filter(|text| !text.is_empty()) {
            None => Urgency::Critical,
            Some(text) => self.version(node, "sparkle:criticalUpdate", text).map_or(Urgency::Normal, Urgency::CriticalBelow),
        }
    }

    fn install_mode(&mut self, enclosure: Option<Node<'n, 'n>>) -> InstallMode {
        let auto_from = self.version_of("minimumAutoupdateVersion");
        let Some(node) = self.sparkle("informationalUpdate") else {
            if enclosure.is_none() {
                if self.plain("link").is_none() {
                    self.refuse(self.node, "enclosure", "", "must be there, or a link to say where to read on");
                }
                return InstallMode::Info { versions: BTreeSet::new(), below: None };
            }
            return auto_from.map_or(InstallMode::Auto, |version| InstallMode::Ask { auto_from: Some(version) });
        };
        if auto_from.is_some() {
            self.warn(node, "sparkle:minimumAutoupdateVersion is ignored: the item is informational");
        }
        let (mut versions, mut below) = (BTreeSet::new(), None);
        for named in node.children().filter(Node::is_element) {
            if xml::is_sparkle(named, "version") {
                versions.extend(self.version(named, "sparkle:informationalUpdate", &xml::text(named)));
            } else if xml::is_sparkle(named, "belowVersion") {
                below = self.version(named, "sparkle:informationalUpdate", &xml::text(named));
            }
        }
        InstallMode::Info { versions, below }
    }

    fn requirement(&mut self) -> Requirement {
        let os_min = self.os("minimumSystemVersion");
        let os_max = self.os("maximumSystemVersion");
        let mut attributes = BTreeMap::new();
        if let Some(node) = self.sparkle("hardwareRequirements") {
            for asked in xml::text(node).split(',').map(str::trim).filter(|text| !text.is_empty()) {
                if asked == "arm64" {
                    attributes.insert("arch".to_owned(), BTreeSet::from([asked.to_owned()]));
                } else {
                    self.refuse(node, "sparkle:hardwareRequirements", asked, "must be arm64");
                }
            }
        }
        Requirement { attributes, os_min, os_max, frameworks: Vec::new() }
    }

    fn os(&mut self, name: &str) -> Option<DottedVersion> {
        let node = self.sparkle(name)?;
        let text = xml::text(node);
        match DottedVersion::parse(&text) {
            Ok(version) => Some(version),
            Err(invalid) => {
                self.refuse(node, &format!("sparkle:{name}"), &text, invalid.rule);
                None
            }
        }
    }

    fn files(&mut self, enclosure: Option<Node<'n, 'n>>) -> Vec<File> {
        let mut files: Vec<File> = Vec::new();
        let deltas = self.sparkle("deltas").into_iter().flat_map(|node| node.children());
        let deltas: Vec<_> = deltas.filter(|node| xml::is_plain(*node, "enclosure")).collect();
        for node in enclosure.into_iter().chain(deltas) {
            if files.len() == tidegate_model::limits::ARTIFACTS_MAX {
                let rule = format!("must have at most {} enclosures", tidegate_model::limits::ARTIFACTS_MAX);
                self.refuse(node, "enclosure", "", rule);
                break;
            }
            if let Some(file) = self.file(node, &files, Some(node) != enclosure) {
                files.push(file);
            }
        }
        files
    }

    fn file(&mut self, node: Node<'n, 'n>, others: &[File], is_delta: bool) -> Option<File> {
        let url = node.attribute("url").map(str::trim).unwrap_or_default();
        if url.is_empty() || url.len() > limits::APPCAST_URL_BYTES_MAX || url.chars().any(char::is_control) {
            let rule = format!("must be 1 to {} bytes without control characters", limits::APPCAST_URL_BYTES_MAX);
            self.refuse(node, "enclosure.url", url, rule);
            return None;
        }
        let length = match node.attribute("length").map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => scalar::number(text),
            None => {
                self.warn(node, "enclosure.length is missing and taken as 0");
                Some(0)
            }
        };
        if length.is_none() {
            self.refuse(
                node,
                "enclosure.length",
                node.attribute("length").unwrap_or_default(),
                "must be a whole number of bytes",
            );
        }
        let sha256 = node.attribute((TIDEGATE, "sha256")).map(str::to_owned);
        if let Some(text) = sha256.as_ref().filter(|text| !is_sha256(text)) {
            self.refuse(node, "enclosure.tidegate:sha256", text, "must be 64 lower-case hexadecimal digits");
        }
        let signature =
            node.attribute((SPARKLE, "edSignature")).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(text) = signature.as_ref().filter(|text| !is_base64(text)) {
            self.refuse(node, "enclosure.sparkle:edSignature", text, "must be at most 256 characters of base64");
        }
        let delta_from = match node.attribute((SPARKLE, "deltaFrom")).filter(|_| is_delta) {
            Some(text) => Some(self.version(node, "sparkle:deltaFrom", text)?),
            None if is_delta => {
                self.refuse(node, "sparkle:deltaFrom", "", "must be there: it says what the delta is against");
                return None;
            }
            None => None,
        };
        let name = file_name(url, others);
        Some(File { url: url.to_owned(), name, length: length?, signature, sha256, delta_from })
    }

    fn notes(&mut self, version: &VersionText, enclosure: Option<Node<'n, 'n>>) -> String {
        let text_of = |node: Option<Node<'n, 'n>>| node.map(xml::text).filter(|text| !text.is_empty());
        let of_enclosure = enclosure.and_then(|node| node.attribute((SPARKLE, "shortVersionString"))).map(str::to_owned);
        let notes = Notes {
            title: text_of(self.plain("title")).filter(|title| title != version.as_str()),
            short_version: text_of(self.sparkle("shortVersionString")).or(of_enclosure).filter(|short| short != version.as_str()),
            link: text_of(self.plain("link")),
            release_notes: text_of(self.sparkle("releaseNotesLink")),
            full_release_notes: text_of(self.sparkle("fullReleaseNotesLink")),
            description: text_of(self.plain("description")),
        };
        let (text, dropped) = notes.write();
        for part in dropped {
            self.warn(self.node, &format!("{part} is too long for notes and left out"));
        }
        text
    }
}

/// The last part of the path, unless another file of the item bears that name.
fn file_name(url: &str, others: &[File]) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last =
        path.rsplit('/').next().filter(|name| (1..=limits::APPCAST_NAME_BYTES_MAX).contains(&name.len())).unwrap_or("update");
    let is_free = |name: &str| others.iter().all(|other| other.name != name);
    // There are fewer files than numbers.
    let numbered = || (2..).map(|number| format!("{last}~{number}")).find(|name| is_free(name)).unwrap_or_default();
    if is_free(last) { last.to_owned() } else { numbered() }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_base64(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
