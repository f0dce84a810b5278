//! Deliberately broken freshness, so that tests can prove they would notice. Compiled in with the feature `testing`
//! only; without it every question below is answered `false` by a constant.

/// One way to break the staleness promise.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Takes the clock when the proof is taken, before the decision, so that a stop in between goes unnoticed.
    ClockReadFirst,
    /// A repeated probe keeps the first attempt's start, and a failed one's start is credited to the next answer.
    ReusedStart,
    /// The leader answers read indexes from memory, without asking a majority.
    NoQuorumRound,
    /// Age is always zero.
    NeverExpires,
}

/// The breakage chosen at start, none in every real build.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) chosen: Option<Sabotage>,
}

macro_rules! faults {
    ($($name:ident = $variant:ident),* $(,)?) => {
        impl Faults {
            $(
                #[cfg(any(test, feature = "testing"))]
                pub(crate) fn $name(self) -> bool {
                    self.chosen == Some(Sabotage::$variant)
                }
                #[cfg(not(any(test, feature = "testing")))]
                #[allow(clippy::unused_self, reason = "mirrors the testing build")]
                pub(crate) const fn $name(self) -> bool {
                    false
                }
            )*
        }
    };
}

faults! {
    reads_clock_first = ClockReadFirst,
    reuses_start = ReusedStart,
    skips_quorum_round = NoQuorumRound,
    never_expires = NeverExpires,
}
