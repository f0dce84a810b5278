//! Field rules of requirements.

use super::Broken;
use crate::invalid::Invalid;
use crate::limits;
use crate::requirement::Requirement;

impl Requirement {
    /// All field rules that this requirement breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.count("attributes", self.attributes.len(), 0, limits::ATTRIBUTES_MAX);
        for (key, values) in &self.attributes {
            broken.name("attributes", key);
            let field = format!("attributes.{key}");
            broken.count(&field, values.len(), 1, limits::SELECTOR_VALUES_MAX);
            values.iter().for_each(|value| broken.name(&field, value));
        }
        if let (Some(min), Some(max)) = (self.os_min, self.os_max) {
            broken.rule(min <= max, "os.min", min.to_string(), format!("must be <= os.max {max}"));
        }
        broken.count("frameworks", self.frameworks.len(), 0, limits::FRAMEWORKS_MAX);
        self.frameworks.iter().for_each(|framework| broken.name("frameworks", &framework.name));
        broken.distinct("frameworks", self.frameworks.iter().map(|framework| framework.name.as_str()));
        broken.into_vec()
    }
}
