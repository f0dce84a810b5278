//! The catalog that grows: one product with six channels beside that of the fleet, written through `apply` as an operator would.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tidegate_client::{Client, Run};
use tidegate_manifest::Source;
use tidegate_model::Document;

/// Channels of the product.
const CHANNELS: usize = 6;
/// The product and its channels.
const PRODUCT: &str = "{kind: product, id: grown, default_cohort: channel-0, allow_unregistered: true, version_scheme: semver}\n";
const MODELS: [&str; 8] = ["akita", "bluejay", "caiman", "felix", "husky", "komodo", "lynx", "tangor"];
const REGIONS: [&str; 3] = ["ap", "eu", "us"];
const TAGS: [&str; 6] = ["canary", "demo", "kiosk", "lab", "rugged", "staff"];

/// A graph grows at its old end, so that what is published comes after all of it; older releases have lower versions than this.
const OLDER: usize = 1_000_000;

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Records of devices: four attributes and two tags each, as in the catalogs of `micro`.
    Devices,
    /// Completed releases with their bundles, in graphs of six channels.
    Releases,
}

impl Axis {
    /// What the figures stand under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Devices => "device records",
            Self::Releases => "releases",
        }
    }

    /// So many of them come in one entry: some 250 KiB, of the 512 that one entry holds at most.
    fn batch(self) -> usize {
        match self {
            Self::Devices => 2_000,
            Self::Releases => 500,
        }
    }

    /// Objects of the catalog with so many of them, each of which is a document that was written.
    pub fn objects(self, size: usize) -> usize {
        let product_and_cohorts = 1 + CHANNELS;
        match self {
            Self::Devices => product_and_cohorts + 2 * CHANNELS + size,
            Self::Releases => product_and_cohorts + 2 * size.max(CHANNELS),
        }
    }

    fn text(self, number: usize) -> String {
        match self {
            Self::Devices => device(number),
            Self::Releases => {
                let (channel, place) = (number % CHANNELS, number / CHANNELS);
                let next = if place == 0 { String::new() } else { format!(", next: c{channel}-r{}", place - 1) };
                let more = format!(", adopt: completed{next}");
                release(&format!("c{channel}-r{place}"), channel, &format!("1.{}.0", OLDER - place), &more)
            }
        }
    }
}

/// A record; consecutive numbers have nothing in common.
pub fn device(number: usize) -> String {
    // The finishing step of splitmix64, so that keys look like serial numbers.
    let mut key = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key ^= key >> 31;
    format!(
        "{{kind: device, id: SN{key:016X}, product: grown, tags: [{}, site-{}], \
         attributes: {{channel: channel-{}, customer: customer-{}, model: {}, region: {}}}}}\n",
        TAGS[number % TAGS.len()],
        number / TAGS.len() % 5,
        number % CHANNELS,
        number / 10,
        MODELS[number % MODELS.len()],
        REGIONS[number % REGIONS.len()],
    )
}

/// A release with its bundle, and `more` of its fields.
pub fn release(id: &str, channel: usize, version: &str, more: &str) -> String {
    format!(
        "{{kind: bundle, id: b-{id}, product: grown, version: {version}, artifacts: [{{name: image.raw.xz, size: 700000000, \
         sha256: {digest}, url: \"https://cdn.example.com/{id}/image.raw.xz\"}}]}}\n---\n\
         {{kind: release, id: {id}, product: grown, cohort: channel-{channel}, bundle: b-{id}, version: {version}{more}}}\n",
        digest = "0123456789abcdef".repeat(4),
    )
}

/// An override of one device.
pub fn overriding(number: usize) -> String {
    format!(
        "{{kind: override, id: override-{number}, product: grown, devices: [KIOSK-{number:08}], bundle: b-c0-r0, force: true, \
         allow_downgrade: true}}\n"
    )
}

/// Documents of a manifest text.
pub fn documents(text: String) -> anyhow::Result<Vec<Document>> {
    let source = Source { name: "generated".to_owned(), text };
    let parsed = tidegate_manifest::parse(&[source]).map_err(|errors| anyhow::anyhow!("a generated manifest: {errors:?}"))?;
    Ok(parsed.into_iter().map(|located| located.value).collect())
}

/// Writes the product, its channels, and one completed release in each.
pub async fn begin(client: &Client) -> anyhow::Result<()> {
    let mut text = PRODUCT.to_owned();
    for channel in 0..CHANNELS {
        writeln!(
            text,
            "---\n{{kind: cohort, id: channel-{channel}, product: grown, rules: [{{attributes: {{channel: [channel-{channel}]}}}}]}}"
        )?;
    }
    for channel in 0..CHANNELS {
        text += "---\n";
        text += &Axis::Releases.text(channel);
    }
    client.apply(&documents(text)?, &client.request_id(), Run::Commit).await?;
    Ok(())
}

/// Writes what lies between two sizes, one entry after the other; how many a second were written, if any.
pub async fn grow(client: &Client, axis: Axis, from: usize, to: usize) -> anyhow::Result<Option<f64>> {
    // Those of the beginning are there.
    let from = if axis == Axis::Releases { from.max(CHANNELS) } else { from };
    let mut took = Duration::ZERO;
    for first in (from..to).step_by(axis.batch()) {
        let texts: Vec<String> = (first..to.min(first + axis.batch())).map(|number| axis.text(number)).collect();
        let documents = documents(texts.join("---\n"))?;
        let began = Instant::now();
        let written = client.apply(&documents, &client.request_id(), Run::Commit).await;
        written.with_context(|| format!("{} from {first} on", axis.name()))?;
        took += began.elapsed();
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of objects")]
    let rate = (to > from).then(|| (to - from) as f64 / took.as_secs_f64());
    Ok(rate)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn generated_manifests_are_read_and_name_each_object_once() {
        for axis in [Axis::Devices, Axis::Releases] {
            let texts: Vec<String> = (0..axis.batch()).map(|number| axis.text(number)).collect();
            let documents = documents(texts.join("---\n")).unwrap();
            let per = if axis == Axis::Devices { 1 } else { 2 };
            assert_eq!(documents.len(), per * axis.batch());
            let names: std::collections::BTreeSet<String> =
                documents.iter().map(|document| format!("{:?}", document.spec)).collect();
            assert_eq!(names.len(), documents.len());
        }
        assert_eq!(documents(overriding(7)).unwrap().len(), 1);
    }
}
