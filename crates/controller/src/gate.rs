//! The judgement of a gate: a function of the gate, what was counted, and whether the bake is over.

use tidegate_model::{Gate, Lack};

use crate::tally::{Counts, Tally};

/// What a gate says of a stage or cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It failed, for this reason.
    Fail(Failure),
    /// Nothing failed, and it has not settled.
    Unsettled,
    /// It has settled, and its bake goes on.
    Baking,
    /// The bake is over, nothing failed, and this lacks.
    Lacks(Lack),
    /// Everything that was asked for is there.
    Pass,
}

/// Which limit was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A problem that no other release of the product has shown.
    NewProblem,
    /// More failures than the share that is borne.
    Share,
    /// As many failures as are borne at most.
    Number,
}

/// How far a stage or cell is on its way to its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progressed {
    /// Not settled.
    Open,
    /// Settled; the bake goes on.
    Baking,
    /// Settled, and the bake is over.
    Baked,
}

/// Judges. Fail comes before pass.
#[must_use]
pub fn verdict(gate: &Gate, tally: &Tally, progressed: Progressed, approvals: u64) -> Verdict {
    if let Some(failure) = failure(gate, tally) {
        return Verdict::Fail(failure);
    }
    match progressed {
        Progressed::Open => Verdict::Unsettled,
        Progressed::Baking => Verdict::Baking,
        Progressed::Baked => lack(gate, tally, approvals).map_or(Verdict::Pass, Verdict::Lacks),
    }
}

/// The limit that is broken, if any. After an acknowledgement, only by more failures than there were then, or by another
/// new problem. A new problem needs no sample, and is named before the limits: it says more than a number.
fn failure(gate: &Gate, tally: &Tally) -> Option<Failure> {
    if gate.fail_on_new_problem && tally.new_problems > 0 {
        return Some(Failure::NewProblem);
    }
    let Counts { attempted, failed, .. } = tally.all;
    if failed <= tally.failed_at_acknowledgement {
        return None;
    }
    let is_sample = attempted >= u64::from(gate.min_sample);
    if is_sample && gate.max_failure_share.is_some_and(|share| parts(failed) > at_most(share, attempted)) {
        return Some(Failure::Share);
    }
    gate.max_failures.is_some_and(|cap| failed >= u64::from(cap)).then_some(Failure::Number)
}

/// What lacks for a pass once the bake is over. Approvals come last: they are named only if nothing else lacks.
fn lack(gate: &Gate, tally: &Tally, approvals: u64) -> Option<Lack> {
    let Counts { attempted, succeeded, .. } = tally.own;
    let is_vacuous = tally.known == 0 && gate.allow_empty;
    if tally.known == 0 && !gate.allow_empty && asks_for_devices(gate) {
        return Some(Lack::Devices);
    }
    if !is_vacuous && attempted < u64::from(gate.min_sample) {
        return Some(Lack::Sample);
    }
    // A share of nobody is no success.
    let reaches = |share| attempted > 0 && parts(succeeded) >= at_most(share, attempted);
    if !is_vacuous && gate.min_success_share.is_some_and(|share| !reaches(share)) {
        return Some(Lack::Success);
    }
    (approvals < u64::from(gate.approvals)).then_some(Lack::Approvals)
}

/// True if the gate names a limit or a sample: then a stage without any device cannot satisfy it. To watch for new problems
/// is neither: where nobody is, nothing new is told.
pub(crate) fn asks_for_devices(gate: &Gate) -> bool {
    gate.min_sample > 0 || gate.max_failure_share.is_some() || gate.max_failures.is_some() || gate.min_success_share.is_some()
}

/// True once enough is told. Without a sample: at once; else when that many devices have told an outcome, or all that are
/// to tell one have. A stage or cell without any known device does not settle by having nobody to wait for: its bake
/// would be over before the first device has been seen.
#[must_use]
pub fn is_settled(gate: &Gate, tally: &Tally) -> bool {
    let told = tally.own.succeeded + tally.own.failed;
    gate.min_sample == 0 || told >= u64::from(gate.min_sample) || (tally.known > 0 && tally.awaited == 0)
}

fn parts(devices: u64) -> u128 {
    u128::from(devices) * 1_000_000
}

fn at_most(share: tidegate_model::Ppm, devices: u64) -> u128 {
    u128::from(share.get()) * u128::from(devices)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use tidegate_model::{Ppm, Span};

    use super::*;

    fn share(percent: u32) -> Option<Ppm> {
        Some(Ppm::new(percent * 10_000).unwrap())
    }

    fn counted(attempted: u64, succeeded: u64, failed: u64) -> Tally {
        let counts = Counts { attempted, succeeded, failed, running: attempted - succeeded - failed, ..Counts::default() };
        Tally { all: counts, own: counts, known: attempted, ..Tally::default() }
    }

    fn baked(gate: &Gate, tally: &Tally) -> Verdict {
        verdict(gate, tally, Progressed::Baked, 0)
    }

    #[test]
    fn g_66_more_failures_than_the_limit_fail() {
        let gate = Gate { min_sample: 10, max_failure_share: share(20), ..Gate::default() };
        assert_eq!(verdict(&gate, &counted(10, 0, 2), Progressed::Open, 0), Verdict::Unsettled);
        assert_eq!(verdict(&gate, &counted(10, 0, 3), Progressed::Open, 0), Verdict::Fail(Failure::Share));
        assert_eq!(verdict(&gate, &counted(9, 0, 3), Progressed::Open, 0), Verdict::Unsettled, "below the sample");
        let cap = Gate { min_sample: 10, max_failures: Some(3), ..Gate::default() };
        assert_eq!(verdict(&cap, &counted(2, 0, 2), Progressed::Open, 0), Verdict::Unsettled);
        assert_eq!(verdict(&cap, &counted(3, 0, 3), Progressed::Open, 0), Verdict::Fail(Failure::Number), "reached");
    }

    #[test]
    fn g_67_a_success_floor_is_met_when_it_is_reached() {
        let gate = Gate { min_sample: 10, min_success_share: share(50), ..Gate::default() };
        assert_eq!(baked(&gate, &counted(10, 5, 0)), Verdict::Pass);
        assert_eq!(baked(&gate, &counted(10, 4, 0)), Verdict::Lacks(Lack::Success));
        assert_eq!(baked(&gate, &counted(9, 9, 0)), Verdict::Lacks(Lack::Sample));
    }

    #[test]
    fn g_68_fail_comes_before_pass() {
        let gate = Gate { min_sample: 10, min_success_share: share(50), max_failure_share: share(20), ..Gate::default() };
        assert_eq!(baked(&gate, &counted(10, 5, 3)), Verdict::Fail(Failure::Share));
    }

    #[test]
    fn an_acknowledged_failure_fails_again_only_with_more_failures() {
        let gate = Gate { min_sample: 10, max_failure_share: share(20), ..Gate::default() };
        let acknowledged = |failed| Tally { failed_at_acknowledgement: 3, ..counted(10, 5, failed) };
        assert_eq!(baked(&gate, &acknowledged(3)), Verdict::Pass);
        assert_eq!(baked(&gate, &acknowledged(4)), Verdict::Fail(Failure::Share));
        // The condition must hold, too.
        assert_eq!(baked(&gate, &Tally { failed_at_acknowledgement: 3, ..counted(40, 36, 4) }), Verdict::Pass);
    }

    #[test]
    fn g_75_a_new_problem_fails_at_once_and_before_any_limit() {
        let gate = Gate { min_sample: 10, max_failures: Some(1), fail_on_new_problem: true, ..Gate::default() };
        let tally = |new_problems| Tally { new_problems, ..counted(1, 0, 1) };
        assert_eq!(verdict(&gate, &tally(1), Progressed::Open, 0), Verdict::Fail(Failure::NewProblem));
        assert_eq!(verdict(&gate, &tally(0), Progressed::Open, 0), Verdict::Fail(Failure::Number));
        let blind = Gate { fail_on_new_problem: false, max_failures: None, ..gate.clone() };
        assert_eq!(verdict(&blind, &tally(1), Progressed::Open, 0), Verdict::Unsettled, "it was not asked to");
        // What was acknowledged is counted by the limits alone; a further problem fails again with no more failed devices.
        let acknowledged = |new_problems| Tally { failed_at_acknowledgement: 1, ..tally(new_problems) };
        assert_eq!(verdict(&gate, &acknowledged(0), Progressed::Open, 0), Verdict::Unsettled);
        assert_eq!(verdict(&gate, &acknowledged(1), Progressed::Open, 0), Verdict::Fail(Failure::NewProblem));
    }

    #[test]
    fn watching_for_new_problems_asks_for_no_devices() {
        let gate = Gate { fail_on_new_problem: true, ..Gate::default() };
        assert!(is_settled(&gate, &Tally::default()));
        assert_eq!(baked(&gate, &Tally::default()), Verdict::Pass, "no EMPTY_STAGE by itself");
    }

    #[test]
    fn nobody_is_no_evidence() {
        let asks = Gate { min_sample: 1, ..Gate::default() };
        assert_eq!(baked(&asks, &Tally::default()), Verdict::Lacks(Lack::Devices));
        assert_eq!(baked(&Gate { allow_empty: true, ..asks }, &Tally::default()), Verdict::Pass);
        assert_eq!(baked(&Gate { max_failures: Some(1), ..Gate::default() }, &Tally::default()), Verdict::Lacks(Lack::Devices));
        assert_eq!(baked(&Gate::default(), &Tally::default()), Verdict::Pass, "it asks for nothing");
        let approved = Gate { approvals: 2, bake: Span::from_secs(1), ..Gate::default() };
        assert_eq!(verdict(&approved, &Tally::default(), Progressed::Baked, 1), Verdict::Lacks(Lack::Approvals));
        assert_eq!(verdict(&approved, &Tally::default(), Progressed::Baked, 2), Verdict::Pass);
        let silent = Tally { known: 3, ..Tally::default() };
        let floor = Gate { min_success_share: share(50), ..Gate::default() };
        assert_eq!(baked(&floor, &silent), Verdict::Lacks(Lack::Success), "a share of nobody");
    }

    #[test]
    fn a_cell_settles_by_its_sample_or_by_all_that_are_awaited() {
        let gate = Gate { min_sample: 2, ..Gate::default() };
        let tally = |told, awaited, known| Tally { awaited, known, ..counted(told, told, 0) };
        assert!(is_settled(&Gate::default(), &Tally::default()), "no sample: at its opening");
        assert!(is_settled(&gate, &Tally { known: 9, ..tally(2, 7, 9) }));
        assert!(!is_settled(&gate, &Tally { known: 9, ..tally(1, 8, 9) }));
        assert!(is_settled(&gate, &Tally { known: 1, ..tally(1, 0, 1) }), "all known ones have told");
        assert!(!is_settled(&gate, &Tally::default()), "nobody to wait for is not enough");
    }

    fn gates() -> impl Strategy<Value = Gate> {
        let share = || proptest::option::of((0..=1_000_000u32).prop_map(|ppm| Ppm::new(ppm).unwrap()));
        (0..20u32, share(), share(), proptest::option::of(1..20u32), 0..3u32, any::<bool>()).prop_map(
            |(min_sample, max_failure_share, min_success_share, max_failures, approvals, fail_on_new_problem)| Gate {
                min_sample,
                max_failure_share,
                min_success_share,
                max_failures,
                approvals,
                fail_on_new_problem,
                ..Gate::default()
            },
        )
    }

    proptest! {
        /// P-46: of a fixed number of attempts, another failure never turns fail into anything else, another success
        /// never turns pass into anything else.
        #[test]
        fn p_46_verdicts_are_monotone_in_each_count(
            gate in gates(), attempted in 1..40u64, a in 0..40u64, b in 0..40u64, acknowledged in 0..5u64, approvals in 0..3u64,
            new_problems in 0..2u64,
        ) {
            let failed = a % attempted;
            let succeeded = b % (attempted - failed);
            let judge = |succeeded, failed| {
                let tally = Tally { failed_at_acknowledgement: acknowledged, new_problems, ..counted(attempted, succeeded, failed) };
                verdict(&gate, &tally, Progressed::Baked, approvals)
            };
            if let Verdict::Fail(_) = judge(succeeded, failed) {
                // Running devices fail, then succeeded ones do.
                prop_assert!(matches!(judge(succeeded, failed + 1), Verdict::Fail(_)));
                if succeeded > 0 {
                    prop_assert!(matches!(judge(succeeded - 1, failed + 1), Verdict::Fail(_)));
                }
            }
            if judge(succeeded, failed) == Verdict::Pass {
                prop_assert_eq!(judge(succeeded + 1, failed), Verdict::Pass);
                if failed > 0 {
                    prop_assert_eq!(judge(succeeded + 1, failed - 1), Verdict::Pass);
                }
            }
        }
    }
}
