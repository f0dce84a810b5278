//! Properties of the lifecycle and of the release graph.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_machine::{Code, State, apply};
use tidegate_model::{
    Catalog, CellState, CohortId, Command, DeviceKey, Exposure, Policy, Position, Ramp, Release, RolloutState, Span, Spec,
    Timestamp, Transition, Verb,
};
use world::{
    GENESIS, PUBLISH, START, WITHDRAW, beginning, cohort_id, document, entry, log, moves, release, release_id, run, stage,
    transition,
};

/// Linked releases of a cohort, and those of them without a next one.
fn graph<'a>(catalog: &'a Catalog, cohort: &CohortId) -> (Vec<&'a Release>, Vec<&'a Release>) {
    let linked = catalog.releases().values().map(|stored| &stored.body).filter(|r| r.linked && r.cohort == *cohort);
    let linked: Vec<_> = linked.collect();
    let sinks = linked.iter().copied().filter(|release| release.next.is_none()).collect();
    (linked, sinks)
}

/// What B.4 rule 4 calls unconstrained, read off the words.
fn limits_nobody(catalog: &Catalog, release: &Release, now: Timestamp) -> bool {
    let rollout = &release.rollout;
    if [RolloutState::Completed, RolloutState::RolledBack].contains(&rollout.state) {
        return true;
    }
    let implicit = Policy::implicit(release.id.clone());
    let policy = catalog.policies().get(&release.id).map_or(&implicit, |policy| &policy.body);
    let has_fired = rollout.stage_opened_at.is_some_and(|at| at <= now);
    let now = rollout.frozen_since.map_or(now, |since| since.min(now));
    let is_reached_and_open = (0..=rollout.stage_index as usize).any(|i| {
        let exposure = rollout.passed.get(i).map_or(&policy.stages[i].exposure, |passed| &passed.exposure);
        let origin = rollout.ramp_origin(release.published_at);
        let cells_passed = rollout.passed.len() > i || rollout.cells.values().all(|cell| cell.state == CellState::Passed);
        cells_passed && policy.stages[i].selector.is_everybody() && exposure.is_everybody(origin, now)
    });
    rollout.state == RolloutState::Active && has_fired && is_reached_and_open
}

fn check_graph(state: &State) -> Result<(), TestCaseError> {
    for number in 0..2 {
        let (linked, sinks) = graph(state.catalog(), &cohort_id(number));
        prop_assert!(sinks.len() <= 1);
        prop_assert_eq!(sinks.is_empty(), linked.is_empty());
        for start in &linked {
            let mut seen = BTreeSet::new();
            let mut current = Some(*start);
            while let Some(release) = current {
                prop_assert!(seen.insert(&release.id), "cycle through {}", release.id);
                prop_assert!(release.linked);
                prop_assert_eq!(&release.cohort, &start.cohort);
                current = release.next.as_ref().map(|next| &state.catalog().releases().get(next).unwrap().body);
            }
        }
    }
    for stored in state.catalog().releases().values() {
        prop_assert_eq!(stored.body.linked, stored.body.rollout.state != RolloutState::Draft);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// P-29: whatever is done, the linked releases of each cohort stay a tree towards at most one latest.
    #[test]
    fn p_29_graphs_stay_trees(moves in moves(80)) {
        let (last, steps) = run(&log(&moves));
        for (state, _) in &steps {
            check_graph(state)?;
        }
        check_graph(&last)?;
    }

    /// P-38: whoever becomes the latest follows one that limited nobody, or that was withdrawn in the same entry.
    #[test]
    fn p_38_no_latest_after_a_constrained_one(moves in moves(80)) {
        let (last, steps) = run(&log(&moves));
        let afters = steps.iter().skip(1).map(|(before, _)| before).chain([&last]);
        for ((before, _), after) in steps.iter().zip(afters) {
            for number in 0..2 {
                let former = graph(before.catalog(), &cohort_id(number)).1.first().map(|release| release.id.clone());
                let latest = graph(after.catalog(), &cohort_id(number)).1.first().map(|release| release.id.clone());
                if let (Some(former), true) = (&former, former != latest) {
                    // In one entry it may have been completed, withdrawn or widened first: judged as it stands now.
                    let now = &after.catalog().releases().get(former).unwrap().body;
                    prop_assert!(limits_nobody(after.catalog(), now, after.log_time()), "{} limits somebody", former);
                }
            }
        }
    }

    /// P-37, P-39: ROLLED_BACK is for ever, COMPLETED only ends in it, stages and what they passed with only grow, and a
    /// salt stays. Nobody is sent back to what was not standing when it was said.
    #[test]
    fn p_37_p_39_rollouts_never_go_back(moves in moves(80)) {
        use RolloutState::{Active, Completed, Draft, Paused, RolledBack};
        let (last, steps) = run(&log(&moves));
        let afters = steps.iter().skip(1).map(|(before, _)| before).chain([&last]);
        for ((before, _), after) in steps.iter().zip(afters) {
            for (id, old) in before.catalog().releases() {
                let Some(new) = after.catalog().releases().get(id) else {
                    prop_assert_eq!(old.body.rollout.state, Draft, "{} was published and is gone", id);
                    continue;
                };
                let (old, new) = (&old.body.rollout, &new.body.rollout);
                let legal = match old.state {
                    Draft => true,
                    // One entry may hold several steps.
                    Active | Paused => [Active, Paused, Completed, RolledBack].contains(&new.state),
                    Completed => [Completed, RolledBack].contains(&new.state),
                    RolledBack => new.state == RolledBack,
                };
                prop_assert!(legal, "{} went from {:?} to {:?}", id, old.state, new.state);
                prop_assert!(new.was_completed >= old.was_completed);
                prop_assert!(new.stage_index >= old.stage_index);
                prop_assert_eq!(new.passed.get(..old.passed.len()), Some(&old.passed[..]));
                prop_assert!(old.salt.is_none() || new.salt == old.salt);
                if let Some(to) = new.revert_to.as_ref().filter(|to| old.revert_to.as_ref() != Some(to)) {
                    let target = &before.catalog().releases().get(to).unwrap().body.rollout.state;
                    prop_assert!([Active, Completed, Paused, Draft].contains(target), "revert to a withdrawn one");
                }
            }
        }
    }

    /// P-16: pause and resume at any times leave who is admitted at resume equal to who was at the pause.
    #[test]
    fn p_16_a_pause_freezes_the_ramp(groups in 1..20u32, interval in 1..1_000u64, pause in 0..9_000i64, length in 0..9_000i64, position: u64) {
        let mut state = State::new(GENESIS);
        let ramp = Ramp::Groups { groups, interval: Span::from_secs(interval) };
        let policy = Policy { stages: vec![stage("all", Exposure::Ramp(ramp.clone()))], ..Policy::implicit(release_id(0)) };
        let documents = vec![document(Spec::Release(Box::new(release(0, 0)))), document(Spec::Policy(policy))];
        let mut step = |secs, command| {
            let index = state.applied_index() + 1;
            let applied = apply(&mut state, index, &entry(index, secs, "ops", &format!("q{index}"), command));
            assert!(applied.result.is_ok(), "{:?}", applied.result);
            let admits = |at| {
                let release = state.catalog().releases().get(&release_id(0))?.body.clone();
                let origin = release.rollout.ramp_origin(release.published_at)?;
                Some(ramp.admission(origin, Timestamp::from_secs(START + at)).admits(Some(Position(position))))
            };
            admits(secs)
        };
        step(0, beginning());
        step(0, Command::Apply(documents));
        step(0, transition(0, PUBLISH));
        let at_pause = step(pause, transition(0, Verb::Pause));
        let at_resume = step(pause + length, transition(0, Verb::Resume { acknowledge: false }));
        prop_assert!(at_pause.is_some());
        prop_assert_eq!(at_pause, at_resume);
    }
}

/// The states of B.3, reached by commands, with the cells of its table: what each verb leads to, or nothing.
#[test]
fn p_36_every_cell_of_the_lifecycle_table() {
    use RolloutState::{Active, Completed, Draft, Paused, RolledBack};
    let to = |state: RolloutState| Some(Some(state));
    let gone = Some(None);
    let device = Some(DeviceKey::new("d1").unwrap());
    let promote = Verb::Promote { to: cohort_id(1), new_id: Some(release_id(9)), keep_version: true };
    // Verb, and where it leads from DRAFT, ACTIVE, PAUSED, COMPLETED, ROLLED_BACK.
    let table = [
        (PUBLISH, [to(Active), None, None, None, None]),
        (Verb::Pause, [None, to(Paused), None, None, None]),
        (Verb::Resume { acknowledge: false }, [None, None, to(Active), None, None]),
        (Verb::Complete, [None, to(Completed), None, None, None]),
        (WITHDRAW, [None, to(RolledBack), to(RolledBack), to(RolledBack), to(RolledBack)]),
        (Verb::Discard, [gone, None, None, None, None]),
        (Verb::Advance { domain: None }, [None, to(Active), None, None, None]),
        (Verb::Approve { by: None, device: None }, [None, to(Active), to(Paused), None, None]),
        (Verb::Approve { by: None, device }, [to(Draft), to(Active), to(Paused), to(Completed), None]),
        (Verb::Disable, [to(Draft), to(Active), to(Paused), to(Completed), to(RolledBack)]),
        (Verb::Enable, [to(Draft), to(Active), to(Paused), to(Completed), to(RolledBack)]),
        (promote, [None, to(Active), None, to(Completed), None]),
    ];
    let ways: [(RolloutState, Vec<Verb>); 5] = [
        (Draft, vec![]),
        (Active, vec![PUBLISH]),
        (Paused, vec![PUBLISH, Verb::Pause]),
        (Completed, vec![PUBLISH, Verb::Complete]),
        (RolledBack, vec![PUBLISH, WITHDRAW]),
    ];
    for (verb, row) in table {
        for ((start, way), expected) in ways.iter().zip(row) {
            let mut state = State::new(GENESIS);
            let staged = Command::Apply(vec![document(Spec::Release(Box::new(release(0, 0)))), policy_for(&verb)]);
            let setup = [beginning(), staged].into_iter().chain(way.iter().map(with_reason));
            for command in setup.collect::<Vec<_>>() {
                step(&mut state, command).unwrap();
            }
            assert_eq!(state_of(&state), Some(*start));
            let frozen = state.clone();
            let result = step(&mut state, transition(0, verb.clone()));
            match (expected, result) {
                (Some(expected), Ok(())) => assert_eq!(state_of(&state), expected, "{verb:?} from {start:?}"),
                (None, Err(code)) => {
                    assert_eq!(code, Code::IllegalTransition, "{verb:?} from {start:?}");
                    assert_eq!(state.catalog(), frozen.catalog());
                }
                (expected, result) => panic!("{verb:?} from {start:?}: expected {expected:?}, got {result:?}"),
            }
        }
    }
}

/// Two stages if one is to be passed, else one that has passed already.
fn policy_for(verb: &Verb) -> tidegate_model::Document {
    let mut stages = vec![stage("a", Exposure::All)];
    if matches!(verb, Verb::Advance { .. }) {
        stages.push(stage("b", Exposure::All));
    }
    document(Spec::Policy(Policy { stages, ..Policy::implicit(release_id(0)) }))
}

fn with_reason(verb: &Verb) -> Command {
    let reason = Some("to come here".to_owned());
    Command::Transition(Transition { release: release_id(0), expected_version: None, reason, verb: verb.clone() })
}

fn state_of(state: &State) -> Option<RolloutState> {
    state.catalog().releases().get(&release_id(0)).map(|release| release.body.rollout.state)
}

fn step(state: &mut State, command: Command) -> Result<(), Code> {
    let index = state.applied_index() + 1;
    let applied = apply(state, index, &entry(index, 0, "ops", &format!("q{index}"), command));
    applied.result.map(drop).map_err(|rejection| rejection.code)
}

#[test]
fn unknown_releases_are_not_found_before_anything_else() {
    let mut state = State::new(GENESIS);
    step(&mut state, beginning()).unwrap();
    for verb in [PUBLISH, Verb::Pause, WITHDRAW, Verb::Complete, Verb::Discard, Verb::Enable] {
        assert_eq!(step(&mut state, transition(7, verb)), Err(Code::NotFound));
    }
}
