//! Policies as maps.

use tidegate_model::{Basis, DomainOrder, Domains, Exposure, Gate, OnGateFail, Policy, Ppm, Ramp, Span, Stage, Trigger};

use super::map::{Map, only};
use super::spec::selector;
use super::value::Value;
use crate::scalar;

/// A policy with all its stages.
pub fn policy(policy: &Policy) -> Map {
    let trigger = match &policy.trigger {
        Trigger::Now => None,
        Trigger::At(at) => Some(only("at", Value::text(scalar::print_instant(*at)))),
        Trigger::After(release) => Some(only("after", Value::text(release))),
    };
    Map::default()
        .text("kind", "policy")
        .text("release", &policy.release)
        .optional("trigger", trigger)
        .put("stages", Value::List(policy.stages.iter().map(stage).collect()))
        .optional_text("on_gate_fail", (policy.on_gate_fail == OnGateFail::Withdraw).then_some("withdraw"))
        .flag("auto_complete", policy.auto_complete)
        .flag("interactive_bypasses_phase", policy.interactive_bypasses_phase)
        .flag("critical_ignores_domains", policy.critical_ignores_domains)
}

fn stage(stage: &Stage) -> Value {
    Map::default()
        .text("name", &stage.name)
        .some_map("selector", selector(&stage.selector))
        .put("exposure", exposure(&stage.exposure))
        .optional("domains", stage.domains.as_ref().map(domains))
        .optional("gate", stage.gate.as_ref().map(gate))
        .into_value()
}

/// How much of a stage is admitted.
pub fn exposure(exposure: &Exposure) -> Value {
    match exposure {
        Exposure::All => Value::text("all"),
        Exposure::Percent { share, basis: Basis::Hash } => only("percent", percent(*share)),
        Exposure::Percent { share, basis: Basis::Roster } => {
            Map::default().put("percent", percent(*share)).text("basis", "roster").into_value()
        }
        Exposure::Count(devices) => only("count", Value::number(*devices)),
        Exposure::Tags(tags) => only("tags", Value::List(tags.iter().map(Value::text).collect())),
        Exposure::Ramp(generator) => only("ramp", ramp(generator)),
    }
}

fn ramp(ramp: &Ramp) -> Value {
    match ramp {
        Ramp::Steps(steps) => {
            let step = |step: &tidegate_model::RampStep| Value::List(vec![Value::text(step.offset), percent(step.share)]);
            only("steps", Value::List(steps.iter().map(step).collect()))
        }
        Ramp::Groups { groups, interval } => {
            Map::default().put("groups", Value::number(*groups)).text("interval", interval).into_value()
        }
        Ramp::Apple => only("apple", Value::Bool(true)),
        Ramp::Linear { from, duration } => {
            only("linear", Map::default().put("from", percent(*from)).text("duration", duration).into_value())
        }
    }
}

fn domains(domains: &Domains) -> Value {
    let order = match domains.order {
        DomainOrder::Listed => None,
        DomainOrder::SmallestFirst => Some("smallest_first"),
        DomainOrder::ByPosition => Some("by_position"),
    };
    Map::default()
        .text("key", &domains.key)
        .put("values", Value::List(domains.values.iter().map(Value::text).collect()))
        .optional_text("order", order)
        .optional("parallel", (domains.parallel != 1).then(|| Value::number(domains.parallel)))
        .optional("gate_each", (!domains.gate_each).then_some(Value::Bool(false)))
        .into_value()
}

fn gate(gate: &Gate) -> Value {
    let some = |number: u32| (number > 0).then(|| Value::number(number));
    Map::default()
        .optional_text("bake", (gate.bake != Span::ZERO).then_some(gate.bake))
        .optional("min_sample", some(gate.min_sample))
        .optional("max_failure_percent", gate.max_failure_share.map(percent))
        .optional("max_failures", gate.max_failures.map(Value::number))
        .optional("min_success_percent", gate.min_success_share.map(percent))
        .optional("approvals", some(gate.approvals))
        .flag("allow_empty", gate.allow_empty)
        .flag("fail_on_new_problem", gate.fail_on_new_problem)
        .into_value()
}

/// Exactly as manifests write it.
pub fn percent(share: Ppm) -> Value {
    Value::Number(share.to_string())
}
