//! Histories in which the controller has much to do: rollouts in two cohorts with domains, gates and rosters, one exclusion
//! over them, drafts that wait, and operators who get in the way.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use tidegate_model::{
    Basis, Command, DeviceKey, DomainOrder, Domains, Exclusion, ExclusionId, ExclusionScope, Exposure, Gate, OnGateFail, Policy,
    Ppm, ReleaseId, Span, Spec, Stage, Steer, SteerStep, Timestamp, Transition, Trigger, Verb,
};

use crate::world::{DOMAINS, Move, PUBLISH, START, WITHDRAW, document, release_id, stage, transition};

const SUPERSEDE: Verb = Verb::Publish { supersede: true, insert_unphased: false };

/// Histories that begin with two published rollouts.
pub fn lively_moves(count: usize) -> impl Strategy<Value = Vec<Move>> {
    let one =
        (0..20i64, prop_oneof![8 => step(), 4 => operator()]).prop_map(|(secs, command)| Move { secs, who: "ops", command });
    (vec(policy(), 6), vec(one, count / 2..count)).prop_map(|(policies, mut moves)| {
        let exclusion = Spec::Exclusion(Exclusion {
            id: ExclusionId::new("apart").unwrap(),
            key: "fd".to_owned(),
            groups: vec![BTreeSet::from([DOMAINS[0].to_owned(), DOMAINS[1].to_owned()])],
            scope: ExclusionScope::Product,
        });
        let policies = policies.into_iter().zip(2..8).map(|(policy, number)| {
            let trigger = if number < 6 { Trigger::Now } else { policy.trigger.clone() };
            document(Spec::Policy(Policy { release: release_id(number), trigger, ..policy }))
        });
        let documents = std::iter::once(document(exclusion)).chain(policies).collect();
        let commands = [Command::Apply(documents), transition(2, PUBLISH), transition(3, PUBLISH)];
        let mut history: Vec<Move> = commands.into_iter().map(|command| Move { secs: 0, who: "ops", command }).collect();
        history.append(&mut moves);
        history
    })
}

fn number() -> impl Strategy<Value = ReleaseId> {
    prop_oneof![12 => 2..4u8, 4 => 4..6u8, 2 => 6..8u8].prop_map(release_id)
}

fn domain() -> impl Strategy<Value = String> {
    select(DOMAINS.to_vec()).prop_map(str::to_owned)
}

/// A step of the controller on the present version.
fn step() -> impl Strategy<Value = Command> {
    let keys = btree_set((0..9u8).prop_map(|number| DeviceKey::new(&format!("d{number}")).unwrap()), 1..3);
    let instant = || (0..1_500i64).prop_map(|secs| Timestamp::from_secs(START + secs));
    let step = prop_oneof![
        10 => btree_set(domain(), 1..3).prop_map(SteerStep::OpenCells),
        6 => domain().prop_map(|domain| SteerStep::Settle { domain: Some(domain) }),
        8 => domain().prop_map(|domain| SteerStep::Pass { domain: Some(domain) }),
        2 => Just(SteerStep::Settle { domain: None }),
        3 => Just(SteerStep::Pass { domain: None }),
        2 => prop::option::of(domain()).prop_map(|domain| SteerStep::Fail { domain, reason: "GATE_FAILED".to_owned() }),
        8 => (keys, 1..6u32).prop_map(|(devices, size)| SteerStep::Admit { devices, size }),
        1 => instant().prop_map(|since| SteerStep::Freeze { since }),
        2 => instant().prop_map(|until| SteerStep::Thaw { until }),
        1 => Just(SteerStep::Complete),
        2 => Just(SteerStep::Fire),
    ];
    (number(), step).prop_map(|(release, step)| Command::Steer(Steer { release, expected_version: 0, step }))
}

/// What operators do meanwhile, with a reason.
fn operator() -> impl Strategy<Value = Command> {
    let verb = prop_oneof![
        2 => Just(Verb::Pause),
        6 => Just(Verb::Resume { acknowledge: true }),
        8 => domain().prop_map(|domain| Verb::Advance { domain: Some(domain) }),
        2 => Just(Verb::Advance { domain: None }),
        2 => Just(SUPERSEDE),
        1 => Just(Verb::Complete),
        1 => Just(WITHDRAW),
    ];
    let moved = (number(), verb).prop_map(|(release, verb)| {
        Command::Transition(Transition { release, expected_version: None, reason: Some("because".to_owned()), verb })
    });
    let edited = (number(), policy()).prop_map(|(release, policy)| {
        Command::Apply(vec![document(Spec::Policy(Policy { release, trigger: Trigger::Now, ..policy }))])
    });
    prop_oneof![6 => moved, 3 => edited]
}

/// Policies of two stages whose domains and selectors are alike, so that edits of what is reached are often legal.
fn policy() -> impl Strategy<Value = Policy> {
    let exposure = || {
        prop_oneof![
            4 => (1..6u32).prop_map(Exposure::Count),
            1 => (1..100u32).prop_map(|percent| Exposure::Percent {
                share: Ppm::new(percent * 10_000).unwrap(),
                basis: Basis::Roster,
            }),
            1 => Just(Exposure::All),
        ]
    };
    let trigger = (2..6u8).prop_map(|number| Trigger::After(release_id(number)));
    (exposure(), exposure(), 0..10u64, 0..4u8, trigger).prop_map(|(first, second, bake, withdraws, trigger)| {
        let domains = Domains {
            key: "fd".to_owned(),
            values: DOMAINS.map(str::to_owned).to_vec(),
            order: DomainOrder::Listed,
            parallel: 2,
            gate_each: true,
        };
        let gate = Gate { bake: Span::from_secs(bake), ..Gate::default() };
        let stages = vec![
            Stage { domains: Some(domains), gate: Some(gate.clone()), ..stage("first", first) },
            Stage { gate: Some(gate), ..stage("second", second) },
        ];
        let on_gate_fail = if withdraws == 0 { OnGateFail::Withdraw } else { OnGateFail::Pause };
        Policy { trigger, stages, on_gate_fail, auto_complete: true, ..Policy::implicit(release_id(2)) }
    })
}
