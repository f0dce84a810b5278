//! What can be asked of the replicated state: the content of a log entry.
//!
//! Everything that is chance or time was chosen by the proposer and travels in the [`Entry`]: applying it reads no clock
//! and draws nothing. Whether a command is legal is the business of `tidegate-machine`.

use std::collections::BTreeSet;

use crate::bundle::Bundle;
use crate::cohort::Cohort;
use crate::device::Device;
use crate::digest::Digest;
use crate::exclusion::Exclusion;
use crate::hold::{HoldKind, HoldScope, Window};
use crate::ids::{
    AttestationKind, BundleId, CohortId, DeviceKey, HoldId, OverrideId, Principal, ProductId, ReleaseId, RequestId,
};
use crate::object::ObjectRef;
use crate::overrides::OverrideTarget;
use crate::policy::Policy;
use crate::position::{Ppm, Salt};
use crate::product::Product;
use crate::release::{InstallMode, Urgency};
use crate::requirement::Requirement;
use crate::steer::Steer;
use crate::time::Timestamp;
use crate::version::VersionText;

/// One entry of the replicated log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Wall time of the leader that proposed it.
    pub proposed_at: Timestamp,
    /// Who asks.
    pub principal: Principal,
    /// Generation of the credentials under which the caller was let in; an entry of an older one is refused.
    pub auth_epoch: u64,
    /// Chosen by the caller: the same one from the same principal answers the same result again.
    pub request_id: RequestId,
    /// Randomness drawn by the proposer; salts and ids are derived from it.
    pub seed: Seed,
    /// What is asked.
    pub command: Command,
}

/// Randomness that travels in the log, so that applying an entry draws none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// The salt of a release that becomes active through this entry: fresh for each release, the same on every node.
    #[must_use]
    pub fn salt(&self, release: &ReleaseId) -> Salt {
        let hash = Digest::of("salt", &[&self.0, release.as_str().as_bytes()].concat());
        let mut salt = [0; 16];
        salt.copy_from_slice(&hash.0[..16]);
        Salt(salt)
    }
}

/// A command. It takes effect as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates and changes objects; the rules are judged on the result, so names may refer forward.
    Apply(Vec<Document>),
    /// Moves a rollout.
    Transition(Transition),
    /// Removes an object.
    Delete(Delete),
    /// Several commands, one after the other, in one entry; the first refusal refuses all. Batches do not nest.
    Batch(Vec<Command>),
    /// Changes cluster-wide settings.
    Settings(SettingsChange),
    /// Creates, replaces or revokes an API token.
    Token(TokenChange),
    /// A step of a rollout that has fallen due; only the controller may propose it.
    Steer(Steer),
}

/// One object as its author wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The wanted object.
    pub spec: Spec,
    /// Compare-and-set: absent is unconditional, 0 is "must not exist".
    pub expected_version: Option<u64>,
}

/// A wanted object of any kind: what a manifest says, without what the cluster adds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the kind of its name")]
pub enum Spec {
    Product(Product),
    Cohort(Cohort),
    Bundle(Bundle),
    Release(Box<ReleaseSpec>),
    Policy(Policy),
    Device(Device),
    Hold(HoldSpec),
    Override(OverrideSpec),
    Exclusion(Exclusion),
    Attestation(AttestationSpec),
}

/// A wanted release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSpec {
    /// See [`crate::Release`]; likewise for the fields of the same name.
    pub id: ReleaseId,
    /// Product.
    pub product: ProductId,
    /// Cohort.
    pub cohort: CohortId,
    /// Bundle.
    pub bundle: BundleId,
    /// Software version.
    pub version: Option<VersionText>,
    /// Versions that may come here.
    pub version_requirement: Option<String>,
    /// Must be passed through.
    pub required: bool,
    /// Left out keeps the stored value (false for a new release): a routine apply must not undo an emergency stop.
    pub disabled: Option<bool>,
    /// Devices on it stay.
    pub dead_end: bool,
    /// In addition to the bundle's.
    pub requirement: Requirement,
    /// Urgency.
    pub urgency: Urgency,
    /// Install mode.
    pub install_mode: InstallMode,
    /// Ramp origin of the first stage.
    pub published_at: Option<Timestamp>,
    /// For humans.
    pub notes: String,
    /// Releases that it comes after. Heard at creation and publication only.
    pub previous: BTreeSet<ReleaseId>,
    /// The release that it comes before. Heard at creation and publication only.
    pub next: Option<ReleaseId>,
    /// Brings an existing release in as COMPLETED, with exactly the edges written. Heard at creation only.
    pub adopt: bool,
    /// Discards the older draft with the same intended place. Heard at creation only.
    pub replace: bool,
}

/// A wanted hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldSpec {
    /// See [`crate::Hold`]; likewise for the fields of the same name.
    pub id: HoldId,
    /// Product.
    pub product: ProductId,
    /// Whom it holds.
    pub scope: HoldScope,
    /// Kind.
    pub kind: HoldKind,
    /// Only this release's bundle.
    pub release: Option<ReleaseId>,
    /// Only this bundle.
    pub bundle: Option<BundleId>,
    /// Left out: when created.
    pub from: Option<Timestamp>,
    /// End.
    pub until: Option<Timestamp>,
    /// Openings.
    pub window: Option<Window>,
    /// Whether critical pierces an opt-out.
    pub critical_pierces: bool,
    /// For humans.
    pub reason: String,
}

/// A wanted override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideSpec {
    /// See [`crate::Override`]; likewise for the fields of the same name.
    pub id: OverrideId,
    /// Product.
    pub product: ProductId,
    /// Who is meant.
    pub target: OverrideTarget,
    /// What they get.
    pub bundle: BundleId,
    /// Left out: when created.
    pub starts_at: Option<Timestamp>,
    /// End.
    pub ends_at: Option<Timestamp>,
    /// Whether it goes past soft holds.
    pub force: bool,
    /// Whether it may lower the version.
    pub allow_downgrade: bool,
}

/// Evidence for a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationSpec {
    /// The bundle.
    pub bundle: BundleId,
    /// What is attested.
    pub kind: AttestationKind,
    /// By whom; left out: the caller.
    pub by: Option<Principal>,
    /// Where to look.
    pub evidence: String,
}

/// Moves a rollout, or changes what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The release.
    pub release: ReleaseId,
    /// Compare-and-set on the release; absent is unconditional.
    pub expected_version: Option<u64>,
    /// For humans; some transitions ask for one.
    pub reason: Option<String>,
    /// What to do.
    pub verb: Verb,
}

/// What can be done with a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// DRAFT -> ACTIVE: links the release and opens its first stage.
    Publish {
        /// Withdraw a constrained latest in the same entry.
        supersede: bool,
        /// Confirms that an insertion is at once available to everybody on that path.
        insert_unphased: bool,
    },
    /// ACTIVE -> PAUSED.
    Pause,
    /// PAUSED -> ACTIVE.
    Resume {
        /// Acknowledges a failed gate.
        acknowledge: bool,
    },
    /// To ROLLED_BACK, for ever; again: sets these three as given.
    Withdraw {
        /// Where devices on it go back to.
        revert_to: Option<ReleaseId>,
        /// Share of them, by position.
        revert_share: Ppm,
        /// No longer counted as required.
        open_barrier: bool,
    },
    /// ACTIVE -> COMPLETED.
    Complete,
    /// Passes the current stage, or one cell of it.
    Advance {
        /// Only this cell.
        domain: Option<String>,
    },
    /// Approves the open stage, or consents for one device.
    Approve {
        /// Who approves; left out: the caller.
        by: Option<Principal>,
        /// Adds this device to the release's consents instead.
        device: Option<DeviceKey>,
    },
    /// Deletes a draft that was never published.
    Discard,
    /// Not a target for now.
    Disable,
    /// A target again.
    Enable,
    /// Forgets failures and local roll-back of the release's bundle on a device.
    Clear {
        /// The device.
        device: DeviceKey,
    },
    /// Makes a release of the same bundle in another cohort.
    Promote {
        /// The other cohort.
        to: CohortId,
        /// Id of the new release; left out: chosen from the cohort's next number.
        new_id: Option<ReleaseId>,
        /// Whether the version stays as it is.
        keep_version: bool,
    },
}

/// Removes an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// What.
    pub object: ObjectRef,
    /// Compare-and-set; absent is unconditional.
    pub expected_version: Option<u64>,
}

/// Changes of cluster-wide settings; what is absent stays.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SettingsChange {
    /// Compare-and-set on the settings' version.
    pub expected_version: Option<u64>,
    /// Versions of one object kept in the history.
    pub history_versions_max: Option<u32>,
    /// Audit records kept.
    pub audit_records_max: Option<u64>,
    /// Feature level: the newest kind of command that may be proposed.
    pub cluster_version: Option<u32>,
}

/// What a caller may do; each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look.
    Read,
    /// Move rollouts and change objects.
    Operate,
    /// Settings, tokens and membership.
    Admin,
}

/// Creates, replaces or revokes an API token. Only its hash is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenChange {
    /// Name of the token; the principal of whoever bears it.
    pub name: Principal,
    /// SHA-256 of the secret and what it allows; absent: revoked.
    pub grant: Option<(Digest, Role)>,
}
