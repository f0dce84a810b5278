//! A bundle with its version read and its trust judged.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_model::{AttestationKind, Bundle, BundleState, Product, Stored, Version};

use crate::reason::Reason;

/// A bundle, ready to be a candidate's.
#[derive(Debug, PartialEq)]
pub(crate) struct BundleView {
    pub(crate) stored: Arc<Stored<Bundle>>,
    /// Its own version, if it has one that its product can read.
    pub(crate) version: Option<Version>,
    /// The first failure of the checks 1 to 3, which no device changes.
    pub(crate) failure: Option<Reason>,
}

impl BundleView {
    pub(crate) fn compile(stored: &Arc<Stored<Bundle>>, product: &Product, attested: &BTreeSet<AttestationKind>) -> Self {
        let bundle = &stored.body;
        let is_signed = bundle.is_signed(&product.trusted_keys);
        let failure = match bundle.state {
            BundleState::Uploading => Some(Reason::NotAvailable),
            BundleState::Recalled => Some(Reason::Recalled),
            BundleState::Ready if !is_signed => Some(Reason::Unsigned),
            BundleState::Ready if !product.required_attestations.is_subset(attested) => Some(Reason::NotAttested),
            BundleState::Ready => None,
        };
        let read = |text: &tidegate_model::VersionText| Version::parse(product.version_scheme, text.as_str()).ok();
        Self { stored: stored.clone(), version: bundle.version.as_ref().and_then(read), failure }
    }

    /// The bundle itself.
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.stored.body
    }
}
