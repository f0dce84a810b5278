//! The document, element by element, in the order in which Sparkle's own tool writes them.

use std::fmt::Write as _;

use tidegate_model::{Artifact, InstallMode, ProductId, Urgency};

use super::super::cohorts::{SIGNATURE_KEY, stand_in};
use super::super::notes::Notes;
use super::super::origin::print_date;
use super::super::xml::{SPARKLE, TIDEGATE};
use super::{Item, said};

/// Writes a feed.
pub fn feed(product: &ProductId, items: &[Item<'_>]) -> String {
    let mut page = Page::default();
    page.text += "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
    page.open("rss", &[("version", "2.0"), ("xmlns:sparkle", SPARKLE), ("xmlns:tidegate", TIDEGATE)]);
    page.open("channel", &[]);
    page.leaf("title", product.as_str());
    for item in items {
        page.open("item", &[]);
        self::item(&mut page, item);
        page.close("item");
    }
    page.close("channel");
    page.close("rss");
    page.text
}

fn item(page: &mut Page, item: &Item<'_>) {
    let notes = Notes::read(&item.release.notes);
    page.leaf("title", notes.title.as_deref().unwrap_or(item.version.as_str()));
    let date = item.phase.map(|(origin, _)| origin).or(item.release.published_at).and_then(print_date);
    page.some("pubDate", date.as_deref());
    page.some("link", notes.link.as_deref());
    page.leaf("sparkle:version", item.version.as_str());
    page.some("sparkle:shortVersionString", notes.short_version.as_deref());
    page.some("sparkle:channel", item.channel.map(tidegate_model::CohortId::as_str));
    let (requirement, is_arm) = said::requirement(item.release, item.bundle);
    page.some("sparkle:minimumSystemVersion", requirement.os_min.map(|os| os.to_string()).as_deref());
    page.some("sparkle:maximumSystemVersion", requirement.os_max.map(|os| os.to_string()).as_deref());
    page.some("sparkle:hardwareRequirements", is_arm.then_some("arm64"));
    page.some("sparkle:minimumUpdateVersion", said::from(item.release, &item.version));
    page.some("sparkle:phasedRolloutInterval", item.phase.map(|(_, seconds)| seconds.to_string()).as_deref());
    match &item.release.urgency {
        Urgency::Normal => {}
        Urgency::Critical => page.empty("sparkle:criticalUpdate", &[]),
        Urgency::CriticalBelow(version) => page.empty("sparkle:criticalUpdate", &[("sparkle:version", version.as_str())]),
    }
    let full = item.bundle.artifacts.iter().find(|artifact| artifact.base_sha256.is_none());
    install_mode(page, &item.release.install_mode, full.is_some() || notes.link.is_none());
    page.some("sparkle:releaseNotesLink", notes.release_notes.as_deref());
    page.some("sparkle:fullReleaseNotesLink", notes.full_release_notes.as_deref());
    page.some("description", notes.description.as_deref());
    if let Some(full) = full {
        enclosure(page, item, full);
    }
    let deltas: Vec<&Artifact> =
        item.bundle.artifacts.iter().filter(|artifact| item.bases.contains_key(artifact.name.as_str())).collect();
    if !deltas.is_empty() {
        page.open("sparkle:deltas", &[]);
        deltas.into_iter().for_each(|delta| enclosure(page, item, delta));
        page.close("sparkle:deltas");
    }
}

/// `is_told`: an item without file says by that alone that it is only information.
fn install_mode(page: &mut Page, mode: &InstallMode, is_told: bool) {
    match mode {
        InstallMode::Auto | InstallMode::Ask { auto_from: None } => {}
        InstallMode::Ask { auto_from: Some(version) } => page.leaf("sparkle:minimumAutoupdateVersion", version.as_str()),
        InstallMode::Info { versions, below } if versions.is_empty() && below.is_none() => {
            if is_told {
                page.empty("sparkle:informationalUpdate", &[]);
            }
        }
        InstallMode::Info { versions, below } => {
            page.open("sparkle:informationalUpdate", &[]);
            versions.iter().for_each(|version| page.leaf("sparkle:version", version.as_str()));
            page.some("sparkle:belowVersion", below.as_ref().map(tidegate_model::VersionText::as_str));
            page.close("sparkle:informationalUpdate");
        }
    }
}

fn enclosure(page: &mut Page, item: &Item<'_>, artifact: &Artifact) {
    let Some(url) = &artifact.url else { return };
    let key = format!("{SIGNATURE_KEY}{}", artifact.name);
    let signature = item.bundle.signatures.iter().find(|by| by.key == key).and_then(|by| by.signature.as_deref());
    let length = artifact.size.to_string();
    let mut attributes = vec![("url", url.as_str()), ("length", &length), ("type", "application/octet-stream")];
    attributes.extend(item.bases.get(artifact.name.as_str()).map(|from| ("sparkle:deltaFrom", from.as_str())));
    attributes.extend(signature.map(|signature| ("sparkle:edSignature", signature)));
    if artifact.sha256 != stand_in(url, artifact.size, signature) {
        attributes.push(("tidegate:sha256", &artifact.sha256));
    }
    page.empty("enclosure", &attributes);
}

/// XML text in the making.
#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, ">\n");
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        self.put(format_args!("</{name}>\n"));
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes, "/>\n");
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.indent();
        let text = escape(text);
        self.put(format_args!("<{name}>{text}</{name}>\n"));
    }

    fn some(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)], end: &str) {
        self.indent();
        self.put(format_args!("<{name}"));
        for (name, value) in attributes {
            let value = escape(value);
            self.put(format_args!(" {name}=\"{value}\""));
        }
        self.text += end;
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn put(&mut self, parts: std::fmt::Arguments<'_>) {
        self.text.write_fmt(parts).expect("writing to a string cannot fail");
    }
}

/// Text as it stands in elements and attributes. What XML has no way to say is left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\r' => escaped += "&#13;",
            '\n' | '\t' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(c),
        }
    }
    escaped
}
