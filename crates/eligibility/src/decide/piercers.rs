//! Who pierces for one candidate: the conditions of the piercing table, looked up.

use crate::piercing::{Effect, Piercer, Row};

/// The piercers at work for one candidate and one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piercers {
    pub(super) is_critical: bool,
    pub(super) is_interactive: bool,
    /// Of the candidate's policy.
    pub(super) interactive_bypasses_phase: bool,
    /// Of the candidate's policy.
    pub(super) critical_ignores_domains: bool,
}

impl Piercers {
    /// The same, were the candidate not critical.
    pub(super) fn without_urgency(self) -> Self {
        Self { is_critical: false, ..self }
    }

    /// True if a check of this row is set aside.
    pub(super) fn pierce(self, row: Row) -> bool {
        self.pierce_hold(row, false)
    }

    /// True if a hold (or check) of this row is set aside; `is_mild`: the hold lets critical releases pass.
    pub(super) fn pierce_hold(self, row: Row, is_mild: bool) -> bool {
        let by = |is_at_work: bool, piercer: Piercer| {
            is_at_work
                && match row.pierced_by(piercer) {
                    Effect::Yes => true,
                    Effect::IfInteractiveBypasses => self.interactive_bypasses_phase,
                    Effect::IfCriticalIgnoresDomains => self.critical_ignores_domains,
                    Effect::IfHoldAllows => is_mild,
                    Effect::No | Effect::NotConcerned | Effect::IfDowngradeAllowed => false,
                }
        };
        by(self.is_critical, Piercer::Critical) || by(self.is_interactive, Piercer::Interactive)
    }
}
