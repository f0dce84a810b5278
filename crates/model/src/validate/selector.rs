//! Field rules of selectors.

use super::Broken;
use crate::invalid::Invalid;
use crate::limits;
use crate::selector::Selector;

impl Selector {
    /// All field rules that this selector breaks. One that can match nobody is a mistake, not a way to say "nobody".
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
        for (field, tags) in
            [("tags.any_of", &self.tags_any_of), ("tags.all_of", &self.tags_all_of), ("tags.none_of", &self.tags_none_of)]
        {
            broken.count(field, tags.len(), 0, limits::TAGS_MAX);
            tags.iter().for_each(|tag| broken.name(field, tag));
        }
        for tag in self.tags_all_of.intersection(&self.tags_none_of) {
            broken.rule(false, "tags.none_of", tag, "must not forbid a tag that all_of asks for: nobody matches");
        }
        let any_is_possible = self.tags_any_of.is_empty() || self.tags_any_of.iter().any(|tag| !self.tags_none_of.contains(tag));
        broken.rule(any_is_possible, "tags.none_of", "", "must not forbid every tag of any_of: nobody matches");
        broken.count("devices", self.devices.len(), 0, limits::DEVICE_KEYS_MAX);
        broken.into_vec()
    }
}
