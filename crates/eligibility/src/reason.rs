//! The reason codes: every decision ends with exactly one.

use std::fmt;

use tidegate_model::HoldKind;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// Why a device hears what it hears. The texts are part of the public interface and never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All codes, offers first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as devices and scripts see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// The latest release.
    OfferLatest "OFFER_LATEST",
    /// An earlier release, because later ones are not for this device now.
    OfferCandidate "OFFER_CANDIDATE",
    /// A release that nobody may skip.
    OfferRequired "OFFER_REQUIRED",
    /// A critical release that would not have been offered without being critical.
    OfferCritical "OFFER_CRITICAL",
    /// Information only.
    OfferInfo "OFFER_INFO",
    /// The bundle of an override.
    OfferOverride "OFFER_OVERRIDE",
    /// Back to an earlier release, after a withdrawal.
    OfferRevert "OFFER_REVERT",
    /// The request is out of shape or over a limit.
    InvalidRequest "INVALID_REQUEST",
    /// No such product.
    UnknownProduct "UNKNOWN_PRODUCT",
    /// The node has no snapshot yet, or the graph is damaged.
    NotReady "NOT_READY",
    /// The node's snapshot is older than the client has seen elsewhere.
    ReplicaBehind "REPLICA_BEHIND",
    /// The node's snapshot is too old to decide on. Given by the gateway, never by `decide`.
    SnapshotStale "SNAPSHOT_STALE",
    /// The device is out of service.
    DeviceDecommissioned "DEVICE_DECOMMISSIONED",
    /// The product only serves registered devices, and this is none.
    UnknownDevice "UNKNOWN_DEVICE",
    /// Held: suspected of being broken or hostile.
    HoldQuarantine "HOLD_QUARANTINE",
    /// Held: in maintenance.
    HoldRepair "HOLD_REPAIR",
    /// Held: nothing moves.
    HoldFreeze "HOLD_FREEZE",
    /// Held: known to harm this kind of device.
    HoldSafeguard "HOLD_SAFEGUARD",
    /// Held: the owner does not want updates.
    HoldOptedOut "HOLD_OPTED_OUT",
    /// Held: the owner must agree first.
    HoldConsent "HOLD_CONSENT",
    /// Held: failed too often, or rolled back by itself.
    HoldBackoff "HOLD_BACKOFF",
    /// Held: outside the hours for updates.
    HoldWindow "HOLD_WINDOW",
    /// The device runs the bundle of its override.
    UpToDateOverride "UP_TO_DATE_OVERRIDE",
    /// The bundle of the override cannot be given to this device.
    OverrideUnavailable "OVERRIDE_UNAVAILABLE",
    /// The device is in no cohort.
    NoCohort "NO_COHORT",
    /// The cohort has no releases.
    NoReleases "NO_RELEASES",
    /// Nothing tells where in the graph the device is.
    PositionUnknown "POSITION_UNKNOWN",
    /// Nothing newer.
    UpToDate "UP_TO_DATE",
    /// The release is a dead end.
    DeadEnd "DEAD_END",
    /// The release was withdrawn.
    Withdrawn "WITHDRAWN",
    /// The bundle is not complete yet.
    NotAvailable "NOT_AVAILABLE",
    /// The bundle was recalled.
    Recalled "RECALLED",
    /// The bundle is not signed by an accepted key.
    Unsigned "UNSIGNED",
    /// The bundle lacks an attestation.
    NotAttested "NOT_ATTESTED",
    /// The release is disabled.
    Disabled "DISABLED",
    /// The release is a draft.
    NotPublished "NOT_PUBLISHED",
    /// The rollout is paused.
    Paused "PAUSED",
    /// The rollout's trigger has not fired.
    Scheduled "SCHEDULED",
    /// It would lower the device's version or security epoch.
    DowngradeBlocked "DOWNGRADE_BLOCKED",
    /// Not for this hardware.
    IncompatibleHardware "INCOMPATIBLE_HARDWARE",
    /// Not for this operating system version.
    IncompatibleOs "INCOMPATIBLE_OS",
    /// The device lacks a framework.
    IncompatibleFramework "INCOMPATIBLE_FRAMEWORK",
    /// Not from this version.
    IncompatibleFromVersion "INCOMPATIBLE_FROM_VERSION",
    /// The device is in no stage that has been reached.
    NotInStage "NOT_IN_STAGE",
    /// It is not the turn of the device's domain.
    DomainClosed "DOMAIN_CLOSED",
    /// The exposure does not admit the device now.
    NotInPhase "NOT_IN_PHASE",
    /// The exposure is limited, and the device has no key.
    NoDeviceKey "NO_DEVICE_KEY",
    /// Only with the user's consent; names the release.
    NeedsUser "NEEDS_USER",
}

impl Reason {
    /// True for the codes that come with something to install (or, with `OFFER_INFO`, to read).
    #[must_use]
    pub fn is_offer(self) -> bool {
        self <= Self::OfferRevert
    }

    /// True for `HOLD_...`.
    #[must_use]
    pub fn is_hold(self) -> bool {
        (Self::HoldQuarantine..=Self::HoldWindow).contains(&self)
    }

    /// True for negative answers which say that there is something, but not for this device now: a product may want
    /// them to look like `UP_TO_DATE` in public. Errors, answers about the device itself and `NEEDS_USER` (which the
    /// client needs to prompt) are not of this kind.
    #[must_use]
    pub fn is_flattened(self) -> bool {
        let beyond_position = self > Self::UpToDate && self != Self::NeedsUser;
        beyond_position || self.is_hold() || self == Self::OverrideUnavailable
    }

    /// The code of a hold of this kind.
    #[must_use]
    pub const fn of_hold(kind: HoldKind) -> Self {
        match kind {
            HoldKind::Quarantine => Self::HoldQuarantine,
            HoldKind::Repair => Self::HoldRepair,
            HoldKind::Freeze => Self::HoldFreeze,
            HoldKind::Safeguard => Self::HoldSafeguard,
            HoldKind::OptOut => Self::HoldOptedOut,
            HoldKind::Consent => Self::HoldConsent,
            HoldKind::Backoff => Self::HoldBackoff,
            HoldKind::Window => Self::HoldWindow,
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_offers_begin_with_offer() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
            assert_eq!(reason.is_offer(), reason.as_str().starts_with("OFFER_"), "{reason}");
            assert_eq!(reason.is_hold(), reason.as_str().starts_with("HOLD_"), "{reason}");
            assert!(!reason.is_offer() || !reason.is_flattened(), "{reason}");
        }
        assert!(!Reason::UpToDate.is_flattened() && !Reason::NeedsUser.is_flattened() && !Reason::NotReady.is_flattened());
        assert!(Reason::NotInPhase.is_flattened() && Reason::HoldWindow.is_flattened() && Reason::Withdrawn.is_flattened());
    }
}
