//! `device.proto`: devices, overrides, exclusions, attestations. Holds have a module of their own.

use tidegate_model::{
    Attestation, AttestationKind, AttestationSpec, BundleId, CohortId, Device, DeviceKey, Exclusion, ExclusionId, Override,
    OverrideId, OverrideSpec, OverrideTarget, Principal, ProductId, Timestamp,
};
use wire::override_target::Kind as TargetKind;

use super::fields::{
    Enumeration as _, alternative, enumeration, inner, instant, ms, must, set, string, strings, text, text_if, texts,
};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    DeviceState { Active = Active, Decommissioned = Decommissioned } unspecified Ok(Model::Active);
    ExclusionScope { Product = Product, Global = Global } unspecified Err(Problem::Missing);
}

impl From<&Device> for wire::Device {
    fn from(value: &Device) -> Self {
        let Device { key, product, cohort, attributes, tags, state, security_epoch } = value;
        Self {
            key: key.to_string(),
            product: product.to_string(),
            cohort: string(cohort.as_ref()),
            attributes: attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            tags: strings(tags),
            state: wire::DeviceState::from(*state).into(),
            security_epoch: *security_epoch,
        }
    }
}

impl TryFrom<wire::Device> for Device {
    type Error = Malformed;

    fn try_from(value: wire::Device) -> Result<Self, Malformed> {
        Ok(Self {
            key: text("key", &value.key, DeviceKey::new)?,
            product: text("product", &value.product, ProductId::new)?,
            cohort: text_if("cohort", value.cohort.as_ref(), CohortId::new)?,
            attributes: value.attributes.into_iter().collect(),
            tags: set(value.tags),
            state: tidegate_model::DeviceState::read("state", value.state)?,
            security_epoch: value.security_epoch,
        })
    }
}

impl From<&OverrideTarget> for wire::OverrideTarget {
    fn from(value: &OverrideTarget) -> Self {
        let kind = match value {
            OverrideTarget::Devices(devices) => TargetKind::Devices(wire::StringSet { values: strings(devices) }),
            OverrideTarget::Selector(selector) => TargetKind::Selector(selector.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::OverrideTarget> for OverrideTarget {
    type Error = Malformed;

    fn try_from(value: wire::OverrideTarget) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            TargetKind::Devices(devices) => Self::Devices(texts("devices", &devices.values, DeviceKey::new)?),
            TargetKind::Selector(selector) => Self::Selector(inner("selector", selector)?),
        })
    }
}

impl From<&Override> for wire::Override {
    fn from(value: &Override) -> Self {
        let Override { id, product, target, bundle, starts_at, ends_at, force, allow_downgrade } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            target: Some(target.into()),
            bundle: bundle.to_string(),
            starts_at_ms: Some(starts_at.as_millis()),
            ends_at_ms: ms(*ends_at),
            force: *force,
            allow_downgrade: *allow_downgrade,
        }
    }
}

impl TryFrom<wire::Override> for Override {
    type Error = Malformed;

    fn try_from(value: wire::Override) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, OverrideId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            target: inner("target", must("target", value.target)?)?,
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            starts_at: Timestamp::from_millis(must("starts_at_ms", value.starts_at_ms)?),
            ends_at: instant(value.ends_at_ms),
            force: value.force,
            allow_downgrade: value.allow_downgrade,
        })
    }
}

impl From<&OverrideSpec> for wire::OverrideSpec {
    fn from(value: &OverrideSpec) -> Self {
        let OverrideSpec { id, product, target, bundle, starts_at, ends_at, force, allow_downgrade } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            target: Some(target.into()),
            bundle: bundle.to_string(),
            starts_at_ms: ms(*starts_at),
            ends_at_ms: ms(*ends_at),
            force: Some(*force),
            allow_downgrade: *allow_downgrade,
        }
    }
}

impl TryFrom<wire::OverrideSpec> for OverrideSpec {
    type Error = Malformed;

    fn try_from(value: wire::OverrideSpec) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, OverrideId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            target: inner("target", must("target", value.target)?)?,
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            starts_at: instant(value.starts_at_ms),
            ends_at: instant(value.ends_at_ms),
            force: value.force.unwrap_or(true),
            allow_downgrade: value.allow_downgrade,
        })
    }
}

impl From<&Exclusion> for wire::Exclusion {
    fn from(value: &Exclusion) -> Self {
        let Exclusion { id, key, groups, scope } = value;
        Self {
            id: id.to_string(),
            key: key.clone(),
            groups: groups.iter().map(Into::into).collect(),
            scope: wire::ExclusionScope::from(*scope).into(),
        }
    }
}

impl TryFrom<wire::Exclusion> for Exclusion {
    type Error = Malformed;

    fn try_from(value: wire::Exclusion) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, ExclusionId::new)?,
            key: value.key,
            groups: value.groups.into_iter().map(|group| set(group.values)).collect(),
            scope: tidegate_model::ExclusionScope::read("scope", value.scope)?,
        })
    }
}

impl From<&Attestation> for wire::Attestation {
    fn from(value: &Attestation) -> Self {
        let Attestation { bundle, kind, by, at, evidence } = value;
        Self {
            bundle: bundle.to_string(),
            kind: kind.to_string(),
            by: by.to_string(),
            at_ms: at.as_millis(),
            evidence: evidence.clone(),
        }
    }
}

impl TryFrom<wire::Attestation> for Attestation {
    type Error = Malformed;

    fn try_from(value: wire::Attestation) -> Result<Self, Malformed> {
        Ok(Self {
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            kind: text("kind", &value.kind, AttestationKind::new)?,
            by: text("by", &value.by, Principal::new)?,
            at: Timestamp::from_millis(value.at_ms),
            evidence: value.evidence,
        })
    }
}

impl From<&AttestationSpec> for wire::AttestationSpec {
    fn from(value: &AttestationSpec) -> Self {
        let AttestationSpec { bundle, kind, by, evidence } = value;
        Self { bundle: bundle.to_string(), kind: kind.to_string(), by: string(by.as_ref()), evidence: evidence.clone() }
    }
}

impl TryFrom<wire::AttestationSpec> for AttestationSpec {
    type Error = Malformed;

    fn try_from(value: wire::AttestationSpec) -> Result<Self, Malformed> {
        Ok(Self {
            bundle: text("bundle", &value.bundle, BundleId::new)?,
            kind: text("kind", &value.kind, AttestationKind::new)?,
            by: text_if("by", value.by.as_ref(), Principal::new)?,
            evidence: value.evidence,
        })
    }
}
