//! One stored object of any kind, with its compare-and-set number.

use std::fmt;
use std::sync::Arc;

use crate::attestation::Attestation;
use crate::bundle::Bundle;
use crate::cohort::Cohort;
use crate::device::Device;
use crate::exclusion::Exclusion;
use crate::hold::Hold;
use crate::ids::{
    AttestationKind, BundleId, CohortId, DeviceKey, ExclusionId, HoldId, OverrideId, Principal, ProductId, ReleaseId,
};
use crate::overrides::Override;
use crate::policy::Policy;
use crate::product::Product;
use crate::release::Release;

/// When an object came into being: the order of "created earlier".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Created {
    /// Config version of the log entry that created it.
    pub config_version: u64,
    /// Its place within that entry: nearer to the top is earlier.
    pub seq: u32,
}

/// An object as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// Compare-and-set number: starts at 1, +1 per change.
    pub version: u64,
    /// When it was created.
    pub created: Created,
    /// The object itself.
    pub body: T,
}

/// A stored object of any kind; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the kind of its name")]
pub enum Object {
    Product(Arc<Stored<Product>>),
    Cohort(Arc<Stored<Cohort>>),
    Bundle(Arc<Stored<Bundle>>),
    Release(Arc<Stored<Release>>),
    Policy(Arc<Stored<Policy>>),
    Device(Arc<Stored<Device>>),
    Hold(Arc<Stored<Hold>>),
    Override(Arc<Stored<Override>>),
    Exclusion(Arc<Stored<Exclusion>>),
    Attestation(Arc<Stored<Attestation>>),
}

/// Kinds of stored objects, in the order in which one apply works through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the kind of its name")]
pub enum ObjectKind {
    Product,
    Cohort,
    Bundle,
    Release,
    Policy,
    Device,
    Hold,
    Override,
    Exclusion,
    Attestation,
}

/// Names one stored object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the kind of its name")]
pub enum ObjectRef {
    Product(ProductId),
    Cohort(ProductId, CohortId),
    Bundle(BundleId),
    Release(ReleaseId),
    /// The policy of this release.
    Policy(ReleaseId),
    Device(ProductId, DeviceKey),
    Hold(HoldId),
    Override(OverrideId),
    Exclusion(ExclusionId),
    Attestation(BundleId, AttestationKind, Principal),
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::Product,
        Self::Cohort,
        Self::Bundle,
        Self::Release,
        Self::Policy,
        Self::Device,
        Self::Hold,
        Self::Override,
        Self::Exclusion,
        Self::Attestation,
    ];

    /// The kind as manifests and commands write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Cohort => "cohort",
            Self::Bundle => "bundle",
            Self::Release => "release",
            Self::Policy => "policy",
            Self::Device => "device",
            Self::Hold => "hold",
            Self::Override => "override",
            Self::Exclusion => "exclusion",
            Self::Attestation => "attestation",
        }
    }

    /// Reads a kind as manifests write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Object {
    /// Its name.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        match self {
            Self::Product(o) => ObjectRef::Product(o.body.id.clone()),
            Self::Cohort(o) => ObjectRef::Cohort(o.body.product.clone(), o.body.id.clone()),
            Self::Bundle(o) => ObjectRef::Bundle(o.body.id.clone()),
            Self::Release(o) => ObjectRef::Release(o.body.id.clone()),
            Self::Policy(o) => ObjectRef::Policy(o.body.release.clone()),
            Self::Device(o) => ObjectRef::Device(o.body.product.clone(), o.body.key.clone()),
            Self::Hold(o) => ObjectRef::Hold(o.body.id.clone()),
            Self::Override(o) => ObjectRef::Override(o.body.id.clone()),
            Self::Exclusion(o) => ObjectRef::Exclusion(o.body.id.clone()),
            Self::Attestation(o) => ObjectRef::Attestation(o.body.bundle.clone(), o.body.kind.clone(), o.body.by.clone()),
        }
    }

    /// Its compare-and-set number.
    #[must_use]
    pub fn version(&self) -> u64 {
        match self {
            Self::Product(o) => o.version,
            Self::Cohort(o) => o.version,
            Self::Bundle(o) => o.version,
            Self::Release(o) => o.version,
            Self::Policy(o) => o.version,
            Self::Device(o) => o.version,
            Self::Hold(o) => o.version,
            Self::Override(o) => o.version,
            Self::Exclusion(o) => o.version,
            Self::Attestation(o) => o.version,
        }
    }
}

impl ObjectRef {
    /// The kind of what it names.
    #[must_use]
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Product(_) => ObjectKind::Product,
            Self::Cohort(..) => ObjectKind::Cohort,
            Self::Bundle(_) => ObjectKind::Bundle,
            Self::Release(_) => ObjectKind::Release,
            Self::Policy(_) => ObjectKind::Policy,
            Self::Device(..) => ObjectKind::Device,
            Self::Hold(_) => ObjectKind::Hold,
            Self::Override(_) => ObjectKind::Override,
            Self::Exclusion(_) => ObjectKind::Exclusion,
            Self::Attestation(..) => ObjectKind::Attestation,
        }
    }

    /// The id as text: cohorts and devices are `PRODUCT/ID`, attestations `BUNDLE/TYPE/BY`.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Product(id) => id.to_string(),
            Self::Cohort(product, id) => format!("{product}/{id}"),
            Self::Bundle(id) => id.to_string(),
            Self::Release(id) | Self::Policy(id) => id.to_string(),
            Self::Device(product, key) => format!("{product}/{key}"),
            Self::Hold(id) => id.to_string(),
            Self::Override(id) => id.to_string(),
            Self::Exclusion(id) => id.to_string(),
            Self::Attestation(bundle, kind, by) => format!("{bundle}/{kind}/{by}"),
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().as_str(), self.id())
    }
}
