//! Generated documents: every kind, every field, texts that YAML would like to take for something else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use tidegate_model::{
    Artifact, AttestationKind, AttestationSpec, Basis, Bundle, BundleId, BundleState, Cohort, CohortId, Device, DeviceKey,
    DeviceState, Document, DomainOrder, Domains, DottedVersion, Exclusion, ExclusionId, ExclusionScope, Exposure, Framework,
    Gate, HoldId, HoldKind, HoldScope, HoldSpec, InstallMode, OnGateFail, OverrideId, OverrideSpec, OverrideTarget, Policy, Ppm,
    Principal, Product, ProductId, Provides, Ramp, RampStep, ReleaseId, ReleaseSpec, Requirement, Retry, Salt, Selector,
    Signature, Span, Spec, Stage, Timestamp, Trigger, Urgency, VersionScheme, VersionText, Window,
};

/// Any valid document.
pub fn documents() -> impl Strategy<Value = Document> {
    let spec = prop_oneof![
        products().boxed().prop_map(Spec::Product),
        cohorts().boxed().prop_map(Spec::Cohort),
        bundles().boxed().prop_map(Spec::Bundle),
        releases().boxed().prop_map(|release| Spec::Release(Box::new(release))),
        policies().boxed().prop_map(Spec::Policy),
        devices().boxed().prop_map(Spec::Device),
        holds().boxed().prop_map(Spec::Hold),
        overrides().boxed().prop_map(Spec::Override),
        exclusions().boxed().prop_map(Spec::Exclusion),
        attestations().boxed().prop_map(Spec::Attestation),
    ];
    (spec, option::of(any::<u64>()))
        .prop_map(|(spec, expected_version)| Document { spec, expected_version })
        .prop_filter("field rules hold", |document| document.spec.validate().is_empty())
}

const TRICKY: &[&str] = &[
    "null",
    "~",
    "true",
    "no",
    "On",
    "1",
    "1.0",
    "0x1f",
    ".inf",
    "1e3",
    "- a",
    "a: b",
    "a #b",
    "#a",
    "[a]",
    "{a}",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "'",
    "\"",
    "\\",
    "%a",
    "@a",
    "`a`",
    "a,b",
    "?",
    ":",
    "-",
    "--- a",
    "...",
    " a ",
    "2026-01-01",
    "1:20",
    "ü",
    "😀",
    "\u{2028}",
    "\u{85}",
    "\u{feff}a",
    "\u{7f}",
    "a\u{a0}b",
];

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(TRICKY)
            .prop_map(str::to_owned)
            .prop_filter("no control characters", |text| { !text.chars().any(char::is_control) }),
        "[a-z][a-z0-9_.-]{0,8}",
        "\\PC{1,20}".prop_filter("no control characters", |text| !text.chars().any(char::is_control)),
    ]
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(TRICKY).prop_map(str::to_owned), "\\PC{0,40}", "(a|\n|\r|\t| |\u{0}|\"|\\\\){0,12}"]
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&["1", "1.0", "true", "null", "no", "0x1f", "1e3", "a:b", "r1@beta"][..]).prop_map(str::to_owned),
        "[A-Za-z0-9][A-Za-z0-9._@:+~-]{0,12}"
    ]
}

fn id<T: std::fmt::Debug>(new: fn(&str) -> Result<T, tidegate_model::Invalid>) -> impl Strategy<Value = T> {
    ids().prop_map(move |text| new(&text).expect("it has the form of an id"))
}

fn versions() -> impl Strategy<Value = VersionText> {
    prop_oneof![Just("15.04".to_owned()), Just("1.0.0".to_owned()), Just("7".to_owned()), "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}(-rc)?"]
        .prop_map(|text| VersionText::new(&text).expect("it has the form of a version"))
}

fn dotted() -> impl Strategy<Value = DottedVersion> {
    "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}".prop_map(|text| DottedVersion::parse(&text).expect("it has the form of a dotted version"))
}

fn spans() -> impl Strategy<Value = Span> {
    (1..100_000_000_000_u64).prop_map(Span::from_millis)
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(Timestamp::from_millis)
}

fn shares() -> impl Strategy<Value = Ppm> {
    (0..=1_000_000_u32).prop_map(|ppm| Ppm::new(ppm).expect("at most everybody"))
}

fn tags() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(names(), 0..3)
}

fn products() -> impl Strategy<Value = Product> {
    let scheme = prop_oneof![Just(VersionScheme::SemVer), Just(VersionScheme::Dotted), Just(VersionScheme::Integer)];
    let retry = (1..100_u32, spans()).prop_map(|(limit, backoff)| Retry { limit, backoff });
    let first = (id(ProductId::new), scheme, any::<bool>(), option::of(id(CohortId::new)), option::of(spans()));
    let second = (btree_set(id(AttestationKind::new), 0..3), option::of(spans()), tags(), any::<bool>(), spans());
    (first, second, option::of(retry), any::<bool>()).prop_map(|(first, second, retry, flatten_reasons)| Product {
        id: first.0,
        version_scheme: first.1,
        allow_unregistered: first.2,
        default_cohort: first.3,
        max_staleness: first.4,
        required_attestations: second.0,
        poll_interval: second.1,
        trusted_keys: second.2,
        client_phased: second.3,
        active_window: second.4,
        retry,
        flatten_reasons,
    })
}

fn selectors() -> BoxedStrategy<Selector> {
    let keys = btree_set(names().prop_map(|key| DeviceKey::new(&key).expect("no control characters")), 0..3);
    (btree_map(names(), btree_set(names(), 1..3), 0..3), tags(), tags(), tags(), keys)
        .prop_map(|(attributes, tags_any_of, tags_all_of, tags_none_of, devices)| Selector {
            attributes,
            tags_any_of,
            tags_all_of,
            tags_none_of,
            devices,
        })
        .boxed()
}

fn cohorts() -> impl Strategy<Value = Cohort> {
    let links = (option::of(id(ReleaseId::new)), option::of(id(CohortId::new)), option::of(any::<[u8; 16]>()));
    (id(CohortId::new), id(ProductId::new), vec(selectors(), 0..3), links).prop_map(|(id, product, rules, links)| Cohort {
        id,
        product,
        rules,
        entry_release: links.0,
        follows: links.1,
        fixed_salt: links.2.map(Salt),
    })
}

fn requirements() -> BoxedStrategy<Requirement> {
    let framework = (names(), dotted()).prop_map(|(name, min)| Framework { name, min });
    (btree_map(names(), btree_set(names(), 1..3), 0..2), option::of(dotted()), option::of(dotted()), vec(framework, 0..2))
        .prop_map(|(attributes, os_min, os_max, frameworks)| Requirement { attributes, os_min, os_max, frameworks })
        .boxed()
}

fn bundles() -> impl Strategy<Value = Bundle> {
    let sha = || prop_oneof![Just("0".repeat(64)), "[0-9a-f]{64}"];
    let artifact = (names(), any::<u64>(), sha(), option::of(sha()), option::of("https://[a-z]{1,9}/[a-z]{0,5}"))
        .prop_map(|(name, size, sha256, base_sha256, url)| Artifact { name, size, sha256, base_sha256, url });
    let provides = (names(), dotted()).prop_map(|(name, version)| Provides { name, version });
    let signature = (names(), option::of(texts())).prop_map(|(key, signature)| Signature { key, signature });
    let state = prop_oneof![Just(BundleState::Ready), Just(BundleState::Recalled)];
    let lists = (vec(artifact, 0..3), vec(provides, 0..3), vec(signature, 0..3));
    (id(BundleId::new), id(ProductId::new), option::of(versions()), requirements(), any::<u64>(), state, lists).prop_map(
        |(id, product, version, requires, security_epoch, state, lists)| Bundle {
            id,
            product,
            version,
            artifacts: lists.0,
            requires,
            provides: lists.1,
            security_epoch,
            state,
            signatures: lists.2,
        },
    )
}

fn releases() -> impl Strategy<Value = ReleaseSpec> {
    let urgency = prop_oneof![Just(Urgency::Normal), Just(Urgency::Critical), versions().prop_map(Urgency::CriticalBelow)];
    let mode = prop_oneof![
        Just(InstallMode::Auto),
        option::of(versions()).prop_map(|auto_from| InstallMode::Ask { auto_from }),
        (btree_set(versions(), 0..3), option::of(versions())).prop_map(|(versions, below)| InstallMode::Info { versions, below }),
    ];
    let names = (id(ReleaseId::new), id(ProductId::new), id(CohortId::new), id(BundleId::new));
    let flags = (any::<bool>(), option::of(any::<bool>()), any::<bool>(), any::<bool>(), any::<bool>());
    let place = (btree_set(id(ReleaseId::new), 0..3), option::of(id(ReleaseId::new)));
    let version = (option::of(versions()), option::of(Just(">=1.2, <3".to_owned())));
    (names, version, flags, (requirements(), urgency, mode), option::of(instants()), texts(), place).prop_map(
        |(names, version, flags, conditions, published_at, notes, place)| ReleaseSpec {
            id: names.0,
            product: names.1,
            cohort: names.2,
            bundle: names.3,
            version: version.0,
            version_requirement: version.1,
            required: flags.0,
            disabled: flags.1,
            dead_end: flags.2 && !flags.0,
            requirement: conditions.0,
            urgency: conditions.1,
            install_mode: conditions.2,
            published_at,
            notes,
            next: place.1.filter(|_| place.0.is_empty()),
            previous: place.0,
            adopt: flags.3,
            replace: flags.4 && !flags.3,
        },
    )
}

fn exposures() -> BoxedStrategy<Exposure> {
    let basis = prop_oneof![Just(Basis::Hash), Just(Basis::Roster)];
    let steps = vec((1..1_000_000_u64, 0..100_000_u32), 1..8).prop_map(|deltas| {
        let (mut offset, mut share) = (0, 0);
        let step = |(more, wider)| {
            offset += more;
            share += wider;
            RampStep { offset: Span::from_millis(offset), share: Ppm::new(share).expect("at most 800,000") }
        };
        Ramp::Steps(deltas.into_iter().map(step).collect())
    });
    let ramp = prop_oneof![
        steps,
        (1..20_u32, spans()).prop_map(|(groups, interval)| Ramp::Groups { groups, interval }),
        Just(Ramp::Apple),
        (shares(), spans()).prop_map(|(from, duration)| Ramp::Linear { from, duration }),
    ];
    prop_oneof![
        Just(Exposure::All),
        (shares(), basis).prop_map(|(share, basis)| Exposure::Percent { share, basis }),
        (1..1_000_u32).prop_map(Exposure::Count),
        btree_set(names(), 1..3).prop_map(Exposure::Tags),
        ramp.prop_map(Exposure::Ramp),
    ]
    .boxed()
}

fn policies() -> impl Strategy<Value = Policy> {
    let order = prop_oneof![Just(DomainOrder::Listed), Just(DomainOrder::SmallestFirst), Just(DomainOrder::ByPosition)];
    let domains = (names(), btree_set(names(), 1..3), order, 1..4_u32, any::<bool>()).prop_map(
        |(key, values, order, parallel, gate_each)| Domains {
            key,
            values: values.into_iter().collect(),
            order,
            parallel,
            gate_each,
        },
    );
    let limits = (option::of(shares()), option::of(1..100_u32), option::of(shares()));
    let gate = (0..100_000_u64, 1..100_u32, limits, 0..5_u32, any::<[bool; 2]>()).prop_map(
        |(bake, min_sample, limits, approvals, flags)| Gate {
            bake: Span::from_millis(bake),
            min_sample,
            max_failure_share: limits.0,
            max_failures: limits.1,
            min_success_share: limits.2,
            approvals,
            allow_empty: flags[0],
            fail_on_new_problem: flags[1],
        },
    );
    let gate = prop_oneof![Just(Gate::default()), gate];
    let stage = (selectors(), exposures(), option::of(domains), option::of(gate));
    let trigger = prop_oneof![Just(Trigger::Now), instants().prop_map(Trigger::At), id(ReleaseId::new).prop_map(Trigger::After)];
    let fail = prop_oneof![Just(OnGateFail::Pause), Just(OnGateFail::Withdraw)];
    (id(ReleaseId::new), trigger, btree_map(names(), stage, 1..3), fail, any::<[bool; 3]>()).prop_map(
        |(release, trigger, stages, on_gate_fail, flags)| Policy {
            release,
            trigger,
            stages: stages
                .into_iter()
                .map(|(name, (selector, exposure, domains, gate))| Stage { name, selector, exposure, domains, gate })
                .collect(),
            on_gate_fail,
            auto_complete: flags[0],
            interactive_bypasses_phase: flags[1],
            critical_ignores_domains: flags[2],
        },
    )
}

fn devices() -> impl Strategy<Value = Device> {
    let attributes: BoxedStrategy<BTreeMap<String, String>> = btree_map(names(), names(), 0..3).boxed();
    let state = prop_oneof![Just(DeviceState::Active), Just(DeviceState::Decommissioned)];
    (names(), id(ProductId::new), option::of(id(CohortId::new)), attributes, tags(), state, any::<u64>()).prop_map(
        |(key, product, cohort, attributes, tags, state, security_epoch)| Device {
            key: DeviceKey::new(&key).expect("no control characters"),
            product,
            cohort,
            attributes: attributes.into_iter().collect(),
            tags,
            state,
            security_epoch,
        },
    )
}

fn holds() -> impl Strategy<Value = HoldSpec> {
    let scope = prop_oneof![
        names().prop_map(|key| HoldScope::Device(DeviceKey::new(&key).expect("no control characters"))),
        selectors().prop_map(HoldScope::Selector),
        id(CohortId::new).prop_map(HoldScope::Cohort),
        Just(HoldScope::Product),
    ];
    let window = (spans(), option::of(Just("Europe/Berlin".to_owned()))).prop_map(|(duration, timezone)| Window {
        cron: "0 2 * * *".to_owned(),
        duration,
        timezone,
    });
    let kind = prop::sample::select(&HoldKind::ALL[..]);
    let limit = (option::of(id(ReleaseId::new)), option::of(id(BundleId::new)));
    (id(HoldId::new), id(ProductId::new), scope, kind, limit, (instants(), spans()), window, any::<bool>(), texts()).prop_map(
        |(id, product, scope, kind, limit, (from, length), window, flag, reason)| HoldSpec {
            id,
            product,
            scope,
            kind,
            bundle: limit.1.filter(|_| limit.0.is_none()),
            release: limit.0,
            from: Some(from),
            until: flag.then(|| from.plus(length)),
            window: (kind == HoldKind::Window).then_some(window),
            critical_pierces: flag && kind == HoldKind::OptOut,
            reason,
        },
    )
}

fn overrides() -> impl Strategy<Value = OverrideSpec> {
    let keys = btree_set(names().prop_map(|key| DeviceKey::new(&key).expect("no control characters")), 1..3);
    let target = prop_oneof![keys.prop_map(OverrideTarget::Devices), selectors().prop_map(OverrideTarget::Selector)];
    let times = (option::of(instants()), spans(), any::<bool>());
    (id(OverrideId::new), id(ProductId::new), target, id(BundleId::new), times, any::<[bool; 2]>()).prop_map(
        |(id, product, target, bundle, (starts_at, length, ends), flags)| OverrideSpec {
            id,
            product,
            target,
            bundle,
            starts_at,
            ends_at: starts_at.filter(|_| ends).map(|at| at.plus(length)),
            force: flags[0],
            allow_downgrade: flags[1],
        },
    )
}

fn exclusions() -> impl Strategy<Value = Exclusion> {
    let scope = prop_oneof![Just(ExclusionScope::Product), Just(ExclusionScope::Global)];
    (id(ExclusionId::new), names(), vec(btree_set(names(), 2..4), 1..3), scope).prop_map(|(id, key, groups, scope)| Exclusion {
        id,
        key,
        groups,
        scope,
    })
}

fn attestations() -> impl Strategy<Value = AttestationSpec> {
    (id(BundleId::new), id(AttestationKind::new), option::of(id(Principal::new)), texts())
        .prop_map(|(bundle, kind, by, evidence)| AttestationSpec { bundle, kind, by, evidence })
}
