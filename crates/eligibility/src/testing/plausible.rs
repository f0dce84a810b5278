//! Catalogs as a machine could have made them, of every kind of object in every state, from a seed; and requests in the
//! same vocabulary. Small, so that things meet.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{
    Basis, BundleState, Cell, CellState, CohortId, DeviceState, DomainOrder, Domains, DottedVersion, Exposure, Framework,
    HoldKind, HoldScope, InstallMode, OverrideTarget, PassedStage, Policy, Ppm, Ramp, RampStep, Release, Requirement,
    RolloutState, Salt, Selector, Signature, Span, Stage, StageState, Timestamp, Trigger, Urgency, VersionScheme, Window,
};

use crate::request::{Mode, Request};
use crate::testing::{DAY, Dice, HOUR, T, World, after, attribute, before, bundle_id, device_key, release_id, texts, version};

const COHORTS: [&str; 3] = ["stable", "beta", "rc"];
const BUNDLES: [&str; 9] = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"];
const VERSIONS: [&str; 8] = ["1.0.0", "1.0.1", "1.1.0", "1.2.0-rc.1", "1.2.0", "2.0.0", "2.1.0", "3.0.0"];
const REQUIREMENTS: [&str; 5] = [">=1.0.0", ">=1.0.0, <2.0.0", "^1.1", "<3.0.0", "=1.0.0"];
const KEYS: [&str; 6] = ["dev-1", "dev-2", "dev-3", "dev-4", "gerät-ü", "dev-0001"];
const TAGS: [&str; 3] = ["canary", "beta", "gold"];
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
const SHARES: [u32; 6] = [0, 100_000, 300_000, 500_000, 999_999, 1_000_000];

/// A world from a seed.
pub(crate) fn plausible_world(seed: u64) -> World {
    let dice = &mut Dice::new(seed);
    let mut world = World::default();
    let schemes = [VersionScheme::SemVer, VersionScheme::SemVer, VersionScheme::SemVer, VersionScheme::Dotted];
    let scheme = dice.pick(&schemes);
    world.product(|product| {
        product.version_scheme = scheme;
        product.allow_unregistered = dice.chance(90);
        product.default_cohort = dice.maybe(90, &COHORTS).map(|id| CohortId::new(id).unwrap());
        product.trusted_keys = if dice.chance(25) { texts(&["k1"]) } else { BTreeSet::new() };
        if dice.chance(20) {
            product.required_attestations.insert(tidegate_model::AttestationKind::new("qa").unwrap());
        }
        product.client_phased = dice.chance(30);
    });
    for cohort in dice.some(75, &COHORTS) {
        let rules = (0..dice.below(2)).map(|_| selector(dice)).collect();
        let entry = dice.maybe(50, &["r0", "r1", "r10", "r20"]).map(release_id);
        world.cohort(cohort, |cohort| {
            cohort.rules = rules;
            cohort.entry_release = entry;
        });
    }
    for id in BUNDLES {
        bundle(&mut world, dice, id);
    }
    for (number, cohort) in COHORTS.iter().enumerate() {
        graph(&mut world, dice, number, cohort);
    }
    for key in dice.some(40, &KEYS[..4]) {
        device(&mut world, dice, key);
    }
    for _ in 0..[0, 0, 1, 2, 4][dice.below(5)] {
        hold(&mut world, dice);
    }
    for _ in 0..[0, 0, 0, 1, 2][dice.below(5)] {
        overriding(&mut world, dice);
    }
    world
}

fn bundle(world: &mut World, dice: &mut Dice, id: &str) {
    let states = [BundleState::Uploading, BundleState::Recalled];
    world.bundle(id, |bundle| {
        bundle.version = dice.maybe(60, &VERSIONS).map(version);
        bundle.state = dice.maybe(8, &states).unwrap_or(BundleState::Ready);
        bundle.security_epoch = if dice.chance(10) { 1 } else { 0 };
        bundle.requires = requirement(dice, 15);
        bundle.signatures =
            dice.maybe(85, &["k1", "k2"]).map(|key| Signature { key: key.to_owned(), signature: None }).into_iter().collect();
    });
    if dice.chance(80) {
        world.attest(id, dice.pick(&["qa", "perf"]));
    }
}

/// Up to seven releases of one cohort: an in-tree towards the last linked one, mostly a chain.
fn graph(world: &mut World, dice: &mut Dice, cohort_number: usize, cohort: &str) {
    let count = dice.below(8);
    let linked: Vec<_> = (0..count).filter(|_| dice.chance(88)).collect();
    let id = |i: usize| format!("r{}", cohort_number * 10 + i);
    let ids: Vec<_> = linked.iter().map(|i| release_id(&id(*i))).collect();
    for i in 0..count {
        let place = linked.iter().position(|l| *l == i);
        let next = place.filter(|place| place + 1 < linked.len()).map(|place| {
            let ahead = &ids[place + 1..];
            if dice.chance(70) { ahead[0].clone() } else { dice.pick(ahead) }
        });
        let is_latest = place.is_some() && next.is_none();
        let is_stored = dice.chance(80);
        let policy = if is_stored { policy(dice, &id(i)) } else { Policy::implicit(release_id(&id(i))) };
        world.release(&id(i), |release| {
            release.cohort = CohortId::new(cohort).unwrap();
            release.bundle = bundle_id(BUNDLES[if dice.chance(80) { i } else { dice.below(9) }]);
            release.linked = place.is_some();
            release.next = next;
            describe(release, dice, i);
            rollout(release, dice, is_latest, &policy, &ids);
        });
        if is_stored {
            world.put(|version, created| {
                tidegate_model::Object::Policy(std::sync::Arc::new(tidegate_model::Stored { version, created, body: policy }))
            });
        }
    }
}

fn describe(release: &mut Release, dice: &mut Dice, i: usize) {
    let own = if dice.chance(75) { Some(VERSIONS[i]) } else { dice.maybe(50, &VERSIONS) };
    release.version = own.map(version);
    release.version_requirement = dice.maybe(35, &REQUIREMENTS).map(str::to_owned);
    release.required = dice.chance(18);
    release.dead_end = !release.required && dice.chance(8);
    release.disabled = dice.chance(8);
    release.requirement = requirement(dice, 10);
    release.urgency = match dice.below(10) {
        0 | 1 => Urgency::Critical,
        2 => Urgency::CriticalBelow(version(dice.pick(&VERSIONS))),
        _ => Urgency::Normal,
    };
    release.install_mode = match dice.below(12) {
        0 => InstallMode::Ask { auto_from: None },
        1 | 2 => InstallMode::Ask { auto_from: Some(version(dice.pick(&VERSIONS))) },
        3 => InstallMode::Info {
            versions: dice.some(20, &VERSIONS).into_iter().map(version).collect(),
            below: dice.maybe(30, &VERSIONS).map(version),
        },
        _ => InstallMode::Auto,
    };
    release.published_at = dice.maybe(20, &[before(DAY), after(DAY)]);
    release.consents = dice.some(15, &KEYS).into_iter().map(device_key).collect();
}

fn rollout(release: &mut Release, dice: &mut Dice, is_latest: bool, policy: &Policy, ids: &[tidegate_model::ReleaseId]) {
    let rollout = &mut release.rollout;
    rollout.state = match (release.linked, is_latest, dice.below(10)) {
        (false, _, _) => RolloutState::Draft,
        (true, true, 0..=5) | (true, false, 0) => RolloutState::Active,
        (true, _, 6) => RolloutState::Paused,
        (true, _, 7) => RolloutState::RolledBack,
        (true, _, _) => RolloutState::Completed,
    };
    rollout.salt = (rollout.state != RolloutState::Draft).then(|| Salt([dice.below(4) as u8; 16]));
    rollout.was_completed = rollout.state == RolloutState::Completed || dice.chance(50);
    rollout.open_barrier = dice.chance(30);
    rollout.revert_to = (!ids.is_empty()).then(|| dice.pick(ids)).filter(|_| dice.chance(60));
    rollout.revert_share = Ppm::new(dice.pick(&[1_000_000, 1_000_000, 500_000, 0])).unwrap();
    rollout.stage_index = dice.below(policy.stages.len()) as u32;
    let states = [StageState::Open, StageState::Open, StageState::Baking, StageState::Inconclusive, StageState::AwaitingApproval];
    rollout.stage_state = if dice.chance(10) { StageState::Passed } else { dice.pick(&states) };
    rollout.frozen_since = dice.maybe(15, &[T, before(HOUR), after(2 * HOUR)]);
    rollout.stage_opened_at = dice.maybe(95, &[T, before(2 * DAY), after(DAY)]);
    rollout.stage_paused = dice.maybe(20, &[Span::from_secs(HOUR)]).unwrap_or_default();
    let current = rollout.stage_index as usize;
    let left = policy.stages.iter().take(current);
    let ended_with = |dice: &mut Dice, stage: &Stage| {
        if dice.chance(70) { stage.exposure.clone() } else { exposure(dice) }
    };
    rollout.passed = left.map(|stage| PassedStage { name: stage.name.clone(), exposure: ended_with(dice, stage) }).collect();
    if dice.chance(4) {
        rollout.passed.pop();
    }
    rollout.admitted = dice.some(40, &KEYS).into_iter().map(device_key).collect();
    if let Some(domains) = &policy.stages[current].domains {
        let states =
            [CellState::Closed, CellState::Open, CellState::Settled, CellState::Passed, CellState::Passed, CellState::Failed];
        let all = dice.maybe(20, &[CellState::Passed]);
        rollout.cells = domains
            .values
            .iter()
            .map(|value| {
                let state = all.unwrap_or_else(|| dice.pick(&states));
                (value.clone(), Cell { state, opened_at: None, settled_at: None, lack: None })
            })
            .collect::<BTreeMap<_, _>>();
    }
}

fn policy(dice: &mut Dice, release: &str) -> Policy {
    let stages = (0..1 + dice.below(3))
        .map(|i| Stage {
            name: format!("s{i}"),
            selector: if dice.chance(60) { Selector::default() } else { selector(dice) },
            exposure: exposure(dice),
            domains: dice.chance(25).then(|| Domains {
                key: dice.pick(&["region", "fd"]).to_owned(),
                values: dice.some(70, &REGIONS).into_iter().map(str::to_owned).collect(),
                order: DomainOrder::Listed,
                parallel: 1,
                gate_each: true,
            }),
            gate: None,
        })
        .collect();
    Policy {
        trigger: dice.maybe(20, &[Trigger::At(after(DAY)), Trigger::At(before(DAY))]).unwrap_or(Trigger::Now),
        stages,
        interactive_bypasses_phase: dice.chance(40),
        critical_ignores_domains: dice.chance(40),
        ..Policy::implicit(release_id(release))
    }
}

fn exposure(dice: &mut Dice) -> Exposure {
    let share = Ppm::new(dice.pick(&SHARES)).unwrap();
    match dice.below(10) {
        0 | 1 => Exposure::All,
        2 | 3 => Exposure::Percent { share, basis: Basis::Hash },
        4 => Exposure::Percent { share, basis: Basis::Roster },
        5 => Exposure::Count(2),
        6 => Exposure::Tags(texts(&dice.some(50, &TAGS))),
        7 => Exposure::Ramp(Ramp::Groups { groups: dice.pick(&[7, 7, 3]), interval: Span::from_secs(DAY) }),
        8 => Exposure::Ramp(Ramp::Linear { from: share, duration: Span::from_secs(DAY) }),
        _ => {
            let step = |offset: u64, share: u32| RampStep { offset: Span::from_secs(offset), share: Ppm::new(share).unwrap() };
            let last = dice.pick(&[400_000, 1_000_000]);
            Exposure::Ramp(
                dice.pick(&[Ramp::Apple, Ramp::Steps(vec![step(0, 100_000), step(HOUR, 300_000), step(2 * DAY, last)])]),
            )
        }
    }
}

fn selector(dice: &mut Dice) -> Selector {
    match dice.below(8) {
        0 => Selector { tags_any_of: texts(&dice.some(50, &TAGS)), ..Selector::default() },
        1 => Selector { tags_all_of: texts(&dice.some(40, &TAGS)), ..Selector::default() },
        2 => Selector { tags_none_of: texts(&dice.some(40, &TAGS)), ..Selector::default() },
        3 => Selector { devices: dice.some(40, &KEYS).into_iter().map(device_key).collect(), ..Selector::default() },
        4 => Selector { tags_none_of: texts(&["gold"]), ..attribute("region", &dice.some(60, &REGIONS)) },
        5 => {
            let mut both = attribute("region", &dice.some(60, &REGIONS));
            both.attributes.extend(attribute("model", &["akita"]).attributes);
            both
        }
        _ => attribute("region", &dice.some(50, &REGIONS)),
    }
}

fn requirement(dice: &mut Dice, percent: usize) -> Requirement {
    let dotted = |text: &str| DottedVersion::parse(text).unwrap();
    let mut requirement = Requirement::default();
    if dice.chance(percent) {
        requirement.attributes = attribute("model", &dice.some(50, &["akita", "komodo"])).attributes;
    }
    if dice.chance(percent) {
        requirement.os_min = dice.maybe(70, &["10", "12.1"]).map(dotted);
        requirement.os_max = dice.maybe(50, &["12", "14"]).map(dotted);
    }
    if dice.chance(percent) {
        requirement.frameworks.push(Framework { name: "sdk".to_owned(), min: dotted("15.04") });
    }
    requirement
}

fn device(world: &mut World, dice: &mut Dice, key: &str) {
    world.device(key, |device| {
        device.cohort = dice.maybe(30, &["stable", "beta", "gone"]).map(|id| CohortId::new(id).unwrap());
        let attributes =
            [("region", "eu"), ("model", "akita"), ("os", "12"), ("framework.sdk", "15.4"), ("cohort", "rc"), ("fd", "us")];
        device.attributes = dice.some(50, &attributes).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        device.tags = texts(&dice.some(40, &TAGS));
        device.state = if dice.chance(5) { DeviceState::Decommissioned } else { DeviceState::Active };
        device.security_epoch = if dice.chance(10) { 1 } else { 0 };
    });
}

fn hold(world: &mut World, dice: &mut Dice) {
    let kinds = [
        HoldKind::Quarantine,
        HoldKind::Repair,
        HoldKind::Freeze,
        HoldKind::Safeguard,
        HoldKind::OptOut,
        HoldKind::OptOut,
        HoldKind::Consent,
        HoldKind::Consent,
        HoldKind::Backoff,
        HoldKind::Backoff,
        HoldKind::Window,
        HoldKind::Window,
    ];
    let kind = dice.pick(&kinds);
    let release = dice.maybe(30, &["r0", "r2", "r4", "r11", "gone"]).map(release_id);
    let bundle = if release.is_none() || dice.chance(5) { dice.maybe(40, &BUNDLES).map(bundle_id) } else { None };
    let scope = match dice.below(5) {
        0 => HoldScope::Device(device_key(dice.pick(&KEYS))),
        1 => HoldScope::Cohort(CohortId::new(dice.pick(&COHORTS)).unwrap()),
        2 | 3 => HoldScope::Selector(selector(dice)),
        _ => HoldScope::Product,
    };
    world.hold(kind, |hold| {
        hold.scope = scope;
        hold.release = release;
        hold.bundle = bundle;
        hold.from = dice.pick(&[before(5 * DAY), T, after(HOUR)]);
        hold.until = dice.maybe(60, &[after(DAY), after(3 * DAY), before(DAY), after(90)]);
        hold.critical_pierces = dice.chance(50);
        let crons = ["0 2 * * *", "30 13 * * *", "*/20 9-17 * * 1-5", "x", "0 12 * * *"];
        hold.window = (kind == HoldKind::Window || dice.chance(5)).then(|| Window {
            cron: dice.pick(&crons).to_owned(),
            duration: Span::from_secs(dice.pick(&[600, 2 * HOUR, 20 * HOUR])),
            timezone: dice.maybe(60, &["Europe/Berlin", "Asia/Kolkata", "Nowhere/Else"]).map(str::to_owned),
        });
    });
}

fn overriding(world: &mut World, dice: &mut Dice) {
    let target = if dice.chance(60) {
        OverrideTarget::Devices(dice.some(50, &KEYS).into_iter().map(device_key).collect())
    } else {
        OverrideTarget::Selector(selector(dice))
    };
    let bundle = if dice.chance(95) { dice.pick(&BUNDLES) } else { "gone" };
    world.overriding(bundle, |chosen| {
        chosen.target = target;
        chosen.starts_at = dice.pick(&[before(DAY), T, after(HOUR)]);
        chosen.ends_at = dice.maybe(50, &[after(DAY), after(HOUR), before(HOUR)]);
        chosen.force = dice.chance(60);
        chosen.allow_downgrade = dice.chance(40);
    });
}

/// What a request borrows, owned.
#[derive(Debug)]
pub(crate) struct RequestParts {
    device: Option<&'static str>,
    release: Option<&'static str>,
    bundle: Option<&'static str>,
    version: Option<&'static str>,
    attributes: Vec<(&'static str, &'static str)>,
    tags: Vec<&'static str>,
    mode: Mode,
    epoch: Option<u64>,
    group: Option<u8>,
    /// The instant of the request.
    pub(crate) now: Timestamp,
}

impl RequestParts {
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            product: "os",
            device: self.device,
            release: self.release,
            bundle: self.bundle,
            version: self.version,
            attributes: &self.attributes,
            tags: &self.tags,
            mode: self.mode,
            security_epoch: self.epoch,
            min_config_version: None,
            group: self.group,
            pending: None,
        }
    }
}

/// A request and its instant, from dice.
pub(crate) fn request_parts(dice: &mut Dice) -> RequestParts {
    let releases = ["r0", "r1", "r2", "r3", "r4", "r10", "r11", "r12", "r20", "r21", "gone", "no id!", ""];
    let versions = ["1.0.0", "1.0.1", "1.1.0", "1.2.0-rc.1", "2.0.0", "3.0.0", "0.9.0", "banana", ""];
    let attributes = [
        ("region", "eu"),
        ("region", "us"),
        ("model", "akita"),
        ("model", "komodo"),
        ("os", "12"),
        ("os", "13.1"),
        ("os", "x"),
        ("framework.sdk", "15.4"),
        ("framework.sdk", "14"),
        ("cohort", "beta"),
        ("cohort", "rc"),
        ("fd", "eu"),
    ];
    let millis = [
        0i64,
        -1,
        1,
        59_999,
        60_000,
        3_600_000,
        3_599_999,
        86_400_000,
        86_399_999,
        172_800_000,
        10 * 86_400_000,
        -86_400_000,
        -3 * 86_400_000,
        90_000,
    ];
    let mut bundles = BUNDLES.to_vec();
    bundles.extend(["gone", "no id!", ""]);
    let shift = dice.pick(&millis) + if dice.chance(20) { dice.below(86_400_000) as i64 } else { 0 };
    RequestParts {
        device: dice.maybe(85, &KEYS).or_else(|| dice.maybe(30, &[""])),
        release: dice.maybe(50, &releases),
        bundle: dice.maybe(45, &bundles),
        version: dice.maybe(45, &versions),
        attributes: dice.some(25, &attributes),
        tags: dice.some(30, &TAGS),
        mode: if dice.chance(30) { Mode::Interactive } else { Mode::Background },
        epoch: dice.maybe(10, &[0, 1, 2]),
        group: dice.maybe(20, &[0, 1, 3, 6]),
        now: Timestamp::from_millis(T.as_millis() + shift),
    }
}
