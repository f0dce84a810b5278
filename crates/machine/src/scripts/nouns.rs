//! Documents as scripts write them.

use tidegate_model::{
    AttestationKind, AttestationSpec, Basis, Bundle, BundleId, BundleState, Cohort, CohortId, Device, DeviceKey, DeviceState,
    DomainOrder, Domains, Exclusion, ExclusionId, ExclusionScope, Exposure, Gate, HoldId, HoldKind, HoldScope, HoldSpec,
    InstallMode, OnGateFail, OverrideId, OverrideSpec, OverrideTarget, Policy, Ppm, Principal, Product, ProductId, Ramp,
    RampStep, ReleaseId, ReleaseSpec, Requirement, Salt, Selector, Signature, Span, Spec, Stage, Timestamp, Trigger, Urgency,
    VersionScheme, VersionText, memory_id,
};

use super::{Args, START};

/// The wanted object that a noun describes; `None` for other words.
pub(super) fn spec(noun: &str, args: &Args) -> Option<Spec> {
    Some(match noun {
        "product" => Spec::Product(product(args)),
        "cohort" => Spec::Cohort(Cohort {
            id: CohortId::new(args.word(0)).unwrap(),
            product: product_id(args),
            rules: Vec::new(),
            entry_release: args.get("entry").map(release_id),
            follows: args.get("follows").map(|id| CohortId::new(id).unwrap()),
            fixed_salt: args.get("salt").map(|hex| Salt::from_hex(hex).unwrap()),
        }),
        "bundle" => Spec::Bundle(bundle(args)),
        "release" => Spec::Release(Box::new(release(args))),
        "policy" => Spec::Policy(policy(args)),
        "device" => Spec::Device(Device {
            key: DeviceKey::new(args.word(0)).unwrap(),
            product: product_id(args),
            cohort: args.get("cohort").map(|id| CohortId::new(id).unwrap()),
            attributes: tidegate_model::Attributes::default(),
            tags: args.list("tags").map(str::to_owned).collect(),
            state: if args.is("decommissioned") { DeviceState::Decommissioned } else { DeviceState::Active },
            security_epoch: args.get("epoch").map_or(0, |epoch| epoch.parse().unwrap()),
        }),
        "hold" => Spec::Hold(hold(args)),
        "remember" => Spec::Hold(memory(args)),
        "override" => Spec::Override(OverrideSpec {
            id: OverrideId::new(args.word(0)).unwrap(),
            product: product_id(args),
            target: OverrideTarget::Devices(args.list("devices").map(|key| DeviceKey::new(key).unwrap()).collect()),
            bundle: bundle_id(args.get("bundle").unwrap()),
            starts_at: args.get("starts").map(instant),
            ends_at: args.get("ends").map(instant),
            force: true,
            allow_downgrade: false,
        }),
        "exclusion" => Spec::Exclusion(Exclusion {
            id: ExclusionId::new(args.word(0)).unwrap(),
            key: args.get("key").unwrap().to_owned(),
            groups: vec![args.list("group").map(str::to_owned).collect()],
            scope: if args.is("global") { ExclusionScope::Global } else { ExclusionScope::Product },
        }),
        "attest" => Spec::Attestation(AttestationSpec {
            bundle: bundle_id(args.word(0)),
            kind: AttestationKind::new(args.word(1)).unwrap(),
            by: args.get("by").map(|by| Principal::new(by).unwrap()),
            evidence: args.get("evidence").unwrap_or_default().to_owned(),
        }),
        _ => return None,
    })
}

pub(super) fn instant(secs: &str) -> Timestamp {
    Timestamp::from_secs(START + secs.parse::<i64>().unwrap())
}

pub(super) fn release_id(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

fn bundle_id(id: &str) -> BundleId {
    BundleId::new(id).unwrap()
}

fn product_id(args: &Args) -> ProductId {
    ProductId::new(args.get("product").unwrap_or("os")).unwrap()
}

fn version(args: &Args) -> Option<VersionText> {
    args.get("version").map(|text| VersionText::new(text).unwrap())
}

fn product(args: &Args) -> Product {
    let attestation = |kind: &str| AttestationKind::new(kind).unwrap();
    Product {
        id: ProductId::new(args.word(0)).unwrap(),
        version_scheme: match args.get("scheme") {
            Some("integer") => VersionScheme::Integer,
            Some("dotted") => VersionScheme::Dotted,
            _ => VersionScheme::SemVer,
        },
        allow_unregistered: true,
        default_cohort: args.get("default").map(|id| CohortId::new(id).unwrap()),
        max_staleness: None,
        required_attestations: args.list("attest").map(attestation).collect(),
        poll_interval: None,
        trusted_keys: args.list("keys").map(str::to_owned).collect(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    }
}

fn bundle(args: &Args) -> Bundle {
    Bundle {
        id: bundle_id(args.word(0)),
        product: product_id(args),
        version: version(args),
        artifacts: Vec::new(),
        requires: Requirement::default(),
        provides: Vec::new(),
        security_epoch: args.get("epoch").map_or(0, |epoch| epoch.parse().unwrap()),
        state: match (args.is("recalled"), args.is("uploading")) {
            (true, _) => BundleState::Recalled,
            (false, true) => BundleState::Uploading,
            (false, false) => BundleState::Ready,
        },
        signatures: args
            .list("sign")
            .map(|key| match key.split_once('.') {
                Some((key, text)) => Signature { key: key.to_owned(), signature: Some(text.to_owned()) },
                None => Signature { key: key.to_owned(), signature: None },
            })
            .collect(),
    }
}

fn release(args: &Args) -> ReleaseSpec {
    let id = args.word(0);
    let own_bundle = format!("b{}", id.trim_start_matches('r'));
    ReleaseSpec {
        id: release_id(id),
        product: product_id(args),
        cohort: CohortId::new(args.get("cohort").unwrap_or("stable")).unwrap(),
        bundle: bundle_id(args.get("bundle").unwrap_or(&own_bundle)),
        version: version(args),
        version_requirement: args.get("requires").map(str::to_owned),
        required: args.is("required"),
        disabled: args.get("disabled").map(|text| text == "true"),
        dead_end: args.is("dead_end"),
        requirement: Requirement::default(),
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        published_at: args.get("published_at").map(instant),
        notes: args.get("notes").unwrap_or_default().to_owned(),
        previous: args.list("previous").map(release_id).collect(),
        next: args.get("next").map(release_id),
        adopt: args.is("adopt"),
        replace: args.is("replace"),
    }
}

fn hold(args: &Args) -> HoldSpec {
    let kinds = ["quarantine", "repair", "freeze", "safeguard", "opt_out", "consent", "backoff", "window"];
    let kind = kinds.iter().position(|kind| Some(*kind) == args.get("kind")).unwrap();
    HoldSpec {
        id: HoldId::new(args.word(0)).unwrap(),
        product: product_id(args),
        scope: match (args.get("cohort"), args.get("device")) {
            (Some(cohort), _) => HoldScope::Cohort(CohortId::new(cohort).unwrap()),
            (None, Some(device)) => HoldScope::Device(DeviceKey::new(device).unwrap()),
            (None, None) => HoldScope::Product,
        },
        kind: HoldKind::ALL[kind],
        release: args.get("release").map(release_id),
        bundle: args.get("bundle").map(bundle_id),
        from: args.get("from").map(instant),
        until: args.get("until").map(instant),
        window: None,
        critical_pierces: args.is("critical_pierces"),
        reason: String::new(),
    }
}

/// What the controller writes of a device that rolled a bundle back: `remember d1 b1`.
fn memory(args: &Args) -> HoldSpec {
    let (product, device, bundle) = (product_id(args), DeviceKey::new(args.word(0)).unwrap(), bundle_id(args.word(1)));
    HoldSpec {
        id: memory_id(&product, &device, &bundle),
        product,
        scope: HoldScope::Device(device),
        kind: HoldKind::Backoff,
        release: None,
        bundle: Some(bundle),
        from: None,
        until: None,
        window: None,
        critical_pierces: false,
        reason: String::new(),
    }
}

/// `policy r1 canary=10 all=all trigger=at.60`: stages in order as `NAME=EXPOSURE[/gate][/domains][/tag.TAG]`. A gate is
/// `gate.bake-60.sample-3.fail-20.approvals-1`; domains are `domains.fd0.fd1` with `parallel-2`, `key-region` or `whole`
/// among them.
fn policy(args: &Args) -> Policy {
    let release = release_id(args.word(0));
    let reserved = ["trigger", "expect", "id"];
    let trigger = match args.get("trigger").map(|text| text.split_once('.').unwrap_or((text, ""))) {
        Some(("at", secs)) => Trigger::At(instant(secs)),
        Some(("after", other)) => Trigger::After(release_id(other)),
        _ => Trigger::Now,
    };
    let stages = args.pairs().filter(|(name, _)| !reserved.contains(name)).map(|(name, text)| stage(name, text)).collect();
    let on_gate_fail = if args.is("on_fail_withdraw") { OnGateFail::Withdraw } else { OnGateFail::Pause };
    Policy { trigger, stages, on_gate_fail, auto_complete: args.is("auto_complete"), ..Policy::implicit(release) }
}

fn stage(name: &str, text: &str) -> Stage {
    let mut parts = text.split('/');
    let exposure = exposure(parts.next().unwrap());
    let mut stage = Stage { name: name.to_owned(), selector: Selector::default(), exposure, domains: None, gate: None };
    for part in parts {
        let mut words = part.split('.');
        match words.next() {
            Some("tag") => stage.selector.tags_any_of = words.map(str::to_owned).collect(),
            Some("gate") => stage.gate = Some(gate(words)),
            _ => stage.domains = Some(domains(words)),
        }
    }
    stage
}

fn gate<'a>(words: impl Iterator<Item = &'a str>) -> Gate {
    let mut gate = Gate::default();
    for (name, number) in words.filter_map(|word| word.split_once('-')) {
        let number: u32 = number.parse().unwrap();
        match name {
            "bake" => gate.bake = Span::from_secs(number.into()),
            "sample" => gate.min_sample = number,
            "fail" => gate.max_failure_share = Some(Ppm::new(number * 10_000).unwrap()),
            _ => gate.approvals = number,
        }
    }
    gate
}

fn domains<'a>(words: impl Iterator<Item = &'a str>) -> Domains {
    let mut domains =
        Domains { key: "fd".to_owned(), values: Vec::new(), order: DomainOrder::Listed, parallel: 1, gate_each: true };
    for word in words {
        match word.split_once('-') {
            Some(("parallel", number)) => domains.parallel = number.parse().unwrap(),
            Some(("key", key)) => key.clone_into(&mut domains.key),
            _ if word == "whole" => domains.gate_each = false,
            _ => domains.values.push(word.to_owned()),
        }
    }
    domains
}

fn exposure(text: &str) -> Exposure {
    let share = |text: &str| Ppm::new(text.parse::<u32>().unwrap() * 10_000).unwrap();
    match text.split_once('.') {
        Some(("count", count)) => Exposure::Count(count.parse().unwrap()),
        Some(("roster", percent)) => Exposure::Percent { share: share(percent), basis: Basis::Roster },
        Some(("tags", tags)) => Exposure::Tags(tags.split('.').map(str::to_owned).collect()),
        // ramp.SECONDS.PERCENT.SECONDS.PERCENT
        Some(("ramp", steps)) => {
            let numbers: Vec<&str> = steps.split('.').collect();
            let step = |pair: &[&str]| RampStep { offset: Span::from_secs(pair[0].parse().unwrap()), share: share(pair[1]) };
            Exposure::Ramp(Ramp::Steps(numbers.chunks(2).map(step).collect()))
        }
        _ if text == "all" => Exposure::All,
        _ => Exposure::Percent { share: share(text), basis: Basis::Hash },
    }
}
