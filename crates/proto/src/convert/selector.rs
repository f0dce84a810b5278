//! `selector.proto`: selectors and requirements.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{DeviceKey, DottedVersion, Framework, Requirement, Selector};

use super::fields::{inners, set, string, strings, text, text_if, texts};
use crate::error::Malformed;
use crate::types::v1 as wire;

impl From<&BTreeSet<String>> for wire::StringSet {
    fn from(values: &BTreeSet<String>) -> Self {
        Self { values: values.iter().cloned().collect() }
    }
}

fn to_wire(attributes: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, wire::StringSet> {
    attributes.iter().map(|(name, values)| (name.clone(), values.into())).collect()
}

fn from_wire(attributes: BTreeMap<String, wire::StringSet>) -> BTreeMap<String, BTreeSet<String>> {
    attributes.into_iter().map(|(name, values)| (name, set(values.values))).collect()
}

impl From<&Selector> for wire::Selector {
    fn from(value: &Selector) -> Self {
        let Selector { attributes, tags_any_of, tags_all_of, tags_none_of, devices } = value;
        Self {
            attributes: to_wire(attributes),
            tags_any_of: strings(tags_any_of),
            tags_all_of: strings(tags_all_of),
            tags_none_of: strings(tags_none_of),
            devices: strings(devices),
        }
    }
}

impl TryFrom<wire::Selector> for Selector {
    type Error = Malformed;

    fn try_from(value: wire::Selector) -> Result<Self, Malformed> {
        Ok(Self {
            attributes: from_wire(value.attributes),
            tags_any_of: set(value.tags_any_of),
            tags_all_of: set(value.tags_all_of),
            tags_none_of: set(value.tags_none_of),
            devices: texts("devices", &value.devices, DeviceKey::new)?,
        })
    }
}

impl From<&Requirement> for wire::Requirement {
    fn from(value: &Requirement) -> Self {
        let Requirement { attributes, os_min, os_max, frameworks } = value;
        Self {
            attributes: to_wire(attributes),
            os_min: string(os_min.as_ref()),
            os_max: string(os_max.as_ref()),
            frameworks: frameworks.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::Requirement> for Requirement {
    type Error = Malformed;

    fn try_from(value: wire::Requirement) -> Result<Self, Malformed> {
        Ok(Self {
            attributes: from_wire(value.attributes),
            os_min: text_if("os_min", value.os_min.as_ref(), DottedVersion::parse)?,
            os_max: text_if("os_max", value.os_max.as_ref(), DottedVersion::parse)?,
            frameworks: inners("frameworks", value.frameworks)?,
        })
    }
}

impl From<&Framework> for wire::Framework {
    fn from(value: &Framework) -> Self {
        let Framework { name, min } = value;
        Self { name: name.clone(), min: min.to_string() }
    }
}

impl TryFrom<wire::Framework> for Framework {
    type Error = Malformed;

    fn try_from(value: wire::Framework) -> Result<Self, Malformed> {
        Ok(Self { min: text("min", &value.min, DottedVersion::parse)?, name: value.name })
    }
}
