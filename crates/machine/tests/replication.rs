//! Properties of applying a log: the same everywhere, whole or not at all, and once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tidegate_machine::{Code, Genesis, State, apply};
use tidegate_model::{
    Catalog, CatalogChange, Command, Exposure, ObjectKind, Ppm, Ramp, RampStep, RolloutState, Span, Spec, Timestamp, Trigger,
};
use world::{GENESIS, log, moves, run};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// P-03: the same log from empty, or from a snapshot taken anywhere, gives the same state and the same answers.
    #[test]
    fn p_03_snapshots_and_logs_lead_to_one_state(moves in moves(60), cut in any::<prop::sample::Index>()) {
        let log = log(&moves);
        let (whole, steps) = run(&log);
        let cut = cut.index(log.len());
        let mut state = State::new(GENESIS);
        for (i, (index, entry)) in log.iter().enumerate() {
            if i == cut {
                state = State::from_parts(state.parts()).unwrap();
            }
            prop_assert_eq!(&apply(&mut state, *index, entry), &steps[i].1);
        }
        prop_assert_eq!(state.digest(), whole.digest());
        prop_assert_eq!(state.catalog(), whole.catalog());
        prop_assert_eq!(state.requests(), whole.requests());
        prop_assert_eq!(state.changes(), whole.changes());
        prop_assert_eq!(state.tokens(), whole.tokens());
    }

    /// P-04: nothing but state and entry counts: three threads come to the same answers and digests.
    #[test]
    fn p_04_apply_depends_on_nothing_else(moves in moves(40)) {
        let log = log(&moves);
        let (here, steps) = run(&log);
        let others = std::thread::scope(|scope| {
            let threads = [scope.spawn(|| run(&log)), scope.spawn(|| run(&log))];
            threads.map(|thread| thread.join().unwrap())
        });
        for (state, other_steps) in others {
            prop_assert_eq!(state.digest(), here.digest());
            for (mine, other) in steps.iter().zip(&other_steps) {
                prop_assert_eq!(&mine.1, &other.1);
            }
        }
    }

    /// P-06: a refused command changes nothing but log time, the remembered answer and the audit.
    #[test]
    fn p_06_refusals_leave_no_trace(moves in moves(60)) {
        let log = log(&moves);
        let (last, steps) = run(&log);
        let afters = steps.iter().skip(1).map(|(before, _)| before).chain([&last]);
        for ((before, applied), after) in steps.iter().zip(afters) {
            prop_assert_eq!(after.audit().count, before.audit().count + 1);
            prop_assert!(after.log_time() >= before.log_time());
            if applied.result.is_err() {
                prop_assert!(applied.changes.is_empty());
                prop_assert_eq!(before.catalog(), after.catalog());
                prop_assert_eq!(before.catalog().digest(), after.catalog().digest());
                prop_assert_eq!(before.config_version(), after.config_version());
                prop_assert_eq!(before.settings(), after.settings());
                prop_assert_eq!(before.tokens(), after.tokens());
                prop_assert_eq!(before.auth_epoch(), after.auth_epoch());
                prop_assert_eq!(before.changes(), after.changes());
            }
        }
    }

    /// P-07: each entry once more, at once or at the end, has no effect and hears the same answer.
    #[test]
    fn p_07_retries_have_one_effect_and_one_answer(moves in moves(40)) {
        let log = log(&moves);
        let (last, steps) = run(&log);
        let mut state = last.clone();
        let first_index = state.applied_index() + 1;
        let is_let_in = |result: &Result<_, tidegate_machine::Rejection>| {
            result.as_ref().err().is_none_or(|rejection| rejection.code != Code::Forbidden)
        };
        for ((number, (_, entry)), (_, first)) in log.iter().enumerate().zip(&steps) {
            // Whoever could not ask then was not remembered, and may be let in by now: that is no retry.
            if !is_let_in(&first.result) {
                continue;
            }
            let again = apply(&mut state, first_index + number as u64, entry);
            prop_assert_eq!(state.catalog(), last.catalog());
            prop_assert_eq!(state.settings(), last.settings());
            prop_assert_eq!(state.tokens(), last.tokens());
            // Whoever may no longer ask hears that.
            if is_let_in(&again.result) {
                prop_assert!(again.replayed);
                prop_assert_eq!(&again.result, &first.result);
            }
        }
        prop_assert_eq!(state.requests().len(), last.requests().len());
    }

    /// The changes of an entry lead from the old catalog to the new one, one per object; numbers grow by one, and the
    /// config version is that of the entry exactly if there are changes.
    #[test]
    fn changes_are_what_changed(moves in moves(60)) {
        let log = log(&moves);
        let (last, steps) = run(&log);
        let mut follower = Catalog::default();
        let afters = steps.iter().skip(1).map(|(before, _)| before).chain([&last]);
        for (((before, applied), after), (index, _)) in steps.iter().zip(afters).zip(&log) {
            for change in applied.changes.iter() {
                let old = follower.apply(change);
                match (old, change) {
                    (None, CatalogChange::Put(new)) => prop_assert_eq!(new.version(), 1),
                    (Some(old), CatalogChange::Put(new)) => {
                        prop_assert!(new != &old);
                        prop_assert!(new.version() == old.version() || new.version() == old.version() + 1);
                    }
                    (old, CatalogChange::Remove(_)) => prop_assert!(old.is_some()),
                }
            }
            prop_assert_eq!(&follower, after.catalog());
            let mut names: Vec<_> = applied.changes.iter().map(CatalogChange::reference).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), count);
            let expected = if count == 0 { before.config_version() } else { GENESIS.version_base + index };
            prop_assert_eq!(after.config_version(), expected);
            if let Ok(outcome) = &applied.result {
                prop_assert!(applied.replayed || outcome.config_version == expected);
            }
            let since: usize = after.changes().since(before.config_version()).unwrap().map(|(_, names)| names.len()).sum();
            prop_assert_eq!(since, count);
        }
        let rebuilt = State::from_parts(last.parts()).unwrap();
        prop_assert_eq!(rebuilt.digest(), last.digest());
    }

    /// Whatever an entry says, however odd its time, index or values, apply answers.
    #[test]
    fn apply_never_panics(moves in moves(40), times in prop::collection::vec(any::<i64>(), 45), gaps in prop::collection::vec(any::<u64>(), 45)) {
        let mut state = State::new(Genesis { version_base: gaps[0], ..GENESIS });
        let mut index = 0_u64;
        for (i, (_, mut entry)) in log(&moves).into_iter().enumerate() {
            index = index.saturating_add(1).saturating_add(gaps[i] >> (gaps[i] % 64));
            entry.proposed_at = Timestamp::from_millis(times[i]);
            entry.auth_epoch = gaps[i];
            if let Command::Apply(documents) = &mut entry.command {
                documents.iter_mut().for_each(|document| make_extreme(&mut document.spec, times[i], gaps[i]));
            }
            let applied = apply(&mut state, index, &entry);
            if let Err(rejection) = applied.result {
                prop_assert!(!rejection.to_string().ends_with('.'));
                prop_assert!(rejection.fields.len() <= tidegate_machine::limits::FIELD_ERRORS_MAX);
            }
        }
    }

    /// The audit chain covers every record: whoever knows the heads finds a record that was changed or left out.
    #[test]
    fn audit_records_are_chained(moves in moves(20), which in any::<prop::sample::Index>()) {
        let (last, steps) = run(&log(&moves));
        let mut head = State::new(GENESIS).audit().head;
        for (_, applied) in &steps {
            head = applied.audit.chain(head);
            prop_assert_eq!(head, applied.audit.head);
        }
        prop_assert_eq!(head, last.audit().head);
        let mut forged = steps[which.index(steps.len())].1.audit.clone();
        forged.action.push('x');
        let before = steps[which.index(steps.len())].0.audit().head;
        prop_assert_ne!(forged.chain(before), forged.head);
    }
}

/// Numbers from the ends of their ranges.
fn make_extreme(spec: &mut Spec, time: i64, number: u64) {
    match spec {
        Spec::Policy(policy) => {
            policy.trigger = Trigger::At(Timestamp::from_millis(time));
            let steps = vec![
                RampStep { offset: Span::ZERO, share: Ppm::NOBODY },
                RampStep { offset: Span::from_millis(number), share: Ppm::EVERYBODY },
            ];
            let ramps = [
                Ramp::Steps(steps),
                Ramp::Groups { groups: number as u32, interval: Span::from_millis(number) },
                Ramp::Linear { from: Ppm::NOBODY, duration: Span::from_millis(number) },
            ];
            if let Some(stage) = policy.stages.first_mut() {
                stage.exposure = Exposure::Ramp(ramps[(number % 3) as usize].clone());
            }
        }
        Spec::Release(release) => release.published_at = Some(Timestamp::from_millis(time)),
        Spec::Device(device) => device.security_epoch = number,
        Spec::Bundle(bundle) => bundle.security_epoch = number,
        Spec::Product(_) | Spec::Cohort(_) | Spec::Hold(_) | Spec::Override(_) | Spec::Exclusion(_) | Spec::Attestation(_) => {}
    }
}

/// The properties above say little if nothing happens in the histories that they are about.
#[test]
fn generated_histories_are_eventful() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut answers = std::collections::BTreeMap::new();
    let mut states = std::collections::BTreeMap::new();
    let mut kinds = std::collections::BTreeMap::new();
    for _ in 0..150 {
        let moves = moves(80).new_tree(&mut runner).unwrap().current();
        let (last, steps) = run(&log(&moves));
        for (_, applied) in &steps {
            let code = applied.result.as_ref().err().map(|rejection| rejection.code);
            *answers.entry(code).or_insert(0) += 1;
        }
        last.catalog().releases().values().for_each(|release| *states.entry(release.body.rollout.state).or_insert(0) += 1);
        last.catalog().objects().for_each(|object| *kinds.entry(object.reference().kind()).or_insert(0) += 1);
    }
    for code in [
        None,
        Some(Code::Forbidden),
        Some(Code::NotFound),
        Some(Code::AlreadyExists),
        Some(Code::Conflict),
        Some(Code::InvalidObject),
        Some(Code::Immutable),
        Some(Code::IllegalTransition),
        Some(Code::Recalled),
        Some(Code::NotAttested),
        Some(Code::GraphInvalid),
        Some(Code::InsertNotConfirmed),
        Some(Code::LatestConstrained),
        Some(Code::NotEverybody),
        Some(Code::ReleaseLinked),
        Some(Code::InUse),
    ] {
        assert!(answers.contains_key(&code), "no history is answered {code:?}: {answers:?}");
    }
    for state in
        [RolloutState::Draft, RolloutState::Active, RolloutState::Paused, RolloutState::Completed, RolloutState::RolledBack]
    {
        assert!(states.get(&state).is_some_and(|count| *count >= 10), "hardly a release is {state:?}: {states:?}");
    }
    assert!(ObjectKind::ALL.iter().all(|kind| kinds.contains_key(kind)), "{kinds:?}");
}
