//! What happens to whole rollouts by itself: triggers, completion, followers, freezes; and what devices remember.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{ADVANCE, HOUR, PUBLISH, Runner, after, canary, hold, retrying, stage, staged};
use tidegate_controller::EventKind::{Failed, RolledBackLocally, Succeeded};
use tidegate_controller::{due, next_due};
use tidegate_machine::Code;
use tidegate_model::{
    Cohort, Command, Exposure, Gate, HoldId, HoldKind, HoldScope, ObjectRef, Policy, Ramp, ReleaseSpec, RolloutState, Span, Spec,
    Steer, Trigger, Verb,
};

fn waiting(release: &str, awaited: &str) -> Spec {
    let mut policy = Policy::implicit(support::release_id(release));
    policy.trigger = Trigger::After(support::release_id(awaited));
    Spec::Policy(policy)
}

fn state(runner: &Runner, release: &str) -> RolloutState {
    runner.release(release).rollout.state
}

/// Release `rN` of cohort `beta`.
fn beta(number: u8, adopt: bool) -> Vec<Spec> {
    let spec = ReleaseSpec { cohort: support::cohort_id("beta"), adopt, ..support::release(number) };
    vec![Spec::Bundle(support::bundle(&format!("b{number}"))), Spec::Release(Box::new(spec))]
}

fn following(id: &str, followed: &str) -> Spec {
    Spec::Cohort(Cohort { follows: Some(support::cohort_id(followed)), ..support::cohort(id) })
}

#[test]
fn g_61_what_waits_for_a_release_is_published_with_its_completion() {
    let mut runner = Runner::new();
    runner.apply(
        [vec![Spec::Cohort(support::cohort("beta"))], beta(3, false), vec![waiting("r3", "r1"), waiting("r2", "r1")]].concat(),
    );
    let mut policy = staged("r1", vec![stage("all", Exposure::All, None)]);
    policy.auto_complete = true;
    policy.stages[0].exposure = Exposure::Ramp(Ramp::Apple);
    runner.apply(vec![Spec::Policy(policy)]).act("r1", PUBLISH);
    let days = 24 * HOUR;
    runner.at(6 * days - 1);
    assert_eq!(
        [state(&runner, "r1"), state(&runner, "r2"), state(&runner, "r3")],
        [RolloutState::Active, RolloutState::Draft, RolloutState::Draft]
    );
    runner.at(6 * days);
    assert_eq!(
        [state(&runner, "r1"), state(&runner, "r2"), state(&runner, "r3")],
        [RolloutState::Completed, RolloutState::Active, RolloutState::Active]
    );
    assert_eq!(runner.steered.len(), 2, "one entry completes it, one publishes all that wait");
    assert_eq!(runner.release("r3").rollout.activated_at, Some(after(6 * days)));
}

#[test]
fn p_40_a_trigger_fires_once_and_only_on_completion() {
    let mut runner = Runner::new();
    runner.apply(vec![waiting("r2", "r1")]).act("r1", PUBLISH);
    assert_eq!(state(&runner, "r2"), RolloutState::Draft);
    runner.act("r1", support::WITHDRAW);
    assert_eq!(state(&runner, "r2"), RolloutState::Draft);
    assert_eq!(runner.release("r2").rollout.flag.as_deref(), Some("AFTER_WITHDRAWN"));
    // A new leader knows nothing of devices, and fires nothing again.
    assert!(due(&runner.state, &tidegate_controller::Health::new(), runner.now).is_empty());
}

#[test]
fn g_37_completed_releases_come_to_the_cohorts_that_follow() {
    let mut runner = Runner::new();
    runner.apply([vec![following("beta", "stable"), following("nightly", "beta")], beta(3, true)].concat());
    let names = |runner: &Runner| -> Vec<String> { runner.state.catalog().releases().keys().map(ToString::to_string).collect() };
    // r0 is below what beta has; what beta has goes on to nightly.
    assert_eq!(names(&runner), ["r0", "r1", "r2", "r3", "r3@nightly"]);
    assert_eq!(state(&runner, "r3@nightly"), RolloutState::Completed);
    let four = ReleaseSpec { adopt: true, ..support::release(4) };
    runner.apply(vec![Spec::Bundle(support::bundle("b4")), Spec::Release(Box::new(ReleaseSpec { adopt: false, ..four }))]);
    runner.act("r4", PUBLISH).act("r4", Verb::Complete);
    assert_eq!(names(&runner), ["r0", "r1", "r2", "r3", "r3@nightly", "r4", "r4@beta", "r4@beta@nightly"]);
    assert_eq!(state(&runner, "r4@beta@nightly"), RolloutState::Completed);
}

#[test]
fn a_follower_of_nothing_gets_the_whole_row_in_the_order_of_versions() {
    let mut runner = Runner::new();
    runner.act("r1", PUBLISH).act("r1", Verb::Complete).act("r2", PUBLISH).act("r2", Verb::Complete);
    runner.apply(vec![following("beta", "stable")]);
    let next = |id: &str| runner.release(id).next.as_ref().map(ToString::to_string);
    assert_eq!(next("r0@beta").as_deref(), Some("r1@beta"));
    assert_eq!(next("r1@beta").as_deref(), Some("r2@beta"));
    assert_eq!(next("r2@beta"), None);
}

#[test]
fn a_rollout_completes_by_itself_when_its_last_stage_has_passed_for_everybody() {
    let mut policy = canary("r1", Gate::default());
    policy.auto_complete = true;
    assert_eq!(state(&Runner::with(policy.clone()), "r1"), RolloutState::Completed);
    policy.stages[1].gate = Some(Gate { bake: Span::from_secs(HOUR), ..Gate::default() });
    let mut runner = Runner::with(policy.clone());
    runner.expect("r1", "Active all BAKING").at(HOUR);
    assert_eq!(state(&runner, "r1"), RolloutState::Completed);
    // By hand works as well; a last stage that is not for everybody is left to an operator.
    policy.stages[1].gate = None;
    policy.stages[1].exposure = support::percent(50, tidegate_model::Basis::Hash);
    let mut runner = Runner::with(policy);
    runner.at(999 * HOUR);
    assert_eq!(state(&runner, "r1"), RolloutState::Active);
}

#[test]
fn a_trigger_at_opens_the_first_stage_at_its_time() {
    let mut policy = canary("r1", Gate { bake: Span::from_secs(HOUR), ..Gate::default() });
    policy.trigger = Trigger::At(after(HOUR));
    policy.stages[0].domains = support::domains(&["fd0"], 1);
    let mut runner = Runner::with(policy);
    runner.expect("r1", "Active canary WAITING_TRIGGER").at(HOUR - 1).expect("r1", "Active canary WAITING_TRIGGER");
    assert_eq!(runner.cells("r1"), "fd0:Closed");
    runner.at(HOUR);
    assert_eq!(runner.cells("r1"), "fd0:Settled");
    runner.at(2 * HOUR).expect("r1", "Active all RUNNING");
}

#[test]
fn a_freeze_stands_between_a_ramp_and_its_end() {
    let ramp = Ramp::Groups { groups: 2, interval: Span::from_secs(10 * HOUR) };
    let mut policy = staged("r1", vec![stage("all", Exposure::Ramp(ramp), None)]);
    policy.auto_complete = true;
    let mut runner = Runner::with(policy);
    let mut freeze = hold("f", HoldKind::Freeze, HoldScope::Cohort(support::cohort_id("stable")));
    freeze.from = Some(after(4 * HOUR));
    freeze.until = Some(after(6 * HOUR));
    runner.apply(vec![Spec::Hold(freeze)]);
    runner.at(5 * HOUR);
    assert_eq!(runner.release("r1").rollout.frozen_since, Some(after(4 * HOUR)));
    assert_eq!(runner.hears("d0", &[]), "HOLD_FREEZE");
    runner.at(12 * HOUR - 1);
    assert_eq!(state(&runner, "r1"), RolloutState::Active);
    runner.at(12 * HOUR);
    assert_eq!(state(&runner, "r1"), RolloutState::Completed);
}

#[test]
fn freezes_of_one_bundle_or_of_some_devices_stop_no_bake() {
    let mut runner = Runner::with(canary("r1", Gate { bake: Span::from_secs(HOUR), ..Gate::default() }));
    let mut of_bundle = hold("a", HoldKind::Freeze, HoldScope::Product);
    of_bundle.release = Some(support::release_id("r1"));
    let of_device = hold("b", HoldKind::Freeze, HoldScope::Device(support::key("d1")));
    let repair = hold("c", HoldKind::Repair, HoldScope::Product);
    runner
        .apply(vec![Spec::Hold(of_bundle), Spec::Hold(of_device), Spec::Hold(repair)])
        .at(HOUR)
        .expect("r1", "Active all RUNNING");
}

#[test]
fn g_71_of_operator_and_controller_one_advances_and_the_other_hears_conflict() {
    let gate = Gate { bake: Span::from_secs(HOUR), ..Gate::default() };
    let third = stage("three", Exposure::All, Some(gate.clone()));
    let runner =
        Runner::with(staged("r1", vec![stage("one", Exposure::All, Some(gate)), third, stage("all", Exposure::All, None)]));
    let mut runner = runner.clone();
    runner.at(HOUR - 1);
    runner.now = after(HOUR);
    let commands = due(&runner.state, &runner.health, runner.now);
    assert!(matches!(commands[..], [Command::Steer(Steer { expected_version: 2, .. })]), "{commands:?}");
    // The operator's advance commits first.
    let advance = Command::Transition(tidegate_model::Transition {
        release: support::release_id("r1"),
        expected_version: Some(2),
        reason: Some("now".to_owned()),
        verb: ADVANCE,
    });
    assert!(runner.propose("ops", advance).is_ok());
    assert_eq!(runner.propose("controller", commands[0].clone()), Err(Code::Conflict));
    assert_eq!(runner.release("r1").rollout.stage_index, 1);
    runner.settle();
    runner.expect("r1", "Active three BAKING now");
}

#[test]
fn g_83_what_a_device_rolled_back_is_not_offered_until_an_operator_clears_it() {
    let mut runner = Runner::with(staged("r1", vec![stage("all", Exposure::All, None)]));
    runner.told(1..2, "r1", RolledBackLocally);
    assert_eq!((runner.hears("d1", &[]), runner.hears("d2", &[])), ("HOLD_BACKOFF".to_owned(), "OFFER_LATEST r1".to_owned()));
    // Whatever it tells later, and whoever leads.
    runner.at(400 * 24 * HOUR).told(1..2, "r1", Succeeded);
    runner.health = tidegate_controller::Health::new();
    assert_eq!(runner.hears("d1", &[]), "HOLD_BACKOFF");
    runner.act("r1", Verb::Clear { device: support::key("d1") });
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
    // And again.
    runner.told(1..2, "r1", RolledBackLocally).act("r1", Verb::Clear { device: support::key("d1") });
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
}

#[test]
fn too_many_failed_attempts_give_a_device_a_rest() {
    let mut runner = Runner::with(staged("r1", vec![stage("all", Exposure::All, None)]));
    runner.apply(vec![Spec::Product(retrying(3, 24))]);
    runner.told(1..2, "r1", Failed).told(1..2, "r1", Failed);
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
    runner.at(HOUR).told(1..2, "r1", Failed);
    assert_eq!(runner.hears("d1", &[]), "HOLD_BACKOFF");
    runner.at(25 * HOUR - 1);
    assert_eq!(runner.hears("d1", &[]), "HOLD_BACKOFF");
    runner.at(25 * HOUR);
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
    // The next rest comes after as many failures again, and an operator may end it.
    runner.told(1..2, "r1", Failed).told(1..2, "r1", Failed);
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
    runner.told(1..2, "r1", Failed);
    assert_eq!(runner.hears("d1", &[]), "HOLD_BACKOFF");
    runner.act("r1", Verb::Clear { device: support::key("d1") });
    assert_eq!(runner.hears("d1", &[]), "OFFER_LATEST r1");
    // Without a limit, never.
    let mut patient = Runner::with(staged("r1", vec![stage("all", Exposure::All, None)]));
    for _ in 0..20 {
        patient.told(1..2, "r1", Failed);
    }
    assert_eq!(patient.hears("d1", &[]), "OFFER_LATEST r1");
}

#[test]
fn a_local_roll_back_outweighs_a_rest() {
    let mut runner = Runner::with(staged("r1", vec![stage("all", Exposure::All, None)]));
    runner.apply(vec![Spec::Product(retrying(1, 24))]).told(1..2, "r1", Failed).told(1..2, "r1", RolledBackLocally);
    runner.at(999 * HOUR);
    assert_eq!(runner.hears("d1", &[]), "HOLD_BACKOFF");
    let id: HoldId = tidegate_model::memory_id(&support::os(), &support::key("d1"), &runner.release("r1").bundle);
    assert!(runner.state.catalog().get(&ObjectRef::Hold(id)).is_some());
}

#[test]
fn nothing_is_due_where_nothing_happens() {
    let runner = Runner::new();
    assert!(due(&runner.state, &runner.health, runner.now).is_empty());
    assert_eq!(next_due(&runner.state, &runner.health, runner.now), None);
}
