//! `policy.proto`: policies, stages, exposures, gates.

use tidegate_model::{Domains, Exposure, Gate, Policy, Ramp, RampStep, ReleaseId, Selector, Span, Stage, Timestamp, Trigger};
use wire::exposure::Kind as ExposureKind;
use wire::ramp::Kind as RampKind;
use wire::trigger::Kind as TriggerKind;

use super::fields::{Enumeration as _, alternative, enumeration, inner, inner_if, inner_or, inners, set, share, share_if, text};
use crate::error::Malformed;
use crate::types::v1 as wire;

enumeration! {
    OnGateFail { Pause = Pause, Withdraw = Withdraw } unspecified Ok(Model::Pause);
    Basis { Hash = Hash, Roster = Roster } unspecified Ok(Model::Hash);
    DomainOrder { Listed = Listed, SmallestFirst = SmallestFirst, ByPosition = ByPosition } unspecified Ok(Model::Listed);
}

impl From<&Policy> for wire::Policy {
    fn from(value: &Policy) -> Self {
        let Policy {
            release,
            trigger,
            stages,
            on_gate_fail,
            auto_complete,
            interactive_bypasses_phase,
            critical_ignores_domains,
        } = value;
        Self {
            release: release.to_string(),
            trigger: Some(trigger.into()),
            stages: stages.iter().map(Into::into).collect(),
            on_gate_fail: wire::OnGateFail::from(*on_gate_fail).into(),
            auto_complete: *auto_complete,
            interactive_bypasses_phase: *interactive_bypasses_phase,
            critical_ignores_domains: *critical_ignores_domains,
        }
    }
}

impl TryFrom<wire::Policy> for Policy {
    type Error = Malformed;

    fn try_from(value: wire::Policy) -> Result<Self, Malformed> {
        Ok(Self {
            release: text("release", &value.release, ReleaseId::new)?,
            trigger: inner_or("trigger", value.trigger, Trigger::Now)?,
            stages: inners("stages", value.stages)?,
            on_gate_fail: tidegate_model::OnGateFail::read("on_gate_fail", value.on_gate_fail)?,
            auto_complete: value.auto_complete,
            interactive_bypasses_phase: value.interactive_bypasses_phase,
            critical_ignores_domains: value.critical_ignores_domains,
        })
    }
}

impl From<&Trigger> for wire::Trigger {
    fn from(value: &Trigger) -> Self {
        let kind = match value {
            Trigger::Now => TriggerKind::Now(wire::Unit {}),
            Trigger::At(at) => TriggerKind::AtMs(at.as_millis()),
            Trigger::After(release) => TriggerKind::After(release.to_string()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Trigger> for Trigger {
    type Error = Malformed;

    fn try_from(value: wire::Trigger) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            TriggerKind::Now(wire::Unit {}) => Self::Now,
            TriggerKind::AtMs(at) => Self::At(Timestamp::from_millis(at)),
            TriggerKind::After(release) => Self::After(text("after", &release, ReleaseId::new)?),
        })
    }
}

impl From<&Stage> for wire::Stage {
    fn from(value: &Stage) -> Self {
        let Stage { name, selector, exposure, domains, gate } = value;
        Self {
            name: name.clone(),
            selector: Some(selector.into()),
            exposure: Some(exposure.into()),
            domains: domains.as_ref().map(Into::into),
            gate: gate.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<wire::Stage> for Stage {
    type Error = Malformed;

    fn try_from(value: wire::Stage) -> Result<Self, Malformed> {
        Ok(Self {
            name: value.name,
            selector: inner_or("selector", value.selector, Selector::default())?,
            exposure: inner_or("exposure", value.exposure, Exposure::All)?,
            domains: inner_if("domains", value.domains)?,
            gate: inner_if("gate", value.gate)?,
        })
    }
}

impl From<&Exposure> for wire::Exposure {
    fn from(value: &Exposure) -> Self {
        let kind = match value {
            Exposure::All => ExposureKind::All(wire::Unit {}),
            Exposure::Percent { share, basis } => {
                ExposureKind::Percent(wire::Percent { share_ppm: share.get(), basis: wire::Basis::from(*basis).into() })
            }
            Exposure::Count(count) => ExposureKind::Count(*count),
            Exposure::Tags(tags) => ExposureKind::Tags(tags.into()),
            Exposure::Ramp(ramp) => ExposureKind::Ramp(ramp.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Exposure> for Exposure {
    type Error = Malformed;

    fn try_from(value: wire::Exposure) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            ExposureKind::All(wire::Unit {}) => Self::All,
            ExposureKind::Percent(percent) => Self::Percent {
                share: share("percent.share_ppm", percent.share_ppm)?,
                basis: tidegate_model::Basis::read("percent.basis", percent.basis)?,
            },
            ExposureKind::Count(count) => Self::Count(count),
            ExposureKind::Tags(tags) => Self::Tags(set(tags.values)),
            ExposureKind::Ramp(ramp) => Self::Ramp(inner("ramp", ramp)?),
        })
    }
}

impl From<&Ramp> for wire::Ramp {
    fn from(value: &Ramp) -> Self {
        let kind = match value {
            Ramp::Steps(steps) => {
                let step = |step: &RampStep| wire::RampStep { offset_ms: step.offset.as_millis(), share_ppm: step.share.get() };
                RampKind::Steps(wire::RampSteps { steps: steps.iter().map(step).collect() })
            }
            Ramp::Groups { groups, interval } => {
                RampKind::Groups(wire::RampGroups { groups: *groups, interval_ms: interval.as_millis() })
            }
            Ramp::Apple => RampKind::Apple(wire::Unit {}),
            Ramp::Linear { from, duration } => {
                RampKind::Linear(wire::RampLinear { from_ppm: from.get(), duration_ms: duration.as_millis() })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Ramp> for Ramp {
    type Error = Malformed;

    fn try_from(value: wire::Ramp) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            RampKind::Steps(steps) => Self::Steps(inners("steps", steps.steps)?),
            RampKind::Groups(wire::RampGroups { groups, interval_ms }) => {
                Self::Groups { groups, interval: Span::from_millis(interval_ms) }
            }
            RampKind::Apple(wire::Unit {}) => Self::Apple,
            RampKind::Linear(wire::RampLinear { from_ppm, duration_ms }) => {
                Self::Linear { from: share("linear.from_ppm", from_ppm)?, duration: Span::from_millis(duration_ms) }
            }
        })
    }
}

impl TryFrom<wire::RampStep> for RampStep {
    type Error = Malformed;

    fn try_from(value: wire::RampStep) -> Result<Self, Malformed> {
        Ok(Self { offset: Span::from_millis(value.offset_ms), share: share("share_ppm", value.share_ppm)? })
    }
}

impl From<&Domains> for wire::Domains {
    fn from(value: &Domains) -> Self {
        let Domains { key, values, order, parallel, gate_each } = value;
        Self {
            key: key.clone(),
            values: values.clone(),
            order: wire::DomainOrder::from(*order).into(),
            parallel: Some(*parallel),
            gate_each: Some(*gate_each),
        }
    }
}

impl TryFrom<wire::Domains> for Domains {
    type Error = Malformed;

    fn try_from(value: wire::Domains) -> Result<Self, Malformed> {
        Ok(Self {
            order: tidegate_model::DomainOrder::read("order", value.order)?,
            key: value.key,
            values: value.values,
            parallel: value.parallel.unwrap_or(1),
            gate_each: value.gate_each.unwrap_or(true),
        })
    }
}

impl From<&Gate> for wire::Gate {
    fn from(value: &Gate) -> Self {
        let Gate {
            bake,
            min_sample,
            max_failure_share,
            max_failures,
            min_success_share,
            approvals,
            allow_empty,
            fail_on_new_problem,
        } = value;
        Self {
            bake_ms: bake.as_millis(),
            min_sample: *min_sample,
            max_failure_ppm: max_failure_share.map(tidegate_model::Ppm::get),
            max_failures: *max_failures,
            min_success_ppm: min_success_share.map(tidegate_model::Ppm::get),
            approvals: *approvals,
            allow_empty: *allow_empty,
            fail_on_new_problem: *fail_on_new_problem,
        }
    }
}

impl TryFrom<wire::Gate> for Gate {
    type Error = Malformed;

    fn try_from(value: wire::Gate) -> Result<Self, Malformed> {
        Ok(Self {
            bake: Span::from_millis(value.bake_ms),
            min_sample: value.min_sample,
            max_failure_share: share_if("max_failure_ppm", value.max_failure_ppm)?,
            max_failures: value.max_failures,
            min_success_share: share_if("min_success_ppm", value.min_success_ppm)?,
            approvals: value.approvals,
            allow_empty: value.allow_empty,
            fail_on_new_problem: value.fail_on_new_problem,
        })
    }
}
