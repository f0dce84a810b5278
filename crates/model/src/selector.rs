//! Selectors: who is meant, by attributes, tags and device keys. Everything that is named must hold.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::DeviceKey;

/// What is known of a device at the moment of a check, whoever knows it. Implemented by requests and by device records.
pub trait DeviceFacts {
    /// The device key, if there is one.
    fn key(&self) -> Option<&str>;
    /// The value of an attribute.
    fn attribute(&self, name: &str) -> Option<&str>;
    /// True if the device bears the tag.
    fn has_tag(&self, tag: &str) -> bool;
}

/// A condition on devices; the empty one is everybody.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Selector {
    /// For each key, the value must be one of these.
    pub attributes: BTreeMap<String, BTreeSet<String>>,
    /// At least one of these tags, if any is listed.
    pub tags_any_of: BTreeSet<String>,
    /// All of these tags.
    pub tags_all_of: BTreeSet<String>,
    /// None of these tags.
    pub tags_none_of: BTreeSet<String>,
    /// One of these keys, if any is listed.
    pub devices: BTreeSet<DeviceKey>,
}

impl Selector {
    /// True if nothing is asked for.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    /// True if everything that is named holds for the device. Allocates nothing.
    pub fn matches(&self, facts: &impl DeviceFacts) -> bool {
        self.attributes.iter().all(|(name, values)| facts.attribute(name).is_some_and(|value| values.contains(value)))
            && (self.tags_any_of.is_empty() || self.tags_any_of.iter().any(|tag| facts.has_tag(tag)))
            && self.tags_all_of.iter().all(|tag| facts.has_tag(tag))
            && !self.tags_none_of.iter().any(|tag| facts.has_tag(tag))
            && (self.devices.is_empty() || facts.key().is_some_and(|key| self.devices.contains(key)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    struct Phone;

    impl DeviceFacts for Phone {
        fn key(&self) -> Option<&str> {
            Some("dev-1")
        }
        fn attribute(&self, name: &str) -> Option<&str> {
            (name == "region").then_some("eu")
        }
        fn has_tag(&self, tag: &str) -> bool {
            ["canary", "beta"].contains(&tag)
        }
    }

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    #[test]
    fn all_that_is_named_must_hold() {
        let everybody = Selector::default();
        let attribute = |name: &str, values: &[&str]| Selector {
            attributes: BTreeMap::from([(name.to_owned(), set(values))]),
            ..Selector::default()
        };
        let devices = |key| Selector { devices: BTreeSet::from([DeviceKey::new(key).unwrap()]), ..Selector::default() };
        let cases = [
            (everybody.clone(), true),
            (attribute("region", &["eu", "us"]), true),
            (attribute("region", &["us"]), false),
            (attribute("model", &["akita"]), false),
            (Selector { tags_any_of: set(&["canary", "x"]), ..everybody.clone() }, true),
            (Selector { tags_all_of: set(&["canary", "x"]), ..everybody.clone() }, false),
            (Selector { tags_none_of: set(&["beta"]), ..everybody.clone() }, false),
            (devices("dev-1"), true),
            (devices("dev-2"), false),
            (Selector { tags_none_of: set(&["beta"]), ..attribute("region", &["eu"]) }, false),
        ];
        for (selector, expected) in cases {
            assert_eq!(selector.matches(&Phone), expected, "{selector:?}");
        }
    }
}
