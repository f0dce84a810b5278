//! Which holds concern the device now, and which of them a target pierces (steps 4 and 11, check 12).

use std::sync::Arc;

use tidegate_model::{HoldKind, Timestamp};

use crate::compiled::HoldView;
use crate::decide::piercers::Piercers;
use crate::facts::Facts;
use crate::limits;
use crate::piercing::Row;
use crate::reason::Reason;
use crate::scope::ScopeIndex;

/// What makes holds differ in a decision: their kind, and for some kinds what may pierce them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Quarantine,
    Repair,
    Freeze,
    Safeguard,
    OptOut,
    /// An opt-out that critical releases pierce.
    MildOptOut,
    Consent,
    Backoff,
    /// A back-off without end.
    Memory,
    Window,
}

/// Classes in the order in which they are tried.
const CLASSES: [(Class, HoldKind, Row); 10] = [
    (Class::Quarantine, HoldKind::Quarantine, Row::Hard),
    (Class::Repair, HoldKind::Repair, Row::Hard),
    (Class::Freeze, HoldKind::Freeze, Row::Hard),
    (Class::Safeguard, HoldKind::Safeguard, Row::Hard),
    (Class::OptOut, HoldKind::OptOut, Row::OptOut),
    (Class::MildOptOut, HoldKind::OptOut, Row::OptOut),
    (Class::Consent, HoldKind::Consent, Row::Consent),
    (Class::Backoff, HoldKind::Backoff, Row::Backoff),
    (Class::Memory, HoldKind::Backoff, Row::Memory),
    (Class::Window, HoldKind::Window, Row::Window),
];

impl Class {
    fn of(view: &HoldView) -> Self {
        let hold = view.hold();
        match hold.kind {
            HoldKind::Quarantine => Self::Quarantine,
            HoldKind::Repair => Self::Repair,
            HoldKind::Freeze => Self::Freeze,
            HoldKind::Safeguard => Self::Safeguard,
            HoldKind::OptOut if hold.critical_pierces => Self::MildOptOut,
            HoldKind::OptOut => Self::OptOut,
            HoldKind::Consent => Self::Consent,
            HoldKind::Backoff if hold.until.is_some() => Self::Backoff,
            HoldKind::Backoff => Self::Memory,
            HoldKind::Window => Self::Window,
        }
    }
}

/// Calls `each` for every hold of `index` that is active for the device at `now`.
pub(super) fn visit_active<'s>(
    index: &'s ScopeIndex<HoldView>,
    facts: &Facts<'_>,
    now: Timestamp,
    mut each: impl FnMut(&'s Arc<HoldView>),
) {
    index.visit(facts, |view| {
        let is_shut = |view: &HoldView| view.openings.as_ref().is_none_or(|openings| !openings.is_open(now));
        if view.hold().is_in_force(now) && (view.hold().kind != HoldKind::Window || is_shut(view)) {
            each(view);
        }
    });
}

/// The active holds of a device in one index, summed up per class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Active {
    /// One bit for every class that is active.
    classes: u16,
    /// For those: when its last hold ends.
    until: [Timestamp; CLASSES.len()],
}

/// The end of a hold that never ends by itself: later than any that can be written down.
const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// A hold that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocked {
    pub(super) kind: HoldKind,
    /// When the holds of this kind end.
    pub(super) until: Option<Timestamp>,
}

/// Whether something is in the way, and whether being critical was needed to get past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    Free,
    FreeAsCritical,
    Blocked(Blocked),
}

impl Active {
    /// Sums up.
    pub(super) fn of(index: &ScopeIndex<HoldView>, facts: &Facts<'_>, now: Timestamp) -> Self {
        let mut active = Self::default();
        visit_active(index, facts, now, |view| active.add(Class::of(view) as usize, view.hold().until.unwrap_or(NEVER)));
        active
    }

    /// Both together.
    pub(super) fn with(mut self, other: &Self) -> Self {
        let mut left = other.classes;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            self.add(at, other.until[at]);
        }
        self
    }

    fn add(&mut self, class: usize, until: Timestamp) {
        let is_first = self.classes & 1 << class == 0;
        self.classes |= 1 << class;
        let sum = &mut self.until[class];
        *sum = if is_first { until } else { until.max(*sum) };
    }

    /// The first active hard hold.
    pub(super) fn hard(&self) -> Option<Blocked> {
        self.first(HoldKind::is_hard, |_| true)
    }

    /// The first active soft hold, whatever may pierce it.
    pub(super) fn soft(&self) -> Option<Blocked> {
        self.first(|kind| !kind.is_hard(), |_| true)
    }

    /// True if no hold is active.
    pub(super) fn is_free(&self) -> bool {
        self.classes == 0
    }

    /// The first active hold that the target does not pierce. `has_consent`: its consents list the device.
    pub(super) fn passage(&self, piercers: &Piercers, has_consent: bool) -> Passage {
        if self.is_free() {
            return Passage::Free;
        }
        let concerns = |class: Class| !(class == Class::Consent && has_consent);
        let stands = |by: &Piercers| {
            let by = *by;
            self.first(|_| true, |(class, row)| concerns(class) && !by.pierce_hold(row, class == Class::MildOptOut))
        };
        match stands(piercers) {
            Some(blocked) => Passage::Blocked(blocked),
            None if piercers.is_critical && stands(&piercers.without_urgency()).is_some() => Passage::FreeAsCritical,
            None => Passage::Free,
        }
    }

    fn first(&self, is_asked_for: impl Fn(HoldKind) -> bool, stands: impl Fn((Class, Row)) -> bool) -> Option<Blocked> {
        let mut blocked: Option<Blocked> = None;
        let mut left = self.classes;
        while left != 0 {
            let at = left.trailing_zeros() as usize;
            left &= left - 1;
            let ((class, kind, row), ends) = (CLASSES[at], Some(self.until[at]).filter(|until| *until != NEVER));
            let is_of_kind = blocked.is_none_or(|blocked| blocked.kind == kind);
            if is_of_kind && is_asked_for(kind) && stands((class, row)) {
                // Two classes of one kind stand side by side: the later end counts.
                let until = blocked.map_or(ends, |blocked| blocked.until.zip(ends).map(|(a, b)| a.max(b)));
                blocked = Some(Blocked { kind, until });
            }
        }
        blocked
    }
}

impl Blocked {
    /// Its code.
    pub(super) fn reason(&self) -> Reason {
        Reason::of_hold(self.kind)
    }
}

/// The first instant from `now` on at which every Window hold in `indexes` that concerns the device lets updates
/// through; absent if none is found.
pub(super) fn windows_open_from(indexes: &[&ScopeIndex<HoldView>], facts: &Facts<'_>, now: Timestamp) -> Option<Timestamp> {
    let mut candidate = now;
    for _ in 0..limits::WINDOW_ROUNDS_MAX {
        let mut latest = Some(candidate);
        for index in indexes {
            index.visit(facts, |view| {
                if let Some(before) = latest {
                    latest = let_through_from(view, candidate).map(|at| at.max(before));
                }
            });
        }
        if latest? == candidate {
            return Some(candidate);
        }
        candidate = latest?;
    }
    None
}

/// The first instant from `now` on at which this hold, if it is a Window, lets updates through: outside its term, or in
/// an opening.
fn let_through_from(view: &HoldView, now: Timestamp) -> Option<Timestamp> {
    let hold = view.hold();
    if hold.kind != HoldKind::Window || !hold.is_in_force(now) {
        return Some(now);
    }
    let opening = view.openings.as_ref().and_then(|openings| openings.open_from(now));
    match (opening, hold.until) {
        (Some(opening), Some(until)) => Some(opening.min(until)),
        (opening, until) => opening.or(until),
    }
}
