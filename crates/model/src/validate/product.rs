//! Field rules of products and cohorts.

use super::Broken;
use crate::cohort::Cohort;
use crate::invalid::Invalid;
use crate::limits;
use crate::product::Product;

impl Product {
    /// All field rules that this product breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        if let Some(span) = self.max_staleness {
            broken.some_span("max_staleness", span);
        }
        if let Some(span) = self.poll_interval {
            broken.some_span("poll_interval", span);
        }
        broken.some_span("active_window", self.active_window);
        broken.count("required_attestations", self.required_attestations.len(), 0, limits::TRUST_ITEMS_MAX);
        broken.count("trusted_keys", self.trusted_keys.len(), 0, limits::TRUST_ITEMS_MAX);
        self.trusted_keys.iter().for_each(|key| broken.name("trusted_keys", key));
        if let Some(retry) = self.retry {
            broken.rule(retry.limit >= 1, "retry.limit", retry.limit.to_string(), "must be at least 1");
            broken.some_span("retry.backoff", retry.backoff);
        }
        broken.into_vec()
    }
}

impl Cohort {
    /// All field rules that this cohort breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.count("rules", self.rules.len(), 0, limits::COHORT_RULES_MAX);
        for (i, rule) in self.rules.iter().enumerate() {
            broken.part(&format!("rules[{i}]"), rule.validate());
        }
        if let Some(followed) = &self.follows {
            broken.rule(*followed != self.id, "follows", followed.as_str(), "must be another cohort");
        }
        broken.into_vec()
    }
}
