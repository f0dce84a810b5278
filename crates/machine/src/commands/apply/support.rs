//! What the model can say and this release of Tidegate cannot do yet. It is refused: a policy must never silently not do
//! what it says. Each rule here goes away with the feature that it names.

use tidegate_model::{Basis, Exposure, Hold, HoldKind, HoldScope, Invalid, ObjectRef, Policy, Spec, Stage, Trigger};

use crate::edit::Edit;
use crate::outcome::WarningCode;
use crate::stages;

const NO_CONTROLLER: &str = "is not supported yet: this release of Tidegate runs no controller";
const NO_EVENTS: &str = "is not supported yet: this release of Tidegate counts no install events";

/// Every field that asks for what is not done yet.
pub(super) fn check(edit: &Edit, spec: &Spec) -> Vec<Invalid> {
    match spec {
        Spec::Product(spec) => {
            spec.retry.map(|retry| Invalid::new("retry", retry.limit.to_string(), NO_EVENTS)).into_iter().collect()
        }
        Spec::Cohort(spec) => {
            spec.follows.as_ref().map(|cohort| Invalid::new("follows", cohort.as_str(), NO_CONTROLLER)).into_iter().collect()
        }
        Spec::Bundle(spec) if !edit.bare_signatures => {
            let bare = spec.signatures.iter().enumerate().filter(|(_, signature)| signature.signature.is_none());
            bare.map(|(i, signature)| {
                let rule = "must have a signature: only rollout tests take a key's word for it";
                Invalid::new(format!("signatures[{i}].signature"), &signature.key, rule)
            })
            .collect()
        }
        Spec::Policy(spec) => check_policy(spec),
        Spec::Bundle(_)
        | Spec::Release(_)
        | Spec::Device(_)
        | Spec::Hold(_)
        | Spec::Override(_)
        | Spec::Exclusion(_)
        | Spec::Attestation(_) => Vec::new(),
    }
}

fn check_policy(policy: &Policy) -> Vec<Invalid> {
    let mut broken = Vec::new();
    match &policy.trigger {
        Trigger::After(release) => broken.push(Invalid::new("trigger.after", release.as_str(), NO_CONTROLLER)),
        Trigger::Now | Trigger::At(_) => {}
    }
    if policy.auto_complete {
        broken.push(Invalid::new("auto_complete", "true", NO_CONTROLLER));
    }
    for (i, stage) in policy.stages.iter().enumerate() {
        broken.extend(check_stage(stage).into_iter().map(|invalid| invalid.within(&format!("stages[{i}]"))));
    }
    broken
}

fn check_stage(stage: &Stage) -> Vec<Invalid> {
    let mut broken = Vec::new();
    match &stage.exposure {
        Exposure::Count(devices) => broken.push(Invalid::new("exposure.count", devices.to_string(), NO_CONTROLLER)),
        Exposure::Percent { basis: Basis::Roster, .. } => {
            broken.push(Invalid::new("exposure.basis", "roster", NO_CONTROLLER));
        }
        Exposure::All | Exposure::Percent { basis: Basis::Hash, .. } | Exposure::Tags(_) | Exposure::Ramp(_) => {}
    }
    if let Some(domains) = &stage.domains {
        broken.push(Invalid::new("domains", &domains.key, NO_CONTROLLER));
    }
    if stage.gate.is_some() {
        broken.push(Invalid::new("gate", "", format!("{NO_CONTROLLER}; without a gate a stage is left by `advance`")));
    }
    broken
}

/// What is accepted, and does less than its author may think.
pub(super) fn warn(edit: &mut Edit, spec: &Spec, name: &ObjectRef) {
    match spec {
        Spec::Product(spec) if !spec.trusted_keys.is_empty() && !edit.bare_signatures => {
            let text =
                "this release of Tidegate verifies no signatures: bundles of a product with trusted keys cannot be published";
            edit.warn(WarningCode::SignaturesNotVerified, name.clone(), text);
        }
        Spec::Policy(policy) if !stages::can_reach_everybody(policy) => {
            let text = "its last stage is not for everybody in the cohort: complete will ask for a reason";
            edit.warn(WarningCode::LastStageNotEverybody, name.clone(), text);
        }
        Spec::Hold(spec) => {
            let is_unlimited_freeze = edit.hold(&spec.id).is_some_and(|hold| freezes_rollouts(&hold.body));
            if is_unlimited_freeze {
                let text = "ramps run on during a freeze: pause the rollout to stop its ramp too";
                edit.warn(WarningCode::RampsRunOn, name.clone(), text);
            }
        }
        Spec::Product(_)
        | Spec::Cohort(_)
        | Spec::Bundle(_)
        | Spec::Release(_)
        | Spec::Policy(_)
        | Spec::Device(_)
        | Spec::Override(_)
        | Spec::Exclusion(_)
        | Spec::Attestation(_) => {}
    }
}

fn freezes_rollouts(hold: &Hold) -> bool {
    let holds_all = match hold.scope {
        HoldScope::Product | HoldScope::Cohort(_) => true,
        HoldScope::Device(_) | HoldScope::Selector(_) => false,
    };
    hold.kind == HoldKind::Freeze && holds_all && !hold.is_limited()
}
