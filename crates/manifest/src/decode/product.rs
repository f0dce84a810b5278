//! Products and cohorts.

use tidegate_model::{AttestationKind, Cohort, CohortId, Product, ProductId, ReleaseId, Retry, Salt, VersionScheme};

use super::context::Context;
use super::fields::Fields;
use super::selector::selector;
use super::values::{checked, digits, flag, list, set, small_number, span, texts, word};
use crate::tree::Node;

/// How version schemes are written.
pub const SCHEMES: &[(&str, VersionScheme)] =
    &[("semver", VersionScheme::SemVer), ("dotted", VersionScheme::Dotted), ("integer", VersionScheme::Integer)];

/// `kind: product`.
pub fn product(fields: &mut Fields<'_, '_, '_>) -> Option<Product> {
    let id = fields.required("id", checked(ProductId::new));
    let version_scheme = fields.optional("version_scheme", word(SCHEMES)).unwrap_or(VersionScheme::SemVer);
    let allow_unregistered = fields.optional("allow_unregistered", flag).unwrap_or(false);
    let default_cohort = fields.optional("default_cohort", checked(CohortId::new));
    let max_staleness = fields.optional("max_staleness", span);
    let attestation = |context: &mut Context<'_>, node: &Node, path: &str| checked(AttestationKind::new)(context, node, path);
    let required_attestations = fields.optional("required_attestations", set(attestation)).unwrap_or_default();
    let poll_interval = fields.optional("poll_interval", span);
    let trusted_keys = fields.optional("trusted_keys", texts).unwrap_or_default();
    let client_phased = fields.optional("client_phased", flag).unwrap_or(false);
    let active_window = fields.optional("active_window", span).unwrap_or(Product::ACTIVE_WINDOW_DEFAULT);
    let retry = fields.optional("retry", retry);
    let flatten_reasons = fields.optional("flatten_reasons", flag).unwrap_or(false);
    Some(Product {
        id: id?,
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
    })
}

fn retry(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Retry> {
    let mut fields = Fields::open(context, node, path)?;
    let limit = fields.required("limit", small_number);
    let backoff = fields.required("backoff", span);
    fields.finish();
    Some(Retry { limit: limit?, backoff: backoff? })
}

/// `kind: cohort`.
pub fn cohort(fields: &mut Fields<'_, '_, '_>) -> Option<Cohort> {
    let id = fields.required("id", checked(CohortId::new));
    let product = fields.required("product", checked(ProductId::new));
    let rules = fields.optional("rules", list(selector)).unwrap_or_default();
    let entry_release = fields.optional("entry_release", checked(ReleaseId::new));
    let follows = fields.optional("follows", checked(CohortId::new));
    let fixed_salt = fields.optional("fixed_salt", salt);
    Some(Cohort { id: id?, product: product?, rules, entry_release, follows, fixed_salt })
}

fn salt(context: &mut Context<'_>, node: &Node, path: &str) -> Option<Salt> {
    let text = digits(context, node, path)?;
    Salt::from_hex(&text).map_err(|invalid| context.report(node, invalid.at(path))).ok()
}
