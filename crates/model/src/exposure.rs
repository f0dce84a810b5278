//! How much of a stage is admitted, and how that grows with time.

use std::collections::BTreeSet;

use crate::invalid::Invalid;
use crate::position::{Position, Ppm, share_threshold};
use crate::time::{Span, Timestamp};

/// How much of those whom a stage selects is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Everybody.
    All,
    /// A share, by position (hash) or by roster.
    Percent {
        /// The share.
        share: Ppm,
        /// How the share is counted.
        basis: Basis,
    },
    /// This many devices, by roster.
    Count(u32),
    /// Devices that bear at least one of these tags.
    Tags(BTreeSet<String>),
    /// A share that grows with time.
    Ramp(Ramp),
}

/// How a share is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// By the device's position: no list, about the share.
    Hash,
    /// By a list of admitted devices: exact.
    Roster,
}

/// One step of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RampStep {
    /// Time since the ramp's origin.
    pub offset: Span,
    /// Share from then on.
    pub share: Ppm,
}

/// A share as a function of the time since the ramp's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ramp {
    /// A table of steps, offsets and shares ascending.
    Steps(Vec<RampStep>),
    /// Equal groups, one more each interval: group k is admitted exactly from `k * interval` on (Sparkle: seven).
    Groups {
        /// Number of groups.
        groups: u32,
        /// Time between groups.
        interval: Span,
    },
    /// 1, 2, 5, 10, 20, 50, 100 percent, a day each.
    Apple,
    /// From a share to everybody in a straight line, at a grain of one minute.
    Linear {
        /// Share at the origin.
        from: Ppm,
        /// Time until everybody.
        duration: Span,
    },
}

/// Shares of [`Ramp::Apple`], day by day.
pub const APPLE_PERCENT: [u32; 7] = [1, 2, 5, 10, 20, 50, 100];

/// What a ramp admits at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nobody.
    Nobody,
    /// Positions below this.
    Below(u64),
    /// Everybody, also devices without a key.
    Everybody,
}

impl Admission {
    fn of_share(part: u128, whole: u128) -> Self {
        match share_threshold(part, whole) {
            None => Self::Everybody,
            Some(0) => Self::Nobody,
            Some(threshold) => Self::Below(threshold),
        }
    }

    /// True if the device at this position (none: no key) is admitted.
    #[must_use]
    pub fn admits(self, position: Option<Position>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Below(threshold) => position.is_some_and(|position| position.0 < threshold),
            Self::Everybody => true,
        }
    }
}

const MINUTE: u64 = 60_000;

impl Ramp {
    /// What is admitted at `now` by a ramp that began at `origin`. Before the origin: nobody.
    #[must_use]
    pub fn admission(&self, origin: Timestamp, now: Timestamp) -> Admission {
        if now < origin {
            return Admission::Nobody;
        }
        let elapsed = now.since(origin);
        match self {
            Self::Steps(steps) => {
                let reached = steps.partition_point(|step| step.offset <= elapsed);
                let share = reached.checked_sub(1).map_or(Ppm::NOBODY, |last| steps[last].share);
                Admission::of_share(u128::from(share.get()), 1_000_000)
            }
            Self::Groups { groups, interval } => {
                let open = if interval.as_millis() == 0 {
                    u64::from(*groups)
                } else {
                    (elapsed.as_millis() / interval.as_millis()).saturating_add(1)
                };
                // group(position) < open  <=>  position < ceil(open * 2^64 / groups)
                if open >= u64::from(*groups) {
                    return Admission::Everybody;
                }
                let threshold = (u128::from(open) << 64).div_ceil(u128::from(*groups));
                Admission::Below(u64::try_from(threshold).expect("below 2^64 because open < groups"))
            }
            Self::Apple => {
                let day = usize::try_from(elapsed.as_millis() / Span::from_days(1).as_millis()).unwrap_or(usize::MAX);
                Admission::of_share(u128::from(APPLE_PERCENT[day.min(6)]), 100)
            }
            Self::Linear { from, duration } => {
                // Exact at each whole minute: from + (1 - from) * elapsed / duration, over the common denominator.
                let gone = u128::from(elapsed.as_millis() / MINUTE * MINUTE);
                let whole = u128::from(duration.as_millis());
                if elapsed >= *duration {
                    return Admission::Everybody;
                }
                let from = u128::from(from.get());
                Admission::of_share(from * whole + (1_000_000 - from) * gone, 1_000_000 * whole)
            }
        }
    }

    /// Time from the origin until the ramp grows no more.
    #[must_use]
    pub fn length(&self) -> Span {
        match self {
            Self::Steps(steps) => steps.last().map_or(Span::ZERO, |step| step.offset),
            Self::Groups { groups, interval } => interval.times(u64::from(groups.saturating_sub(1))),
            Self::Apple => Span::from_days(6),
            Self::Linear { duration, .. } => *duration,
        }
    }

    /// True if the ramp ends with everybody.
    #[must_use]
    pub fn ends_with_everybody(&self) -> bool {
        match self {
            Self::Steps(steps) => steps.last().is_some_and(|step| step.share == Ppm::EVERYBODY),
            Self::Groups { .. } | Self::Apple | Self::Linear { .. } => true,
        }
    }

    /// The first instant at which the device at `position` (none: no key) is admitted; `None` if it never is.
    #[must_use]
    pub fn admitted_from(&self, origin: Timestamp, position: Option<Position>) -> Option<Timestamp> {
        let admitted_at = |offset: Span| self.admission(origin, origin.plus(offset)).admits(position);
        match self {
            Self::Steps(steps) => {
                steps.iter().map(|step| step.offset).find(|offset| admitted_at(*offset)).map(|o| origin.plus(o))
            }
            Self::Groups { groups, interval } => {
                let group = position.map_or(groups.saturating_sub(1), |position| position.group(*groups));
                Some(origin.plus(interval.times(u64::from(group))))
            }
            Self::Apple => (0..7).map(Span::from_days).find(|offset| admitted_at(*offset)).map(|o| origin.plus(o)),
            Self::Linear { from, duration } => {
                let last = duration.as_millis().div_ceil(MINUTE);
                let guess = position.map_or(last, |position| minute_near(*from, *duration, position));
                let (mut low, mut high) = (guess.saturating_sub(1).min(last), guess.saturating_add(1).min(last));
                // The guess is right within a minute; if it were not, all minutes would be searched.
                if low > 0 && admitted_at(Span::from_millis((low - 1) * MINUTE)) {
                    low = 0;
                }
                if high < last && !admitted_at(Span::from_millis(high * MINUTE)) {
                    high = last;
                }
                while low < high {
                    let middle = low + (high - low) / 2;
                    if admitted_at(Span::from_millis(middle * MINUTE)) { high = middle } else { low = middle + 1 }
                }
                Some(origin.plus(Span::from_millis((low * MINUTE).min(duration.as_millis()))))
            }
        }
    }

    /// Checks the rules of a ramp: steps ascend in offset and do not go down in share; at least one group; a linear
    /// ramp lasts at least a minute.
    ///
    /// # Errors
    /// [`Invalid`] naming the first broken rule.
    pub fn validate(&self) -> Result<(), Invalid> {
        match self {
            Self::Steps(steps) => {
                if steps.is_empty() || steps.len() > crate::limits::RAMP_STEPS_MAX {
                    return Err(Invalid::new("steps", steps.len().to_string(), "must have 1 to 1000 steps"));
                }
                for (i, pair) in steps.windows(2).enumerate() {
                    let field = format!("steps[{}]", i + 1);
                    if pair[1].offset <= pair[0].offset {
                        return Err(Invalid::new(
                            field,
                            pair[1].offset.to_string(),
                            format!("must come after {}", pair[0].offset),
                        ));
                    }
                    if pair[1].share < pair[0].share {
                        return Err(Invalid::new(
                            field,
                            pair[1].share.to_string(),
                            format!("must not go below {} %", pair[0].share),
                        ));
                    }
                }
                Ok(())
            }
            Self::Groups { groups, .. } if !(1..=1_000).contains(groups) => {
                Err(Invalid::new("groups", groups.to_string(), "must be 1 to 1000"))
            }
            Self::Linear { duration, .. } if duration.as_millis() < MINUTE => {
                Err(Invalid::new("duration", duration.to_string(), "must be at least 1m"))
            }
            Self::Groups { .. } | Self::Apple | Self::Linear { .. } => Ok(()),
        }
    }
}

/// About the minute of a linear ramp at which a position is admitted: the inverse of its share, to 44 binary places.
fn minute_near(from: Ppm, duration: Span, position: Position) -> u64 {
    let needed = ((u128::from(position.0) + 1) * 1_000_000) >> 20;
    let from = u128::from(from.get());
    let gone = needed.saturating_sub(from << 44) * u128::from(duration.as_millis()) / (1_000_000 - from).max(1);
    u64::try_from((gone >> 44).div_ceil(u128::from(MINUTE))).unwrap_or(u64::MAX)
}

impl Exposure {
    /// True if everybody whom the stage selects is admitted at `now`, given the ramp's origin. A count or a list of
    /// tags never is.
    #[must_use]
    pub fn is_everybody(&self, origin: Option<Timestamp>, now: Timestamp) -> bool {
        match self {
            Self::All => true,
            Self::Percent { share, .. } => *share == Ppm::EVERYBODY,
            Self::Count(_) | Self::Tags(_) => false,
            Self::Ramp(ramp) => origin.is_some_and(|origin| ramp.admission(origin, now) == Admission::Everybody),
        }
    }

    /// When the exposure has reached its end, given the ramp's origin and the opening of the stage.
    #[must_use]
    pub fn ends_at(&self, origin: Timestamp, opened_at: Timestamp) -> Timestamp {
        match self {
            Self::Ramp(ramp) => origin.plus(ramp.length()).max(opened_at),
            Self::All | Self::Percent { .. } | Self::Count(_) | Self::Tags(_) => opened_at,
        }
    }

    /// True if admission needs a roster.
    #[must_use]
    pub fn needs_roster(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Percent { basis: Basis::Roster, .. })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600;
    const ORIGIN: Timestamp = Timestamp::from_secs(1_700_000_000);

    /// Admitted share in whole percent at an offset.
    fn percent(ramp: &Ramp, secs: u64) -> u32 {
        match ramp.admission(ORIGIN, ORIGIN.plus(Span::from_secs(secs))) {
            Admission::Nobody => 0,
            Admission::Everybody => 100,
            Admission::Below(t) => ((u128::from(t) * 100 + (1 << 63)) >> 64) as u32,
        }
    }

    fn ppm(value: u32) -> Ppm {
        Ppm::new(value).expect("a share of the tests")
    }

    #[test]
    fn g_25_groups_open_exactly_at_their_interval() {
        let ramp = Ramp::Groups { groups: 7, interval: Span::from_days(1) };
        let at = |days: u64, group: u32| {
            let position = Position(((u128::from(group) << 64).div_ceil(7)) as u64);
            assert_eq!(position.group(7), group);
            ramp.admission(ORIGIN, ORIGIN.plus(Span::from_days(days))).admits(Some(position))
        };
        assert_eq!([0, 1, 2, 3, 6].map(|group| at(2, group)), [true, true, true, false, false]);
        assert!((0..7).all(|group| at(6, group)));
        assert_eq!(ramp.admission(ORIGIN, Timestamp::from_secs(1_699_999_999)), Admission::Nobody);
    }

    #[test]
    fn g_41_apple_days() {
        assert_eq!((0..7).map(|day| percent(&Ramp::Apple, day * 24 * HOUR)).collect::<Vec<_>>(), APPLE_PERCENT);
        assert_eq!(percent(&Ramp::Apple, 900 * 24 * HOUR), 100);
    }

    #[test]
    fn g_48_linear_ramps() {
        let linear = |from, minutes: u64| Ramp::Linear { from: ppm(from), duration: Span::from_secs(minutes * 60) };
        assert_eq!(percent(&linear(0, 2_880), 24 * HOUR), 50);
        assert_eq!(percent(&linear(100_000, 600), 5 * HOUR), 55);
        assert_eq!(percent(&Ramp::Steps(vec![RampStep { offset: Span::ZERO, share: ppm(300_000) }]), 1), 30);
        assert_eq!(linear(0, 2_880).admission(ORIGIN, Timestamp::from_secs(0)), Admission::Nobody);
    }

    fn ramps() -> impl Strategy<Value = Ramp> {
        prop_oneof![
            proptest::collection::vec((1..100_000u64, 0..100_000u32), 1..8).prop_map(|deltas| {
                let (mut offset, mut share) = (0, 0);
                Ramp::Steps(
                    deltas
                        .into_iter()
                        .map(|(more, wider)| {
                            offset += more;
                            share += wider;
                            RampStep { offset: Span::from_secs(offset), share: ppm(share) }
                        })
                        .collect(),
                )
            }),
            (1..20u32, 0..100_000u64).prop_map(|(groups, secs)| Ramp::Groups { groups, interval: Span::from_secs(secs) }),
            Just(Ramp::Apple),
            (0..=1_000_000u32, 60..500_000u64)
                .prop_map(|(from, secs)| Ramp::Linear { from: ppm(from), duration: Span::from_secs(secs) }),
        ]
    }

    proptest! {
        /// P-15: whoever is admitted at one time is admitted at any later one.
        #[test]
        fn p_15_ramps_only_grow(ramp in ramps(), position: u64, a in 0..1_000_000u64, b in 0..1_000_000u64) {
            prop_assert!(ramp.validate().is_ok());
            let at = |secs| ramp.admission(ORIGIN, ORIGIN.plus(Span::from_secs(secs))).admits(Some(Position(position)));
            prop_assert!(!at(a.min(b)) || at(a.max(b)));
        }

        /// `admitted_from` is the exact edge of admission.
        #[test]
        fn admission_begins_when_announced(ramp in ramps(), position: u64) {
            let position = Some(Position(position));
            match ramp.admitted_from(ORIGIN, position) {
                None => prop_assert!(!ramp.admission(ORIGIN, ORIGIN.plus(Span::from_days(36_500))).admits(position)),
                Some(at) => {
                    prop_assert!(ramp.admission(ORIGIN, at).admits(position));
                    let before = Timestamp::from_millis(at.as_millis() - 1);
                    prop_assert!(!ramp.admission(ORIGIN, before).admits(position));
                }
            }
        }
    }
}
