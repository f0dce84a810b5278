//! What holds devices back or gives them something else: holds, overrides, exclusions.

use tidegate_model::{
    BundleId, CohortId, DeviceKey, Exclusion, ExclusionId, ExclusionScope, HoldId, HoldKind, HoldScope, HoldSpec, Invalid,
    OverrideId, OverrideSpec, OverrideTarget, ProductId, ReleaseId, Window,
};

use super::context::Context;
use super::fields::Fields;
use super::selector::{devices, selector};
use super::values::{checked, flag, instant, list, span, text, texts, word};
use crate::tree::Node;

/// How kinds of holds are written.
pub const HOLD_KINDS: &[(&str, HoldKind)] = &[
    ("repair", HoldKind::Repair),
    ("quarantine", HoldKind::Quarantine),
    ("freeze", HoldKind::Freeze),
    ("safeguard", HoldKind::Safeguard),
    ("opt_out", HoldKind::OptOut),
    ("consent", HoldKind::Consent),
    ("backoff", HoldKind::Backoff),
    ("window", HoldKind::Window),
];

/// `kind: hold`.
pub fn hold(fields: &mut Fields<'_, '_, '_>) -> Option<HoldSpec> {
    let id = fields.required("id", checked(HoldId::new));
    let product = fields.required("product", checked(ProductId::new));
    let scope = fields
        .required("scope", |context: &mut Context<'_>, node: &Node, path: &str| scope(context, node, path, product.as_ref()));
    let kind = fields.required("hold", word(HOLD_KINDS));
    let release = fields.optional("release", checked(ReleaseId::new));
    let bundle = fields.optional("bundle", checked(BundleId::new));
    let from = fields.optional("from", instant);
    let until = fields.optional("until", instant);
    let window = fields.optional("window", window);
    let critical_pierces = fields.optional("critical_pierces", flag).unwrap_or(false);
    let reason = fields.optional("reason", text).unwrap_or_default();
    Some(HoldSpec {
        id: id?,
        product: product?,
        scope: scope?,
        kind: kind?,
        release,
        bundle,
        from,
        until,
        window,
        critical_pierces,
        reason,
    })
}

/// Exactly one of `device`, `selector`, `cohort`, `product`; a product must be the hold's own.
fn scope(context: &mut Context<'_>, node: &Node, path: &str, own: Option<&ProductId>) -> Option<HoldScope> {
    let mut fields = Fields::open(context, node, path)?;
    let scope = match fields.exactly_one(&["device", "selector", "cohort", "product"])? {
        "device" => fields.required("device", checked(DeviceKey::new)).map(HoldScope::Device),
        "selector" => fields.required("selector", selector).map(HoldScope::Selector),
        "cohort" => fields.required("cohort", checked(CohortId::new)).map(HoldScope::Cohort),
        _ => fields.required("product", |context: &mut Context<'_>, node: &Node, path: &str| {
            let named = checked(ProductId::new)(context, node, path)?;
            if let Some(own) = own.filter(|own| **own != named) {
                context.refuse(node, path, format!("must be the hold's product {own}"));
                return None;
            }
            Some(HoldScope::Product)
        }),
    };
    fields.finish();
    scope
}

fn window(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Window> {
    let mut fields = Fields::open(context, node, path)?;
    let cron = fields.required("cron", text);
    let duration = fields.required("duration", span);
    let timezone = fields.optional("timezone", text);
    fields.finish();
    let window = Window { cron: cron?, duration: duration?, timezone };
    if tidegate_eligibility::window_is_readable(&window) {
        return Some(window);
    }
    // Whatever makes it unreadable, such a hold would never let anything through.
    let rule = "must have a cron expression of five fields, a duration and a time zone that open some time";
    context.report(node, Invalid::new(format!("{path}.cron"), &window.cron, rule));
    None
}

/// `kind: override` (`override` is a reserved word).
pub fn override_(fields: &mut Fields<'_, '_, '_>) -> Option<OverrideSpec> {
    let id = fields.required("id", checked(OverrideId::new));
    let product = fields.required("product", checked(ProductId::new));
    let target = fields.exactly_one(&["devices", "selector"]).and_then(|name| match name {
        "devices" => fields.required("devices", devices).map(OverrideTarget::Devices),
        _ => fields.required("selector", selector).map(OverrideTarget::Selector),
    });
    let bundle = fields.required("bundle", checked(BundleId::new));
    let starts_at = fields.optional("starts_at", instant);
    let ends_at = fields.optional("ends_at", instant);
    let force = fields.optional("force", flag).unwrap_or(true);
    let allow_downgrade = fields.optional("allow_downgrade", flag).unwrap_or(false);
    Some(OverrideSpec {
        id: id?,
        product: product?,
        target: target?,
        bundle: bundle?,
        starts_at,
        ends_at,
        force,
        allow_downgrade,
    })
}

/// `kind: exclusion`.
pub fn exclusion(fields: &mut Fields<'_, '_, '_>) -> Option<Exclusion> {
    let id = fields.required("id", checked(ExclusionId::new));
    let key = fields.required("key", text);
    let groups = fields.required("groups", list(texts));
    let scope = fields
        .optional("scope", word(&[("product", ExclusionScope::Product), ("global", ExclusionScope::Global)]))
        .unwrap_or(ExclusionScope::Product);
    Some(Exclusion { id: id?, key: key?, groups: groups?, scope })
}
