//! Whatever operators and devices do: the controller comes to rest, asks for nothing that is refused, and acts only at
//! instants that it has announced.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use support::{
    ADVANCE, PUBLISH, Runner, SUPERSEDE, WITHDRAW, cohort_id, domains, exclusion, hold, percent, share, stage, staged,
};
use tidegate_controller::EventKind;
use tidegate_model::{
    Basis, Cohort, Domains, ExclusionScope, Exposure, Gate, HoldKind, HoldScope, OnGateFail, Policy, Ramp, Span, Spec, Stage,
    Trigger, Verb,
};

#[derive(Clone, Debug)]
enum Act {
    Policy(usize, Box<Policy>),
    Verb(usize, Verb),
    Check(usize, usize),
    Event(usize, usize, usize),
    Freeze(u64),
    Wait(u64),
    Forget,
}

const RELEASES: [&str; 2] = ["r1", "r2"];

fn gates() -> impl Strategy<Value = Option<Gate>> {
    let limits = (proptest::option::of(1..4u32), proptest::option::of(0..100u32), proptest::option::of(0..100u32));
    let gate = (0..5_000u64, 0..4u32, limits, 0..2u32, any::<[bool; 2]>());
    let gate = gate.prop_map(|(bake, min_sample, (cap, failures, success), approvals, flags)| Gate {
        bake: Span::from_secs(bake + 1),
        min_sample,
        max_failures: cap,
        max_failure_share: failures.map(share),
        min_success_share: success.map(share),
        approvals,
        allow_empty: flags[0],
        fail_on_new_problem: flags[1],
    });
    proptest::option::weighted(0.8, gate)
}

fn stages() -> impl Strategy<Value = Vec<Stage>> {
    let exposure = prop_oneof![
        3 => Just(Exposure::All),
        1 => (1..10u32).prop_map(Exposure::Count),
        1 => (0..100u32).prop_map(|part| percent(part, Basis::Roster)),
        1 => (0..100u32).prop_map(|part| percent(part, Basis::Hash)),
        1 => (1..4u32, 1..5_000u64).prop_map(|(groups, secs)| Exposure::Ramp(Ramp::Groups { groups, interval: Span::from_secs(secs) })),
    ];
    let cells = (1..4usize, 1..3u32, any::<bool>()).prop_map(|(count, parallel, gate_each)| Domains {
        gate_each,
        ..domains(&["fd0", "fd1", "fd2"][..count], parallel).unwrap()
    });
    let one = (exposure, proptest::option::weighted(0.3, cells), gates());
    proptest::collection::vec(one, 1..4).prop_map(|parts| {
        let stage_of = |(i, (exposure, domains, gate)): (usize, (Exposure, Option<Domains>, Option<Gate>))| Stage {
            domains,
            ..stage(&format!("s{i}"), exposure, gate)
        };
        parts.into_iter().enumerate().map(stage_of).collect()
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    (stages(), any::<bool>(), any::<bool>(), 0..4u8).prop_map(|(stages, auto_complete, withdraws, trigger)| Policy {
        auto_complete,
        on_gate_fail: if withdraws { OnGateFail::Withdraw } else { OnGateFail::Pause },
        trigger: match trigger {
            0 => Trigger::At(support::after(2_000)),
            1 => Trigger::After(support::release_id("r1")),
            _ => Trigger::Now,
        },
        ..staged("r1", stages)
    })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let verb = prop_oneof![
        4 => Just(PUBLISH),
        1 => Just(SUPERSEDE),
        2 => Just(ADVANCE),
        1 => Just(Verb::Advance { domain: Some("fd1".to_owned()) }),
        2 => Just(Verb::Pause),
        4 => Just(Verb::Resume { acknowledge: true }),
        1 => Just(Verb::Complete),
        1 => Just(WITHDRAW),
        1 => Just(Verb::Approve { by: None, device: None }),
        1 => Just(Verb::Clear { device: support::key("d1") }),
    ];
    let act = prop_oneof![
        2 => (0..2usize, policies()).prop_map(|(release, policy)| Act::Policy(release, Box::new(policy))),
        8 => (0..2usize, verb).prop_map(|(release, verb)| Act::Verb(release, verb)),
        5 => (0..12usize, 0..4usize).prop_map(|(device, domain)| Act::Check(device, domain)),
        8 => (0..12usize, 0..2usize, 0..9usize).prop_map(|(device, release, kind)| Act::Event(device, release, kind)),
        1 => (1..4_000u64).prop_map(Act::Freeze),
        6 => (1..4_000u64).prop_map(Act::Wait),
        1 => Just(Act::Forget),
    ];
    proptest::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// The fixed point of `due`: after every act nothing is left within a bounded number of rounds, nothing that was due is
    /// refused, and time alone brings nothing about but at the instants that `next_due` names (the runner insists on all
    /// three). P-44: no two domains of one exclusion group are ever open. P-39: no stage goes back.
    #[test]
    fn p_39_p_44_the_controller_comes_to_rest(acts in acts(), start in policies()) {
        let mut runner = Runner::new();
        runner.apply(vec![
            Spec::Exclusion(exclusion("pair", &["fd0", "fd1"], ExclusionScope::Global)),
            Spec::Product(support::retrying(2, 1)),
            Spec::Cohort(Cohort { follows: Some(cohort_id("stable")), ..support::cohort("beta") }),
            Spec::Policy(Policy { trigger: Trigger::Now, ..start }),
        ]);
        runner.act("r1", PUBLISH);
        let mut secs = 0;
        let mut reached = [0; 2];
        for (number, act) in acts.into_iter().enumerate() {
            match act {
                Act::Policy(release, mut policy) => {
                    policy.release = support::release_id(RELEASES[release]);
                    let _may_be_refused = runner.try_apply(vec![Spec::Policy(*policy)]);
                }
                Act::Verb(release, verb) => {
                    let _may_be_refused = runner.try_act(RELEASES[release], verb, Some("because"));
                }
                Act::Check(device, domain) => {
                    let value = ["fd0", "fd1", "fd2", "fd9"][domain];
                    runner.sees(device..device + 1, &[("fd", value)]);
                }
                Act::Event(device, release, kind) => {
                    runner.tells(device, RELEASES[release], EventKind::ALL[kind], ["", "", "c1", "c2"][device % 4]);
                }
                Act::Freeze(lasts) => {
                    let mut freeze = hold(&format!("f{number}"), HoldKind::Freeze, HoldScope::Product);
                    freeze.until = Some(support::after(secs + lasts));
                    runner.apply(vec![Spec::Hold(freeze)]);
                }
                Act::Wait(lasts) => {
                    secs += lasts;
                    runner.at(secs);
                }
                Act::Forget => {
                    runner.health = tidegate_controller::Health::new();
                    runner.settle();
                }
            }
            let is_open = |value: &str| runner.state.catalog().releases().values().any(|stored| {
                let rollout = &stored.body.rollout;
                let is_out = matches!(rollout.state, tidegate_model::RolloutState::Active | tidegate_model::RolloutState::Paused);
                is_out && rollout.cells.get(value).is_some_and(tidegate_model::Cell::holds_token)
            });
            prop_assert!(!(is_open("fd0") && is_open("fd1")));
            for (release, reached) in RELEASES.iter().zip(&mut reached) {
                let index = runner.release(release).rollout.stage_index;
                prop_assert!(index >= *reached);
                *reached = index;
                let _for_humans = runner.explain(release);
            }
        }
    }
}
