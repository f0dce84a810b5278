//! Names of objects, and what is expected of objects and rollouts.

use std::collections::BTreeSet;

use tidegate_manifest::read::{Context, Fields, field_names, values};
use tidegate_manifest::tree::{Data, Node};
use tidegate_model::ObjectKind;

use super::act;
use crate::script::{ObjectExpectation, ObjectName, RolloutExpectation, RolloutField, Wish};

const KINDS: &[(&str, ObjectKind)] = &[
    ("product", ObjectKind::Product),
    ("cohort", ObjectKind::Cohort),
    ("bundle", ObjectKind::Bundle),
    ("release", ObjectKind::Release),
    ("policy", ObjectKind::Policy),
    ("device", ObjectKind::Device),
    ("hold", ObjectKind::Hold),
    ("override", ObjectKind::Override),
    ("exclusion", ObjectKind::Exclusion),
    ("attestation", ObjectKind::Attestation),
];

/// `{kind, id}`; cohorts and devices may be written `PRODUCT/ID` or have a `product` beside it, a policy is named by its
/// `release`, an attestation by `BUNDLE/TYPE/BY` or by these three fields.
pub(super) fn name(context: &mut Context<'_>, node: &Node, path: &str) -> Option<ObjectName> {
    let mut fields = Fields::open(context, node, path)?;
    let name = names(&mut fields);
    fields.finish();
    name
}

fn names(fields: &mut Fields<'_, '_, '_>) -> Option<ObjectName> {
    let kind = fields.required("kind", values::word(KINDS))?;
    let mut id = fields.optional("id", values::digits);
    let mut product = None;
    match kind {
        ObjectKind::Policy => id = id.or(fields.optional("release", values::digits)),
        ObjectKind::Cohort | ObjectKind::Device => product = fields.optional("product", values::digits),
        ObjectKind::Attestation => {
            let mut part = |name| fields.optional(name, values::digits);
            let parts = (part("bundle"), part("type"), part("by"));
            if let (None, (Some(bundle), Some(kind), Some(by))) = (&id, parts) {
                id = Some(format!("{bundle}/{kind}/{by}"));
            }
        }
        ObjectKind::Product
        | ObjectKind::Bundle
        | ObjectKind::Release
        | ObjectKind::Hold
        | ObjectKind::Override
        | ObjectKind::Exclusion => {}
    }
    if id.is_none() {
        let (node, path) = (fields.node, fields.path("id"));
        fields.context.report(node, tidegate_model::Invalid::new(path, "", "must be given"));
    }
    Some(ObjectName { kind, id: id?, product })
}

/// The object that a manifest is of, as far as it says; the rest of it may be anything.
pub(crate) fn named(manifest: &Node) -> Option<ObjectName> {
    let text = |name: &str| manifest.get(name).filter(|node| !node.is_null()).map(|node| node.quote().to_owned());
    let written = text("kind")?;
    let (_, kind) = *KINDS.iter().find(|(name, _)| *name == written)?;
    let id = match kind {
        ObjectKind::Policy => text("release")?,
        ObjectKind::Attestation => format!("{}/{}/{}", text("bundle")?, text("type")?, text("by")?),
        _ => text("id")?, // Every other kind is named by its id.
    };
    Some(ObjectName { kind, id, product: text("product") })
}

/// `expect_object: {...}`.
pub(super) fn object(context: &mut Context<'_>, node: &Node, path: &str) -> Option<ObjectExpectation> {
    let mut fields = Fields::open(context, node, path)?;
    let object = names(&mut fields)?;
    let exists = fields.optional("exists", values::flag).unwrap_or(true);
    let version = fields.optional("version", values::number);
    let mut software_version = None;
    if matches!(object.kind, ObjectKind::Release | ObjectKind::Bundle) {
        software_version = fields.optional("software_version", values::digits).map(Some);
        if node.get("software_version").is_some_and(Node::is_null) {
            software_version = Some(None);
        }
    }
    let mut expected = Vec::new();
    for name in field_names(object.kind) {
        // `version` is the compare-and-set number of every kind here.
        if matches!(name, "id" | "version") {
            continue;
        }
        fields.optional(name, |_, _, _| Some(()));
        if let Some(value) = node.get(name) {
            expected.push((name.to_owned(), value.clone()));
        }
    }
    if !exists && (version.is_some() || software_version.is_some()) {
        fields.context.refuse(node, path, "must not expect anything of what is not to exist");
    }
    fields.finish();
    Some(ObjectExpectation { object, exists, version, software_version, fields: expected })
}

const STATES: &[(&str, &str)] =
    &[("DRAFT", "DRAFT"), ("ACTIVE", "ACTIVE"), ("PAUSED", "PAUSED"), ("ROLLED_BACK", "ROLLED_BACK"), ("COMPLETED", "COMPLETED")];

const SUB_STATUSES: &[(&str, &str)] = &[
    ("WAITING_TRIGGER", "WAITING_TRIGGER"),
    ("RUNNING", "RUNNING"),
    ("BAKING", "BAKING"),
    ("AWAITING_APPROVAL", "AWAITING_APPROVAL"),
    ("INCONCLUSIVE", "INCONCLUSIVE"),
    ("WAITING_DOMAIN", "WAITING_DOMAIN"),
];

/// `expect_rollout: {...}`.
pub(super) fn rollout(context: &mut Context<'_>, node: &Node, path: &str) -> Option<RolloutExpectation> {
    let mut fields = Fields::open(context, node, path)?;
    let release = fields.required("release", act::release);
    let mut expected = Vec::new();
    for field in RolloutField::ALL {
        let name = field.name();
        let wish = match field {
            RolloutField::State => fields.optional(name, values::word(STATES)).map(|state| Wish::Text(state.to_owned())),
            RolloutField::SubStatus => {
                fields.optional(name, values::word(SUB_STATUSES)).map(|status| Wish::Text(status.to_owned()))
            }
            RolloutField::Stage | RolloutField::Reason | RolloutField::Flag => {
                fields.optional(name, values::digits).map(Wish::Text)
            }
            RolloutField::Admitted => fields.optional(name, values::number).map(Wish::Number),
            RolloutField::OpenDomains | RolloutField::PassedDomains => fields.optional(name, domains).map(Wish::Set),
        };
        let is_null = node.get(name).is_some_and(Node::is_null);
        if let Some(wish) = wish.or_else(|| is_null.then_some(Wish::Nothing)) {
            expected.push((field, wish));
        }
    }
    fields.finish();
    Some(RolloutExpectation { release: release?, fields: expected })
}

/// A list of domain values; their order does not matter.
fn domains(context: &mut Context<'_>, node: &Node, path: &str) -> Option<BTreeSet<String>> {
    match &node.data {
        Data::List(_) => values::list(values::digits)(context, node, path).map(|values| values.into_iter().collect()),
        Data::Scalar(_) | Data::Map(_) => {
            context.refuse(node, path, "must be a list");
            None
        }
    }
}
