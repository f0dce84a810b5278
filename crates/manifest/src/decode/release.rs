//! Releases.

use tidegate_model::{BundleId, CohortId, InstallMode, ProductId, ReleaseId, ReleaseSpec, Urgency, VersionText};

use super::bundle::requirement;
use super::context::Context;
use super::fields::Fields;
use super::values::{checked, flag, instant, set, text, version, word};
use crate::tree::{Data, Node};

/// `kind: release`.
pub fn release(fields: &mut Fields<'_, '_, '_>) -> Option<ReleaseSpec> {
    let id = fields.required("id", checked(ReleaseId::new));
    let product = fields.required("product", checked(ProductId::new));
    let cohort = fields.required("cohort", checked(CohortId::new));
    let bundle = fields.required("bundle", checked(BundleId::new));
    let version = fields.optional("version", version);
    let version_requirement = fields.optional("version_requirement", text);
    let required = fields.optional("required", flag).unwrap_or(false);
    let disabled = fields.optional("disabled", flag);
    let dead_end = fields.optional("dead_end", flag).unwrap_or(false);
    let requirement = fields.optional("requirement", requirement).unwrap_or_default();
    let urgency = fields.optional("urgency", urgency).unwrap_or(Urgency::Normal);
    let install_mode = fields.optional("install_mode", install_mode).unwrap_or(InstallMode::Auto);
    let published_at = fields.optional("published_at", instant);
    let notes = fields.optional("notes", text).unwrap_or_default();
    let previous =
        fields.optional("previous", set(|context, node, path| checked(ReleaseId::new)(context, node, path))).unwrap_or_default();
    let next = fields.optional("next", checked(ReleaseId::new));
    let adopt = fields.optional("adopt", word(&[("completed", ())])).is_some();
    let replace = fields.optional("replace", flag).unwrap_or(false);
    Some(ReleaseSpec {
        id: id?,
        product: product?,
        cohort: cohort?,
        bundle: bundle?,
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
    })
}

/// `normal`, `critical` or `{critical_below: VERSION}`.
fn urgency(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Urgency> {
    if let Data::Map(_) = &node.data {
        let mut fields = Fields::open(context, node, path)?;
        let below = fields.required("critical_below", version);
        fields.finish();
        return below.map(Urgency::CriticalBelow);
    }
    let is_critical = word(&[("normal", false), ("critical", true)])(context, node, path)?;
    Some(if is_critical { Urgency::Critical } else { Urgency::Normal })
}

#[derive(Clone, Copy)]
enum Mode {
    Auto,
    Ask,
    Info,
}

/// `auto`, `ask`, `info`, or the latter two with their rules.
fn install_mode(context: &mut Context<'_>, node: &Node, path: &str) -> Option<InstallMode> {
    let info = |versions: Option<_>, below| InstallMode::Info { versions: versions.unwrap_or_default(), below };
    if let Data::Scalar(_) = &node.data {
        return match word(&[("auto", Mode::Auto), ("ask", Mode::Ask), ("info", Mode::Info)])(context, node, path)? {
            Mode::Auto => Some(InstallMode::Auto),
            Mode::Ask => Some(InstallMode::Ask { auto_from: None }),
            Mode::Info => Some(info(None, None)),
        };
    }
    let mut fields = Fields::open(context, node, path)?;
    let mode = match fields.exactly_one(&["ask", "info"])? {
        "ask" => fields.required("ask", ask).map(|auto_from| InstallMode::Ask { auto_from }),
        _ => fields.required("info", |context: &mut Context<'_>, node: &Node, path: &str| {
            let mut fields = Fields::open(context, node, path)?;
            let versions = fields.optional("versions", set(version));
            let below = fields.optional("below", version);
            fields.finish();
            Some(info(versions, below))
        }),
    };
    fields.finish();
    mode
}

fn ask(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Option<VersionText>> {
    let mut fields = Fields::open(context, node, path)?;
    let auto_from = fields.optional("auto_from", version);
    fields.finish();
    Some(auto_from)
}
