//! Policies and their stages.

use tidegate_model::{DomainOrder, Domains, Exposure, Gate, OnGateFail, Policy, ReleaseId, Stage, Trigger};

use super::context::Context;
use super::exposure::exposure;
use super::fields::Fields;
use super::selector::selector;
use super::values::{checked, flag, instant, list, percent, small_number, span, text, word};
use crate::tree::{Data, Node};

/// How domain orders are written.
pub const DOMAIN_ORDERS: &[(&str, DomainOrder)] =
    &[("listed", DomainOrder::Listed), ("smallest_first", DomainOrder::SmallestFirst), ("by_position", DomainOrder::ByPosition)];

/// `kind: policy`.
pub fn policy(fields: &mut Fields<'_, '_, '_>) -> Option<Policy> {
    let release = fields.required("release", checked(ReleaseId::new));
    let trigger = fields.optional("trigger", trigger).unwrap_or(Trigger::Now);
    let stages = fields.optional("stages", list(stage));
    let on_gate_fail = fields.optional("on_gate_fail", word(&[("pause", OnGateFail::Pause), ("withdraw", OnGateFail::Withdraw)]));
    let auto_complete = fields.optional("auto_complete", flag).unwrap_or(false);
    let interactive_bypasses_phase = fields.optional("interactive_bypasses_phase", flag).unwrap_or(false);
    let critical_ignores_domains = fields.optional("critical_ignores_domains", flag).unwrap_or(false);
    let implicit = Policy::implicit(release?);
    Some(Policy {
        release: implicit.release,
        trigger,
        stages: stages.unwrap_or(implicit.stages),
        on_gate_fail: on_gate_fail.unwrap_or(OnGateFail::Pause),
        auto_complete,
        interactive_bypasses_phase,
        critical_ignores_domains,
    })
}

/// `now`, `{at: INSTANT}` or `{after: RELEASE}`.
fn trigger(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Trigger> {
    if let Data::Scalar(_) = &node.data {
        return word(&[("now", ())])(context, node, path).map(|()| Trigger::Now);
    }
    let mut fields = Fields::open(context, node, path)?;
    let trigger = match fields.exactly_one(&["at", "after"])? {
        "at" => fields.required("at", instant).map(Trigger::At),
        _ => fields.required("after", checked(ReleaseId::new)).map(Trigger::After),
    };
    fields.finish();
    trigger
}

fn stage(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Stage> {
    let mut fields = Fields::open(context, node, path)?;
    let name = fields.required("name", text);
    let selector = fields.optional("selector", selector).unwrap_or_default();
    let exposure = fields.optional("exposure", exposure).unwrap_or(Exposure::All);
    let domains = fields.optional("domains", domains);
    let gate = fields.optional("gate", gate);
    fields.finish();
    Some(Stage { name: name?, selector, exposure, domains, gate })
}

fn domains(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Domains> {
    let mut fields = Fields::open(context, node, path)?;
    let key = fields.required("key", text);
    let values = fields.required("values", list(text));
    let order = fields.optional("order", word(DOMAIN_ORDERS)).unwrap_or(DomainOrder::Listed);
    let parallel = fields.optional("parallel", small_number).unwrap_or(1);
    let gate_each = fields.optional("gate_each", flag).unwrap_or(true);
    fields.finish();
    Some(Domains { key: key?, values: values?, order, parallel, gate_each })
}

fn gate(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Gate> {
    let mut fields = Fields::open(context, node, path)?;
    let gate = Gate {
        bake: fields.optional("bake", span).unwrap_or_default(),
        min_sample: fields.optional("min_sample", small_number).unwrap_or(0),
        max_failure_share: fields.optional("max_failure_percent", percent),
        max_failures: fields.optional("max_failures", small_number),
        min_success_share: fields.optional("min_success_percent", percent),
        approvals: fields.optional("approvals", small_number).unwrap_or(0),
        allow_empty: fields.optional("allow_empty", flag).unwrap_or(false),
        fail_on_new_problem: fields.optional("fail_on_new_problem", flag).unwrap_or(false),
    };
    fields.finish();
    Some(gate)
}
