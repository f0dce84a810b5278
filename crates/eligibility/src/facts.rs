//! What is known of the device at the moment of a check: its record and the request, put together.

use tidegate_model::device::is_authoritative;
use tidegate_model::{CohortId, Device, DeviceFacts, DottedVersion};

use crate::request::Request;
use crate::table::KeyHash;

const FRAMEWORK_PREFIX: &str = "framework.";

/// Record and request. For a registered device the authoritative attributes and the tags come from the record alone; of
/// the rest the request wins, since only the device knows it.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) device: Option<&'a Device>,
    /// The device key with its hash, if there is a key.
    pub(crate) key: Option<(&'a str, KeyHash)>,
    /// The cohort with its hash, once it is known.
    pub(crate) cohort: Option<(&'a CohortId, KeyHash)>,
}

impl<'a> Facts<'a> {
    /// The version of a framework that the device has.
    pub(crate) fn framework(&self, name: &str) -> Option<DottedVersion> {
        let names_it = |attribute: &str| attribute.strip_prefix(FRAMEWORK_PREFIX) == Some(name);
        let told = self.request.attributes.iter().find(|(attribute, _)| names_it(attribute)).map(|(_, version)| *version);
        // All of them, because putting the name together would allocate; there are few.
        let recorded = || self.device?.attributes.iter().find(|(attribute, _)| names_it(attribute)).map(|(_, version)| version);
        DottedVersion::read(told.or_else(recorded)?)
    }

    /// The operating system's version.
    pub(crate) fn os(&self) -> Option<DottedVersion> {
        DottedVersion::read(self.attribute("os")?)
    }

    /// Calls `each` for every tag of the device.
    pub(crate) fn for_each_tag(&self, mut each: impl FnMut(&str)) {
        match self.device {
            Some(device) => device.tags.iter().for_each(|tag| each(tag)),
            None => self.request.tags.iter().for_each(|tag| each(tag)),
        }
    }

    /// The device's attribute, living as long as record and request.
    fn find(&self, name: &str) -> Option<&'a str> {
        let Some(device) = self.device else { return self.request.attribute(name) };
        let recorded = || device.attributes.get(name);
        if name == "cohort" {
            return device.cohort.as_ref().map(CohortId::as_str).or_else(recorded);
        }
        if is_authoritative(name) { recorded() } else { self.request.attribute(name).or_else(recorded) }
    }
}

impl DeviceFacts for Facts<'_> {
    fn key(&self) -> Option<&str> {
        self.key.map(|(key, _)| key)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.find(name)
    }

    fn has_tag(&self, tag: &str) -> bool {
        match self.device {
            Some(device) => device.tags.contains(tag),
            None => self.request.tags.contains(&tag),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use tidegate_model::{DeviceKey, DeviceState, ProductId};

    use super::*;

    #[test]
    fn a_record_speaks_for_itself_and_the_device_for_what_only_it_knows() {
        let attributes = [("region", "eu"), ("model", "akita"), ("os", "14"), ("framework.sdk", "15.04")];
        let request = Request { product: "os", attributes: &attributes, tags: &["canary"], ..Request::default() };
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let device = Device {
            key: DeviceKey::new("d").unwrap(),
            product: ProductId::new("os").unwrap(),
            cohort: Some(CohortId::new("beta").unwrap()),
            attributes: pairs(&[("mf", "7"), ("model", "komodo"), ("framework.sdk", "1"), ("framework.x", "2"), ("serial", "9")]),
            tags: BTreeSet::from(["gold".to_owned()]),
            state: DeviceState::Active,
            security_epoch: 0,
        };
        let facts = Facts { request: &request, device: Some(&device), key: None, cohort: None };
        assert_eq!(facts.attribute("region"), None, "authoritative, and the record has none");
        assert_eq!(facts.attribute("mf"), Some("7"));
        assert_eq!(facts.attribute("cohort"), Some("beta"));
        assert_eq!(facts.attribute("model"), Some("akita"), "the device wins");
        assert_eq!(facts.attribute("serial"), Some("9"));
        assert!(facts.has_tag("gold") && !facts.has_tag("canary"));
        assert_eq!(facts.framework("sdk"), DottedVersion::parse("15.4").ok());
        assert_eq!(facts.framework("x"), DottedVersion::parse("2").ok());
        assert_eq!(facts.framework("y"), None);
        let unregistered = Facts { device: None, ..facts };
        assert_eq!(unregistered.attribute("region"), Some("eu"));
        assert!(unregistered.has_tag("canary") && !unregistered.has_tag("gold"));
    }
}
