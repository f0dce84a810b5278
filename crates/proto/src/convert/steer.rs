//! The controller's part of `command.proto`.

use tidegate_model::{CohortId, DeviceKey, Lack, ReleaseId, Steer, SteerStep, Timestamp};
use wire::steer::Step;

use super::fields::{Enumeration as _, set, strings, text, texts};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

impl From<&Steer> for wire::Steer {
    fn from(value: &Steer) -> Self {
        let Steer { release, expected_version, step } = value;
        let step = match step {
            SteerStep::Fire => Step::Fire(wire::Unit {}),
            SteerStep::OpenCells(domains) => Step::OpenCells(wire::StringSet { values: domains.iter().cloned().collect() }),
            SteerStep::Settle { domain } => Step::Settle(wire::Settle { domain: domain.clone() }),
            SteerStep::Doubt { domain, lack } => {
                Step::Doubt(wire::Doubt { domain: domain.clone(), lack: wire::Lack::from(*lack).into() })
            }
            SteerStep::Pass { domain } => Step::Pass(wire::Pass { domain: domain.clone() }),
            SteerStep::Fail { domain, reason } => Step::Fail(wire::Fail { domain: domain.clone(), reason: reason.clone() }),
            SteerStep::Admit { devices, size } => Step::Admit(wire::Admit { devices: strings(devices), size: *size }),
            SteerStep::Freeze { since } => Step::FreezeSinceMs(since.as_millis()),
            SteerStep::Thaw { until } => Step::ThawUntilMs(until.as_millis()),
            SteerStep::Complete => Step::Complete(wire::Unit {}),
            SteerStep::Follow { cohort } => Step::Follow(wire::Follow { cohort: cohort.to_string() }),
        };
        Self { release: release.to_string(), expected_version: *expected_version, step: Some(step) }
    }
}

impl TryFrom<wire::Steer> for Steer {
    type Error = Malformed;

    fn try_from(value: wire::Steer) -> Result<Self, Malformed> {
        let step = match value.step.ok_or_else(|| Malformed::new("step", Problem::UnknownAlternative))? {
            Step::Fire(wire::Unit {}) => SteerStep::Fire,
            Step::OpenCells(domains) => SteerStep::OpenCells(set(domains.values)),
            Step::Settle(wire::Settle { domain }) => SteerStep::Settle { domain },
            Step::Doubt(wire::Doubt { domain, lack }) => SteerStep::Doubt { domain, lack: Lack::read("doubt.lack", lack)? },
            Step::Pass(wire::Pass { domain }) => SteerStep::Pass { domain },
            Step::Fail(wire::Fail { domain, reason }) => SteerStep::Fail { domain, reason },
            Step::Admit(wire::Admit { devices, size }) => {
                SteerStep::Admit { devices: texts("admit.devices", &devices, DeviceKey::new)?, size }
            }
            Step::FreezeSinceMs(since) => SteerStep::Freeze { since: Timestamp::from_millis(since) },
            Step::ThawUntilMs(until) => SteerStep::Thaw { until: Timestamp::from_millis(until) },
            Step::Complete(wire::Unit {}) => SteerStep::Complete,
            Step::Follow(wire::Follow { cohort }) => SteerStep::Follow { cohort: text("follow.cohort", &cohort, CohortId::new)? },
        };
        Ok(Self { release: text("release", &value.release, ReleaseId::new)?, expected_version: value.expected_version, step })
    }
}
