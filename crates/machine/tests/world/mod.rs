//! A small world for properties: few names, so that commands meet, and every kind of command, so that they collide.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tidegate_machine::{Applied, Genesis, State, apply};
use tidegate_model::{
    AttestationKind, AttestationSpec, Basis, Bundle, BundleId, BundleState, Cohort, CohortId, Command, Delete, Device, DeviceKey,
    DeviceState, Digest, Document, DomainOrder, Domains, Entry, Exclusion, ExclusionId, ExclusionScope, Exposure, Gate, HoldId,
    HoldKind, HoldScope, HoldSpec, InstallMode, Lack, ObjectRef, OnGateFail, OverrideId, OverrideSpec, OverrideTarget, Policy,
    Ppm, Principal, Product, ProductId, Ramp, RampStep, ReleaseId, ReleaseSpec, RequestId, Requirement, Role, Salt, Seed,
    Selector, SettingsChange, Span, Spec, Stage, Steer, SteerStep, Timestamp, TokenChange, Transition, Trigger, Urgency, Verb,
    VersionScheme, VersionText,
};

pub const START: i64 = 1_700_000_000;

/// What the world begins with, before any generated command.
pub const GENESIS: Genesis = Genesis { version_base: 1_000, epoch: 1, bare_signatures: false };

pub fn release_id(number: u8) -> ReleaseId {
    ReleaseId::new(&format!("r{number}")).unwrap()
}

pub fn bundle_id(number: u8) -> BundleId {
    BundleId::new(&format!("b{number}")).unwrap()
}

pub fn cohort_id(number: u8) -> CohortId {
    CohortId::new(["stable", "beta"][usize::from(number % 2)]).unwrap()
}

pub fn os() -> ProductId {
    ProductId::new("os").unwrap()
}

pub fn principal(name: &str) -> Principal {
    Principal::new(name).unwrap()
}

pub fn product(scheme: VersionScheme) -> Product {
    Product {
        id: os(),
        version_scheme: scheme,
        allow_unregistered: true,
        default_cohort: None,
        max_staleness: None,
        required_attestations: BTreeSet::new(),
        poll_interval: None,
        trusted_keys: BTreeSet::new(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    }
}

pub fn cohort(number: u8) -> Cohort {
    Cohort { id: cohort_id(number), product: os(), rules: Vec::new(), entry_release: None, follows: None, fixed_salt: None }
}

pub fn bundle(number: u8) -> Bundle {
    Bundle {
        id: bundle_id(number),
        product: os(),
        version: None,
        artifacts: Vec::new(),
        requires: Requirement::default(),
        provides: Vec::new(),
        security_epoch: u64::from(number),
        state: BundleState::Ready,
        signatures: Vec::new(),
    }
}

pub fn release(number: u8, cohort: u8) -> ReleaseSpec {
    ReleaseSpec {
        id: release_id(number),
        product: os(),
        cohort: cohort_id(cohort),
        bundle: bundle_id(number % 4),
        version: None,
        version_requirement: None,
        required: false,
        disabled: None,
        dead_end: false,
        requirement: Requirement::default(),
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        published_at: None,
        notes: String::new(),
        previous: BTreeSet::new(),
        next: None,
        adopt: false,
        replace: false,
    }
}

pub fn stage(name: &str, exposure: Exposure) -> Stage {
    Stage { name: name.to_owned(), selector: Selector::default(), exposure, domains: None, gate: None }
}

pub fn share(percent: u32) -> Exposure {
    Exposure::Percent { share: Ppm::new(percent * 10_000).unwrap(), basis: Basis::Hash }
}

pub fn document(spec: Spec) -> Document {
    Document { spec, expected_version: None }
}

pub fn transition(number: u8, verb: Verb) -> Command {
    Command::Transition(Transition { release: release_id(number), expected_version: None, reason: None, verb })
}

pub const PUBLISH: Verb = Verb::Publish { supersede: false, insert_unphased: false };
pub const WITHDRAW: Verb = Verb::Withdraw { revert_to: None, revert_share: Ppm::EVERYBODY, open_barrier: false };

/// The objects that the world begins with.
pub fn beginning() -> Command {
    let mut documents = vec![document(Spec::Product(product(VersionScheme::Integer)))];
    documents.extend((0..2).map(|number| document(Spec::Cohort(cohort(number)))));
    documents.extend((0..4).map(|number| document(Spec::Bundle(bundle(number)))));
    Command::Apply(documents)
}

/// Releases to play with: an adopted one in each cohort, the rest drafts with policies of two stages.
pub fn staging() -> Command {
    let releases = (0..8).map(|number| {
        let spec = ReleaseSpec { adopt: number < 2, ..release(number, number) };
        document(Spec::Release(Box::new(spec)))
    });
    let policies = (2..8).map(|number| {
        let stages = vec![stage("a", share(u32::from(number) * 10)), stage("b", Exposure::All)];
        document(Spec::Policy(Policy { stages, ..Policy::implicit(release_id(number)) }))
    });
    Command::Apply(releases.chain(policies).collect())
}

pub fn entry(index: u64, secs: i64, who: &str, request: &str, command: Command) -> Entry {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&index.to_be_bytes());
    Entry {
        proposed_at: Timestamp::from_secs(START + secs),
        principal: principal(who),
        auth_epoch: u64::MAX,
        request_id: RequestId::new(request).unwrap(),
        seed: Seed(seed),
        command,
    }
}

/// One command of a generated history.
#[derive(Clone, Debug)]
pub struct Move {
    /// Seconds that the proposer's clock has moved, also back.
    pub secs: i64,
    pub who: &'static str,
    pub command: Command,
}

/// A history as log entries with their indexes, beginning with [`beginning`] and [`staging`]; indexes leave gaps for blank entries.
pub fn log(moves: &[Move]) -> Vec<(u64, Entry)> {
    let mut out = vec![(1, entry(1, 0, "ops", "q1", beginning())), (2, entry(2, 0, "ops", "q2", staging()))];
    let mut state = State::new(GENESIS);
    for (index, entry) in &out {
        apply(&mut state, *index, entry);
    }
    let (mut index, mut secs) = (2, 0);
    for step in moves {
        index += 1 + u64::from(step.secs % 3 == 0);
        secs += step.secs;
        let command = looked_at(&state, step.command.clone());
        let who = if matches!(command, Command::Steer(_)) { "controller" } else { step.who };
        let entry = entry(index, secs, who, &format!("q{index}"), command);
        apply(&mut state, index, &entry);
        out.push((index, entry));
    }
    out
}

/// The controller looks before it steers: a step on version 0 stands for the present one.
fn looked_at(state: &State, command: Command) -> Command {
    match command {
        Command::Steer(Steer { release, expected_version: 0, step }) => {
            let present = state.catalog().releases().get(&release).map_or(1, |release| release.version);
            Command::Steer(Steer { release, expected_version: present, step })
        }
        other => other,
    }
}

/// Applies a history; returns the state before each entry with what applying it gave.
pub fn run(log: &[(u64, Entry)]) -> (State, Vec<(State, Applied)>) {
    let mut state = State::new(GENESIS);
    let mut steps = Vec::new();
    for (index, entry) in log {
        let before = state.clone();
        let applied = apply(&mut state, *index, entry);
        steps.push((before, applied));
    }
    (state, steps)
}

/// Generated histories.
pub fn moves(count: usize) -> impl Strategy<Value = Vec<Move>> {
    let who = select(vec!["ops", "ops", "ops", "ops", "ops", "alice", "controller"]);
    let one = (-5..100i64, who, command()).prop_map(|(secs, who, command)| Move { secs, who, command });
    vec(one, 1..count)
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        12 => single(),
        1 => vec(single(), 0..4).prop_map(Command::Batch),
    ]
}

fn single() -> impl Strategy<Value = Command> {
    let expected = || prop_oneof![12 => Just(None), 1 => (0..4u64).prop_map(Some)];
    let with_version = (spec(), expected()).prop_map(|(spec, expected_version)| Document { spec, expected_version });
    let reason = prop_oneof![3 => Just(None), 1 => Just(Some("because".to_owned()))];
    prop_oneof![
        20 => vec(with_version, 1..3).prop_map(Command::Apply),
        60 => (0..8u8, expected(), reason, verb()).prop_map(|(number, expected_version, reason, verb)| {
            Command::Transition(Transition { release: release_id(number), expected_version, reason, verb })
        }),
        40 => (0..8u8, prop_oneof![12 => Just(0), 1 => 1..4u64], step()).prop_map(|(number, expected_version, step)| {
            Command::Steer(Steer { release: release_id(number), expected_version, step })
        }),
        2 => (object(), expected()).prop_map(|(object, expected_version)| Command::Delete(Delete { object, expected_version })),
        1 => (0..4u32, 0..3u32).prop_map(|(history, level)| Command::Settings(SettingsChange {
            history_versions_max: Some(history),
            cluster_version: Some(level),
            ..SettingsChange::default()
        })),
        1 => (select(vec!["ops", "ops", "alice", "bob"]), prop::option::of(0..6u8)).prop_map(|(name, grant)| {
            let hash = Digest::of("secret", name.as_bytes());
            let role = |number| if number == 0 { Role::Read } else { Role::Admin };
            Command::Token(TokenChange { name: principal(name), grant: grant.map(|number| (hash, role(number))) })
        }),
    ]
}

/// Domain values of the world's policies; the exclusion keeps the first two apart.
pub const DOMAINS: [&str; 3] = ["fd0", "fd1", "fd2"];

fn step() -> impl Strategy<Value = SteerStep> {
    let domain = || prop::option::of(select(DOMAINS.to_vec()).prop_map(str::to_owned));
    let opened = prop::collection::btree_set(select(DOMAINS.to_vec()).prop_map(str::to_owned), 1..3);
    let keys = prop::collection::btree_set((0..9u8).prop_map(|number| DeviceKey::new(&format!("d{number}")).unwrap()), 0..4);
    let lack = select(vec![Lack::Sample, Lack::Success, Lack::Approvals, Lack::Devices]);
    let instant = || (0..2_000i64).prop_map(|secs| Timestamp::from_secs(START + secs));
    prop_oneof![
        2 => Just(SteerStep::Fire),
        8 => opened.prop_map(SteerStep::OpenCells),
        4 => domain().prop_map(|domain| SteerStep::Settle { domain }),
        2 => (domain(), lack).prop_map(|(domain, lack)| SteerStep::Doubt { domain, lack }),
        6 => domain().prop_map(|domain| SteerStep::Pass { domain }),
        2 => domain().prop_map(|domain| SteerStep::Fail { domain, reason: "GATE_FAILED".to_owned() }),
        6 => (keys, 0..9u32).prop_map(|(devices, size)| SteerStep::Admit { devices, size }),
        1 => instant().prop_map(|since| SteerStep::Freeze { since }),
        1 => instant().prop_map(|until| SteerStep::Thaw { until }),
        2 => Just(SteerStep::Complete),
        2 => (0..2u8).prop_map(|number| SteerStep::Follow { cohort: cohort_id(number) }),
    ]
}

fn verb() -> impl Strategy<Value = Verb> {
    let device = || (0..3u8).prop_map(|number| DeviceKey::new(&format!("d{number}")).unwrap());
    prop_oneof![
        8 => any::<(bool, bool)>().prop_map(|(supersede, insert_unphased)| Verb::Publish { supersede, insert_unphased }),
        3 => Just(Verb::Pause),
        3 => any::<bool>().prop_map(|acknowledge| Verb::Resume { acknowledge }),
        2 => (prop::option::of(0..8u8), 0..=1_000_000u32, any::<bool>()).prop_map(|(to, share, open_barrier)| Verb::Withdraw {
            revert_share: if to.is_some() { Ppm::new(share).unwrap() } else { Ppm::EVERYBODY },
            revert_to: to.map(release_id),
            open_barrier,
        }),
        3 => Just(Verb::Complete),
        5 => Just(Verb::Advance { domain: None }),
        4 => select(DOMAINS.to_vec()).prop_map(|domain| Verb::Advance { domain: Some(domain.to_owned()) }),
        1 => prop::option::of(device()).prop_map(|device| Verb::Approve { by: None, device }),
        1 => Just(Verb::Discard),
        1 => Just(Verb::Disable),
        1 => Just(Verb::Enable),
        1 => device().prop_map(|device| Verb::Clear { device }),
        1 => (0..2u8, prop::option::of(0..8u8), any::<bool>()).prop_map(|(to, new_id, keep_version)| Verb::Promote {
            to: cohort_id(to),
            new_id: new_id.map(release_id),
            keep_version,
        }),
    ]
}

fn object() -> impl Strategy<Value = ObjectRef> {
    prop_oneof![
        Just(ObjectRef::Product(os())),
        (0..2u8).prop_map(|number| ObjectRef::Cohort(os(), cohort_id(number))),
        (0..5u8).prop_map(|number| ObjectRef::Bundle(bundle_id(number))),
        (0..8u8).prop_map(|number| ObjectRef::Release(release_id(number))),
        (0..8u8).prop_map(|number| ObjectRef::Policy(release_id(number))),
        (0..3u8).prop_map(|number| ObjectRef::Device(os(), DeviceKey::new(&format!("d{number}")).unwrap())),
        Just(ObjectRef::Hold(HoldId::new("h1").unwrap())),
        Just(ObjectRef::Override(OverrideId::new("o1").unwrap())),
        Just(ObjectRef::Exclusion(ExclusionId::new("e1").unwrap())),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    prop_oneof![
        1 => (any::<bool>(), prop::option::of(0..2u8), any::<bool>()).prop_map(|(integer, default, attest)| {
            let scheme = if integer { VersionScheme::Integer } else { VersionScheme::Dotted };
            let required = if attest { BTreeSet::from([AttestationKind::new("qa").unwrap()]) } else { BTreeSet::new() };
            let default_cohort = default.map(cohort_id);
            Spec::Product(Product { default_cohort, required_attestations: required, ..product(scheme) })
        }),
        1 => (0..2u8, prop::option::of(0..8u8), any::<bool>(), any::<bool>()).prop_map(|(number, entry, fixed, follows)| Spec::Cohort(Cohort {
            follows: (follows && number == 1).then(|| cohort_id(0)),
            entry_release: entry.map(release_id),
            fixed_salt: fixed.then_some(Salt([number; 16])),
            ..cohort(number)
        })),
        1 => (0..5u8, 0..6u8).prop_map(|(number, state)| {
            let state = match state {
                0 => BundleState::Recalled,
                1 => BundleState::Uploading,
                _ => BundleState::Ready,
            };
            Spec::Bundle(Bundle { state, ..bundle(number) })
        }),
        10 => release_spec().prop_map(|spec| Spec::Release(Box::new(spec))),
        8 => policy_spec().prop_map(Spec::Policy),
        1 => (0..3u8, prop::option::of(0..2u8)).prop_map(|(number, cohort)| Spec::Device(Device {
            key: DeviceKey::new(&format!("d{number}")).unwrap(),
            product: os(),
            cohort: cohort.map(cohort_id),
            attributes: tidegate_model::Attributes::default(),
            tags: BTreeSet::new(),
            state: DeviceState::Active,
            security_epoch: u64::from(number),
        })),
        1 => (0..8u8, prop::option::of(0..8u8), prop::option::of(0..100i64)).prop_map(|(kind, release, until)| Spec::Hold(HoldSpec {
            id: HoldId::new("h1").unwrap(),
            product: os(),
            scope: HoldScope::Product,
            kind: HoldKind::ALL[usize::from(kind)],
            release: release.map(release_id),
            bundle: None,
            from: None,
            until: until.map(|secs| Timestamp::from_secs(START + secs)),
            window: None,
            critical_pierces: false,
            reason: String::new(),
        })),
        1 => (0..5u8).prop_map(|number| Spec::Override(OverrideSpec {
            id: OverrideId::new("o1").unwrap(),
            product: os(),
            target: OverrideTarget::Devices(BTreeSet::from([DeviceKey::new("d0").unwrap()])),
            bundle: bundle_id(number),
            starts_at: None,
            ends_at: None,
            force: true,
            allow_downgrade: false,
        })),
        2 => Just(Spec::Exclusion(Exclusion {
            id: ExclusionId::new("e1").unwrap(),
            key: "fd".to_owned(),
            groups: vec![BTreeSet::from([DOMAINS[0].to_owned(), DOMAINS[1].to_owned()])],
            scope: ExclusionScope::Global,
        })),
        1 => (0..5u8).prop_map(|number| Spec::Attestation(AttestationSpec {
            bundle: bundle_id(number),
            kind: AttestationKind::new("qa").unwrap(),
            by: None,
            evidence: String::new(),
        })),
    ]
}

fn release_spec() -> impl Strategy<Value = ReleaseSpec> {
    let place = prop_oneof![
        4 => Just((BTreeSet::new(), None)),
        3 => prop::collection::btree_set(0..8u8, 1..3).prop_map(|set| (set, None)),
        1 => (0..8u8).prop_map(|next| (BTreeSet::new(), Some(next))),
        1 => (prop::collection::btree_set(0..8u8, 1..2), 0..8u8).prop_map(|(set, next)| (set, Some(next))),
    ];
    let flags = any::<(bool, bool, bool)>();
    (0..8u8, 0..10u8, place, flags, prop::option::of(any::<bool>()), prop::option::of(1..9u8)).prop_map(
        |(number, other_cohort, (previous, next), (required, adopt, replace), disabled, version)| ReleaseSpec {
            required,
            disabled,
            version: version.map(|number| VersionText::new(&number.to_string()).unwrap()),
            previous: previous.into_iter().map(release_id).collect(),
            next: next.map(release_id),
            adopt,
            replace: replace && !adopt,
            ..release(number, if other_cohort == 0 { number + 1 } else { number })
        },
    )
}

fn policy_spec() -> impl Strategy<Value = Policy> {
    let exposure = prop_oneof![
        Just(Exposure::All),
        (0..=100u32).prop_map(share),
        (1..4u32, 1..100u64).prop_map(|(groups, secs)| Exposure::Ramp(Ramp::Groups { groups, interval: Span::from_secs(secs) })),
        (0..50u64, 1..50u64).prop_map(|(first, more)| Exposure::Ramp(Ramp::Steps(vec![
            RampStep { offset: Span::from_secs(first), share: Ppm::new(100_000).unwrap() },
            RampStep { offset: Span::from_secs(first + more), share: Ppm::EVERYBODY },
        ]))),
        Just(Exposure::Tags(BTreeSet::from(["beta".to_owned()]))),
        (1..7u32).prop_map(Exposure::Count),
        (0..=100u32).prop_map(|percent| Exposure::Percent { share: Ppm::new(percent * 10_000).unwrap(), basis: Basis::Roster }),
    ];
    let domains = (prop::collection::btree_set(select(DOMAINS.to_vec()), 1..4), 1..4u32, any::<bool>()).prop_map(
        |(values, parallel, gate_each)| Domains {
            key: "fd".to_owned(),
            values: values.into_iter().map(str::to_owned).collect(),
            order: DomainOrder::Listed,
            parallel,
            gate_each,
        },
    );
    let gate =
        (0..40u64, 0..2u32).prop_map(|(bake, approvals)| Gate { bake: Span::from_secs(bake), approvals, ..Gate::default() });
    let more = (prop::option::of(domains), prop::option::of(gate));
    let one = (exposure, 0..12u8, more).prop_map(|(exposure, odd, (domains, gate))| {
        let mut stage = stage("", exposure);
        if odd == 0 {
            stage.selector.tags_any_of = BTreeSet::from(["canary".to_owned()]);
        }
        (stage.domains, stage.gate) = (domains, gate);
        stage
    });
    let trigger = prop_oneof![
        6 => Just(Trigger::Now),
        1 => (0..300i64).prop_map(|secs| Trigger::At(Timestamp::from_secs(START + secs))),
        1 => (0..8u8).prop_map(|number| Trigger::After(release_id(number))),
    ];
    (0..8u8, vec(one, 1..4), trigger, any::<(bool, bool)>()).prop_map(|(number, mut stages, trigger, flags)| {
        for (stage, name) in stages.iter_mut().zip(["a", "b", "c"]) {
            stage.name = name.to_owned();
        }
        let on_gate_fail = if flags.1 { OnGateFail::Withdraw } else { OnGateFail::Pause };
        Policy { trigger, stages, auto_complete: flags.0, on_gate_fail, ..Policy::implicit(release_id(number)) }
    })
}
