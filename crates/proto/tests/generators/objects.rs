//! Arbitrary stored objects.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_model::*;

use super::*;

pub fn selector() -> BoxedStrategy<Selector> {
    let attributes = proptest::collection::btree_map(words(), set(words()), FEW);
    (attributes, set(words()), set(words()), set(words()), set(device_key()))
        .prop_map(|(attributes, tags_any_of, tags_all_of, tags_none_of, devices)| Selector {
            attributes,
            tags_any_of,
            tags_all_of,
            tags_none_of,
            devices,
        })
        .boxed()
}

pub fn requirement() -> BoxedStrategy<Requirement> {
    let attributes = proptest::collection::btree_map(words(), set(words()), FEW);
    let framework = (words(), dotted()).prop_map(|(name, min)| Framework { name, min });
    (attributes, maybe(dotted()), maybe(dotted()), few(framework))
        .prop_map(|(attributes, os_min, os_max, frameworks)| Requirement { attributes, os_min, os_max, frameworks })
        .boxed()
}

pub fn product() -> BoxedStrategy<Product> {
    let scheme = prop_oneof![Just(VersionScheme::SemVer), Just(VersionScheme::Dotted), Just(VersionScheme::Integer)];
    let retry = maybe((any::<u32>(), span()).prop_map(|(limit, backoff)| Retry { limit, backoff }));
    let first = (product_id(), scheme, any::<bool>(), maybe(cohort_id()), maybe(span()), set(attestation_kind()));
    let second = (maybe(span()), set(words()), any::<bool>(), span(), retry, any::<bool>());
    (first, second)
        .prop_map(|(first, second)| Product {
            id: first.0,
            version_scheme: first.1,
            allow_unregistered: first.2,
            default_cohort: first.3,
            max_staleness: first.4,
            required_attestations: first.5,
            poll_interval: second.0,
            trusted_keys: second.1,
            client_phased: second.2,
            active_window: second.3,
            retry: second.4,
            flatten_reasons: second.5,
        })
        .boxed()
}

pub fn cohort() -> BoxedStrategy<Cohort> {
    (cohort_id(), product_id(), few(selector()), maybe(release_id()), maybe(cohort_id()), maybe(salt()))
        .prop_map(|(id, product, rules, entry_release, follows, fixed_salt)| Cohort {
            id,
            product,
            rules,
            entry_release,
            follows,
            fixed_salt,
        })
        .boxed()
}

pub fn bundle() -> BoxedStrategy<Bundle> {
    let artifact = (words(), any::<u64>(), words(), maybe(words()), maybe(words()))
        .prop_map(|(name, size, sha256, base_sha256, url)| Artifact { name, size, sha256, base_sha256, url });
    let provides = (words(), dotted()).prop_map(|(name, version)| Provides { name, version });
    let signature = (words(), maybe(words())).prop_map(|(key, signature)| Signature { key, signature });
    let state = prop_oneof![Just(BundleState::Uploading), Just(BundleState::Ready), Just(BundleState::Recalled)];
    let first = (bundle_id(), product_id(), maybe(version_text()), few(artifact), requirement());
    (first, few(provides), any::<u64>(), state, few(signature))
        .prop_map(|(first, provides, security_epoch, state, signatures)| Bundle {
            id: first.0,
            product: first.1,
            version: first.2,
            artifacts: first.3,
            requires: first.4,
            provides,
            security_epoch,
            state,
            signatures,
        })
        .boxed()
}

pub fn urgency() -> BoxedStrategy<Urgency> {
    prop_oneof![Just(Urgency::Normal), Just(Urgency::Critical), version_text().prop_map(Urgency::CriticalBelow)].boxed()
}

pub fn install_mode() -> BoxedStrategy<InstallMode> {
    prop_oneof![
        Just(InstallMode::Auto),
        maybe(version_text()).prop_map(|auto_from| InstallMode::Ask { auto_from }),
        (set(version_text()), maybe(version_text())).prop_map(|(versions, below)| InstallMode::Info { versions, below }),
    ]
    .boxed()
}

pub fn ramp() -> BoxedStrategy<Ramp> {
    let step = (span(), ppm()).prop_map(|(offset, share)| RampStep { offset, share });
    prop_oneof![
        few(step).prop_map(Ramp::Steps),
        (any::<u32>(), span()).prop_map(|(groups, interval)| Ramp::Groups { groups, interval }),
        Just(Ramp::Apple),
        (ppm(), span()).prop_map(|(from, duration)| Ramp::Linear { from, duration }),
    ]
    .boxed()
}

pub fn exposure() -> BoxedStrategy<Exposure> {
    let basis = prop_oneof![Just(Basis::Hash), Just(Basis::Roster)];
    prop_oneof![
        Just(Exposure::All),
        (ppm(), basis).prop_map(|(share, basis)| Exposure::Percent { share, basis }),
        any::<u32>().prop_map(Exposure::Count),
        set(words()).prop_map(Exposure::Tags),
        ramp().prop_map(Exposure::Ramp),
    ]
    .boxed()
}

pub fn gate() -> BoxedStrategy<Gate> {
    let flags = any::<[bool; 2]>();
    (span(), any::<u32>(), maybe(ppm()), maybe(any::<u32>()), maybe(ppm()), any::<u32>(), flags)
        .prop_map(|(bake, min_sample, max_failure_share, max_failures, min_success_share, approvals, flags)| Gate {
            bake,
            min_sample,
            max_failure_share,
            max_failures,
            min_success_share,
            approvals,
            allow_empty: flags[0],
            fail_on_new_problem: flags[1],
        })
        .boxed()
}

pub fn stage() -> BoxedStrategy<Stage> {
    let order = prop_oneof![Just(DomainOrder::Listed), Just(DomainOrder::SmallestFirst), Just(DomainOrder::ByPosition)];
    let domains = (words(), few(words()), order, any::<u32>(), any::<bool>())
        .prop_map(|(key, values, order, parallel, gate_each)| Domains { key, values, order, parallel, gate_each });
    (words(), selector(), exposure(), maybe(domains), maybe(gate()))
        .prop_map(|(name, selector, exposure, domains, gate)| Stage { name, selector, exposure, domains, gate })
        .boxed()
}

pub fn policy() -> BoxedStrategy<Policy> {
    let trigger = prop_oneof![Just(Trigger::Now), timestamp().prop_map(Trigger::At), release_id().prop_map(Trigger::After)];
    let fail = prop_oneof![Just(OnGateFail::Pause), Just(OnGateFail::Withdraw)];
    (release_id(), trigger, few(stage()), fail, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(release, trigger, stages, on_gate_fail, auto, interactive, critical)| Policy {
            release,
            trigger,
            stages,
            on_gate_fail,
            auto_complete: auto,
            interactive_bypasses_phase: interactive,
            critical_ignores_domains: critical,
        })
        .boxed()
}

pub fn lack() -> BoxedStrategy<Lack> {
    prop_oneof![Just(Lack::Sample), Just(Lack::Success), Just(Lack::Approvals), Just(Lack::Devices)].boxed()
}

pub fn rollout() -> BoxedStrategy<Rollout> {
    let state = prop_oneof![
        Just(RolloutState::Draft),
        Just(RolloutState::Active),
        Just(RolloutState::Paused),
        Just(RolloutState::RolledBack),
        Just(RolloutState::Completed),
    ];
    let origin =
        prop_oneof![Just(SaltOrigin::Fresh), release_id().prop_map(SaltOrigin::Inherited), Just(SaltOrigin::CohortFixed),];
    let stage_state = prop_oneof![
        Just(StageState::Pending),
        Just(StageState::Open),
        Just(StageState::Baking),
        Just(StageState::Inconclusive),
        Just(StageState::Passed),
        Just(StageState::Failed),
        Just(StageState::AwaitingApproval),
    ];
    let cell_state = prop_oneof![
        Just(CellState::Closed),
        Just(CellState::Open),
        Just(CellState::Settled),
        Just(CellState::Passed),
        Just(CellState::Failed),
    ];
    let cell = (cell_state, maybe(timestamp()), maybe(timestamp()), maybe(lack()))
        .prop_map(|(state, opened_at, settled_at, lack)| Cell { state, opened_at, settled_at, lack });
    let passed = (words(), exposure()).prop_map(|(name, exposure)| PassedStage { name, exposure });
    let first = (state, maybe(salt()), origin, maybe(timestamp()), any::<u32>(), stage_state);
    let second = (maybe(timestamp()), maybe(timestamp()), span(), few(passed), maybe(timestamp()), span());
    let third = (proptest::collection::btree_map(words(), cell, FEW), set(device_key()), any::<u32>(), set(principal()));
    let fourth = (any::<bool>(), maybe(release_id()), ppm(), any::<bool>(), any::<bool>(), words(), maybe(words()));
    let fifth = (maybe(timestamp()), maybe(timestamp()), set(device_key()));
    (first, second, third, fourth, fifth)
        .prop_map(|(first, second, third, fourth, fifth)| Rollout {
            state: first.0,
            salt: first.1,
            salt_origin: first.2,
            activated_at: first.3,
            stage_index: first.4,
            stage_state: first.5,
            stage_opened_at: second.0,
            stage_settled_at: second.1,
            stage_paused: second.2,
            passed: second.3,
            paused_at: second.4,
            paused_total: second.5,
            cells: third.0,
            admitted: third.1.into_iter().collect(),
            admitted_max: third.2,
            approvals: third.3,
            gate_failed: fourth.0,
            revert_to: fourth.1,
            revert_share: fourth.2,
            open_barrier: fourth.3,
            was_completed: fourth.4,
            reason: fourth.5,
            flag: fourth.6,
            frozen_since: fifth.0,
            acknowledged_at: fifth.1,
            dismissed: fifth.2.into_iter().collect(),
        })
        .boxed()
}

pub fn release() -> BoxedStrategy<Release> {
    let place = prop_oneof![Just(Place::Latest), set(release_id()).prop_map(Place::After), release_id().prop_map(Place::Before)];
    let first = (release_id(), product_id(), cohort_id(), bundle_id(), maybe(version_text()), maybe(words()));
    let second = (any::<bool>(), any::<bool>(), any::<bool>(), requirement(), urgency(), install_mode());
    let third = (maybe(timestamp()), words(), set(device_key()), place, any::<bool>(), maybe(release_id()), rollout());
    (first, second, third)
        .prop_map(|(first, second, third)| Release {
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
            consents: third.2,
            place: third.3,
            linked: third.4,
            next: third.5,
            rollout: third.6,
        })
        .boxed()
}

pub fn device() -> BoxedStrategy<Device> {
    let attributes = proptest::collection::btree_map(words(), words(), FEW);
    let state = prop_oneof![Just(DeviceState::Active), Just(DeviceState::Decommissioned)];
    (device_key(), product_id(), maybe(cohort_id()), attributes, set(words()), state, any::<u64>())
        .prop_map(|(key, product, cohort, attributes, tags, state, security_epoch)| Device {
            key,
            product,
            cohort,
            attributes: attributes.into_iter().collect(),
            tags,
            state,
            security_epoch,
        })
        .boxed()
}

pub fn hold_kind() -> impl Strategy<Value = HoldKind> {
    (0..HoldKind::ALL.len()).prop_map(|i| HoldKind::ALL[i])
}

pub fn hold_scope() -> BoxedStrategy<HoldScope> {
    prop_oneof![
        device_key().prop_map(HoldScope::Device),
        selector().prop_map(HoldScope::Selector),
        cohort_id().prop_map(HoldScope::Cohort),
        Just(HoldScope::Product),
    ]
    .boxed()
}

pub fn window() -> BoxedStrategy<Window> {
    (words(), span(), maybe(words())).prop_map(|(cron, duration, timezone)| Window { cron, duration, timezone }).boxed()
}

pub fn hold() -> BoxedStrategy<Hold> {
    let first = (hold_id(), product_id(), hold_scope(), hold_kind(), maybe(release_id()), maybe(bundle_id()));
    (first, timestamp(), maybe(timestamp()), maybe(window()), any::<bool>(), words(), principal())
        .prop_map(|(first, from, until, window, critical_pierces, reason, author)| Hold {
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
            author,
        })
        .boxed()
}

pub fn override_target() -> BoxedStrategy<OverrideTarget> {
    prop_oneof![set(device_key()).prop_map(OverrideTarget::Devices), selector().prop_map(OverrideTarget::Selector)].boxed()
}

pub fn one_override() -> BoxedStrategy<Override> {
    let first = (override_id(), product_id(), override_target(), bundle_id());
    (first, timestamp(), maybe(timestamp()), any::<bool>(), any::<bool>())
        .prop_map(|(first, starts_at, ends_at, force, allow_downgrade)| Override {
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

pub fn exclusion() -> BoxedStrategy<Exclusion> {
    let scope = prop_oneof![Just(ExclusionScope::Product), Just(ExclusionScope::Global)];
    (exclusion_id(), words(), few(set(words())), scope)
        .prop_map(|(id, key, groups, scope)| Exclusion { id, key, groups, scope })
        .boxed()
}

pub fn attestation() -> BoxedStrategy<Attestation> {
    (bundle_id(), attestation_kind(), principal(), timestamp(), words())
        .prop_map(|(bundle, kind, by, at, evidence)| Attestation { bundle, kind, by, at, evidence })
        .boxed()
}

fn stored<T: std::fmt::Debug + 'static>(body: BoxedStrategy<T>, wrap: fn(Arc<Stored<T>>) -> Object) -> BoxedStrategy<Object> {
    (any::<u64>(), any::<u64>(), any::<u32>(), body)
        .prop_map(move |(version, config_version, seq, body)| {
            wrap(Arc::new(Stored { version, created: Created { config_version, seq }, body }))
        })
        .boxed()
}

pub fn object() -> BoxedStrategy<Object> {
    prop_oneof![
        stored(product(), Object::Product),
        stored(cohort(), Object::Cohort),
        stored(bundle(), Object::Bundle),
        stored(release(), Object::Release),
        stored(policy(), Object::Policy),
        stored(device(), Object::Device),
        stored(hold(), Object::Hold),
        stored(one_override(), Object::Override),
        stored(exclusion(), Object::Exclusion),
        stored(attestation(), Object::Attestation),
    ]
    .boxed()
}
