//! Spreads the times at which clients come back, so that a fleet that was answered at once does not return at once.

use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_platform::Random;

/// A cheap stream of numbers, seeded once from the randomness seam: drawing from the operating system for every check
/// would cost more than the decision.
#[derive(Debug)]
pub(crate) struct Jitter(AtomicU64);

impl Jitter {
    pub(crate) fn new(random: &dyn Random) -> Self {
        Self(AtomicU64::new(random.u64()))
    }

    /// Whole seconds, evenly spread over half to one and a half times `middle_ms`; at least 1.
    pub(crate) fn retry_after_s(&self, middle_ms: u64) -> u64 {
        let half = middle_ms / 2;
        let spread = u64::try_from((u128::from(middle_ms) * u128::from(self.next())) >> 64).unwrap_or(0);
        ((half.saturating_add(spread)).saturating_add(500) / 1_000).max(1)
    }

    /// SplitMix64: a counter whose every value is mixed.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_platform::SeededRandom;

    use super::*;

    #[test]
    fn spreads_evenly_over_half_to_one_and_a_half() {
        let jitter = Jitter::new(&SeededRandom::new(1));
        let mut tenths = [0u32; 10];
        for _ in 0..10_000 {
            let s = jitter.retry_after_s(300_000);
            assert!((150..=450).contains(&s), "{s}");
            let tenth = usize::try_from((s - 150) / 30).expect("at most 10").min(9);
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|n| (800..1_200).contains(n)), "seed 1: {tenths:?}");
    }

    #[test]
    fn never_asks_to_come_back_at_once_and_never_overflows() {
        let jitter = Jitter::new(&SeededRandom::new(1));
        assert!((0..100).all(|_| jitter.retry_after_s(0) == 1));
        assert!(jitter.retry_after_s(u64::MAX) >= 1);
    }
}
