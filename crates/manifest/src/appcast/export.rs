//! Writes the offered releases of a cohort as a feed that Sparkle reads. What a feed cannot say is left out, with a warning:
//! a feed never offers more than the cohort does.

mod said;
mod write;

use std::collections::BTreeMap;

use tidegate_model::{
    Bundle, BundleId, BundleState, Cohort, CohortId, Hold, HoldKind, HoldScope, Object, Policy, Product, ProductId, Release,
    ReleaseId, RolloutState, Timestamp, VersionScheme, VersionText,
};

use self::said::said;
use super::cohorts::is_older;

/// A feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The document.
    pub xml: String,
    /// What is left out, and why.
    pub warnings: Vec<String>,
}

/// Writes the cohort as it is at `now`; `with_followers`: the cohorts that follow it too, each as the channel of its name.
///
/// # Errors
/// There is no such product or cohort.
pub fn export(
    objects: &[Object],
    product: &ProductId,
    cohort: &CohortId,
    with_followers: bool,
    now: Timestamp,
) -> Result<Exported, String> {
    let shop = Shop::new(objects, product, now)?;
    if !shop.cohorts.contains_key(cohort) {
        return Err(format!("there is no cohort {cohort} of product {product}"));
    }
    let mut warnings = Vec::new();
    let mut items = shop.items(cohort, None, &mut warnings);
    if with_followers {
        let shown: Vec<VersionText> = items.iter().map(|item| item.version.clone()).collect();
        for follower in shop.cohorts.values().filter(|other| other.follows.as_ref() == Some(cohort)) {
            let own = shop.items(&follower.id, Some(&follower.id), &mut warnings);
            items.extend(own.into_iter().filter(|item| !shown.contains(&item.version)));
        }
    }
    items.sort_by(|a, b| is_older(shop.scheme, &b.version, &a.version).then_with(|| a.channel.cmp(&b.channel)));
    Ok(Exported { xml: write::feed(product, &items), warnings })
}

/// One item, as it is written.
struct Item<'o> {
    version: VersionText,
    channel: Option<&'o CohortId>,
    release: &'o Release,
    bundle: &'o Bundle,
    // When it begins, and seconds between the groups, if it is phased.
    phase: Option<(Timestamp, u64)>,
    // For each delta, what it is against.
    bases: BTreeMap<&'o str, &'o VersionText>,
}

/// What is read from.
struct Shop<'o> {
    now: Timestamp,
    scheme: VersionScheme,
    cohorts: BTreeMap<&'o CohortId, &'o Cohort>,
    bundles: BTreeMap<&'o BundleId, &'o Bundle>,
    policies: BTreeMap<&'o ReleaseId, &'o Policy>,
    // Earliest created first.
    releases: Vec<&'o Release>,
    holds: Vec<&'o Hold>,
}

impl<'o> Shop<'o> {
    fn new(objects: &'o [Object], product: &ProductId, now: Timestamp) -> Result<Self, String> {
        let mut found: Option<&Product> = None;
        let (mut cohorts, mut bundles, mut policies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut releases, mut holds) = (Vec::new(), Vec::new());
        for object in objects {
            match object {
                Object::Product(o) if o.body.id == *product => found = Some(&o.body),
                Object::Cohort(o) if o.body.product == *product => drop(cohorts.insert(&o.body.id, &o.body)),
                Object::Bundle(o) if o.body.product == *product => drop(bundles.insert(&o.body.id, &o.body)),
                Object::Release(o) if o.body.product == *product => releases.push((o.created, &o.body)),
                Object::Policy(o) => drop(policies.insert(&o.body.release, &o.body)),
                Object::Hold(o) if o.body.product == *product && o.body.is_in_force(now) => holds.push(&o.body),
                _ => {} // Of other products, or nothing that a feed could say.
            }
        }
        let product = found.ok_or_else(|| format!("there is no product {product}"))?;
        releases.sort_by_key(|(created, _)| *created);
        let releases = releases.into_iter().map(|(_, release)| release).collect();
        Ok(Self { now, scheme: product.version_scheme, cohorts, bundles, policies, releases, holds })
    }

    /// The items of a cohort; of several attempts at one version the last one.
    fn items(&self, cohort: &CohortId, channel: Option<&'o CohortId>, warnings: &mut Vec<String>) -> Vec<Item<'o>> {
        let mut items: BTreeMap<VersionText, Item<'o>> = BTreeMap::new();
        let own = self.releases.iter().filter(|release| release.cohort == *cohort && is_offered(release));
        for release in own {
            match self.item(release, channel) {
                Ok(item) => drop(items.insert(item.version.clone(), item)),
                Err(why) => warnings.push(format!("{} is left out: {why}", release.id)),
            }
            if release.required {
                warnings.push(format!("{} is required, but a feed knows no stop-over: devices may go past it", release.id));
            }
        }
        items.into_values().collect()
    }

    fn item(&self, release: &'o Release, channel: Option<&'o CohortId>) -> Result<Item<'o>, String> {
        let bundle = *self.bundles.get(&release.bundle).ok_or("its bundle is not there")?;
        if bundle.state != BundleState::Ready {
            return Err("its bundle is not ready, or recalled".to_owned());
        }
        let version = release.version.clone().or_else(|| bundle.version.clone()).ok_or("it has no version")?;
        if let Some(hold) = self.holds.iter().find(|hold| self.is_held(release, hold)) {
            return Err(format!("hold {} is in force", hold.id));
        }
        said(release, bundle, &version)?;
        let phase = self.phase(release)?;
        let mut bases = BTreeMap::new();
        for artifact in &bundle.artifacts {
            let Some(base) = &artifact.base_sha256 else { continue };
            let is_base =
                |other: &&&Bundle| other.artifacts.iter().any(|full| full.base_sha256.is_none() && full.sha256 == *base);
            // A delta against what is not known helps nobody: the full file is there too.
            if let Some(from) = self.bundles.values().find(is_base).and_then(|other| other.version.as_ref()) {
                bases.insert(artifact.name.as_str(), from);
            }
        }
        Ok(Item { version, channel, release, bundle, phase, bases })
    }

    /// True for a hold on everybody in the cohort that is not a matter of the hour.
    fn is_held(&self, release: &Release, hold: &Hold) -> bool {
        let on_all = match &hold.scope {
            HoldScope::Product => true,
            HoldScope::Cohort(cohort) => *cohort == release.cohort,
            HoldScope::Device(_) | HoldScope::Selector(_) => false,
        };
        let of_release = |id: &ReleaseId| self.releases.iter().find(|other| other.id == *id).map(|other| &other.bundle);
        let limit = hold.bundle.as_ref().or(hold.release.as_ref().and_then(of_release));
        let concerns = if hold.is_limited() { limit == Some(&release.bundle) } else { true };
        on_all && concerns && hold.kind != HoldKind::Window
    }

    /// How it is phased, if it is.
    ///
    /// # Errors
    /// It is limited in a way that a feed cannot say.
    fn phase(&self, release: &Release) -> Result<Option<(Timestamp, u64)>, String> {
        if release.rollout.state == RolloutState::Completed || release.next.is_some() {
            return Ok(None);
        }
        let Some(policy) = self.policies.get(&release.id) else { return Ok(None) };
        said::phase(release, policy, self.now)
    }
}

fn is_offered(release: &Release) -> bool {
    let is_out = matches!(release.rollout.state, RolloutState::Active | RolloutState::Completed);
    release.linked && is_out && !release.disabled && !release.dead_end
}
