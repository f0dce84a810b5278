//! Field rules: what a wanted object must look like by itself, before it is compared with anything that is stored.
//!
//! [`Spec::validate`] returns **all** broken rules, each with the path of its field as manifests write it, so that an
//! author sees every mistake at once. The state machine is the final judge and asks here again; the manifest reader asks
//! here so that errors are found before a call leaves the caller. Rules that need other objects (references, the version
//! scheme of the product) are not judged by `validate`; [`Spec::validate_versions`] judges versions once the scheme is
//! known.

mod bundle;
mod device;
mod hold;
mod policy;
mod product;
mod release;
mod requirement;
mod selector;

use crate::command::{AttestationSpec, Spec};
use crate::exclusion::Exclusion;
use crate::invalid::Invalid;
use crate::limits;
use crate::time::{Span, Timestamp};
use crate::version::{Version, VersionRequirement, VersionScheme, VersionText};

impl Spec {
    /// All field rules that this object breaks; empty if it is well-formed.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        match self {
            Self::Product(spec) => spec.validate(),
            Self::Cohort(spec) => spec.validate(),
            Self::Bundle(spec) => spec.validate(),
            Self::Release(spec) => spec.validate(),
            Self::Policy(spec) => spec.validate(),
            Self::Device(spec) => spec.validate(),
            Self::Hold(spec) => spec.validate(),
            Self::Override(spec) => spec.validate(),
            Self::Exclusion(spec) => spec.validate(),
            Self::Attestation(spec) => spec.validate(),
        }
    }

    /// All versions and version requirements in this object that cannot be read under the scheme of its product.
    #[must_use]
    pub fn validate_versions(&self, scheme: VersionScheme) -> Vec<Invalid> {
        match self {
            Self::Bundle(spec) => {
                let mut broken = Broken::default();
                broken.version(scheme, "version", spec.version.as_ref());
                broken.into_vec()
            }
            Self::Release(spec) => spec.validate_versions(scheme),
            Self::Product(_)
            | Self::Cohort(_)
            | Self::Policy(_)
            | Self::Device(_)
            | Self::Hold(_)
            | Self::Override(_)
            | Self::Exclusion(_)
            | Self::Attestation(_) => Vec::new(),
        }
    }
}

impl Exclusion {
    /// All field rules that this exclusion breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.name("key", &self.key);
        broken.count("groups", self.groups.len(), 1, limits::EXCLUSION_GROUPS_MAX);
        for (i, group) in self.groups.iter().enumerate() {
            let field = format!("groups[{i}]");
            broken.count(&field, group.len(), 2, limits::EXCLUSION_GROUPS_MAX);
            group.iter().for_each(|value| broken.name(&field, value));
        }
        broken.into_vec()
    }
}

impl AttestationSpec {
    /// All field rules that this attestation breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.text("evidence", &self.evidence);
        broken.into_vec()
    }
}

/// Collects broken rules.
#[derive(Default)]
struct Broken(Vec<Invalid>);

impl Broken {
    fn into_vec(self) -> Vec<Invalid> {
        self.0
    }

    /// The rule is broken unless `holds`.
    fn rule(&mut self, holds: bool, field: &str, value: impl AsRef<str>, rule: impl Into<String>) {
        if !holds {
            self.0.push(Invalid::new(field, value, rule));
        }
    }

    /// All that a part of the object breaks, seen from the object.
    fn part(&mut self, field: &str, broken: Vec<Invalid>) {
        self.0.extend(broken.into_iter().map(|invalid| invalid.within(field)));
    }

    /// A short text that names something: an attribute key or value, a tag, a stage.
    fn name(&mut self, field: &str, text: &str) {
        let fits = (1..=limits::ATTRIBUTE_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        self.rule(fits, field, text, format!("must be 1 to {} bytes without control characters", limits::ATTRIBUTE_BYTES_MAX));
    }

    /// A free text for humans.
    fn text(&mut self, field: &str, text: &str) {
        let fits = text.len() <= limits::TEXT_BYTES_MAX;
        self.rule(fits, field, text, format!("must be at most {} bytes, has {}", limits::TEXT_BYTES_MAX, text.len()));
    }

    /// The number of items of a list.
    fn count(&mut self, field: &str, count: usize, min: usize, max: usize) {
        let rule = || format!("must have {min} to {max} items");
        if !(min..=max).contains(&count) {
            self.0.push(Invalid::new(field, count.to_string(), rule()));
        }
    }

    /// A length of time that may be zero.
    fn span(&mut self, field: &str, span: Span) {
        let longest = Span::from_millis(limits::SPAN_MS_MAX);
        self.rule(span <= longest, field, span.to_string(), format!("must be at most {longest}"));
    }

    /// A length of time that must not be zero.
    fn some_span(&mut self, field: &str, span: Span) {
        self.rule(span > Span::ZERO, field, span.to_string(), "must be more than 0s");
        self.span(field, span);
    }

    /// A point in time, if one is given.
    fn instant(&mut self, field: &str, instant: Option<Timestamp>) {
        if let Some(instant) = instant {
            let fits = (limits::INSTANT_MS_MIN..=limits::INSTANT_MS_MAX).contains(&instant.as_millis());
            self.rule(fits, field, instant.to_string(), "must lie in the years 1 to 9999");
        }
    }

    /// Items that must differ from each other.
    fn distinct<'a>(&mut self, field: &str, items: impl Iterator<Item = &'a str>) {
        let mut seen = std::collections::BTreeSet::new();
        for item in items {
            let is_new = seen.insert(item);
            self.rule(is_new, field, item, "must not occur twice");
        }
    }

    /// A version that must be readable.
    fn version(&mut self, scheme: VersionScheme, field: &str, version: Option<&VersionText>) {
        if let Some(Err(invalid)) = version.map(|text| Version::parse(scheme, text.as_str())) {
            self.0.push(invalid.at(field));
        }
    }

    /// A version requirement that must be readable.
    fn version_requirement(&mut self, scheme: VersionScheme, field: &str, requirement: Option<&str>) {
        if let Some(Err(invalid)) = requirement.map(|text| VersionRequirement::parse(scheme, text)) {
            self.0.push(invalid.at(field));
        }
    }
}

#[cfg(test)]
mod tests;
