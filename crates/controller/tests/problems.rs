//! G-75: problems that no other release of the product has shown.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{HOUR, PUBLISH, Runner, SUPERSEDE, after, canary, percent, stage, staged};
use tidegate_controller::EventKind::{Failed, RolledBackLocally, Succeeded};
use tidegate_controller::gate::Failure;
use tidegate_controller::{Health, Verdict};
use tidegate_model::{Basis, Exposure, Gate, OnGateFail, Span, Spec, Verb};

const RESUME: Verb = Verb::Resume { acknowledge: true };

fn watching() -> Gate {
    Gate { fail_on_new_problem: true, bake: Span::from_secs(HOUR), ..Gate::default() }
}

fn new_codes(runner: &Runner, release: &str) -> Vec<String> {
    runner.explain(release).new_codes.into_iter().map(|(code, _)| code).collect()
}

#[test]
fn g_75_a_new_problem_pauses_and_a_false_positive_resumes_at_the_same_share() {
    let gate = Gate { min_sample: 50, ..watching() };
    let stages = vec![stage("some", percent(50, Basis::Hash), Some(gate)), stage("all", Exposure::All, None)];
    let mut runner = Runner::with(staged("r1", stages));
    runner.sees(0..40, &[]);
    let before = runner.offered(40, "r1");
    // What r0 has shown is not new, nor is a failure without a code or the code of a success.
    runner.notes(1, "r0", Failed, "wifi");
    runner.notes(42, "r1", RolledBackLocally, "wifi");
    runner.notes(3, "r1", Failed, "");
    runner.tells(4, "r1", Succeeded, "fine").expect("r1", "Active some RUNNING");
    assert!(new_codes(&runner, "r1").is_empty());
    // One device is enough, whatever the sample.
    runner.notes(45, "r1", RolledBackLocally, "modem");
    assert_eq!(runner.explain("r1").verdict, Some(Verdict::Fail(Failure::NewProblem)));
    runner.settle();
    runner.expect("r1", "Paused some - NEW_PROBLEM");
    assert_eq!(new_codes(&runner, "r1"), ["modem"]);
    let waits = runner.explain("r1").waits.join("");
    assert!(waits.contains("new problem (modem)"), "{waits}");
    // What is told until the acknowledgement belongs to it, also at its instant.
    runner.at(60);
    runner.notes(6, "r1", Failed, "camera");
    runner.act_because("r1", RESUME, "false positive").expect("r1", "Active some RUNNING false positive");
    assert_eq!(runner.offered(40, "r1"), before);
    runner.notes(7, "r1", Failed, "modem");
    runner.tells(8, "r1", Failed, "camera").expect("r1", "Active some RUNNING false positive");
    // A further one, at the very instant of the acknowledgement, comes after it.
    runner.tells(9, "r1", Failed, "audio").expect("r1", "Paused some - NEW_PROBLEM");
    let waits = runner.explain("r1").waits.join("");
    assert!(waits.contains("new problem (audio)"), "{waits}");
    assert_eq!(new_codes(&runner, "r1"), ["audio", "camera", "modem"], "false positives are told, too");
}

#[test]
fn g_75_the_next_release_inherits_what_is_known_and_the_one_before_does_not_excuse_it() {
    let mut runner = Runner::with(canary("r1", Gate { fail_on_new_problem: false, ..watching() }));
    runner.apply(vec![Spec::Policy(canary("r2", watching()))]);
    runner.tells(1, "r1", Failed, "modem").expect("r1", "Active canary BAKING").act("r2", SUPERSEDE);
    runner.tells(1, "r2", Failed, "modem").expect("r2", "Active canary BAKING");
    // Both releases show the same problem before anybody judges: it is new in the one that showed it first.
    runner.notes(2, "r2", Failed, "audio");
    runner.tells(3, "r1", Failed, "audio").expect("r2", "Paused canary - NEW_PROBLEM");
    assert_eq!(new_codes(&runner, "r2"), ["audio"]);
    assert_eq!(new_codes(&runner, "r1"), ["modem"]);
}

#[test]
fn g_75_a_problem_belongs_to_the_stages_in_which_it_is_told() {
    let blind = Gate { fail_on_new_problem: false, ..watching() };
    let stages = vec![
        stage("blind", Exposure::All, Some(blind)),
        stage("watching", Exposure::All, Some(watching())),
        stage("all", Exposure::All, None),
    ];
    let mut runner = Runner::with(staged("r1", stages));
    runner.notes(1, "r1", Failed, "modem");
    runner.at(HOUR).expect("r1", "Active watching BAKING");
    runner.tells(1, "r1", Failed, "modem").expect("r1", "Paused watching - NEW_PROBLEM");
}

#[test]
fn g_75_a_new_problem_fails_its_cell_or_the_stage_if_it_is_in_none() {
    let mut policy = canary("r1", watching());
    policy.stages[0].domains = support::domains(&["a", "b"], 2);
    let mut base = Runner::with(policy.clone());
    base.sees(0..2, &[("fd", "a")]).sees(2..4, &[("fd", "b")]);
    for (device, cells) in [(2, "a:Settled b:Failed"), (9, "a:Settled b:Settled")] {
        let mut runner = base.clone();
        runner.notes(device, "r1", Failed, "modem");
        runner.settle();
        runner.expect("r1", "Paused canary - NEW_PROBLEM");
        assert_eq!(runner.cells("r1"), cells);
        runner.at(60).act_because("r1", RESUME, "known").at(HOUR + 60).expect("r1", "Active all RUNNING");
    }
    // Judged as a whole, and told in a cell that has passed.
    policy.stages[0].domains.as_mut().unwrap().gate_each = false;
    let mut runner = Runner::with(policy);
    runner.sees(0..2, &[("fd", "a")]);
    runner.tells(0, "r1", Failed, "modem").expect("r1", "Paused canary - NEW_PROBLEM");
}

#[test]
fn g_75_the_policy_may_withdraw() {
    let mut policy = canary("r1", watching());
    policy.on_gate_fail = OnGateFail::Withdraw;
    let mut runner = Runner::with(policy);
    runner.tells(1, "r1", Failed, "modem").expect("r1", "RolledBack canary - NEW_PROBLEM");
}

#[test]
fn g_75_nobody_has_no_problem() {
    let mut policy = canary("r1", watching());
    policy.stages[0].selector = support::of_env("int");
    let mut runner = Runner::with(policy);
    runner.sees(0..5, &[("env", "prod")]).at(HOUR - 1).expect("r1", "Active canary BAKING");
    runner.at(HOUR).expect("r1", "Active all RUNNING");
    // Without bake or sample it passes at its opening, as any gate that asks for nothing.
    let mut runner = Runner::new();
    runner.apply(vec![Spec::Policy(canary("r1", Gate { bake: Span::ZERO, ..watching() }))]).act("r1", PUBLISH);
    runner.expect("r1", "Active all RUNNING");
}

/// Whoever keeps evidence anew goes by instants: what is told after the acknowledgement is new to it.
#[test]
fn g_75_new_evidence_begins_with_nothing_known() {
    let mut runner = Runner::with(canary("r1", watching()));
    runner.tells(1, "r1", Failed, "modem").at(60).act_because("r1", RESUME, "known");
    let known = runner.health.clone();
    runner.health = Health::new();
    runner.tells(2, "r1", Failed, "modem").expect("r1", "Active canary BAKING known");
    runner.at(120);
    runner.tells(2, "r1", Failed, "audio").expect("r1", "Paused canary - NEW_PROBLEM");
    assert_eq!(runner.release("r1").rollout.paused_at, Some(after(120)));
    runner.health = known;
    assert!(runner.explain("r1").waits.join("").contains("told before this node kept evidence"));
}
