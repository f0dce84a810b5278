//! Gates: when a stage settles, passes, is doubted or fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use support::{ADVANCE, HOUR, Runner, after, canary, event, percent, share, stage, staged};
use tidegate_controller::EventKind::{Downloading, Failed, RolledBackLocally, Succeeded};
use tidegate_controller::{EventKind, Intake, Verdict};
use tidegate_model::{Basis, Exposure, Gate, HoldKind, HoldScope, OnGateFail, Ramp, Span, Spec, StageState, Verb};

const RESUME: Verb = Verb::Resume { acknowledge: true };

fn minutes(count: u64) -> Span {
    Span::from_secs(count * 60)
}

fn sample(min_sample: u32) -> Gate {
    Gate { min_sample, ..Gate::default() }
}

#[test]
fn g_66_more_failures_than_the_limit_pause_the_rollout() {
    let gate = Gate { max_failure_share: Some(share(20)), bake: minutes(60), ..sample(10) };
    let mut runner = Runner::with(canary("r1", gate));
    runner.sees(0..20, &[]).told(0..8, "r1", Succeeded).told(8..10, "r1", Failed);
    runner.expect("r1", "Active canary BAKING");
    // An eleventh device fails: 3 of 11 is more than a fifth.
    runner.told(10..11, "r1", Failed).expect("r1", "Paused canary - GATE_FAILED");
    assert_eq!(runner.hears("d15", &[]), "PAUSED");
    assert_eq!(runner.try_act("r1", Verb::Resume { acknowledge: false }, None), Err(tidegate_machine::Code::GateNotAcknowledged));
}

#[test]
fn g_67_a_stage_passes_when_the_floor_is_reached() {
    let gate = Gate { min_success_share: Some(share(50)), bake: minutes(60), ..sample(10) };
    let mut runner = Runner::with(canary("r1", gate.clone()));
    runner.sees(0..10, &[]).told(0..5, "r1", Succeeded).told(5..10, "r1", Failed).expect("r1", "Active canary BAKING");
    runner.at(HOUR - 1).expect("r1", "Active canary BAKING");
    runner.at(HOUR).expect("r1", "Active all RUNNING");

    let mut runner = Runner::with(canary("r1", gate));
    runner.sees(0..10, &[]).told(0..4, "r1", Succeeded).told(4..10, "r1", Failed);
    runner.at(HOUR).expect("r1", "Active canary INCONCLUSIVE");
    // More data: one of those that failed tries again and succeeds.
    runner.told(4..5, "r1", Succeeded).expect("r1", "Active all RUNNING");
}

#[test]
fn g_68_a_failed_gate_does_not_pass() {
    let gate = Gate { min_success_share: Some(share(50)), max_failure_share: Some(share(20)), ..sample(10) };
    let mut runner = Runner::with(canary("r1", gate));
    runner.sees(0..10, &[]).told(0..5, "r1", Succeeded).told(8..10, "r1", Downloading);
    runner.told(5..8, "r1", Failed).expect("r1", "Paused canary - GATE_FAILED");
}

#[test]
fn g_72_the_bake_begins_when_the_stage_has_settled() {
    let gate = Gate { bake: minutes(135), ..sample(2) };
    let mut runner = Runner::new();
    runner.at(9 * HOUR).apply(vec![Spec::Policy(canary("r1", gate))]).act("r1", support::PUBLISH);
    runner.sees(0..5, &[]).expect("r1", "Active canary RUNNING");
    runner.at(10 * HOUR).told(0..2, "r1", Succeeded).expect("r1", "Active canary BAKING");
    runner.at(12 * HOUR + 899).expect("r1", "Active canary BAKING");
    runner.at(12 * HOUR + 900).expect("r1", "Active all RUNNING");
    assert_eq!(runner.release("r1").rollout.stage_opened_at, Some(after(12 * HOUR + 900)));
}

#[test]
fn g_75_a_new_problem_is_told_and_an_acknowledged_failure_resumes_at_the_same_share() {
    let gate = Gate { max_failures: Some(1), bake: minutes(60), ..Gate::default() };
    let stages = vec![stage("some", percent(50, Basis::Hash), Some(gate)), stage("all", Exposure::All, None)];
    let mut runner = Runner::with(staged("r1", stages));
    runner.sees(0..40, &[]);
    let before = runner.offered(40, "r1");
    let mut crash = event("x", "d1", "r1", Failed, runner.now);
    crash.code = "SIGSEGV in modem".to_owned();
    assert_eq!(runner.take_in(&crash), Intake::Counted);
    runner.settle();
    runner.expect("r1", "Paused some - GATE_FAILED");
    assert_eq!(runner.explain("r1").new_codes, [("SIGSEGV in modem".to_owned(), 1)]);
    runner.at(HOUR).act_because("r1", RESUME, "false positive").expect("r1", "Active some BAKING false positive");
    assert_eq!(runner.offered(40, "r1"), before);
    // Settling and bake start again at the resume.
    runner.at(2 * HOUR - 1).expect("r1", "Active some BAKING false positive").at(2 * HOUR).expect("r1", "Active all RUNNING");
}

#[test]
fn what_was_acknowledged_fails_no_more_and_one_more_failure_does() {
    let gate = Gate { max_failures: Some(2), ..sample(100) };
    let mut runner = Runner::with(canary("r1", gate));
    runner.sees(0..200, &[]).at(60).told(0..2, "r1", Failed).expect("r1", "Paused canary - GATE_FAILED");
    // Failures that come while it is paused, before the acknowledgement, are of its baseline.
    runner.at(120).told(2..3, "r1", Failed).at(180).act_because("r1", RESUME, "known");
    assert_eq!(runner.release("r1").rollout.state, tidegate_model::RolloutState::Active);
    // One more at the very instant of the acknowledgement comes after it.
    runner.told(3..4, "r1", RolledBackLocally).expect("r1", "Paused canary - GATE_FAILED");
    let counts = runner.health.counts(runner.state.catalog(), &support::release_id("r1"), None);
    assert_eq!((counts.failed, counts.rolled_back, counts.attempted), (4, 1, 4));
}

#[test]
fn a_late_failure_stops_what_runs_now() {
    let gate = || Some(Gate { max_failures: Some(1), ..sample(2) });
    let stages = vec![stage("one", Exposure::All, gate()), stage("two", Exposure::All, gate())];
    let mut runner = Runner::with(staged("r1", stages));
    runner.sees(0..4, &[]).told(0..2, "r1", Succeeded);
    // The others have told nothing yet; the second stage waits for them alone.
    runner.expect("r1", "Active two RUNNING");
    assert_eq!(runner.explain("r1").counts.silent, 2);
    runner.told(0..1, "r1", Succeeded).expect("r1", "Active two RUNNING");
    runner.told(1..2, "r1", Failed).expect("r1", "Paused two - GATE_FAILED");
}

#[test]
fn devices_that_began_earlier_are_not_waited_for() {
    let stages = vec![
        stage("one", Exposure::All, Some(sample(2))),
        stage("two", Exposure::All, Some(sample(9))),
        stage("all", Exposure::All, None),
    ];
    let mut runner = Runner::with(staged("r1", stages));
    runner.sees(0..4, &[]).told(0..2, "r1", Succeeded).expect("r1", "Active two RUNNING");
    // Both that are left have told: it settles, with too small a sample.
    runner.at(60).told(2..4, "r1", Succeeded).expect("r1", "Active two INCONCLUSIVE");
    runner.sees(4..20, &[]).told(4..10, "r1", Succeeded).expect("r1", "Active two INCONCLUSIVE");
    runner.told(10..11, "r1", Downloading).expect("r1", "Active all RUNNING");
}

#[test]
fn nothing_settles_before_the_ramp_has_ended() {
    let ramp = Ramp::Groups { groups: 2, interval: minutes(60) };
    let stages = vec![
        stage("slow", Exposure::Ramp(ramp), Some(Gate { bake: minutes(60), ..Gate::default() })),
        stage("all", Exposure::All, None),
    ];
    let mut runner = Runner::with(staged("r1", stages));
    runner.expect("r1", "Active slow RUNNING").at(HOUR - 1).expect("r1", "Active slow RUNNING");
    runner.at(HOUR).expect("r1", "Active slow BAKING").at(2 * HOUR).expect("r1", "Active all RUNNING");
}

#[test]
fn a_stage_without_devices_is_inconclusive_unless_it_may_be_empty() {
    let gate = Gate { bake: minutes(60), ..sample(1) };
    let mut runner = Runner::with(canary("r1", gate.clone()));
    runner.at(HOUR - 1).expect("r1", "Active canary RUNNING").at(HOUR).expect("r1", "Active canary INCONCLUSIVE EMPTY_STAGE");
    // A device comes and tells: the stage settles then, and bakes.
    runner.at(2 * HOUR).sees(0..1, &[]).expect("r1", "Active canary RUNNING");
    runner.at(3 * HOUR).told(0..1, "r1", Succeeded).expect("r1", "Active canary BAKING");
    runner.at(4 * HOUR).expect("r1", "Active all RUNNING");

    let mut runner = Runner::with(canary("r1", Gate { allow_empty: true, ..gate.clone() }));
    runner.at(HOUR - 1).expect("r1", "Active canary BAKING").at(HOUR).expect("r1", "Active all RUNNING");

    // Devices outside the selector do not fill it; a gate that names neither limit nor sample asks for none.
    for (gate, shows) in [
        (Gate { bake: minutes(60), ..sample(1) }, "Active canary INCONCLUSIVE EMPTY_STAGE"),
        (Gate { bake: minutes(60), ..Gate::default() }, "Active all RUNNING"),
        (Gate { bake: minutes(60), max_failures: Some(1), ..Gate::default() }, "Active canary INCONCLUSIVE EMPTY_STAGE"),
    ] {
        let mut policy = canary("r1", gate);
        policy.stages[0].selector = support::of_env("int");
        let mut runner = Runner::with(policy);
        runner.sees(0..5, &[("env", "prod")]).at(HOUR).expect("r1", shows);
    }
}

#[test]
fn approvals_come_from_different_people_and_belong_to_the_open_stage() {
    let gate = Gate { approvals: 2, bake: minutes(60), ..Gate::default() };
    let mut runner = Runner::with(canary("r1", gate));
    let approve = |by: &str| Verb::Approve { by: Some(tidegate_model::Principal::new(by).unwrap()), device: None };
    runner.act("r1", approve("ann")).act("r1", approve("ann"));
    runner.expect("r1", "Active canary BAKING").at(HOUR).expect("r1", "Active canary AWAITING_APPROVAL");
    assert_eq!(runner.explain("r1").verdict, Some(Verdict::Lacks(tidegate_model::Lack::Approvals)));
    runner.act("r1", approve("bob")).expect("r1", "Active all RUNNING");
    assert!(runner.release("r1").rollout.approvals.is_empty());
}

#[test]
fn a_failed_gate_withdraws_if_the_policy_says_so() {
    let mut policy = canary("r1", Gate { max_failures: Some(1), bake: minutes(1), ..Gate::default() });
    policy.on_gate_fail = OnGateFail::Withdraw;
    let mut runner = Runner::with(policy);
    runner.told(0..1, "r1", Failed).expect("r1", "RolledBack canary - GATE_FAILED");
}

#[test]
fn a_gate_that_asks_for_nothing_passes_when_it_has_settled() {
    Runner::with(canary("r1", Gate::default())).expect("r1", "Active all RUNNING");
    // Without a gate a stage is left by hand.
    let mut runner = Runner::with(staged("r1", vec![stage("one", Exposure::All, None), stage("all", Exposure::All, None)]));
    runner.at(999 * HOUR).expect("r1", "Active one RUNNING").act("r1", ADVANCE).expect("r1", "Active all RUNNING");
}

#[test]
fn g_95_a_repeated_event_counts_once() {
    let gate = Gate { max_failures: Some(2), bake: minutes(1), ..Gate::default() };
    let mut runner = Runner::with(canary("r1", gate));
    let failed = event("same", "d1", "r1", Failed, runner.now);
    assert_eq!(runner.take_in(&failed), Intake::Counted);
    assert_eq!(runner.take_in(&failed), Intake::Duplicate);
    runner.settle();
    assert_eq!(runner.explain("r1").counts.failed, 1);
}

#[test]
fn p_47_pauses_and_freezes_do_not_count_towards_a_bake() {
    let gate = Gate { bake: minutes(60), ..Gate::default() };
    let mut runner = Runner::with(canary("r1", gate));
    runner.at(1_000).act("r1", Verb::Pause).at(5_000).act("r1", Verb::Resume { acknowledge: false });
    let freeze = |scope| Spec::Hold(support::hold("f", HoldKind::Freeze, scope));
    runner.at(5_600).apply(vec![freeze(HoldScope::Product)]);
    runner.at(9_000).expect("r1", "Active canary BAKING");
    runner.delete(tidegate_model::ObjectRef::Hold(tidegate_model::HoldId::new("f").unwrap()));
    // 1,000 + 600 seconds have been baked, 2,000 are left.
    runner.at(10_999).expect("r1", "Active canary BAKING").at(11_000).expect("r1", "Active all RUNNING");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// P-47: whatever pauses and freezes come between, the stage passes exactly when its bake has elapsed without them,
    /// also if the evidence is lost on the way and a new leader begins with none.
    #[test]
    fn p_47_a_stage_passes_when_its_bake_has_elapsed(
        bake in 1..5_000u64, stops in proptest::collection::vec((1..3_000u64, 1..3_000u64, any::<bool>()), 0..5), forget: bool,
    ) {
        let mut runner = Runner::with(canary("r1", Gate { bake: Span::from_secs(bake), ..Gate::default() }));
        let (mut at, mut baked) = (0, 0);
        for (number, (run, stop, by_freeze)) in stops.into_iter().enumerate() {
            if baked + run >= bake {
                break;
            }
            at += run;
            baked += run;
            runner.at(at);
            if forget {
                runner.health = tidegate_controller::Health::new();
            }
            if by_freeze {
                let mut hold = support::hold(&format!("f{number}"), HoldKind::Freeze, HoldScope::Cohort(support::cohort_id("stable")));
                hold.until = Some(after(at + stop));
                runner.apply(vec![Spec::Hold(hold)]);
            } else {
                runner.act("r1", Verb::Pause);
                runner.at(at + stop).act("r1", Verb::Resume { acknowledge: false });
            }
            at += stop;
        }
        let passes = at + bake - baked;
        prop_assert_eq!(runner.at(passes - 1).release("r1").rollout.stage_index, 0);
        prop_assert_eq!(runner.at(passes).release("r1").rollout.stage_index, 1);
    }

    /// P-45: neither the order of distinct events nor their repetition changes what a gate sees and says.
    #[test]
    fn p_45_the_verdict_is_that_of_the_set_of_events(
        told in proptest::collection::vec((0..6usize, 0..9usize, 0..1_000u64), 1..30), seed: u64, min_sample in 0..5u32,
        fail_on_new_problem: bool,
    ) {
        let gate = Gate { max_failure_share: Some(share(40)), max_failures: Some(3), min_success_share: Some(share(50)),
            bake: minutes(60), fail_on_new_problem, ..sample(min_sample) };
        let mut policy = canary("r1", gate);
        policy.stages[0].domains = support::domains(&["a", "b"], 2);
        let mut base = Runner::with(policy);
        base.sees(0..3, &[("fd", "a")]).sees(3..6, &[("fd", "b")]);
        // Distinct instants on the device's clock: of two at one instant the later to arrive wins.
        let events: Vec<_> = told.iter().enumerate().map(|(i, (device, kind, at))| {
            let at = tidegate_model::Timestamp::from_millis(after(*at).as_millis() + i as i64);
            let code = ["", "c1", "c2"][i % 3].to_owned();
            tidegate_controller::Event { code, ..event(&format!("e{i}"), &format!("d{device}"), "r1", EventKind::ALL[*kind], at) }
        }).collect();
        let mut shuffled = events.clone();
        let mut dice = seed;
        for i in (1..shuffled.len()).rev() {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (dice >> 33) as usize % (i + 1));
        }
        let repeated: Vec<_> = shuffled.iter().chain(&events).cloned().collect();
        let see = |events: &[tidegate_controller::Event]| {
            let mut runner = base.clone();
            for event in events {
                runner.take_in(event);
            }
            let progress = runner.explain("r1");
            runner.settle();
            (progress.counts, progress.cells, runner.shows("r1"))
        };
        let expected = see(&events);
        prop_assert_eq!(&see(&shuffled), &expected);
        prop_assert_eq!(&see(&repeated), &expected);
    }
}

#[test]
fn a_stage_that_is_judged_is_open_again_after_an_acknowledgement() {
    let gate = Gate { max_failures: Some(1), bake: minutes(60), ..Gate::default() };
    let mut runner = Runner::with(canary("r1", gate));
    runner.told(0..1, "r1", Failed);
    assert_eq!(runner.release("r1").rollout.stage_state, StageState::Failed);
    runner.at(60).act_because("r1", RESUME, "known");
    assert_eq!(runner.release("r1").rollout.stage_settled_at, Some(after(60)));
}
