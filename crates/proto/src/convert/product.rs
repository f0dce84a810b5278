//! `product.proto`: products, cohorts and bundles.

use prost::bytes::Bytes;
use tidegate_model::{
    Artifact, AttestationKind, Bundle, BundleId, Cohort, CohortId, DottedVersion, Product, ProductId, Provides, ReleaseId, Retry,
    Salt, Signature, Span, VersionText,
};

use super::fields::{Enumeration as _, array, enumeration, inner_or, inners, set, span, string, strings, text, text_if, texts};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    VersionScheme { SemVer = Semver, Dotted = Dotted, Integer = Integer } unspecified Err(Problem::Missing);
    BundleState { Uploading = Uploading, Ready = Ready, Recalled = Recalled } unspecified Ok(Model::Ready);
}

impl From<&Product> for wire::Product {
    fn from(value: &Product) -> Self {
        let Product {
            id,
            version_scheme,
            allow_unregistered,
            default_cohort,
            max_staleness,
            required_attestations,
            poll_interval,
            trusted_keys,
            client_phased,
            active_window,
            retry,
            flatten_reasons,
        } = value;
        Self {
            id: id.to_string(),
            version_scheme: wire::VersionScheme::from(*version_scheme).into(),
            allow_unregistered: *allow_unregistered,
            default_cohort: string(default_cohort.as_ref()),
            max_staleness_ms: max_staleness.map(Span::as_millis),
            required_attestations: strings(required_attestations),
            poll_interval_ms: poll_interval.map(Span::as_millis),
            trusted_keys: strings(trusted_keys),
            client_phased: *client_phased,
            active_window_ms: Some(active_window.as_millis()),
            retry: retry.as_ref().map(|Retry { limit, backoff }| wire::Retry { limit: *limit, backoff_ms: backoff.as_millis() }),
            flatten_reasons: *flatten_reasons,
        }
    }
}

impl TryFrom<wire::Product> for Product {
    type Error = Malformed;

    fn try_from(value: wire::Product) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, ProductId::new)?,
            version_scheme: tidegate_model::VersionScheme::read("version_scheme", value.version_scheme)?,
            allow_unregistered: value.allow_unregistered,
            default_cohort: text_if("default_cohort", value.default_cohort.as_ref(), CohortId::new)?,
            max_staleness: span(value.max_staleness_ms),
            required_attestations: texts("required_attestations", &value.required_attestations, AttestationKind::new)?,
            poll_interval: span(value.poll_interval_ms),
            trusted_keys: set(value.trusted_keys),
            client_phased: value.client_phased,
            active_window: span(value.active_window_ms).unwrap_or(Self::ACTIVE_WINDOW_DEFAULT),
            retry: value.retry.map(|retry| Retry { limit: retry.limit, backoff: Span::from_millis(retry.backoff_ms) }),
            flatten_reasons: value.flatten_reasons,
        })
    }
}

impl From<&Cohort> for wire::Cohort {
    fn from(value: &Cohort) -> Self {
        let Cohort { id, product, rules, entry_release, follows, fixed_salt } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            rules: rules.iter().map(Into::into).collect(),
            entry_release: string(entry_release.as_ref()),
            follows: string(follows.as_ref()),
            fixed_salt: fixed_salt.map(|salt| Bytes::copy_from_slice(&salt.0)),
        }
    }
}

impl TryFrom<wire::Cohort> for Cohort {
    type Error = Malformed;

    fn try_from(value: wire::Cohort) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, CohortId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            rules: inners("rules", value.rules)?,
            entry_release: text_if("entry_release", value.entry_release.as_ref(), ReleaseId::new)?,
            follows: text_if("follows", value.follows.as_ref(), CohortId::new)?,
            fixed_salt: value.fixed_salt.map(|salt| array("fixed_salt", &salt).map(Salt)).transpose()?,
        })
    }
}

impl From<&Bundle> for wire::Bundle {
    fn from(value: &Bundle) -> Self {
        let Bundle { id, product, version, artifacts, requires, provides, security_epoch, state, signatures } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            version: string(version.as_ref()),
            artifacts: artifacts.iter().map(Into::into).collect(),
            requires: Some(requires.into()),
            provides: provides.iter().map(Into::into).collect(),
            security_epoch: *security_epoch,
            state: wire::BundleState::from(*state).into(),
            signatures: signatures.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::Bundle> for Bundle {
    type Error = Malformed;

    fn try_from(value: wire::Bundle) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, BundleId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            version: text_if("version", value.version.as_ref(), VersionText::new)?,
            artifacts: value.artifacts.into_iter().map(Into::into).collect(),
            requires: inner_or("requires", value.requires, tidegate_model::Requirement::default())?,
            provides: inners("provides", value.provides)?,
            security_epoch: value.security_epoch,
            state: tidegate_model::BundleState::read("state", value.state)?,
            signatures: value.signatures.into_iter().map(Into::into).collect(),
        })
    }
}

impl From<&Artifact> for wire::Artifact {
    fn from(value: &Artifact) -> Self {
        let Artifact { name, size, sha256, base_sha256, url } = value;
        Self { name: name.clone(), size: *size, sha256: sha256.clone(), base_sha256: base_sha256.clone(), url: url.clone() }
    }
}

impl From<wire::Artifact> for Artifact {
    fn from(value: wire::Artifact) -> Self {
        let wire::Artifact { name, size, sha256, base_sha256, url } = value;
        Self { name, size, sha256, base_sha256, url }
    }
}

impl From<&Provides> for wire::Provides {
    fn from(value: &Provides) -> Self {
        let Provides { name, version } = value;
        Self { name: name.clone(), version: version.to_string() }
    }
}

impl TryFrom<wire::Provides> for Provides {
    type Error = Malformed;

    fn try_from(value: wire::Provides) -> Result<Self, Malformed> {
        Ok(Self { version: text("version", &value.version, DottedVersion::parse)?, name: value.name })
    }
}

impl From<&Signature> for wire::Signature {
    fn from(value: &Signature) -> Self {
        let Signature { key, signature } = value;
        Self { key: key.clone(), signature: signature.clone() }
    }
}

impl From<wire::Signature> for Signature {
    fn from(value: wire::Signature) -> Self {
        let wire::Signature { key, signature } = value;
        Self { key, signature }
    }
}
