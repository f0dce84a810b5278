//! `release.proto`: releases as stored and as wanted.

use tidegate_model::{
    BundleId, CohortId, DeviceKey, InstallMode, Place, ProductId, Release, ReleaseId, ReleaseSpec, Requirement, Urgency,
    VersionText,
};
use wire::install_mode::Kind as InstallModeKind;
use wire::place::Kind as PlaceKind;
use wire::urgency::Kind as UrgencyKind;

use super::fields::{alternative, inner, inner_or, instant, ms, must, string, strings, text, text_if, texts};
use crate::error::Malformed;
use crate::types::v1 as wire;

impl From<&Release> for wire::Release {
    fn from(value: &Release) -> Self {
        let Release {
            id,
            product,
            cohort,
            bundle,
            version,
            version_requirement,
            required,
            disabled,
            dead_end,
            requirement,
            urgency,
            install_mode,
            published_at,
            notes,
            consents,
            place,
            linked,
            next,
            rollout,
        } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            cohort: cohort.to_string(),
            bundle: bundle.to_string(),
            version: string(version.as_ref()),
            version_requirement: version_requirement.clone(),
            required: *required,
            disabled: *disabled,
            dead_end: *dead_end,
            requirement: Some(requirement.into()),
            urgency: Some(urgency.into()),
            install_mode: Some(install_mode.into()),
            published_at_ms: ms(*published_at),
            notes: notes.clone(),
            consents: strings(consents),
            place: Some(place.into()),
            linked: *linked,
            next: string(next.as_ref()),
            rollout: Some(rollout.into()),
        }
    }
}

impl TryFrom<wire::Release> for Release {
    type Error = Malformed;

    fn try_from(value: wire::Release) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, ReleaseId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            cohort: text("cohort", &value.cohort, CohortId::new)?,
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            version: text_if("version", value.version.as_ref(), VersionText::new)?,
            version_requirement: value.version_requirement,
            required: value.required,
            disabled: value.disabled,
            dead_end: value.dead_end,
            requirement: inner_or("requirement", value.requirement, Requirement::default())?,
            urgency: inner_or("urgency", value.urgency, Urgency::Normal)?,
            install_mode: inner_or("install_mode", value.install_mode, InstallMode::Auto)?,
            published_at: instant(value.published_at_ms),
            notes: value.notes,
            consents: texts("consents", &value.consents, DeviceKey::new)?,
            place: inner_or("place", value.place, Place::Latest)?,
            linked: value.linked,
            next: text_if("next", value.next.as_ref(), ReleaseId::new)?,
            rollout: inner("rollout", must("rollout", value.rollout)?)?,
        })
    }
}

impl From<&ReleaseSpec> for wire::ReleaseSpec {
    fn from(value: &ReleaseSpec) -> Self {
        let ReleaseSpec {
            id,
            product,
            cohort,
            bundle,
            version,
            version_requirement,
            required,
            disabled,
            dead_end,
            requirement,
            urgency,
            install_mode,
            published_at,
            notes,
            previous,
            next,
            adopt,
            replace,
        } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            cohort: cohort.to_string(),
            bundle: bundle.to_string(),
            version: string(version.as_ref()),
            version_requirement: version_requirement.clone(),
            required: *required,
            disabled: *disabled,
            dead_end: *dead_end,
            requirement: Some(requirement.into()),
            urgency: Some(urgency.into()),
            install_mode: Some(install_mode.into()),
            published_at_ms: ms(*published_at),
            notes: notes.clone(),
            previous: strings(previous),
            next: string(next.as_ref()),
            adopt: *adopt,
            replace: *replace,
        }
    }
}

impl TryFrom<wire::ReleaseSpec> for ReleaseSpec {
    type Error = Malformed;

    fn try_from(value: wire::ReleaseSpec) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, ReleaseId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            cohort: text("cohort", &value.cohort, CohortId::new)?,
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            version: text_if("version", value.version.as_ref(), VersionText::new)?,
            version_requirement: value.version_requirement,
            required: value.required,
            disabled: value.disabled,
            dead_end: value.dead_end,
            requirement: inner_or("requirement", value.requirement, Requirement::default())?,
            urgency: inner_or("urgency", value.urgency, Urgency::Normal)?,
            install_mode: inner_or("install_mode", value.install_mode, InstallMode::Auto)?,
            published_at: instant(value.published_at_ms),
            notes: value.notes,
            previous: texts("previous", &value.previous, ReleaseId::new)?,
            next: text_if("next", value.next.as_ref(), ReleaseId::new)?,
            adopt: value.adopt,
            replace: value.replace,
        })
    }
}

impl From<&Place> for wire::Place {
    fn from(value: &Place) -> Self {
        let kind = match value {
            Place::Latest => PlaceKind::Latest(wire::Unit {}),
            Place::After(previous) => PlaceKind::After(wire::StringSet { values: strings(previous) }),
            Place::Before(next) => PlaceKind::Before(next.to_string()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Place> for Place {
    type Error = Malformed;

    fn try_from(value: wire::Place) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            PlaceKind::Latest(wire::Unit {}) => Self::Latest,
            PlaceKind::After(previous) => Self::After(texts("after", &previous.values, ReleaseId::new)?),
            PlaceKind::Before(next) => Self::Before(text("before", &next, ReleaseId::new)?),
        })
    }
}

impl From<&Urgency> for wire::Urgency {
    fn from(value: &Urgency) -> Self {
        let kind = match value {
            Urgency::Normal => UrgencyKind::Normal(wire::Unit {}),
            Urgency::Critical => UrgencyKind::Critical(wire::Unit {}),
            Urgency::CriticalBelow(version) => UrgencyKind::CriticalBelow(version.to_string()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::Urgency> for Urgency {
    type Error = Malformed;

    fn try_from(value: wire::Urgency) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            UrgencyKind::Normal(wire::Unit {}) => Self::Normal,
            UrgencyKind::Critical(wire::Unit {}) => Self::Critical,
            UrgencyKind::CriticalBelow(version) => Self::CriticalBelow(text("critical_below", &version, VersionText::new)?),
        })
    }
}

impl From<&InstallMode> for wire::InstallMode {
    fn from(value: &InstallMode) -> Self {
        let kind = match value {
            InstallMode::Auto => InstallModeKind::Auto(wire::Unit {}),
            InstallMode::Ask { auto_from } => InstallModeKind::Ask(wire::Ask { auto_from: string(auto_from.as_ref()) }),
            InstallMode::Info { versions, below } => {
                InstallModeKind::Info(wire::Info { versions: strings(versions), below: string(below.as_ref()) })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::InstallMode> for InstallMode {
    type Error = Malformed;

    fn try_from(value: wire::InstallMode) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            InstallModeKind::Auto(wire::Unit {}) => Self::Auto,
            InstallModeKind::Ask(ask) => {
                Self::Ask { auto_from: text_if("ask.auto_from", ask.auto_from.as_ref(), VersionText::new)? }
            }
            InstallModeKind::Info(info) => Self::Info {
                versions: texts("info.versions", &info.versions, VersionText::new)?,
                below: text_if("info.below", info.below.as_ref(), VersionText::new)?,
            },
        })
    }
}
