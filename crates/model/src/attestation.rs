//! Evidence bound to a bundle, such as a QA sign-off. Append-only.

use crate::ids::{AttestationKind, BundleId, Principal};
use crate::time::Timestamp;

/// Somebody vouches for a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The bundle.
    pub bundle: BundleId,
    /// What is attested.
    pub kind: AttestationKind,
    /// By whom.
    pub by: Principal,
    /// When, by log time.
    pub at: Timestamp,
    /// Where to look.
    pub evidence: String,
}
