//! What pierces what: the one table that says which caution urgency, a user's own request or an override sets aside.

/// A check or a kind of hold, as far as piercing tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// Recalled, unsigned, not attested (and not complete).
    Trust,
    /// Disabled, dead end, paused, withdrawn, not published.
    State,
    /// The embargo.
    Trigger,
    /// Hardware and architecture.
    Hardware,
    /// Operating system and frameworks.
    Software,
    /// The version requirement.
    FromVersion,
    /// A version below the device's.
    Downgrade,
    /// A security epoch below the device's.
    Epoch,
    /// The user must agree.
    NeedsUser,
    /// Stage, percent, count, tags, ramp.
    Phase,
    /// Domain and exclusion.
    Domain,
    /// Window holds.
    Window,
    /// Opt-out holds.
    OptOut,
    /// Consent holds.
    Consent,
    /// Back-off holds that end.
    Backoff,
    /// The memory of a local roll-back: a back-off without end.
    Memory,
    /// Repair, Quarantine, Freeze, Safeguard.
    Hard,
}

/// Who wants to pierce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piercer {
    /// A release that is critical for the device.
    Critical,
    /// A user who asks.
    Interactive,
    /// An override with `force`.
    Override,
}

/// Whether it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Never.
    No,
    /// Always.
    Yes,
    /// An override gives a bundle, not a release: the row does not concern it.
    NotConcerned,
    /// If the release's policy has `interactive_bypasses_phase`.
    IfInteractiveBypasses,
    /// If the release's policy has `critical_ignores_domains`.
    IfCriticalIgnoresDomains,
    /// If the hold has `critical_pierces`.
    IfHoldAllows,
    /// If the override has `allow_downgrade`.
    IfDowngradeAllowed,
}

use Effect::{IfCriticalIgnoresDomains, IfDowngradeAllowed, IfHoldAllows, IfInteractiveBypasses, No, NotConcerned, Yes};

/// The table: row, and the effect of a critical release, an interactive request, an override with force.
pub(crate) const TABLE: [(Row, [Effect; 3]); 17] = [
    (Row::Trust, [No, No, No]),
    (Row::State, [No, No, NotConcerned]),
    (Row::Trigger, [No, No, Yes]),
    (Row::Hardware, [No, No, No]),
    (Row::Software, [No, No, No]),
    (Row::FromVersion, [No, No, NotConcerned]),
    (Row::Downgrade, [No, No, IfDowngradeAllowed]),
    (Row::Epoch, [No, No, No]),
    (Row::NeedsUser, [No, Yes, Yes]),
    (Row::Phase, [Yes, IfInteractiveBypasses, Yes]),
    (Row::Domain, [IfCriticalIgnoresDomains, No, Yes]),
    (Row::Window, [Yes, Yes, Yes]),
    (Row::OptOut, [IfHoldAllows, Yes, Yes]),
    (Row::Consent, [No, Yes, Yes]),
    (Row::Backoff, [No, Yes, Yes]),
    (Row::Memory, [No, No, Yes]),
    (Row::Hard, [No, No, No]),
];

impl Row {
    /// What `piercer` does to this row.
    pub(crate) const fn pierced_by(self, piercer: Piercer) -> Effect {
        // The rows stand in the order of the enum, which a test checks.
        TABLE[self as usize].1[piercer as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        for (i, (row, _)) in TABLE.iter().enumerate() {
            assert_eq!(*row as usize, i);
        }
    }
}
