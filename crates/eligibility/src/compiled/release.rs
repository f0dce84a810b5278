//! A release with its policy and bundle, its texts read and its device-independent checks done.

use std::sync::Arc;

use tidegate_model::{
    InstallMode, Policy, Product, Release, ReleaseId, Requirement, RolloutState, Stored, Trigger, Urgency, Version,
    VersionRequirement, VersionText,
};

use crate::compiled::bundle::BundleView;
use crate::reason::Reason;
use crate::table::KeyHash;
use crate::version::VersionRef;

/// A release, ready to be a candidate.
#[derive(Debug, PartialEq)]
pub(crate) struct ReleaseView {
    pub(crate) stored: Arc<Stored<Release>>,
    /// Hashes of its id and of its bundle's.
    pub(crate) hash: KeyHash,
    pub(crate) bundle_hash: KeyHash,
    pub(crate) policy: Arc<Stored<Policy>>,
    /// Absent if there is no such bundle in the product: then it is never offered.
    pub(crate) bundle: Option<Arc<BundleView>>,
    /// The release's own version; entry by version and the choice among releases of one bundle go by it.
    pub(crate) own_version: Option<Version>,
    pub(crate) from_version: FromVersion,
    pub(crate) urgency: UrgencyView,
    pub(crate) install: Install,
    /// The first failure of the checks 1 to 5, which no device changes.
    pub(crate) failure: Option<Reason>,
    /// Whether it asks anything of the device beyond what its bundle asks for.
    pub(crate) has_requirement: bool,
    /// Nobody may pass it.
    pub(crate) counts_as_required: bool,
    /// The reached stages, in order.
    pub(crate) reached: Vec<Reached>,
    /// Whether soft holds may let some device through to it where they hold back from other releases: being critical for a
    /// device and being agreed to by its owner are all that makes releases differ to them.
    pub(crate) may_pierce: bool,
    /// Whether the trigger may still lie ahead: an embargo, and the first stage has not been left.
    pub(crate) has_embargo: bool,
}

/// A stage that has been reached, by its place in the policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reached {
    pub(crate) stage: usize,
    /// Its selector asks for nothing.
    pub(crate) is_for_everybody: bool,
    /// The stage that the rollout is in.
    pub(crate) is_current: bool,
    /// Place in `Rollout.passed` of the exposure that it ended with.
    pub(crate) passed: Option<usize>,
    /// Left behind, or passed as the last one: its domains are all open.
    pub(crate) is_passed: bool,
}

/// From which versions a release may be reached.
#[derive(Debug, PartialEq)]
pub(crate) enum FromVersion {
    /// From any.
    Any,
    /// From those that the requirement accepts.
    Only(VersionRequirement),
    /// The requirement cannot be read: from none.
    Unreadable,
}

/// For whom a release is critical.
#[derive(Debug, PartialEq)]
pub(crate) enum UrgencyView {
    Normal,
    Critical,
    Below(Version),
}

/// Who decides on the device.
#[derive(Debug, PartialEq)]
pub(crate) enum Install {
    Auto,
    /// The user, below this version.
    AskBelow(Version),
    /// The user, always.
    Ask,
    /// Nobody: it is information for everybody.
    InfoForAll,
    /// Nobody, for these devices: information.
    Info {
        versions: Vec<Version>,
        below: Option<Version>,
    },
}

impl ReleaseView {
    pub(crate) fn compile(
        stored: &Arc<Stored<Release>>,
        policy: Arc<Stored<Policy>>,
        bundle: Option<Arc<BundleView>>,
        product: &Product,
    ) -> Self {
        let release = &stored.body;
        let read = |text: &VersionText| Version::parse(product.version_scheme, text.as_str()).ok();
        let bundle_failure = bundle.as_ref().map_or(Some(Reason::NotAvailable), |bundle| bundle.failure);
        let rollout = &release.rollout;
        let from_version = match release.version_requirement.as_deref() {
            None => FromVersion::Any,
            Some(text) => {
                VersionRequirement::parse(product.version_scheme, text).map_or(FromVersion::Unreadable, FromVersion::Only)
            }
        };
        Self {
            own_version: release.version.as_ref().and_then(read),
            from_version,
            urgency: match &release.urgency {
                Urgency::Normal => UrgencyView::Normal,
                Urgency::Critical => UrgencyView::Critical,
                Urgency::CriticalBelow(text) => read(text).map_or(UrgencyView::Normal, UrgencyView::Below),
            },
            install: match &release.install_mode {
                InstallMode::Auto => Install::Auto,
                InstallMode::Ask { auto_from } => auto_from.as_ref().and_then(read).map_or(Install::Ask, Install::AskBelow),
                InstallMode::Info { versions, below } if versions.is_empty() && below.is_none() => Install::InfoForAll,
                InstallMode::Info { versions, below } => {
                    Install::Info { versions: versions.iter().filter_map(read).collect(), below: below.as_ref().and_then(read) }
                }
            },
            failure: bundle_failure.or_else(|| state_failure(release)),
            counts_as_required: counts_as_required(release),
            has_requirement: release.requirement != Requirement::default(),
            may_pierce: release.urgency != Urgency::Normal || !release.consents.is_empty(),
            reached: reached(release, &policy.body),
            has_embargo: matches!(policy.body.trigger, Trigger::At(_)) && rollout.stage_index == 0,
            hash: KeyHash::of(release.id.as_str()),
            bundle_hash: KeyHash::of(release.bundle.as_str()),
            stored: stored.clone(),
            policy,
            bundle,
        }
    }

    /// The release itself.
    pub(crate) fn release(&self) -> &Release {
        &self.stored.body
    }

    /// Its id.
    pub(crate) fn id(&self) -> &ReleaseId {
        &self.release().id
    }

    /// The version of the software: the release's, else its bundle's.
    pub(crate) fn version(&self) -> Option<VersionRef<'_>> {
        let bundle = || self.bundle.as_ref().and_then(|bundle| bundle.version.as_ref());
        self.own_version.as_ref().or_else(bundle).map(VersionRef::of)
    }

    /// The text of [`ReleaseView::version`], also where it cannot be read.
    pub(crate) fn version_text(&self) -> Option<&VersionText> {
        self.release().version.as_ref().or_else(|| self.bundle.as_ref()?.bundle().version.as_ref())
    }
}

/// Checks 4 and 5.
fn state_failure(release: &Release) -> Option<Reason> {
    if release.disabled {
        return Some(Reason::Disabled);
    }
    if release.dead_end {
        return Some(Reason::DeadEnd);
    }
    match release.rollout.state {
        RolloutState::Draft => Some(Reason::NotPublished),
        RolloutState::Paused => Some(Reason::Paused),
        RolloutState::RolledBack => Some(Reason::Withdrawn),
        RolloutState::Active | RolloutState::Completed => None,
    }
}

/// A withdrawn release stays a stop-over only if it had been completed, and nobody opened the barrier.
fn counts_as_required(release: &Release) -> bool {
    let rollout = &release.rollout;
    let stands = rollout.state != RolloutState::RolledBack || (rollout.was_completed && !rollout.open_barrier);
    release.required && !release.dead_end && stands
}

fn reached(release: &Release, policy: &Policy) -> Vec<Reached> {
    let rollout = &release.rollout;
    let current = usize::try_from(rollout.stage_index).unwrap_or(usize::MAX);
    let reached = policy.stages.iter().enumerate().take_while(|(stage, _)| *stage <= current);
    reached
        .map(|(stage, of_policy)| Reached {
            stage,
            is_for_everybody: of_policy.selector.is_everybody(),
            is_current: stage == current,
            passed: rollout.passed.iter().position(|passed| passed.name == of_policy.name),
            is_passed: stage < current || rollout.stage_state == tidegate_model::StageState::Passed,
        })
        .collect()
}
