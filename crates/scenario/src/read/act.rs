//! `do`: a verb with its release and its options.
//!
//! A share above 100 percent or an id that can be nobody's is the operator's fault, not the file's: the step runs, and is
//! refused like the manifest that says so.

use tidegate_manifest::read::{Context, Errors, Fields, values};
use tidegate_manifest::tree::Node;
use tidegate_model::{CohortId, DeviceKey, Ppm, Principal, ReleaseId, RequestId, Transition, Verb};

use super::object;
use crate::script::{Act, What};

const VERBS: [&str; 13] = [
    "publish", "pause", "resume", "withdraw", "complete", "advance", "approve", "discard", "disable", "enable", "clear",
    "promote", "delete",
];

/// `do: {VERB: RELEASE, ...}`.
pub(super) fn act(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Act> {
    let mut fields = Fields::open(context, node, path)?;
    let verb = fields.exactly_one(&VERBS);
    let by = fields.optional("by", principal);
    let request_id = fields.optional("request_id", values::checked(RequestId::new));
    let expected_version = fields.optional("expected_version", values::number);
    let reason = fields.optional("reason", values::digits);
    let mut malformed = None;
    let what = match verb {
        None => None,
        Some("delete") => {
            let object = fields.required("delete", object::name);
            object.map(|object| What::Delete { object, expected_version })
        }
        Some(verb) => {
            let release = fields.required(verb, release);
            let verb = options(&mut fields, verb, by.clone(), &mut malformed);
            release.zip(verb).map(|(release, verb)| What::Transition(Transition { release, expected_version, reason, verb }))
        }
    };
    fields.finish();
    Some(Act { by, request_id, what: what?, malformed })
}

/// The verb with the options that go with it; an option of another verb is an unknown field.
fn options(fields: &mut Fields<'_, '_, '_>, verb: &str, by: Option<Principal>, malformed: &mut Option<String>) -> Option<Verb> {
    Some(match verb {
        "publish" => Verb::Publish { supersede: flag(fields, "supersede"), insert_unphased: flag(fields, "insert_unphased") },
        "pause" => Verb::Pause,
        "resume" => Verb::Resume { acknowledge: flag(fields, "acknowledge") },
        "withdraw" => Verb::Withdraw {
            revert_to: value(fields, "revert_to", malformed, release),
            revert_share: value(fields, "revert_percent", malformed, values::percent).unwrap_or(Ppm::EVERYBODY),
            open_barrier: flag(fields, "open_barrier"),
        },
        "complete" => Verb::Complete,
        "advance" => Verb::Advance { domain: fields.optional("domain", values::digits) },
        "approve" => Verb::Approve { by, device: value(fields, "device", malformed, device) },
        "discard" => Verb::Discard,
        "disable" => Verb::Disable,
        "enable" => Verb::Enable,
        "clear" => Verb::Clear { device: fields.required("device", device)? },
        _ => {
            let to = fields.required("to", |context: &mut Context<'_>, node: &Node, path: &str| {
                values::checked(CohortId::new)(context, node, path)
            });
            let new_id = fields.optional("as", release);
            let keep_version = flag(fields, "keep_version");
            Verb::Promote { to: to?, new_id, keep_version }
        }
    })
}

/// The value of an option; what is wrong with it is kept for the step.
fn value<T>(
    fields: &mut Fields<'_, '_, '_>,
    name: &'static str,
    malformed: &mut Option<String>,
    read: impl FnOnce(&mut Context<'_>, &Node, &str) -> Option<T>,
) -> Option<T> {
    let node = fields.optional(name, |_: &mut Context<'_>, node: &Node, _: &str| Some(node.clone()))?;
    let mut errors = Errors::default();
    let value = read(&mut Context::new("", &mut errors), &node, name);
    if let Some(error) = errors.into_result(()).err().and_then(|errors| errors.into_iter().next()) {
        *malformed = Some(format!("{}: \"{}\" {}", error.field, error.value, error.rule));
    }
    value
}

fn flag(fields: &mut Fields<'_, '_, '_>, name: &'static str) -> bool {
    fields.optional(name, values::flag).unwrap_or(false)
}

pub(super) fn release(context: &mut Context<'_>, node: &Node, path: &str) -> Option<ReleaseId> {
    let text = values::digits(context, node, path)?;
    ReleaseId::new(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}

fn device(context: &mut Context<'_>, node: &Node, path: &str) -> Option<DeviceKey> {
    let text = values::digits(context, node, path)?;
    DeviceKey::new(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}

fn principal(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Principal> {
    let text = values::digits(context, node, path)?;
    Principal::new(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}
