//! Arbitrary commands and entries.

use proptest::prelude::*;
use tidegate_model::*;

use super::objects::*;
use super::*;

fn release_spec() -> BoxedStrategy<ReleaseSpec> {
    let first = (release_id(), product_id(), cohort_id(), bundle_id(), maybe(version_text()), maybe(words()));
    let second = (any::<bool>(), maybe(any::<bool>()), any::<bool>(), requirement(), urgency(), install_mode());
    let third = (maybe(timestamp()), words(), set(release_id()), maybe(release_id()), any::<bool>(), any::<bool>());
    (first, second, third)
        .prop_map(|(first, second, third)| ReleaseSpec {
            id: first.0,
            product: first.1,
            cohort: first.2,
            bundle: first.3,
            version: first.4,
            version_requirement: first.5,
            required: second.0,
            disabled: second.1,
            dead_end: second.2,
            requirement: second.3,
            urgency: second.4,
            install_mode: second.5,
            published_at: third.0,
            notes: third.1,
            previous: third.2,
            next: third.3,
            adopt: third.4,
            replace: third.5,
        })
        .boxed()
}

fn hold_spec() -> BoxedStrategy<HoldSpec> {
    let first = (hold_id(), product_id(), hold_scope(), hold_kind(), maybe(release_id()), maybe(bundle_id()));
    (first, maybe(timestamp()), maybe(timestamp()), maybe(window()), any::<bool>(), words())
        .prop_map(|(first, from, until, window, critical_pierces, reason)| HoldSpec {
            id: first.0,
            product: first.1,
            scope: first.2,
            kind: first.3,
            release: first.4,
            bundle: first.5,
            from,
            until,
            window,
            critical_pierces,
            reason,
        })
        .boxed()
}

fn override_spec() -> BoxedStrategy<OverrideSpec> {
    let first = (override_id(), product_id(), override_target(), bundle_id());
    (first, maybe(timestamp()), maybe(timestamp()), any::<bool>(), any::<bool>())
        .prop_map(|(first, starts_at, ends_at, force, allow_downgrade)| OverrideSpec {
            id: first.0,
            product: first.1,
            target: first.2,
            bundle: first.3,
            starts_at,
            ends_at,
            force,
            allow_downgrade,
        })
        .boxed()
}

fn attestation_spec() -> BoxedStrategy<AttestationSpec> {
    (bundle_id(), attestation_kind(), maybe(principal()), words())
        .prop_map(|(bundle, kind, by, evidence)| AttestationSpec { bundle, kind, by, evidence })
        .boxed()
}

pub fn document() -> BoxedStrategy<Document> {
    let spec = prop_oneof![
        product().prop_map(Spec::Product),
        cohort().prop_map(Spec::Cohort),
        bundle().prop_map(Spec::Bundle),
        release_spec().prop_map(|spec| Spec::Release(Box::new(spec))),
        policy().prop_map(Spec::Policy),
        device().prop_map(Spec::Device),
        hold_spec().prop_map(Spec::Hold),
        override_spec().prop_map(Spec::Override),
        exclusion().prop_map(Spec::Exclusion),
        attestation_spec().prop_map(Spec::Attestation),
    ];
    (spec, maybe(any::<u64>())).prop_map(|(spec, expected_version)| Document { spec, expected_version }).boxed()
}

fn verb() -> BoxedStrategy<Verb> {
    prop_oneof![
        (any::<bool>(), any::<bool>()).prop_map(|(supersede, insert_unphased)| Verb::Publish { supersede, insert_unphased }),
        Just(Verb::Pause),
        any::<bool>().prop_map(|acknowledge| Verb::Resume { acknowledge }),
        (maybe(release_id()), ppm(), any::<bool>()).prop_map(|(revert_to, revert_share, open_barrier)| Verb::Withdraw {
            revert_to,
            revert_share,
            open_barrier
        }),
        Just(Verb::Complete),
        maybe(words()).prop_map(|domain| Verb::Advance { domain }),
        (maybe(principal()), maybe(device_key())).prop_map(|(by, device)| Verb::Approve { by, device }),
        Just(Verb::Discard),
        Just(Verb::Disable),
        Just(Verb::Enable),
        device_key().prop_map(|device| Verb::Clear { device }),
        (cohort_id(), maybe(release_id()), any::<bool>()).prop_map(|(to, new_id, keep_version)| Verb::Promote {
            to,
            new_id,
            keep_version
        }),
    ]
    .boxed()
}

pub fn reference() -> BoxedStrategy<ObjectRef> {
    prop_oneof![
        product_id().prop_map(ObjectRef::Product),
        (product_id(), cohort_id()).prop_map(|(product, id)| ObjectRef::Cohort(product, id)),
        bundle_id().prop_map(ObjectRef::Bundle),
        release_id().prop_map(ObjectRef::Release),
        release_id().prop_map(ObjectRef::Policy),
        (product_id(), device_key()).prop_map(|(product, key)| ObjectRef::Device(product, key)),
        hold_id().prop_map(ObjectRef::Hold),
        override_id().prop_map(ObjectRef::Override),
        exclusion_id().prop_map(ObjectRef::Exclusion),
        (bundle_id(), attestation_kind(), principal()).prop_map(|(bundle, kind, by)| ObjectRef::Attestation(bundle, kind, by)),
    ]
    .boxed()
}

fn single() -> BoxedStrategy<Command> {
    let transition =
        (release_id(), maybe(any::<u64>()), maybe(words()), verb()).prop_map(|(release, expected_version, reason, verb)| {
            Command::Transition(Transition { release, expected_version, reason, verb })
        });
    let delete = (reference(), maybe(any::<u64>()))
        .prop_map(|(object, expected_version)| Command::Delete(Delete { object, expected_version }));
    let settings = (maybe(any::<u64>()), maybe(any::<u32>()), maybe(any::<u64>()), maybe(any::<u32>())).prop_map(
        |(expected_version, history_versions_max, audit_records_max, cluster_version)| {
            Command::Settings(SettingsChange { expected_version, history_versions_max, audit_records_max, cluster_version })
        },
    );
    let role = prop_oneof![Just(Role::Read), Just(Role::Operate), Just(Role::Admin)];
    let token = (principal(), maybe((digest(), role))).prop_map(|(name, grant)| Command::Token(TokenChange { name, grant }));
    let steer = steer().prop_map(Command::Steer);
    prop_oneof![few(document()).prop_map(Command::Apply), transition, delete, settings, token, steer].boxed()
}

pub fn steer() -> BoxedStrategy<Steer> {
    let domain = || maybe(words());
    let step = prop_oneof![
        Just(SteerStep::Fire),
        set(words()).prop_map(SteerStep::OpenCells),
        domain().prop_map(|domain| SteerStep::Settle { domain }),
        (domain(), lack()).prop_map(|(domain, lack)| SteerStep::Doubt { domain, lack }),
        domain().prop_map(|domain| SteerStep::Pass { domain }),
        (domain(), words()).prop_map(|(domain, reason)| SteerStep::Fail { domain, reason }),
        (set(device_key()), any::<u32>()).prop_map(|(devices, size)| SteerStep::Admit { devices, size }),
        timestamp().prop_map(|since| SteerStep::Freeze { since }),
        timestamp().prop_map(|until| SteerStep::Thaw { until }),
        Just(SteerStep::Complete),
        cohort_id().prop_map(|cohort| SteerStep::Follow { cohort }),
    ];
    (release_id(), any::<u64>(), step)
        .prop_map(|(release, expected_version, step)| Steer { release, expected_version, step })
        .boxed()
}

pub fn command() -> BoxedStrategy<Command> {
    prop_oneof![4 => single(), 1 => few(single()).prop_map(Command::Batch)].boxed()
}

pub fn entry() -> BoxedStrategy<Entry> {
    (timestamp(), principal(), any::<u64>(), request_id(), any::<[u8; 32]>(), command())
        .prop_map(|(proposed_at, principal, auth_epoch, request_id, seed, command)| Entry {
            proposed_at,
            principal,
            auth_epoch,
            request_id,
            seed: Seed(seed),
            command,
        })
        .boxed()
}
