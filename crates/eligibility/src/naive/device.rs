//! The device of a request, with everything that is known of it.

use tidegate_model::device::AUTHORITATIVE_ATTRIBUTES;
use tidegate_model::{
    Bundle, BundleId, Catalog, Cohort, Device as Record, DeviceFacts, DeviceKey, DeviceState, InstallMode, Product, Release,
    Requirement, Stored, Timestamp, Urgency, Version, VersionText,
};

use crate::naive::No;
use crate::reason::Reason;
use crate::request::Request;

/// A device at an instant.
pub(crate) struct Device<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) product: &'c Product,
    pub(crate) request: &'c Request<'c>,
    pub(crate) now: Timestamp,
    record: Option<&'c Record>,
    pub(crate) cohort: Option<&'c Stored<Cohort>>,
    /// Reported bundle, if well-formed.
    pub(crate) bundle: Option<String>,
}

impl<'c> Device<'c> {
    /// Step 3.
    pub(crate) fn find(catalog: &'c Catalog, product: &'c Product, request: &'c Request<'c>, now: Timestamp) -> Result<Self, No> {
        let key = request.device.and_then(|key| DeviceKey::new(key).ok());
        let record = key.and_then(|key| catalog.devices().get(&(product.id.clone(), key))).map(|stored| &stored.body);
        match record {
            Some(record) if record.state == DeviceState::Decommissioned => return Err(Reason::DeviceDecommissioned.into()),
            None if !product.allow_unregistered => return Err(Reason::UnknownDevice.into()),
            _ => {}
        }
        let bundle = request.bundle.and_then(|id| BundleId::new(id).ok()).map(|id| id.to_string());
        let mut device = Self { catalog, product, request, now, record, cohort: None, bundle };
        device.cohort = device.find_cohort();
        Ok(device)
    }

    fn find_cohort(&self) -> Option<&'c Stored<Cohort>> {
        let mut cohorts: Vec<_> =
            self.catalog.cohorts().values().map(|c| &**c).filter(|c| c.body.product == self.product.id).collect();
        cohorts.sort_by_key(|cohort| (cohort.created, cohort.body.id.clone()));
        let by_id = |id: &str| cohorts.iter().copied().find(|cohort| cohort.body.id.as_str() == id);
        if let Some(id) = self.record.and_then(|record| record.cohort.as_ref()) {
            return by_id(id.as_str());
        }
        let by_rule = cohorts.iter().copied().find(|cohort| cohort.body.rules.iter().any(|rule| rule.matches(self)));
        let by_name = || self.request.attribute("cohort").filter(|_| self.record.is_none()).and_then(by_id);
        by_rule.or_else(by_name).or_else(|| by_id(self.product.default_cohort.as_ref()?.as_str()))
    }

    /// The device key.
    pub(crate) fn key(&self) -> Option<&str> {
        self.request.device.filter(|key| !key.is_empty())
    }

    /// Linked releases of the cohort.
    pub(crate) fn linked(&self) -> Vec<&'c Stored<Release>> {
        let Some(cohort) = self.cohort else { return Vec::new() };
        let all = self.catalog.releases().values().map(|stored| &**stored);
        all.filter(|r| r.body.linked && r.body.product == self.product.id && r.body.cohort == cohort.body.id).collect()
    }

    /// The next release in the graph.
    pub(crate) fn next(&self, release: &Stored<Release>) -> Option<&'c Stored<Release>> {
        let next = release.body.next.as_ref()?;
        self.linked().into_iter().find(|release| release.body.id == *next)
    }

    /// A bundle of the product.
    pub(crate) fn known_bundle(&self, id: &BundleId) -> Option<&'c Bundle> {
        self.catalog.bundles().get(id).map(|stored| &stored.body).filter(|bundle| bundle.product == self.product.id)
    }

    fn parse(&self, text: &VersionText) -> Option<Version> {
        Version::parse(self.product.version_scheme, text.as_str()).ok()
    }

    /// The release's own version.
    pub(crate) fn own_version(&self, release: &Release) -> Option<Version> {
        release.version.as_ref().and_then(|text| self.parse(text))
    }

    /// The bundle's own version.
    pub(crate) fn version_of_bundle(&self, bundle: &Bundle) -> Option<Version> {
        bundle.version.as_ref().and_then(|text| self.parse(text))
    }

    /// The release's version, else its bundle's.
    pub(crate) fn version_of(&self, release: &Release) -> Option<Version> {
        self.own_version(release).or_else(|| self.version_of_bundle(self.known_bundle(&release.bundle)?))
    }

    /// The reported version.
    pub(crate) fn reported_version(&self) -> Option<Version> {
        Version::parse(self.product.version_scheme, self.request.version?).ok()
    }

    fn reported_release(&self) -> Option<&'c Release> {
        let release = &self.catalog.releases().get(self.request.release?)?.body;
        Some(release).filter(|release| release.product == self.product.id)
    }

    fn reported_bundle(&self) -> Option<&'c Bundle> {
        self.known_bundle(&BundleId::new(self.bundle.as_ref()?).ok()?)
    }

    /// The device version.
    pub(crate) fn version(&self) -> Option<Version> {
        if let Some(version) = self.reported_version() {
            return Some(version);
        }
        let of_release = self.reported_release().filter(|release| release.linked).and_then(|r| self.version_of(r));
        let of_bundle = self.reported_bundle().and_then(|bundle| self.version_of_bundle(bundle));
        match (of_release, of_bundle) {
            (Some(a), Some(b)) => Some(if a.is_below(&b) { b } else { a }),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => self.position()?.0.and_then(|current| self.version_of(&current.body)),
        }
    }

    /// The device epoch.
    pub(crate) fn epoch(&self) -> u64 {
        let of_release = self.reported_release().and_then(|release| self.known_bundle(&release.bundle));
        let known = [
            self.request.security_epoch,
            self.record.map(|record| record.security_epoch),
            self.reported_bundle().map(|bundle| bundle.security_epoch),
            of_release.map(|bundle| bundle.security_epoch),
        ];
        known.into_iter().flatten().max().unwrap_or_default()
    }

    /// True if critical for this device.
    pub(crate) fn is_critical(&self, release: &Release) -> bool {
        match &release.urgency {
            Urgency::Normal => false,
            Urgency::Critical => true,
            Urgency::CriticalBelow(text) => {
                matches!((self.version(), self.parse(text)), (Some(has), Some(bound)) if has.is_below(&bound))
            }
        }
    }

    /// True if only information for this device.
    pub(crate) fn is_informational(&self, release: &Release) -> bool {
        let InstallMode::Info { versions, below } = &release.install_mode else { return false };
        if versions.is_empty() && below.is_none() {
            return true;
        }
        let Some(has) = self.version() else { return false };
        versions.iter().filter_map(|text| self.parse(text)).any(|named| named == has)
            || below.as_ref().and_then(|text| self.parse(text)).is_some_and(|bound| has.is_below(&bound))
    }

    /// True if somebody must agree first.
    pub(crate) fn needs_user(&self, release: &Release) -> bool {
        let InstallMode::Ask { auto_from } = &release.install_mode else { return false };
        let bound = auto_from.as_ref().and_then(|text| self.parse(text));
        !matches!((self.version(), bound), (Some(has), Some(bound)) if !has.is_below(&bound))
    }

    /// Checks 8 to 10.
    pub(crate) fn fits(&self, requirements: &[&Requirement]) -> Result<(), No> {
        let hardware = |r: &Requirement| {
            r.attributes.iter().all(|(name, values)| self.attribute(name).is_some_and(|value| values.contains(value)))
        };
        let number = |name: &str| tidegate_model::DottedVersion::parse(self.attribute(name)?).ok();
        let os = |r: &Requirement| match number("os") {
            None => r.os_min.is_none() && r.os_max.is_none(),
            Some(os) => r.os_min.is_none_or(|min| min <= os) && r.os_max.is_none_or(|max| os <= max),
        };
        let frameworks = |r: &Requirement| {
            r.frameworks.iter().all(|f| number(&format!("framework.{}", f.name)).is_some_and(|has| f.min <= has))
        };
        if !requirements.iter().all(|r| hardware(r)) {
            return Err(Reason::IncompatibleHardware.into());
        }
        if !requirements.iter().all(|r| os(r)) {
            return Err(Reason::IncompatibleOs.into());
        }
        if !requirements.iter().all(|r| frameworks(r)) {
            return Err(Reason::IncompatibleFramework.into());
        }
        Ok(())
    }
}

impl DeviceFacts for Device<'_> {
    fn key(&self) -> Option<&str> {
        Device::key(self)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        let Some(record) = self.record else { return self.request.attribute(name) };
        let recorded = record.attributes.get(name);
        match name {
            "cohort" => record.cohort.as_ref().map(tidegate_model::CohortId::as_str).or(recorded),
            name if AUTHORITATIVE_ATTRIBUTES.contains(&name) => recorded,
            name => self.request.attribute(name).or(recorded),
        }
    }

    fn has_tag(&self, tag: &str) -> bool {
        match self.record {
            Some(record) => record.tags.iter().any(|has| has == tag),
            None => self.request.tags.contains(&tag),
        }
    }
}
