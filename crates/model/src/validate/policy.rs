//! Field rules of policies and their stages.

use super::Broken;
use crate::exposure::{Exposure, Ramp};
use crate::invalid::Invalid;
use crate::limits;
use crate::policy::{Domains, Gate, Policy, Stage, Trigger};

impl Policy {
    /// All field rules that this policy breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        match &self.trigger {
            Trigger::Now => {}
            Trigger::At(at) => broken.instant("trigger.at", Some(*at)),
            Trigger::After(other) => {
                broken.rule(*other != self.release, "trigger.after", other.as_str(), "must be another release");
            }
        }
        broken.count("stages", self.stages.len(), 1, limits::STAGES_MAX);
        for (i, stage) in self.stages.iter().enumerate() {
            broken.part(&format!("stages[{i}]"), stage.validate());
            let is_new = self.stages[..i].iter().all(|earlier| earlier.name != stage.name);
            broken.rule(is_new, &format!("stages[{i}].name"), &stage.name, "must not occur twice");
        }
        broken.into_vec()
    }
}

impl Stage {
    /// All field rules that this stage breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.name("name", &self.name);
        broken.part("selector", self.selector.validate());
        broken.part("exposure", self.exposure.validate());
        if let Some(domains) = &self.domains {
            broken.part("domains", domains.validate());
            for value in &domains.values {
                let accepted = self.selector.attributes.get(&domains.key);
                let fits = accepted.is_none_or(|accepted| accepted.contains(value));
                broken.rule(fits, "domains.values", value, "must be accepted by the selector: nobody matches");
            }
        }
        if let Exposure::Tags(tags) = &self.exposure {
            let forbidden = &self.selector.tags_none_of;
            let fits = tags.is_empty() || !tags.is_subset(forbidden);
            broken.rule(fits, "exposure.tags", "", "must not all be forbidden by the selector: nobody matches");
        }
        if let Some(gate) = &self.gate {
            broken.part("gate", gate.validate());
        }
        broken.into_vec()
    }
}

impl Exposure {
    /// All field rules that this exposure breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        match self {
            Self::All | Self::Percent { .. } => {}
            Self::Count(devices) => {
                let fits = (1..=limits::DEVICE_KEYS_MAX).contains(&usize::try_from(*devices).unwrap_or(usize::MAX));
                broken.rule(fits, "count", devices.to_string(), format!("must be 1 to {}", limits::DEVICE_KEYS_MAX));
            }
            Self::Tags(tags) => {
                broken.count("tags", tags.len(), 1, limits::TAGS_MAX);
                tags.iter().for_each(|tag| broken.name("tags", tag));
            }
            Self::Ramp(ramp) => {
                if let Err(invalid) = ramp.validate() {
                    broken.part("ramp", vec![invalid]);
                }
                match ramp {
                    Ramp::Steps(_) | Ramp::Apple => broken.span("ramp", ramp.length()),
                    Ramp::Groups { interval, .. } => broken.span("ramp.interval", *interval),
                    Ramp::Linear { duration, .. } => broken.span("ramp.linear.duration", *duration),
                }
            }
        }
        broken.into_vec()
    }
}

impl Domains {
    /// All field rules that these domains break.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.name("key", &self.key);
        broken.count("values", self.values.len(), 1, limits::DOMAINS_MAX);
        self.values.iter().for_each(|value| broken.name("values", value));
        broken.distinct("values", self.values.iter().map(String::as_str));
        broken.rule(self.parallel >= 1, "parallel", self.parallel.to_string(), "must be at least 1");
        broken.into_vec()
    }
}

impl Gate {
    /// All field rules that this gate breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.span("bake", self.bake);
        // `fail_on_new_problem` is no such limit: it watches for as long as the stage is open, by ramp, bake or approvals.
        let has_limit = self.max_failure_share.is_some() || self.max_failures.is_some() || self.min_success_share.is_some();
        let waits = self.min_sample >= 1 || self.bake > crate::time::Span::ZERO;
        let rule = "must be at least 1, or bake more than 0s: a gate with a limit would pass at its own opening";
        broken.rule(!has_limit || waits, "min_sample", self.min_sample.to_string(), rule);
        let max = limits::APPROVALS_MAX;
        let fits = usize::try_from(self.approvals).is_ok_and(|approvals| approvals <= max);
        broken.rule(fits, "approvals", self.approvals.to_string(), format!("must be at most {max}"));
        broken.rule(self.max_failures != Some(0), "max_failures", "0", "must be at least 1: reaching it fails the gate");
        broken.into_vec()
    }
}
