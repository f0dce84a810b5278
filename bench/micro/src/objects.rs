//! The objects of a generated catalog, one function for each kind. What an object looks like depends on its numbers alone,
//! so that a catalog of any size is the same on every machine, and so that a request can name any object without
//! looking it up.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    Artifact, Basis, Bundle, BundleId, BundleState, Cohort, CohortId, Device, DeviceKey, DeviceState, DottedVersion, Exposure,
    Hold, HoldId, HoldKind, HoldScope, InstallMode, Override, OverrideId, OverrideTarget, PassedStage, Place, Policy, Ppm,
    Principal, Product, ProductId, Ramp, Release, ReleaseId, Requirement, Rollout, RolloutState, Salt, Selector, Span, Stage,
    StageState, Timestamp, Urgency, VersionScheme, VersionText, Window,
};

use crate::dice::mix;

/// The instant at which all decisions are taken: 2026-01-01, noon UTC.
pub const NOW: Timestamp = Timestamp::from_secs(1_767_268_800);
/// Length of the ramp that every rollout is in, half of it gone at [`NOW`].
const RAMP: Span = Span::from_days(8);
/// Hardware models of the fleet.
pub const MODELS: [&str; 8] = ["akita", "bluejay", "caiman", "felix", "husky", "komodo", "lynx", "tangor"];
const REGIONS: [&str; 3] = ["ap", "eu", "us"];
const TAGS: [&str; 6] = ["canary", "demo", "kiosk", "lab", "rugged", "staff"];
/// Devices of one customer.
const CUSTOMER_DEVICES: usize = 10;

const VALID: &str = "a generated id is short and plain";

/// The id of a product.
#[must_use]
pub fn product_id(product: usize) -> ProductId {
    ProductId::new(&format!("product-{product}")).expect(VALID)
}

/// The name of a cohort, which is also the value of the attribute `channel` that puts devices into it.
#[must_use]
pub fn channel(cohort: usize) -> String {
    format!("channel-{cohort}")
}

fn cohort_id(cohort: usize) -> CohortId {
    CohortId::new(&channel(cohort)).expect(VALID)
}

/// The id of a release by its place in its cohort's graph, the oldest first.
#[must_use]
pub fn release_id(product: usize, cohort: usize, place: usize) -> ReleaseId {
    ReleaseId::new(&format!("p{product}-c{cohort}-r{place}")).expect(VALID)
}

/// The id of the bundle of a release.
#[must_use]
pub fn bundle_id(product: usize, cohort: usize, place: usize) -> BundleId {
    BundleId::new(&format!("p{product}-c{cohort}-b{place}")).expect(VALID)
}

/// The version of a release.
#[must_use]
pub fn version(place: usize) -> String {
    format!("1.{place}.0")
}

/// The key of a device; consecutive numbers have nothing in common.
#[must_use]
pub fn device_key(device: usize) -> String {
    format!("SN{:016X}", mix(device as u64))
}

fn key(device: usize) -> DeviceKey {
    DeviceKey::new(&device_key(device)).expect(VALID)
}

/// The customer of a device.
#[must_use]
pub fn customer(device: usize) -> String {
    format!("customer-{}", device / CUSTOMER_DEVICES)
}

/// The model of a device.
#[must_use]
pub fn model(device: usize) -> &'static str {
    MODELS[device % MODELS.len()]
}

/// The region of a device.
#[must_use]
pub fn region(device: usize) -> &'static str {
    REGIONS[device % REGIONS.len()]
}

fn texts(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn attribute(name: &str, value: &str) -> Selector {
    Selector { attributes: BTreeMap::from([(name.to_owned(), texts(&[value]))]), ..Selector::default() }
}

/// Open to all, semantic versions, whoever names no channel is in the first.
pub(super) fn product(product: usize) -> Product {
    Product {
        id: product_id(product),
        version_scheme: VersionScheme::SemVer,
        allow_unregistered: true,
        default_cohort: Some(cohort_id(0)),
        max_staleness: None,
        required_attestations: BTreeSet::new(),
        poll_interval: Some(Span::from_secs(3_600)),
        trusted_keys: BTreeSet::new(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    }
}

/// A channel: one rule by attribute, and the oldest release as the entry.
pub(super) fn cohort(product: usize, cohort: usize) -> Cohort {
    Cohort {
        id: cohort_id(cohort),
        product: product_id(product),
        rules: vec![attribute("channel", &channel(cohort))],
        entry_release: Some(release_id(product, cohort, 0)),
        follows: None,
        fixed_salt: None,
    }
}

/// A bundle of one file that runs on every model with a recent system.
pub(super) fn bundle(product: usize, cohort: usize, place: usize) -> Bundle {
    let id = bundle_id(product, cohort, place);
    let digest = mix((product << 40 | cohort << 20 | place) as u64);
    Bundle {
        product: product_id(product),
        version: Some(VersionText::new(&version(place)).expect("a generated version is short")),
        artifacts: vec![Artifact {
            name: "image.raw.xz".to_owned(),
            size: 700_000_000,
            sha256: format!("{digest:016x}").repeat(4),
            base_sha256: None,
            url: Some(format!("https://cdn.example.com/{id}/image.raw.xz")),
        }],
        requires: Requirement {
            attributes: BTreeMap::from([("model".to_owned(), texts(&MODELS))]),
            os_min: Some(DottedVersion::parse("10.2").expect("a plain version")),
            ..Requirement::default()
        },
        provides: Vec::new(),
        security_epoch: 1,
        state: BundleState::Ready,
        signatures: Vec::new(),
        id,
    }
}

/// A release of `depth` ones in a cohort: completed, but for the latest, which is in the middle of its ramp or, in a cohort where it went
/// wrong, paused there. Every second one says from which versions it may be reached.
pub(super) fn release(product: usize, cohort: usize, place: usize, depth: usize, state: RolloutState) -> Release {
    let is_latest = place + 1 == depth;
    Release {
        id: release_id(product, cohort, place),
        product: product_id(product),
        cohort: cohort_id(cohort),
        bundle: bundle_id(product, cohort, place),
        version: Some(VersionText::new(&version(place)).expect("a generated version is short")),
        version_requirement: place.is_multiple_of(2).then(|| ">=1.0.0".to_owned()),
        required: false,
        disabled: false,
        dead_end: false,
        requirement: Requirement::default(),
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        published_at: None,
        notes: format!("Fixes of week {place}"),
        consents: BTreeSet::new(),
        place: Place::Latest,
        linked: true,
        next: (!is_latest).then(|| release_id(product, cohort, place + 1)),
        rollout: rollout(product, cohort, place, state),
    }
}

fn rollout(product: usize, cohort: usize, place: usize, state: RolloutState) -> Rollout {
    let since_opened = RAMP.as_millis() / 2;
    let opened_at = Timestamp::from_millis(NOW.as_millis() - i64::try_from(since_opened).expect("a few days"));
    let number = (product << 40 | cohort << 20 | place) as u64;
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&mix(number).to_be_bytes());
    salt[8..].copy_from_slice(&mix(!number).to_be_bytes());
    let passed = stages().into_iter().take(2).map(|stage| PassedStage { name: stage.name, exposure: stage.exposure });
    Rollout {
        state,
        salt: Some(Salt(salt)),
        activated_at: Some(opened_at),
        stage_index: 2,
        stage_state: if state == RolloutState::Completed { StageState::Passed } else { StageState::Open },
        stage_opened_at: Some(opened_at),
        passed: passed.collect(),
        was_completed: state == RolloutState::Completed,
        paused_at: (state == RolloutState::Paused).then_some(NOW),
        ..Rollout::draft()
    }
}

/// First the canaries, then a fiftieth of all, then everybody over some days.
fn stages() -> Vec<Stage> {
    let stage = |name: &str, exposure| Stage {
        name: name.to_owned(),
        selector: Selector::default(),
        exposure,
        domains: None,
        gate: None,
    };
    let share = |ppm| Ppm::new(ppm).expect("below a million");
    vec![
        stage("canary", Exposure::Tags(texts(&["canary"]))),
        stage("early", Exposure::Percent { share: share(20_000), basis: Basis::Hash }),
        stage("everybody", Exposure::Ramp(Ramp::Linear { from: share(20_000), duration: RAMP })),
    ]
}

/// The policy of a release.
pub(super) fn policy(product: usize, cohort: usize, place: usize) -> Policy {
    Policy { stages: stages(), ..Policy::implicit(release_id(product, cohort, place)) }
}

/// A record: four attributes, two tags. Every fifth device was put into its cohort by hand, the others are in it by its rule.
pub(super) fn device(device: usize, cohorts: usize) -> Device {
    let cohort = device % cohorts;
    let by_hand = device.is_multiple_of(5);
    let mut attributes = BTreeMap::from([
        ("customer".to_owned(), customer(device)),
        ("model".to_owned(), model(device).to_owned()),
        ("region".to_owned(), region(device).to_owned()),
    ]);
    if !by_hand {
        attributes.insert("channel".to_owned(), channel(cohort));
    }
    Device {
        key: key(device),
        product: product_id(0),
        cohort: by_hand.then(|| cohort_id(cohort)),
        attributes: attributes.into_iter().collect(),
        tags: texts(&[TAGS[1 + device % 5], TAGS[1 + device / 5 % 5]]),
        state: DeviceState::Active,
        security_epoch: 1,
    }
}

/// An override: nine of ten for one device, the tenth for a customer. It gives the oldest bundle of a cohort.
pub(super) fn overriding(number: usize, device: usize, cohorts: usize) -> Override {
    let target = if number % 10 == 9 {
        OverrideTarget::Selector(attribute("customer", &customer(device)))
    } else {
        OverrideTarget::Devices(BTreeSet::from([key(device)]))
    };
    Override {
        id: OverrideId::new(&format!("override-{number}")).expect(VALID),
        product: product_id(0),
        target,
        bundle: bundle_id(0, number % cohorts, 0),
        starts_at: Timestamp::from_secs(0),
        ends_at: None,
        force: true,
        allow_downgrade: true,
    }
}

/// A hold. Of ten, five hold one device, one a customer; three keep a model off one old bundle; and one is a window on a cohort,
/// open now. Holds that concern the same device are all looked at, so that there is one window to a cohort, not
/// more, and beyond that holds of devices.
pub(super) fn hold(number: usize, device: usize, cohorts: usize, depth: usize) -> Hold {
    let (scope, kind) = match number % 10 {
        6 if number / 10 >= cohorts => (HoldScope::Device(key(device)), HoldKind::OptOut),
        0 | 1 => (HoldScope::Device(key(device)), HoldKind::OptOut),
        2 => (HoldScope::Device(key(device)), HoldKind::Quarantine),
        3 | 4 => (HoldScope::Device(key(device)), HoldKind::Backoff),
        5 => (HoldScope::Selector(attribute("customer", &customer(device))), HoldKind::OptOut),
        6 => (HoldScope::Cohort(cohort_id(number / 10)), HoldKind::Window),
        _ => (HoldScope::Selector(attribute("model", MODELS[number % 2])), HoldKind::Safeguard),
    };
    let is_window = kind == HoldKind::Window;
    Hold {
        id: HoldId::new(&format!("hold-{number}")).expect(VALID),
        product: product_id(0),
        scope,
        kind,
        release: None,
        // Old bundles: what is offered now has been repaired.
        bundle: (kind == HoldKind::Safeguard).then(|| bundle_id(0, number % cohorts, number / cohorts % depth.div_ceil(2))),
        from: Timestamp::from_secs(0),
        until: (kind == HoldKind::Backoff).then(|| NOW.plus(Span::from_days(1))),
        window: is_window.then(|| Window {
            cron: "0 6 * * *".to_owned(),
            duration: Span::from_secs(14 * 3_600),
            timezone: Some("Europe/Berlin".to_owned()),
        }),
        critical_pierces: false,
        reason: "asked for by support".to_owned(),
        author: Principal::new("support").expect(VALID),
    }
}
