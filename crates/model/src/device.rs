//! Device records: what the registry says of a device, which the device cannot contradict.

use std::collections::BTreeSet;

use crate::attributes::Attributes;
use crate::ids::{CohortId, DeviceKey, ProductId};
use crate::selector::DeviceFacts;

/// Attribute keys that a registered device cannot claim: they come from its record alone, also when it has none.
pub const AUTHORITATIVE_ATTRIBUTES: [&str; 5] = ["cohort", "region", "env", "mf", "fd"];

/// True for one of [`AUTHORITATIVE_ATTRIBUTES`]; spelled out, since every attribute that a decision reads is asked about.
#[must_use]
pub fn is_authoritative(name: &str) -> bool {
    matches!(name, "cohort" | "region" | "env" | "mf" | "fd")
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its key, unique within the product.
    pub key: DeviceKey,
    /// The product that the record is about.
    pub product: ProductId,
    /// The cohort it was put in by hand.
    pub cohort: Option<CohortId>,
    /// What the registry knows.
    pub attributes: Attributes,
    /// Tags; authoritative.
    pub tags: BTreeSet<String>,
    /// Whether it is still in service.
    pub state: DeviceState,
    /// Greatest security epoch that it is known to have run.
    pub security_epoch: u64,
}

/// Whether a device is in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// In service.
    Active,
    /// Out of service: hears `DEVICE_DECOMMISSIONED`.
    Decommissioned,
}

impl DeviceFacts for Device {
    fn key(&self) -> Option<&str> {
        Some(self.key.as_str())
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_authoritative_is_listed() {
        assert!(AUTHORITATIVE_ATTRIBUTES.iter().all(|name| is_authoritative(name)));
        assert!(["", "model", "os", "fe", "cohorts"].iter().all(|name| !is_authoritative(name)));
    }
}
