//! A decision in words: why this device hears what it hears, and what has to happen for it to hear something else.

use std::fmt;

use crate::decision::Decision;
use crate::reason::Reason;
use crate::trace::Entry;

/// The answer, the steps that led to it, and the way out, one sentence each. `trace` is what
/// [`crate::decide_traced`] told on the way to `decision`; without it, the steps are left out.
#[must_use]
pub fn explain(decision: &Decision<'_>, trace: &[Entry<'_>]) -> Vec<String> {
    let mut lines = vec![answer(decision)];
    let steps = trace.iter().filter(|entry| !matches!(entry, Entry::Decided { .. }));
    lines.extend(steps.map(|entry| Sentence(entry).to_string()));
    lines.extend(when(decision));
    lines
}

fn answer(decision: &Decision<'_>) -> String {
    let reason = decision.reason;
    let Some(target) = &decision.target else { return format!("{reason}: {}", reason.meaning()) };
    let bundle = &target.bundle.id;
    match target.release {
        Some(release) => format!("{reason} {release} (bundle {bundle}): {}", reason.meaning()),
        None => format!("{reason} (bundle {bundle}): {}", reason.meaning()),
    }
}

fn when(decision: &Decision<'_>) -> Option<String> {
    if let Some(at) = decision.next_eligible_at {
        return Some(format!("asking again helps from {at} on"));
    }
    decision.reason.way_out().map(|way_out| format!("this changes when {way_out}"))
}

/// A step with the meaning of its code.
struct Sentence<'e, 's>(&'e Entry<'s>);

impl fmt::Display for Sentence<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.0.code() {
            Some(code) => write!(f, " ({})", code.meaning()),
            None => Ok(()),
        }
    }
}

impl Reason {
    /// What the code means, as half a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::OfferLatest => "the latest release",
            Self::OfferCandidate => "an earlier release, because later ones are not for this device now",
            Self::OfferRequired => "a release that nobody may skip",
            Self::OfferCritical => "a critical release that would not be offered yet if it were not critical",
            Self::OfferInfo => "information about a release, nothing to install",
            Self::OfferOverride => "the bundle of an override",
            Self::OfferRevert => "back to an earlier release, because this one was withdrawn",
            Self::InvalidRequest => "the request is out of shape or over a limit",
            Self::UnknownProduct => "there is no such product",
            Self::NotReady => "the node has no snapshot that it can decide on",
            Self::ReplicaBehind => "the node has not seen yet what the device has seen elsewhere",
            Self::SnapshotStale => "what the node knows is too old to decide on",
            Self::DeviceDecommissioned => "the device is out of service",
            Self::UnknownDevice => "the product serves registered devices only, and this is none",
            Self::HoldQuarantine => "held: suspected of being broken or hostile",
            Self::HoldRepair => "held: in maintenance",
            Self::HoldFreeze => "held: nothing moves during a freeze",
            Self::HoldSafeguard => "held: known to harm this kind of device",
            Self::HoldOptedOut => "held: the owner does not want updates",
            Self::HoldConsent => "held: the owner has not agreed yet",
            Self::HoldBackoff => "held: it failed too often, or went back by itself",
            Self::HoldWindow => "held: outside the hours for updates",
            Self::UpToDateOverride => "the device runs the bundle of its override",
            Self::OverrideUnavailable => "the bundle of its override cannot be given to this device",
            Self::NoCohort => "the device is in no cohort",
            Self::NoReleases => "the cohort has no published releases",
            Self::PositionUnknown => "nothing tells where in the release graph the device is",
            Self::UpToDate => "there is nothing newer",
            Self::DeadEnd => "the release is a dead end: devices on it stay",
            Self::Withdrawn => "the release was withdrawn",
            Self::NotAvailable => "the bundle is not complete",
            Self::Recalled => "the bundle was recalled",
            Self::Unsigned => "the bundle is not signed by an accepted key",
            Self::NotAttested => "the bundle lacks a required attestation",
            Self::Disabled => "the release is disabled",
            Self::NotPublished => "the release is a draft",
            Self::Paused => "the rollout is paused",
            Self::Scheduled => "the release is published for a later time",
            Self::DowngradeBlocked => "it would lower the device's version or security epoch",
            Self::IncompatibleHardware => "it is not for this hardware",
            Self::IncompatibleOs => "it is not for this version of the operating system",
            Self::IncompatibleFramework => "the device lacks a framework that it needs",
            Self::IncompatibleFromVersion => "it cannot be reached from the version that the device has",
            Self::NotInStage => "the device is in no stage that the rollout has reached",
            Self::DomainClosed => "it is not the turn of the device's domain",
            Self::NotInPhase => "the share, count or list of the stage does not admit the device now",
            Self::NoDeviceKey => "not everybody is admitted, and the device tells no key",
            Self::NeedsUser => "a user must agree",
        }
    }

    /// What has to happen for the device to hear something else; absent where nothing stands in its way.
    #[must_use]
    pub const fn way_out(self) -> Option<&'static str> {
        Some(match self {
            Self::OfferLatest
            | Self::OfferCandidate
            | Self::OfferRequired
            | Self::OfferCritical
            | Self::OfferInfo
            | Self::OfferOverride
            | Self::OfferRevert
            | Self::UpToDate => return None,
            Self::InvalidRequest => "the device sends a request within the limits",
            Self::UnknownProduct => "the product is created, or the device names the right one",
            Self::NotReady | Self::ReplicaBehind | Self::SnapshotStale => "the node has caught up; another node may answer now",
            Self::DeviceDecommissioned => "the device's record is set to active",
            Self::UnknownDevice => "the device is registered",
            Self::HoldQuarantine | Self::HoldRepair | Self::HoldFreeze | Self::HoldSafeguard => "the hold is taken away",
            Self::HoldOptedOut => "the owner takes the hold away, or a user asks on the device",
            Self::HoldConsent => "the owner approves the release for this device, or a user asks on the device",
            Self::HoldBackoff => "an operator clears the device's failures of this bundle",
            Self::HoldWindow => "an update window opens, or a user asks on the device",
            Self::UpToDateOverride => "the override ends",
            Self::OverrideUnavailable => "the override ends, or its bundle can be given",
            Self::NoCohort => "the device is put into a cohort, or a rule or the default places it",
            Self::NoReleases => "a release is published in the cohort",
            Self::PositionUnknown => {
                "the device reports a release, bundle or version that is known here, or the cohort has an entry release"
            }
            Self::DeadEnd => "an override leads the device away",
            Self::Withdrawn => "a newer release is published, or the withdrawal names a release to go back to",
            Self::NotAvailable => "the bundle's chunks are uploaded",
            Self::Recalled => "a release of another bundle is published",
            Self::Unsigned => "an accepted key signs the bundle",
            Self::NotAttested => "the attestation is given",
            Self::Disabled => "the release is enabled",
            Self::NotPublished => "the release is published",
            Self::Paused => "the rollout is resumed",
            Self::Scheduled => "its time has come",
            Self::DowngradeBlocked => "a release that is not lower is published; only an override may lower a version",
            Self::IncompatibleHardware => "a release for this hardware is published",
            Self::IncompatibleOs => "the device's operating system fits",
            Self::IncompatibleFramework => "the device has the framework",
            Self::IncompatibleFromVersion => "the device has come to a version from which it can be reached",
            Self::NotInStage => "the rollout reaches a stage that the device matches",
            Self::DomainClosed => "the domain opens, or the stage passes",
            Self::NotInPhase => "the exposure widens, or a later stage admits the device",
            Self::NoDeviceKey => "the device tells a key, or everybody is admitted",
            Self::NeedsUser => "a user asks on the device",
        })
    }
}
