//! Field rules of device records and overrides.

use super::Broken;
use crate::command::OverrideSpec;
use crate::device::Device;
use crate::invalid::Invalid;
use crate::limits;
use crate::overrides::OverrideTarget;

impl Device {
    /// All field rules that this device record breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.count("attributes", self.attributes.len(), 0, limits::ATTRIBUTES_MAX);
        for (key, value) in self.attributes.iter() {
            broken.name("attributes", key);
            broken.name(&format!("attributes.{key}"), value);
        }
        broken.count("tags", self.tags.len(), 0, limits::TAGS_MAX);
        self.tags.iter().for_each(|tag| broken.name("tags", tag));
        broken.into_vec()
    }
}

impl OverrideSpec {
    /// All field rules that this override breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        match &self.target {
            OverrideTarget::Devices(devices) => broken.count("devices", devices.len(), 1, limits::DEVICE_KEYS_MAX),
            OverrideTarget::Selector(selector) => broken.part("selector", selector.validate()),
        }
        broken.instant("starts_at", self.starts_at);
        broken.instant("ends_at", self.ends_at);
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at) {
            broken.rule(start < end, "ends_at", end.to_string(), "must come after starts_at");
        }
        broken.into_vec()
    }
}
