//! Holds, overrides and exclusions as maps.

use tidegate_model::{Exclusion, ExclusionScope, HoldKind, HoldScope, HoldSpec, OverrideSpec, OverrideTarget};

use super::map::{Map, only};
use super::spec::selector;
use super::value::Value;

/// A hold.
pub fn hold(spec: &HoldSpec) -> Map {
    let scope = match &spec.scope {
        HoldScope::Device(key) => only("device", Value::text(key)),
        HoldScope::Selector(who) => only("selector", selector(who).into_value()),
        HoldScope::Cohort(cohort) => only("cohort", Value::text(cohort)),
        HoldScope::Product => only("product", Value::text(&spec.product)),
    };
    let window = spec.window.as_ref().map(|window| {
        Map::default()
            .text("cron", &window.cron)
            .text("duration", window.duration)
            .optional_text("timezone", window.timezone.as_ref())
            .into_value()
    });
    Map::default()
        .text("kind", "hold")
        .text("id", &spec.id)
        .text("product", &spec.product)
        .put("scope", scope)
        .text("hold", kind(spec.kind))
        .optional_text("release", spec.release.as_ref())
        .optional_text("bundle", spec.bundle.as_ref())
        .optional_instant("from", spec.from)
        .optional_instant("until", spec.until)
        .optional("window", window)
        .flag("critical_pierces", spec.critical_pierces)
        .some_text("reason", &spec.reason)
}

fn kind(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Quarantine => "quarantine",
        HoldKind::Repair => "repair",
        HoldKind::Freeze => "freeze",
        HoldKind::Safeguard => "safeguard",
        HoldKind::OptOut => "opt_out",
        HoldKind::Consent => "consent",
        HoldKind::Backoff => "backoff",
        HoldKind::Window => "window",
    }
}

/// An override.
pub fn override_(spec: &OverrideSpec) -> Map {
    let map = Map::default().text("kind", "override").text("id", &spec.id).text("product", &spec.product);
    match &spec.target {
        OverrideTarget::Devices(keys) => map.put("devices", Value::List(keys.iter().map(Value::text).collect())),
        OverrideTarget::Selector(who) => map.put("selector", selector(who).into_value()),
    }
    .text("bundle", &spec.bundle)
    .optional_instant("starts_at", spec.starts_at)
    .optional_instant("ends_at", spec.ends_at)
    .optional("force", (!spec.force).then_some(Value::Bool(false)))
    .flag("allow_downgrade", spec.allow_downgrade)
}

/// An exclusion.
pub fn exclusion(spec: &Exclusion) -> Map {
    let group = |values: &std::collections::BTreeSet<String>| Value::List(values.iter().map(Value::text).collect());
    Map::default()
        .text("kind", "exclusion")
        .text("id", &spec.id)
        .text("key", &spec.key)
        .put("groups", Value::List(spec.groups.iter().map(group).collect()))
        .optional_text("scope", (spec.scope == ExclusionScope::Global).then_some("global"))
}
