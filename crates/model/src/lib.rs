//! The nouns of Tidegate: ids, versions, the stored objects, the catalog that holds them, selector matching and bucket
//! positions.
//!
//! Every other crate speaks in these types. This crate must not know serialization, clocks or tasks: instants come in as
//! [`Timestamp`], chance as a [`Salt`]. Start with [`catalog::Catalog`], the set of everything that a decision depends on,
//! and [`object::Object`], one entry of it. The words are those of `docs/reference/glossary.md`.

pub mod attestation;
pub mod attributes;
pub mod bundle;
pub mod canonical;
pub mod catalog;
pub mod cohort;
pub mod command;
pub mod device;
pub mod digest;
pub mod exclusion;
pub mod exposure;
pub mod hold;
pub mod ids;
pub mod invalid;
pub mod limits;
pub mod object;
pub mod overrides;
pub mod policy;
pub mod position;
pub mod product;
pub mod release;
pub mod requirement;
pub mod rollout;
pub mod selector;
pub mod steer;
pub mod time;
pub mod validate;
pub mod version;

pub use attestation::Attestation;
pub use attributes::Attributes;
pub use bundle::{Artifact, Bundle, BundleState, Provides, Signature};
pub use catalog::{Catalog, CatalogChange};
pub use cohort::Cohort;
pub use command::{
    AttestationSpec, Command, Delete, Document, Entry, HoldSpec, OverrideSpec, ReleaseSpec, Role, Seed, SettingsChange, Spec,
    TokenChange, Transition, Verb,
};
pub use device::{Device, DeviceState};
pub use digest::Digest;
pub use exclusion::{Exclusion, ExclusionScope};
pub use exposure::{Basis, Exposure, Ramp, RampStep};
pub use hold::{Hold, HoldKind, HoldScope, Window};
pub use ids::{
    AttestationKind, BundleId, CohortId, DeviceKey, ExclusionId, HoldId, OverrideId, Principal, ProductId, ReleaseId, RequestId,
};
pub use invalid::Invalid;
pub use object::{Created, Object, ObjectKind, ObjectRef, Stored};
pub use overrides::{Override, OverrideTarget};
pub use policy::{DomainOrder, Domains, Gate, OnGateFail, Policy, Stage, Trigger};
pub use position::{Position, Ppm, Salt};
pub use product::{Product, Retry};
pub use release::{InstallMode, Place, Release, Urgency};
pub use requirement::{Framework, Requirement};
pub use rollout::{Cell, CellState, PassedStage, Rollout, RolloutState, SaltOrigin, StageState};
pub use selector::{DeviceFacts, Selector};
pub use steer::{Lack, Steer, SteerStep, memory_id};
pub use time::{Span, Timestamp};
pub use version::{DottedVersion, Version, VersionRequirement, VersionScheme, VersionText};
