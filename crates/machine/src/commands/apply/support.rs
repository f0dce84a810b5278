//! What the model can say and this release of Tidegate cannot do, which is refused, and what is accepted and may not be
//! what its author meant.

use tidegate_model::{Invalid, ObjectRef, Spec};

use crate::edit::Edit;
use crate::outcome::WarningCode;
use crate::stages;

/// Signatures are not verified yet: only rollout tests take a key's word for it.
pub(super) fn check(edit: &Edit, spec: &Spec) -> Vec<Invalid> {
    match spec {
        Spec::Bundle(spec) if !edit.bare_signatures => {
            let bare = spec.signatures.iter().enumerate().filter(|(_, signature)| signature.signature.is_none());
            bare.map(|(i, signature)| {
                let rule = "must have a signature: only rollout tests take a key's word for it";
                Invalid::new(format!("signatures[{i}].signature"), &signature.key, rule)
            })
            .collect()
        }
        Spec::Product(_)
        | Spec::Cohort(_)
        | Spec::Bundle(_)
        | Spec::Release(_)
        | Spec::Policy(_)
        | Spec::Device(_)
        | Spec::Hold(_)
        | Spec::Override(_)
        | Spec::Exclusion(_)
        | Spec::Attestation(_) => Vec::new(),
    }
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
            let text = if policy.auto_complete {
                "its last stage is not for everybody in the cohort: it will not complete by itself"
            } else {
                "its last stage is not for everybody in the cohort: complete will ask for a reason"
            };
            edit.warn(WarningCode::LastStageNotEverybody, name.clone(), text);
        }
        Spec::Product(_)
        | Spec::Cohort(_)
        | Spec::Bundle(_)
        | Spec::Release(_)
        | Spec::Policy(_)
        | Spec::Device(_)
        | Spec::Hold(_)
        | Spec::Override(_)
        | Spec::Exclusion(_)
        | Spec::Attestation(_) => {}
    }
}
