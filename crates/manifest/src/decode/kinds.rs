//! One document of any kind.

use tidegate_model::{Document, ObjectKind, Spec};

use super::context::{Context, Errors};
use super::fields::{Fields, suggestion};
use super::{bundle, device, policy, product, release, restraint, values};
use crate::tree::{Data, Look, Node};

/// Reads a document; `None` once its errors are reported.
pub fn document(context: &mut Context<'_>, node: &Node) -> Option<Document> {
    let errors_before = context.error_count();
    let Data::Map(_) = &node.data else {
        context.refuse(node, "", "must be a map with a kind");
        return None;
    };
    let kind = kind(context, node)?;
    context.document = name(kind, node);
    let mut fields = Fields::open(context, node, "")?;
    fields.optional("kind", |_, _, _| Some(()));
    // What the cluster adds when it prints an object; nobody can wish for it.
    fields.optional("status", |_, _, _| Some(()));
    let expected_version = fields.optional("expected_version", values::number);
    let spec = spec(kind, &mut fields);
    fields.finish();
    // Rules of fields are asked only of what could be read, or defaults would be blamed.
    if context.error_count() > errors_before {
        return None;
    }
    let spec = spec?;
    for invalid in spec.validate() {
        context.report(node.locate(&invalid.field), invalid);
    }
    (context.error_count() == errors_before).then_some(Document { spec, expected_version })
}

/// The fields that manifests of a kind have, without `kind` and `expected_version`.
#[must_use]
pub fn field_names(kind: ObjectKind) -> Vec<&'static str> {
    let (mut errors, nothing) = (Errors::default(), Node::unmarked(Data::Map(Vec::new())));
    let mut context = Context::new("", &mut errors);
    let Some(mut fields) = Fields::open(&mut context, &nothing, "") else { return Vec::new() };
    let _nothing_there = spec(kind, &mut fields);
    fields.known().to_vec()
}

fn spec(kind: ObjectKind, fields: &mut Fields<'_, '_, '_>) -> Option<Spec> {
    match kind {
        ObjectKind::Product => product::product(fields).map(Spec::Product),
        ObjectKind::Cohort => product::cohort(fields).map(Spec::Cohort),
        ObjectKind::Bundle => bundle::bundle(fields).map(Spec::Bundle),
        ObjectKind::Release => release::release(fields).map(|release| Spec::Release(Box::new(release))),
        ObjectKind::Policy => policy::policy(fields).map(Spec::Policy),
        ObjectKind::Device => device::device(fields).map(Spec::Device),
        ObjectKind::Hold => restraint::hold(fields).map(Spec::Hold),
        ObjectKind::Override => restraint::override_(fields).map(Spec::Override),
        ObjectKind::Exclusion => restraint::exclusion(fields).map(Spec::Exclusion),
        ObjectKind::Attestation => bundle::attestation(fields).map(Spec::Attestation),
    }
}

fn kind(context: &mut Context<'_>, node: &Node) -> Option<ObjectKind> {
    let Some(written) = node.get("kind").filter(|kind| !kind.is_null()) else {
        context.report(node, tidegate_model::Invalid::new("kind", "", "must be given"));
        return None;
    };
    let found = match &written.data {
        Data::Scalar(scalar) => ObjectKind::parse(&scalar.text),
        Data::List(_) | Data::Map(_) => None,
    };
    if found.is_none() {
        let names = ObjectKind::ALL.map(ObjectKind::as_str);
        let rule = match suggestion(written.quote(), &names) {
            Some(nearest) => format!("is no kind; did you mean {nearest}?"),
            None => format!("is no kind; there are {}", names.join(", ")),
        };
        context.refuse(written, "kind", rule);
    }
    found
}

/// What errors call the document: its kind and, if it can be told, its id.
fn name(kind: ObjectKind, node: &Node) -> String {
    let id = match kind {
        ObjectKind::Policy => node.get("release"),
        ObjectKind::Attestation => node.get("bundle"),
        ObjectKind::Product
        | ObjectKind::Cohort
        | ObjectKind::Bundle
        | ObjectKind::Release
        | ObjectKind::Device
        | ObjectKind::Hold
        | ObjectKind::Override
        | ObjectKind::Exclusion => node.get("id"),
    };
    match id.map(|id| &id.data) {
        Some(Data::Scalar(id)) if id.look() != Look::Null && id.text.len() <= 256 => format!("{} {}", kind.as_str(), id.text),
        _ => kind.as_str().to_owned(),
    }
}
