//! A bundle is the immutable thing that is installed.

use std::collections::BTreeSet;

use crate::ids::{BundleId, ProductId};
use crate::requirement::Requirement;
use crate::version::{DottedVersion, VersionText};

/// Immutable content with its description. Only `recalled` (once, one way) and signatures ever change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Unique in the cluster.
    pub id: BundleId,
    /// The product it is a build of.
    pub product: ProductId,
    /// Its own version, if it has one.
    pub version: Option<VersionText>,
    /// Files to fetch.
    pub artifacts: Vec<Artifact>,
    /// What the device must be.
    pub requires: Requirement,
    /// What a device has once it runs this.
    pub provides: Vec<Provides>,
    /// Devices never go to a lower epoch.
    pub security_epoch: u64,
    /// Where it is in its life.
    pub state: BundleState,
    /// Signatures over the bundle's statement.
    pub signatures: Vec<Signature>,
}

impl Bundle {
    /// True if a product with these trusted keys may let it out: there are none, or one of them has signed it.
    ///
    /// Signature texts cannot be verified yet and count for nothing, so that a key in `trusted_keys` never seems to
    /// protect more than it does. A signature without text is the good one of rollout tests; a cluster stores none.
    #[must_use]
    pub fn is_signed(&self, trusted_keys: &BTreeSet<String>) -> bool {
        trusted_keys.is_empty() || self.signatures.iter().any(|by| by.signature.is_none() && trusted_keys.contains(&by.key))
    }
}

/// Uploading -> Ready -> Recalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleState {
    /// Chunks are still missing.
    Uploading,
    /// May be offered.
    Ready,
    /// Never offered again, by nobody.
    Recalled,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// File name, unique within the bundle.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of the content that this is a delta against.
    pub base_sha256: Option<String>,
    /// Where to fetch it.
    pub url: Option<String>,
}

/// A framework that a bundle brings with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provides {
    /// Name of the framework.
    pub name: String,
    /// Its version.
    pub version: DottedVersion,
}

/// A signature by a named key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Name of the key.
    pub key: String,
    /// The signature; absent counts as a good one only in rollout tests.
    pub signature: Option<String>,
}
