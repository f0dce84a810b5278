//! A product owns a version scheme, its trust and its limits.

use std::collections::BTreeSet;

use crate::ids::{AttestationKind, CohortId, ProductId};
use crate::time::Span;
use crate::version::VersionScheme;

/// Something that is released: an operating system, a firmware, an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Unique in the cluster.
    pub id: ProductId,
    /// How its releases and bundles write their versions. Fixed once the product has a release or bundle.
    pub version_scheme: VersionScheme,
    /// Whether devices without a record may ask; they are taken at their word.
    pub allow_unregistered: bool,
    /// Where devices go that no other rule places.
    pub default_cohort: Option<CohortId>,
    /// Tightest staleness that this product accepts; the node's own bound applies if it is tighter.
    pub max_staleness: Option<Span>,
    /// Attestations without which none of its bundles may be published.
    pub required_attestations: BTreeSet<AttestationKind>,
    /// How often devices are asked to check.
    pub poll_interval: Option<Span>,
    /// Keys whose signature makes a bundle acceptable; empty asks for no signature.
    pub trusted_keys: BTreeSet<String>,
    /// Whether a group (0 to 6) named by the device is heard.
    pub client_phased: bool,
    /// How recently a device must have been seen to count for a roster.
    pub active_window: Span,
    /// After how many failed attempts a device is left alone, and for how long; absent: never.
    pub retry: Option<Retry>,
    /// Whether negative answers are flattened to `UP_TO_DATE` in public; the trace keeps the truth.
    pub flatten_reasons: bool,
}

impl Product {
    /// `active_window` when a manifest leaves it out.
    pub const ACTIVE_WINDOW_DEFAULT: Span = Span::from_days(30);
}

/// When to leave a failing device alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Failed attempts of one release that are borne.
    pub limit: u32,
    /// How long the device then hears `HOLD_BACKOFF`.
    pub backoff: Span,
}
