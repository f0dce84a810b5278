//! What is expected of an answer.

use tidegate_eligibility::Reason;
use tidegate_machine::rejection::Code;
use tidegate_manifest::read::{Context, Fields, suggestion, values};
use tidegate_manifest::tree::{Data, Node};

use super::Clock;
use crate::answer::{AnswerField, Expectation, Value};

/// `expect: {...}` of a check, `others: {...}` of a fleet.
pub(super) fn answer(clock: Clock) -> impl FnOnce(&mut Context<'_>, &Node, &str) -> Option<Expectation> {
    move |context, node, path| {
        let mut fields = Fields::open(context, node, path)?;
        let mut expectation = Expectation::default();
        for field in AnswerField::ALL {
            if let Some(value) = answer_field(&mut fields, clock, field) {
                expectation.fields.push((field, value));
            }
        }
        expectation.trace_has = fields.optional("trace_has", codes).unwrap_or_default();
        fields.finish();
        Some(expectation)
    }
}

/// The expected value of one field; `null` is one, too.
fn answer_field(fields: &mut Fields<'_, '_, '_>, clock: Clock, field: AnswerField) -> Option<Value> {
    let name = field.name();
    match field {
        AnswerField::Eligible => fields.optional(name, values::flag).map(Value::Flag),
        AnswerField::Reason => fields.optional(name, reason).map(Value::Text),
        AnswerField::TargetRelease
        | AnswerField::TargetBundle
        | AnswerField::Version
        | AnswerField::Urgency
        | AnswerField::InstallMode
        | AnswerField::Source
        | AnswerField::Node
        | AnswerField::Nonce => fields.optional(name, values::digits).map(Value::Text),
        AnswerField::ConfigVersion | AnswerField::StalenessMs | AnswerField::RetryAfterS => {
            fields.optional(name, values::number).map(Value::Number)
        }
        AnswerField::NextEligibleAt | AnswerField::ExpiresAt => {
            let read = |context: &mut Context<'_>, node: &Node, path: &str| clock.read(context, node, path);
            fields.optional(name, read).map(Value::Instant)
        }
        AnswerField::Artifacts => fields.optional(name, artifacts).map(Value::Artifacts),
    }
    .or_else(|| fields.node.get(name).filter(|value| value.is_null()).map(|_| Value::Nothing))
}

/// A reason code; one that does not exist would make a test that can never pass, or, of nobody, always.
fn reason(context: &mut Context<'_>, node: &Node, path: &str) -> Option<String> {
    let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    known_code(context, node, path, &known, "reason")
}

/// The code of a refusal.
pub(super) fn code(context: &mut Context<'_>, node: &Node, path: &str) -> Option<String> {
    let mut known: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    known.extend([Reason::UnknownProduct.as_str(), Reason::InvalidRequest.as_str()]);
    known_code(context, node, path, &known, "error code")
}

fn known_code(context: &mut Context<'_>, node: &Node, path: &str, known: &[&'static str], what: &str) -> Option<String> {
    let written = values::digits(context, node, path)?;
    if known.contains(&written.as_str()) {
        return Some(written);
    }
    let upper: Vec<String> = known.iter().map(|code| code.to_lowercase()).collect();
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    let rule = match suggestion(&written, &upper) {
        Some(nearest) => format!("is no {what}; did you mean {}?", nearest.to_uppercase()),
        None => format!("is no {what}"),
    };
    context.refuse(node, path, rule);
    None
}

/// A code, or a list of them.
fn codes(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Vec<String>> {
    match &node.data {
        Data::Scalar(_) => reason(context, node, path).map(|code| vec![code]),
        Data::List(_) | Data::Map(_) => values::list(reason)(context, node, path),
    }
}

/// A list of artifacts, each with the fields to compare.
fn artifacts(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Node> {
    let item = |context: &mut Context<'_>, node: &Node, path: &str| {
        let mut fields = Fields::open(context, node, path)?;
        for name in ["name", "size", "sha256", "base_sha256", "url"] {
            fields.optional(name, |_, _, _| Some(()));
        }
        fields.finish();
        Some(())
    };
    values::list(item)(context, node, path).map(|_| node.clone())
}
