//! The holds of `device.proto`.

use tidegate_model::{
    BundleId, CohortId, DeviceKey, Hold, HoldId, HoldScope, HoldSpec, Principal, ProductId, ReleaseId, Span, Timestamp, Window,
};
use wire::hold_scope::Kind as ScopeKind;

use super::fields::{Enumeration as _, alternative, enumeration, inner, instant, ms, must, string, text, text_if};
use crate::error::{Malformed, Problem};
use crate::types::v1 as wire;

enumeration! {
    HoldKind {
        Quarantine = Quarantine, Repair = Repair, Freeze = Freeze, Safeguard = Safeguard, OptOut = OptOut, Consent = Consent,
        Backoff = Backoff, Window = Window,
    } unspecified Err(Problem::Missing);
}

impl From<&Hold> for wire::Hold {
    fn from(value: &Hold) -> Self {
        let Hold { id, product, scope, kind, release, bundle, from, until, window, critical_pierces, reason, author } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            scope: Some(scope.into()),
            kind: wire::HoldKind::from(*kind).into(),
            release: string(release.as_ref()),
            bundle: string(bundle.as_ref()),
            from_ms: Some(from.as_millis()),
            until_ms: ms(*until),
            window: window.as_ref().map(Into::into),
            critical_pierces: *critical_pierces,
            reason: reason.clone(),
            author: author.to_string(),
        }
    }
}

impl TryFrom<wire::Hold> for Hold {
    type Error = Malformed;

    fn try_from(value: wire::Hold) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, HoldId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            scope: inner("scope", must("scope", value.scope)?)?,
            kind: tidegate_model::HoldKind::read("kind", value.kind)?,
            release: text_if("release", value.release.as_ref(), ReleaseId::new)?,
            bundle: text_if("bundle", value.bundle.as_ref(), BundleId::new)?,
            from: Timestamp::from_millis(must("from_ms", value.from_ms)?),
            until: instant(value.until_ms),
            window: value.window.map(Into::into),
            critical_pierces: value.critical_pierces,
            reason: value.reason,
            author: text("author", &value.author, Principal::new)?,
        })
    }
}

impl From<&HoldSpec> for wire::HoldSpec {
    fn from(value: &HoldSpec) -> Self {
        let HoldSpec { id, product, scope, kind, release, bundle, from, until, window, critical_pierces, reason } = value;
        Self {
            id: id.to_string(),
            product: product.to_string(),
            scope: Some(scope.into()),
            kind: wire::HoldKind::from(*kind).into(),
            release: string(release.as_ref()),
            bundle: string(bundle.as_ref()),
            from_ms: ms(*from),
            until_ms: ms(*until),
            window: window.as_ref().map(Into::into),
            critical_pierces: *critical_pierces,
            reason: reason.clone(),
        }
    }
}

impl TryFrom<wire::HoldSpec> for HoldSpec {
    type Error = Malformed;

    fn try_from(value: wire::HoldSpec) -> Result<Self, Malformed> {
        Ok(Self {
            id: text("id", &value.id, HoldId::new)?,
            product: text("product", &value.product, ProductId::new)?,
            scope: inner("scope", must("scope", value.scope)?)?,
            kind: tidegate_model::HoldKind::read("kind", value.kind)?,
            release: text_if("release", value.release.as_ref(), ReleaseId::new)?,
            bundle: text_if("bundle", value.bundle.as_ref(), BundleId::new)?,
            from: instant(value.from_ms),
            until: instant(value.until_ms),
            window: value.window.map(Into::into),
            critical_pierces: value.critical_pierces,
            reason: value.reason,
        })
    }
}

impl From<&HoldScope> for wire::HoldScope {
    fn from(value: &HoldScope) -> Self {
        let kind = match value {
            HoldScope::Device(key) => ScopeKind::Device(key.to_string()),
            HoldScope::Selector(selector) => ScopeKind::Selector(selector.into()),
            HoldScope::Cohort(cohort) => ScopeKind::Cohort(cohort.to_string()),
            HoldScope::Product => ScopeKind::Product(wire::Unit {}),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<wire::HoldScope> for HoldScope {
    type Error = Malformed;

    fn try_from(value: wire::HoldScope) -> Result<Self, Malformed> {
        Ok(match alternative(value.kind)? {
            ScopeKind::Device(key) => Self::Device(text("device", &key, DeviceKey::new)?),
            ScopeKind::Selector(selector) => Self::Selector(inner("selector", selector)?),
            ScopeKind::Cohort(cohort) => Self::Cohort(text("cohort", &cohort, CohortId::new)?),
            ScopeKind::Product(wire::Unit {}) => Self::Product,
        })
    }
}

impl From<&Window> for wire::Window {
    fn from(value: &Window) -> Self {
        let Window { cron, duration, timezone } = value;
        Self { cron: cron.clone(), duration_ms: duration.as_millis(), timezone: timezone.clone() }
    }
}

impl From<wire::Window> for Window {
    fn from(value: wire::Window) -> Self {
        let wire::Window { cron, duration_ms, timezone } = value;
        Self { cron, duration: Span::from_millis(duration_ms), timezone }
    }
}
