//! Domains: which cells open, in which order, and what keeps them closed.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{HOUR, PUBLISH, Runner, domains, exclusion, stage, staged};
use tidegate_controller::EventKind::{Failed, Succeeded};
use tidegate_model::{DomainOrder, Domains, ExclusionScope, Exposure, Gate, Policy, Span, Spec, Verb};

/// A stage over these domains, whose cells bake for an hour, and then everybody.
fn over(release: &str, domains: Option<Domains>) -> Policy {
    let gate = Gate { bake: Span::from_secs(HOUR), ..Gate::default() };
    let first = tidegate_model::Stage { domains, ..stage("domains", Exposure::All, Some(gate)) };
    staged(release, vec![first, stage("all", Exposure::All, None)])
}

const FD: [[(&str, &str); 1]; 3] = [[("fd", "fd0")], [("fd", "fd1")], [("fd", "fd2")]];

#[test]
fn g_78_one_domain_after_the_other() {
    let mut runner = Runner::with(over("r1", domains(&["fd0", "fd1"], 1)));
    assert_eq!(runner.cells("r1"), "fd0:Settled fd1:Closed");
    assert_eq!(runner.hears("d", &FD[0]), "OFFER_LATEST r1");
    assert_eq!(runner.hears("d", &FD[1]), "DOMAIN_CLOSED");
    runner.at(HOUR);
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Settled");
    assert_eq!(runner.hears("d", &FD[1]), "OFFER_LATEST r1");
    assert_eq!(runner.hears("d", &[]), "DOMAIN_CLOSED", "no value: until the stage has passed");
    runner.at(2 * HOUR).expect("r1", "Active all RUNNING");
    assert_eq!(runner.hears("d", &[]), "OFFER_LATEST r1");
}

#[test]
fn domains_open_in_the_order_that_is_asked_for() {
    let open = |order, devices: [usize; 3]| {
        let ordered = Domains { order, ..domains(&["fd0", "fd1", "fd2"], 1).unwrap() };
        let mut runner = Runner::new();
        let mut first = 0;
        for (count, attributes) in devices.into_iter().zip(&FD) {
            runner.sees(first..first + count, attributes);
            first += count;
        }
        runner.apply(vec![Spec::Policy(over("r1", Some(ordered)))]).act("r1", PUBLISH);
        runner
    };
    assert_eq!(open(DomainOrder::Listed, [9, 1, 5]).cells("r1"), "fd0:Settled fd1:Closed fd2:Closed");
    assert_eq!(open(DomainOrder::SmallestFirst, [9, 1, 5]).cells("r1"), "fd0:Closed fd1:Settled fd2:Closed");
    assert_eq!(open(DomainOrder::SmallestFirst, [2, 2, 2]).cells("r1"), "fd0:Settled fd1:Closed fd2:Closed", "as listed");
    let runner = open(DomainOrder::ByPosition, [1, 1, 1]);
    let salt = runner.release("r1").rollout.salt.unwrap();
    let first = ["fd0", "fd1", "fd2"].into_iter().min_by_key(|value| salt.position(value)).unwrap();
    assert!(runner.cells("r1").contains(&format!("{first}:Settled")), "{}", runner.cells("r1"));
}

#[test]
fn an_exclusion_keeps_domains_of_one_rollout_apart_and_lets_others_go_first() {
    let mut runner = Runner::new();
    runner.apply(vec![Spec::Exclusion(exclusion("pair", &["fd0", "fd1"], ExclusionScope::Product))]);
    runner.apply(vec![Spec::Policy(over("r1", domains(&["fd0", "fd1", "fd2"], 3)))]).act("r1", PUBLISH);
    assert_eq!(runner.cells("r1"), "fd0:Settled fd1:Closed fd2:Settled");
    runner.at(HOUR);
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Settled fd2:Passed");
}

#[test]
fn p_44_an_exclusion_keeps_rollouts_apart_and_a_pause_keeps_its_token() {
    let mut runner = Runner::new();
    let beta = tidegate_model::ReleaseSpec { cohort: support::cohort_id("beta"), adopt: false, ..support::release(3) };
    runner.apply(vec![
        Spec::Exclusion(exclusion("pair", &["fd0", "fd1"], ExclusionScope::Global)),
        Spec::Cohort(support::cohort("beta")),
        Spec::Bundle(support::bundle("b3")),
        Spec::Release(Box::new(beta)),
        Spec::Policy(over("r1", domains(&["fd0"], 1))),
        Spec::Policy(over("r3", domains(&["fd1"], 1))),
    ]);
    runner.act("r1", PUBLISH).act("r3", PUBLISH);
    assert_eq!((runner.cells("r1").as_str(), runner.cells("r3").as_str()), ("fd0:Settled", "fd1:Closed"));
    runner.expect("r3", "Active domains WAITING_DOMAIN");
    runner.at(60).act("r1", Verb::Pause).at(2 * HOUR).expect("r3", "Active domains WAITING_DOMAIN");
    runner.act("r1", support::WITHDRAW);
    assert_eq!(runner.cells("r3"), "fd1:Settled");
    runner.at(3 * HOUR).expect("r3", "Active all RUNNING");
}

#[test]
fn g_70_two_cells_that_fail_at_once_are_one_transition() {
    let gate = Gate { max_failures: Some(1), bake: Span::from_secs(HOUR), ..Gate::default() };
    let mut policy = over("r1", domains(&["fd0", "fd1"], 2));
    policy.stages[0].gate = Some(gate);
    let mut runner = Runner::with(policy);
    runner.sees(0..2, &FD[0]).sees(2..4, &FD[1]);
    let version = runner.version("r1");
    for (id, device) in [("a", "d0"), ("b", "d2")] {
        let event = support::event(id, device, "r1", Failed, runner.now);
        runner.take_in(&event);
    }
    runner.settle();
    runner.expect("r1", "Paused domains - GATE_FAILED");
    assert_eq!(runner.version("r1"), version + 1);
    // Both failures are acknowledged at once; what failed bakes anew.
    runner.at(60).act_because("r1", Verb::Resume { acknowledge: true }, "known").at(HOUR + 60).expect("r1", "Active all RUNNING");
}

#[test]
fn a_cell_that_has_passed_and_fails_late_stops_the_rest() {
    let gate = Gate { max_failures: Some(1), bake: Span::from_secs(HOUR), ..Gate::default() };
    let mut policy = over("r1", domains(&["fd0", "fd1"], 1));
    policy.stages[0].gate = Some(gate);
    let mut runner = Runner::with(policy);
    runner.sees(0..2, &FD[0]).sees(2..4, &FD[1]).at(HOUR);
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Settled");
    runner.told(0..1, "r1", Failed).expect("r1", "Paused domains - GATE_FAILED");
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Settled");
}

#[test]
fn a_gate_may_judge_the_stage_as_a_whole() {
    let gate = Gate { min_sample: 4, bake: Span::from_secs(HOUR), max_failures: Some(3), ..Gate::default() };
    let whole = Domains { gate_each: false, ..domains(&["fd0", "fd1"], 1).unwrap() };
    let mut policy = over("r1", Some(whole));
    policy.stages[0].gate = Some(gate);
    let mut runner = Runner::with(policy);
    runner.sees(0..2, &FD[0]).sees(2..4, &FD[1]);
    assert_eq!(runner.cells("r1"), "fd0:Open fd1:Closed");
    // Its cells are waited for one after the other; only then the stage settles and bakes.
    runner.at(60).told(0..2, "r1", Succeeded);
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Open");
    runner.at(120).told(2..4, "r1", Succeeded).expect("r1", "Active domains BAKING");
    runner.at(HOUR + 120).expect("r1", "Active all RUNNING");
}

#[test]
fn cells_without_a_gate_open_by_themselves_and_pass_by_hand() {
    let mut policy = over("r1", domains(&["fd0", "fd1"], 1));
    policy.stages[0].gate = None;
    let mut runner = Runner::with(policy);
    runner.at(99 * HOUR);
    assert_eq!(runner.cells("r1"), "fd0:Open fd1:Closed");
    let advance = |domain: &str| Verb::Advance { domain: Some(domain.to_owned()) };
    runner.act("r1", advance("fd0"));
    assert_eq!(runner.cells("r1"), "fd0:Passed fd1:Open");
    runner.act("r1", advance("fd1")).expect("r1", "Active all RUNNING");
}
