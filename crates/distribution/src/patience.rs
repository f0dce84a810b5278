//! How long a follower bears with an upstream: when it is left, how long one stays where all are alike, and the pause before
//! the next attempt. Only arithmetic: the loop in [`crate::follow`] has the clock and the dice.

use std::time::Duration;

use crate::limits::{BACK_OFF_MAX, BACK_OFF_MIN, LAGGING_AGE_TENTHS, LAGGING_STAY_MAX, LAGGING_STAY_MIN};

/// How a stream ended, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The upstream answers, and its content is too old.
    Lagging,
    /// Anything else.
    Broken,
}

/// What the streams so far say about the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    upstreams: u32,
    /// Streams that broke in a row.
    failures: u32,
    /// Upstreams in a row that lagged.
    laggards: u32,
}

/// Age of an upstream's content beyond which it is left for another, so that a follower of it is still of use for
/// `max_staleness` when it gets there. Above what an election costs, in which all upstreams are equally old.
pub(crate) fn lagging_age(max_staleness: Duration) -> Duration {
    max_staleness * LAGGING_AGE_TENTHS / 10
}

impl Patience {
    /// With so many upstreams to choose from.
    pub(crate) fn new(upstreams: usize) -> Self {
        Self { upstreams: u32::try_from(upstreams).unwrap_or(u32::MAX), failures: 0, laggards: 0 }
    }

    /// How long to stay with the next upstream if it lags: not at all as long as one is untried, then longer with every tour.
    pub(crate) fn stay(&self, random: u64) -> Duration {
        if self.laggards + 1 < self.upstreams {
            return Duration::ZERO;
        }
        let tours = (self.laggards + 1) / self.upstreams - 1;
        let stay = LAGGING_STAY_MIN.saturating_mul(2_u32.saturating_pow(tours.min(16))).min(LAGGING_STAY_MAX);
        stay / 2 + full_jitter(stay, random)
    }

    /// Notes how a stream ended, and whether it proved anything new enough before. Returns the pause before the next.
    pub(crate) fn ended(&mut self, ended: Ended, was_proven: bool, random: u64) -> Duration {
        // Who answers has not failed, however old the answer.
        self.failures = if was_proven || ended == Ended::Lagging { 0 } else { self.failures.saturating_add(1) };
        if was_proven {
            self.laggards = 0;
        }
        if ended == Ended::Lagging {
            self.laggards = self.laggards.saturating_add(1);
        }
        let ceiling = BACK_OFF_MIN.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(BACK_OFF_MAX);
        full_jitter(ceiling, random)
    }
}

/// Anything from nothing to `ceiling`.
fn full_jitter(ceiling: Duration, random: u64) -> Duration {
    let nanos = u128::from(u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX));
    Duration::from_nanos(u64::try_from((nanos * u128::from(random)) >> 64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default of nodes and edges.
    const BOUND: Duration = Duration::from_secs(5);
    /// The default interval of an edge's probes.
    const PROBE_INTERVAL: Duration = Duration::from_millis(200);
    /// What connecting, and an answer, take at most where the machine is not held up.
    const HOP: Duration = Duration::from_millis(20);
    const SEEDS: u64 = 20_000;

    struct Dice(u64);

    impl Dice {
        /// SplitMix64.
        fn roll(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }
    }

    /// Three upstreams; from time zero on the first is cut off, and there is no leader until `elected`. Returns the greatest
    /// age of a follower's copy until the others are fresh to it, and how many streams it opened.
    fn through_an_election(elected: Duration, start: usize, dice: &mut Dice) -> (Duration, u32) {
        let age_of = |seat: usize, at: Duration| if seat != 0 && at >= elected { Duration::ZERO } else { at };
        let mut patience = Patience::new(3);
        let (mut at, mut seat, mut streams) = (full_jitter(PROBE_INTERVAL, dice.roll()), start, 1);
        let (mut as_of, mut oldest) = (Duration::ZERO, Duration::ZERO);
        loop {
            let stay = patience.stay(dice.roll());
            let (mut was_proven, mut lagging_since) = (false, None);
            loop {
                let age = age_of(seat, at);
                oldest = oldest.max(at + HOP - as_of);
                as_of = as_of.max(at - age);
                if seat != 0 && at >= elected {
                    return (oldest, streams);
                }
                if age <= lagging_age(BOUND) {
                    was_proven = true;
                } else if at - *lagging_since.get_or_insert(at) >= stay {
                    break;
                }
                at += PROBE_INTERVAL;
            }
            at += patience.ended(Ended::Lagging, was_proven, dice.roll()) + HOP;
            seat = (seat + 1) % 3;
            streams += 1;
        }
    }

    #[test]
    fn p_41_an_election_of_four_seconds_leaves_no_follower_behind_the_bound() {
        for seed in 0..SEEDS {
            let mut dice = Dice(seed);
            let elected = Duration::from_secs(1) + full_jitter(Duration::from_secs(3), dice.roll());
            let start = usize::try_from(seed % 3).expect("below three");
            let (oldest, streams) = through_an_election(elected, start, &mut dice);
            assert!(oldest < BOUND, "seed {seed}: {oldest:?} old after an election of {elected:?}, {streams} streams");
        }
    }

    #[test]
    fn an_election_as_they_are_moves_only_the_followers_of_the_node_that_was_cut_off() {
        for seed in 0..SEEDS {
            let mut dice = Dice(seed);
            let start = usize::try_from(seed % 3).expect("below three");
            let (_, streams) = through_an_election(Duration::from_millis(3_300), start, &mut dice);
            assert_eq!(streams, if start == 0 { 2 } else { 1 }, "seed {seed}");
        }
    }

    #[test]
    fn where_no_majority_is_tours_become_slow() {
        let mut patience = Patience::new(3);
        let mut dice = Dice(1);
        let mut tour = || {
            let one = |_| {
                let stay = patience.stay(dice.roll());
                stay + patience.ended(Ended::Lagging, false, dice.roll())
            };
            (0..3).map(one).sum::<Duration>()
        };
        let tours: Vec<Duration> = (0..10).map(|_| tour()).collect();
        assert!(tours[0] < Duration::from_secs(2), "{tours:?}");
        assert!(tours[9] >= 3 * LAGGING_STAY_MAX / 2, "{tours:?}");
        assert!(tours[9] <= 3 * (LAGGING_STAY_MAX * 3 / 2 + BACK_OFF_MIN), "{tours:?}");
    }

    #[test]
    fn pauses_double_with_failures_and_begin_anew_with_an_answer() {
        let mut patience = Patience::new(1);
        let pauses: Vec<Duration> = (0..8).map(|_| patience.ended(Ended::Broken, false, u64::MAX)).collect();
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
        assert!(pauses[7] <= BACK_OFF_MAX && pauses[7] > BACK_OFF_MAX / 2, "{pauses:?}");
        assert!(patience.ended(Ended::Broken, true, u64::MAX) <= BACK_OFF_MIN);
    }
}
