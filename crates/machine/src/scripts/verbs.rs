//! Verbs and other commands as scripts write them.

use tidegate_model::{AttestationKind, BundleId, ExclusionId, HoldId, Lack, ObjectKind, OverrideId, SteerStep};
use tidegate_model::{
    CohortId, Command, Delete, DeviceKey, Digest, ObjectRef, Ppm, Principal, ProductId, Role, SettingsChange, TokenChange,
    Transition, Verb,
};

use super::Args;
use super::nouns::{instant, release_id};

/// The command of a verb; `None` for other words.
pub(super) fn command(verb: &str, args: &Args, expected_version: Option<u64>) -> Option<Command> {
    Some(match verb {
        "delete" => Command::Delete(Delete { object: object(args.word(0), args.word(1)), expected_version }),
        "settings" => Command::Settings(SettingsChange {
            expected_version,
            history_versions_max: args.get("history").map(|text| text.parse().unwrap()),
            audit_records_max: args.get("audit").map(|text| text.parse().unwrap()),
            cluster_version: args.get("cluster_version").map(|text| text.parse().unwrap()),
        }),
        "grant" => {
            let role = match args.word(1) {
                "read" => Role::Read,
                "operate" => Role::Operate,
                _ => Role::Admin,
            };
            let hash = Digest::of("secret", args.get("secret").unwrap_or(args.word(0)).as_bytes());
            Command::Token(TokenChange { name: Principal::new(args.word(0)).unwrap(), grant: Some((hash, role)) })
        }
        "revoke" => Command::Token(TokenChange { name: Principal::new(args.word(0)).unwrap(), grant: None }),
        _ => Command::Transition(Transition {
            verb: transition(verb, args)?,
            release: release_id(args.word(0)),
            expected_version,
            reason: args.get("reason").map(str::to_owned),
        }),
    })
}

fn transition(verb: &str, args: &Args) -> Option<Verb> {
    let device = || args.get("device").map(|key| DeviceKey::new(key).unwrap());
    Some(match verb {
        "publish" => Verb::Publish { supersede: args.is("supersede"), insert_unphased: args.is("insert_unphased") },
        "pause" => Verb::Pause,
        "resume" => Verb::Resume { acknowledge: args.is("acknowledge") },
        "withdraw" => Verb::Withdraw {
            revert_to: args.get("revert_to").map(release_id),
            revert_share: Ppm::new(args.get("percent").map_or(100, |text| text.parse::<u32>().unwrap()) * 10_000).unwrap(),
            open_barrier: args.is("open_barrier"),
        },
        "complete" => Verb::Complete,
        "advance" => Verb::Advance { domain: args.get("domain").map(str::to_owned) },
        "approve" => Verb::Approve { by: args.get("by").map(|by| Principal::new(by).unwrap()), device: device() },
        "discard" => Verb::Discard,
        "disable" => Verb::Disable,
        "enable" => Verb::Enable,
        "clear" => Verb::Clear { device: device().unwrap() },
        "promote" => Verb::Promote {
            to: CohortId::new(args.get("to").unwrap()).unwrap(),
            new_id: args.get("as").map(release_id),
            keep_version: args.is("keep_version"),
        },
        _ => return None,
    })
}

/// A step of the controller: `steer open r1 fd0 fd1`, `steer pass r1 domain=fd0`.
pub(super) fn step(step: &str, args: &Args) -> SteerStep {
    let domain = args.get("domain").map(str::to_owned);
    match step {
        "fire" => SteerStep::Fire,
        "open" => SteerStep::OpenCells(args.words().skip(2).map(str::to_owned).collect()),
        "settle" => SteerStep::Settle { domain },
        "doubt" => SteerStep::Doubt {
            domain,
            lack: match args.get("lack").unwrap() {
                "sample" => Lack::Sample,
                "success" => Lack::Success,
                "approvals" => Lack::Approvals,
                _ => Lack::Devices,
            },
        },
        "pass" => SteerStep::Pass { domain },
        "fail" => SteerStep::Fail { domain, reason: args.get("reason").unwrap_or("GATE_FAILED").to_owned() },
        "admit" => SteerStep::Admit {
            devices: args.words().skip(2).map(|key| DeviceKey::new(key).unwrap()).collect(),
            size: args.get("size").unwrap().parse().unwrap(),
        },
        "freeze" => SteerStep::Freeze { since: instant(args.get("since").unwrap()) },
        "thaw" => SteerStep::Thaw { until: instant(args.get("until").unwrap()) },
        "complete" => SteerStep::Complete,
        "follow" => SteerStep::Follow { cohort: CohortId::new(args.get("cohort").unwrap()).unwrap() },
        _ => panic!("unknown step {step}"),
    }
}

/// An object by kind and id; cohorts and devices are of product `os`, attestations are `BUNDLE/TYPE/BY`.
pub(super) fn object(kind: &str, id: &str) -> ObjectRef {
    let os = ProductId::new("os").unwrap();
    match ObjectKind::parse(kind).unwrap() {
        ObjectKind::Product => ObjectRef::Product(ProductId::new(id).unwrap()),
        ObjectKind::Cohort => ObjectRef::Cohort(os, CohortId::new(id).unwrap()),
        ObjectKind::Bundle => ObjectRef::Bundle(BundleId::new(id).unwrap()),
        ObjectKind::Release => ObjectRef::Release(release_id(id)),
        ObjectKind::Policy => ObjectRef::Policy(release_id(id)),
        ObjectKind::Device => ObjectRef::Device(os, DeviceKey::new(id).unwrap()),
        ObjectKind::Hold => ObjectRef::Hold(HoldId::new(id).unwrap()),
        ObjectKind::Override => ObjectRef::Override(OverrideId::new(id).unwrap()),
        ObjectKind::Exclusion => ObjectRef::Exclusion(ExclusionId::new(id).unwrap()),
        ObjectKind::Attestation => {
            let parts: Vec<&str> = id.split('/').collect();
            let (kind, by) = (AttestationKind::new(parts[1]).unwrap(), Principal::new(parts[2]).unwrap());
            ObjectRef::Attestation(BundleId::new(parts[0]).unwrap(), kind, by)
        }
    }
}
