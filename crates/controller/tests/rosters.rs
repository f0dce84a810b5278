//! Rosters: who joins, and that nobody is put off for another.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use proptest::prelude::*;
use support::{HOUR, PUBLISH, Runner, SUPERSEDE, device, of_env, percent, stage, staged};
use tidegate_model::{Basis, Exposure, ObjectRef, Policy, Spec};

fn counted(release: &str, count: u32) -> Policy {
    staged(release, vec![stage("some", Exposure::Count(count), None)])
}

#[test]
fn g_52_g_54_a_count_admits_exactly_so_many_and_raising_it_adds_the_rest() {
    let mut runner = Runner::with(counted("r1", 40));
    assert!(runner.offered(500, "r1").is_empty(), "nobody is known yet");
    runner.sees(0..500, &[]);
    let first = runner.offered(500, "r1");
    assert_eq!(first.len(), 40);
    // Those of the lowest positions.
    let salt = runner.release("r1").rollout.salt.unwrap();
    let mut all: Vec<_> = (0..500).map(|i| (salt.position(&format!("d{i}")), i)).collect();
    all.sort();
    assert_eq!(first, all[..40].iter().map(|(_, i)| *i).collect::<BTreeSet<_>>());
    let version = runner.version("r1");
    runner.apply(vec![Spec::Policy(counted("r1", 60))]);
    let second = runner.offered(500, "r1");
    assert_eq!(second.len(), 60);
    assert!(first.is_subset(&second));
    assert_eq!(runner.version("r1"), version, "a growing roster does not count");
}

#[test]
fn g_55_a_share_by_roster_is_rounded_up() {
    let mut runner = Runner::new();
    runner.sees(0..5, &[]).apply(vec![Spec::Policy(staged("r1", vec![stage("some", percent(10, Basis::Roster), None)]))]);
    runner.act("r1", PUBLISH);
    assert_eq!(runner.offered(5, "r1").len(), 1);
    runner.sees(5..21, &[]);
    assert_eq!(runner.offered(21, "r1").len(), 3);
}

#[test]
fn with_registered_devices_only_those_enter() {
    let mut runner = Runner::new();
    runner.sees(0..50, &[]);
    let registered = (10..14).map(|i| Spec::Device(device(&format!("d{i}"), Some("stable"), &[]))).collect();
    runner.apply(registered).apply(vec![Spec::Policy(counted("r1", 20))]).act("r1", PUBLISH);
    assert_eq!(runner.offered(50, "r1"), (10..14).collect());
}

#[test]
fn only_devices_that_match_and_were_seen_lately_enter() {
    let mut runner = Runner::new();
    runner.sees(0..10, &[("env", "int")]).sees(10..20, &[("env", "prod")]);
    runner.apply(vec![Spec::Device(device("x", None, &[("env", "int")]))]);
    runner.delete(ObjectRef::Device(support::os(), support::key("x")));
    runner.at(31 * 24 * HOUR).sees(0..4, &[("env", "int")]);
    let mut policy = counted("r1", 100);
    policy.stages[0].selector = of_env("int");
    runner.apply(vec![Spec::Policy(policy)]).act("r1", PUBLISH);
    assert_eq!(runner.release("r1").rollout.admitted.len(), 4);
    runner.sees(4..5, &[("env", "int")]);
    assert_eq!(runner.release("r1").rollout.admitted.len(), 5);
}

#[test]
fn p_14_a_superseding_rollout_takes_the_roster_over() {
    let mut runner = Runner::new();
    runner.sees(0..100, &[]).apply(vec![Spec::Policy(counted("r1", 10)), Spec::Policy(counted("r2", 10))]);
    runner.act("r1", PUBLISH);
    let first = runner.offered(100, "r1");
    runner.sees(100..300, &[]).act("r2", SUPERSEDE);
    assert_eq!(runner.offered(300, "r2"), first);
}

#[test]
fn a_roster_is_filled_by_deltas() {
    let mut runner = Runner::with(counted("r1", 25_000));
    runner.sees(0..30_000, &[]);
    assert_eq!(runner.release("r1").rollout.admitted.len(), 25_000);
    let bound = tidegate_controller::limits::ADMIT_KEYS_MAX;
    assert_eq!(runner.steered.len(), 25_000usize.div_ceil(bound));
}

#[derive(Clone, Debug)]
enum Act {
    Join(usize),
    Register(usize),
    Leave(usize),
    Resize(u32),
    Supersede,
    Wait,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..40usize).prop_map(Act::Join),
        1 => (0..40usize).prop_map(Act::Register),
        2 => (0..40usize).prop_map(Act::Leave),
        3 => (1..25u32).prop_map(Act::Resize),
        1 => Just(Act::Supersede),
        1 => Just(Act::Wait),
    ];
    proptest::collection::vec(act, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// P-18: whatever joins, leaves, raises and supersedes come, no more devices were ever admitted than the greatest n so
    /// far. P-19: raising n or a join puts nobody off, a leave admits nobody, and with registered devices from the
    /// beginning no other one is ever admitted.
    #[test]
    fn p_18_p_19_slots_are_never_used_again(acts in acts(), registered: bool, by_count: bool) {
        let exposure = |n: u32| if by_count { Exposure::Count(n) } else { percent(n * 4, Basis::Roster) };
        let policy = |release: &str, n| staged(release, vec![stage("some", exposure(n), None)]);
        let mut runner = Runner::new();
        runner.apply(vec![Spec::Cohort(support::cohort("beta"))]);
        if registered {
            runner.apply(vec![Spec::Device(device("d0", Some("stable"), &[]))]);
        }
        runner.apply(vec![Spec::Policy(policy("r1", 5))]).act("r1", PUBLISH);
        let (mut current, mut n, mut greatest, mut hours) = ("r1", 5, 5, 0);
        let mut ever: BTreeSet<String> = BTreeSet::new();
        let on_it = |runner: &Runner, release: &str| -> BTreeSet<String> {
            runner.release(release).rollout.admitted.iter().map(ToString::to_string).collect()
        };
        for act in acts {
            let before = on_it(&runner, current);
            match act.clone() {
                Act::Join(i) => drop(runner.sees(i..i + 1, &[])),
                Act::Register(i) => {
                    if registered {
                        runner.apply(vec![Spec::Device(device(&format!("d{i}"), Some("stable"), &[]))]);
                    }
                }
                // One registered device stays, so that the cohort always has one.
                Act::Leave(0) if registered => {}
                Act::Leave(i) => {
                    let record = ObjectRef::Device(support::os(), support::key(&format!("d{i}")));
                    if runner.state.catalog().get(&record).is_some() {
                        runner.apply(vec![Spec::Device(device(&format!("d{i}"), Some("beta"), &[]))]);
                    } else {
                        runner.sees(i..i + 1, &[("cohort", "beta")]);
                    }
                }
                Act::Resize(to) => {
                    n = to;
                    runner.apply(vec![Spec::Policy(policy(current, n))]);
                }
                Act::Supersede => {
                    if current == "r1" {
                        current = "r2";
                        runner.apply(vec![Spec::Policy(policy(current, n))]).act(current, SUPERSEDE);
                    }
                }
                Act::Wait => {
                    hours += 24 * 20;
                    runner.at(hours * HOUR);
                }
            }
            let after = on_it(&runner, current);
            greatest = greatest.max(n);
            ever.extend(after.iter().cloned());
            let bound = if by_count { greatest as usize } else { runner.release(current).rollout.admitted_max as usize };
            prop_assert!(ever.len() <= bound, "{} were admitted of {} after {:?}", ever.len(), bound, act);
            let shrinks = by_count && matches!(act, Act::Resize(to) if (to as usize) < before.len());
            prop_assert!(shrinks || before.is_subset(&after), "{:?} puts somebody off", act);
            if matches!(act, Act::Leave(_) | Act::Wait) && !by_count {
                prop_assert_eq!(&before, &after, "{:?} admits somebody", act);
            }
            if registered {
                let is_registered = |key: &String| runner.state.catalog().devices().contains_key(&(support::os(), support::key(key)));
                prop_assert!(after.iter().all(is_registered));
            }
        }
    }
}
