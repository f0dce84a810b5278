//! Field rules of releases.

use super::Broken;
use crate::command::ReleaseSpec;
use crate::invalid::Invalid;
use crate::limits;
use crate::release::{InstallMode, Urgency};
use crate::version::VersionScheme;

impl ReleaseSpec {
    /// All field rules that this release breaks.
    #[must_use]
    pub fn validate(&self) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.rule(!(self.dead_end && self.required), "dead_end", "true", "must not be combined with required");
        broken.text("notes", &self.notes);
        broken.part("requirement", self.requirement.validate());
        if let Some(text) = &self.version_requirement {
            let fits = (1..=limits::VERSION_REQUIREMENT_BYTES_MAX).contains(&text.len());
            let rule = format!("must be 1 to {} bytes", limits::VERSION_REQUIREMENT_BYTES_MAX);
            broken.rule(fits, "version_requirement", text, rule);
        }
        if let InstallMode::Info { versions, .. } = &self.install_mode {
            broken.count("install_mode.info.versions", versions.len(), 0, limits::SELECTOR_VALUES_MAX);
        }
        broken.instant("published_at", self.published_at);
        broken.count("previous", self.previous.len(), 0, limits::PREVIOUS_MAX);
        broken.rule(!self.previous.contains(&self.id), "previous", self.id.as_str(), "must be another release");
        if let Some(next) = &self.next {
            broken.rule(*next != self.id, "next", next.as_str(), "must be another release");
            let is_one_place = self.previous.is_empty() || self.adopt;
            broken.rule(is_one_place, "next", next.as_str(), "must not be combined with previous unless adopted");
        }
        broken.rule(!(self.adopt && self.replace), "replace", "true", "must not be combined with adopt: it replaces drafts");
        broken.into_vec()
    }

    /// All versions of this release that cannot be read under the product's scheme.
    #[must_use]
    pub fn validate_versions(&self, scheme: VersionScheme) -> Vec<Invalid> {
        let mut broken = Broken::default();
        broken.version(scheme, "version", self.version.as_ref());
        broken.version_requirement(scheme, "version_requirement", self.version_requirement.as_deref());
        match &self.urgency {
            Urgency::Normal | Urgency::Critical => {}
            Urgency::CriticalBelow(version) => broken.version(scheme, "urgency.critical_below", Some(version)),
        }
        match &self.install_mode {
            InstallMode::Auto => {}
            InstallMode::Ask { auto_from } => broken.version(scheme, "install_mode.ask.auto_from", auto_from.as_ref()),
            InstallMode::Info { versions, below } => {
                for (i, version) in versions.iter().enumerate() {
                    broken.version(scheme, &format!("install_mode.info.versions[{i}]"), Some(version));
                }
                broken.version(scheme, "install_mode.info.below", below.as_ref());
            }
        }
        broken.into_vec()
    }
}
