//! Putting a state together from parts: what cannot be is refused, and what can be goes on as if nothing had happened.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use std::sync::Arc;

use tidegate_machine::{BadParts, Code, Genesis, Parts, State, apply};
use tidegate_model::{
    Bundle, CatalogChange, Command, Object, ObjectRef, Product, Release, RolloutState, Signature, Spec, StageState, Stored,
    Transition, Verb, VersionScheme,
};
use world::{GENESIS, PUBLISH, beginning, bundle, cohort, document, entry, product, release, release_id, staging, transition};

fn step(state: &mut State, command: Command) -> Result<(), Code> {
    let index = state.applied_index() + 1;
    let applied = apply(state, index, &entry(index, 0, "ops", &format!("q{index}"), command));
    applied.result.map(drop).map_err(|rejection| rejection.code)
}

fn staged() -> State {
    let mut state = State::new(GENESIS);
    step(&mut state, beginning()).unwrap();
    step(&mut state, staging()).unwrap();
    state
}

/// Changes one release behind the machine's back.
fn tamper(parts: &mut Parts, number: u8, change: impl FnOnce(&mut Release)) {
    let stored = parts.catalog.releases().get(&release_id(number)).unwrap();
    let mut stored: Stored<Release> = (**stored).clone();
    change(&mut stored.body);
    parts.catalog.apply(&CatalogChange::Put(Object::Release(Arc::new(stored))));
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Parts), is_expected: impl FnOnce(&BadParts) -> bool) {
    let mut parts = staged().parts();
    change(&mut parts);
    let bad = State::from_parts(parts).expect_err("these parts make no state");
    assert!(is_expected(&bad), "{bad}");
}

#[test]
fn parts_that_cannot_be_are_named() {
    check_refused(|parts| parts.config_version = 2_000, |bad| matches!(bad, BadParts::ConfigVersion { .. }));
    check_refused(|parts| parts.genesis.version_base = 5_000, |bad| matches!(bad, BadParts::ConfigVersion { .. }));
    check_refused(|parts| parts.requests.reverse(), |bad| matches!(bad, BadParts::Request { .. }));
    check_refused(|parts| parts.requests.push(parts.requests[0].clone()), |bad| matches!(bad, BadParts::Request { .. }));
    check_refused(|parts| parts.changes.reverse(), |bad| matches!(bad, BadParts::Changes { .. }));
    check_refused(|parts| parts.changes_floor = 5_000, |bad| matches!(bad, BadParts::Changes { .. }));
    let bundle = ObjectRef::Bundle(bundle(2).id);
    check_refused(
        |parts| drop(parts.catalog.apply(&CatalogChange::Remove(bundle))),
        |bad| matches!(bad, BadParts::Dangling { .. }),
    );
    let edge = |from, to: u8| move |parts: &mut Parts| tamper(parts, from, |release| release.next = Some(release_id(to)));
    check_refused(edge(0, 1), |bad| matches!(bad, BadParts::Edge { .. }));
    check_refused(edge(0, 2), |bad| matches!(bad, BadParts::Edge { .. }));
    check_refused(edge(0, 0), |bad| matches!(bad, BadParts::Graph { .. }));
    check_refused(|parts| tamper(parts, 2, |release| release.linked = true), |bad| matches!(bad, BadParts::Graph { .. }));
}

#[test]
fn an_intact_state_comes_back_whole() {
    let state = staged();
    let again = State::from_parts(state.parts()).unwrap();
    assert_eq!(again.digest(), state.digest());
    let mut other = staged();
    step(&mut other, transition(2, PUBLISH)).unwrap();
    assert_ne!(other.digest(), state.digest());
}

/// A failed gate is only written by a controller; the machine must still ask for the acknowledgement.
#[test]
fn a_failed_gate_must_be_acknowledged() {
    let mut state = staged();
    step(&mut state, transition(2, PUBLISH)).unwrap();
    step(&mut state, transition(2, Verb::Pause)).unwrap();
    let mut parts = state.parts();
    tamper(&mut parts, 2, |release| {
        release.rollout.gate_failed = true;
        release.rollout.stage_state = StageState::Failed;
    });
    let mut state = State::from_parts(parts).unwrap();
    assert_eq!(step(&mut state, transition(2, Verb::Resume { acknowledge: false })), Err(Code::GateNotAcknowledged));
    step(&mut state, transition(2, Verb::Resume { acknowledge: true })).unwrap();
    let rollout = &state.catalog().releases().get(&release_id(2)).unwrap().body.rollout;
    assert_eq!((rollout.state, rollout.stage_state), (RolloutState::Active, StageState::Open));
    assert!(!rollout.gate_failed);
}

/// While a stage bakes, going on by hand needs a reason.
#[test]
fn a_baking_stage_is_left_with_a_reason_only() {
    let mut state = staged();
    step(&mut state, transition(2, PUBLISH)).unwrap();
    let mut parts = state.parts();
    tamper(&mut parts, 2, |release| release.rollout.stage_state = StageState::Baking);
    let mut state = State::from_parts(parts).unwrap();
    let advance = |reason: Option<&str>| {
        let (reason, verb) = (reason.map(str::to_owned), Verb::Advance { domain: None });
        Command::Transition(Transition { release: release_id(2), expected_version: None, reason, verb })
    };
    assert_eq!(step(&mut state, advance(None)), Err(Code::IllegalTransition));
    assert_eq!(step(&mut state, advance(Some("  "))), Err(Code::IllegalTransition));
    step(&mut state, advance(Some("enough seen"))).unwrap();
}

/// In rollout tests a signature without text is a good one of its key; on a cluster it is not even stored.
#[test]
fn bare_signatures_count_in_rollout_tests_only() {
    let signed = |key: &str| Bundle { signatures: vec![Signature { key: key.to_owned(), signature: None }], ..bundle(0) };
    let documents = |key: &str| {
        let trusting = Product { trusted_keys: ["release".to_owned()].into(), ..product(VersionScheme::Integer) };
        Command::Apply(vec![
            document(Spec::Product(trusting)),
            document(Spec::Cohort(cohort(0))),
            document(Spec::Bundle(signed(key))),
            document(Spec::Release(Box::new(release(0, 0)))),
        ])
    };
    let mut cluster = State::new(GENESIS);
    assert_eq!(step(&mut cluster, documents("release")), Err(Code::InvalidObject));
    for (key, expected) in [("release", Ok(())), ("other", Err(Code::Unsigned))] {
        let mut test = State::new(Genesis { bare_signatures: true, ..GENESIS });
        step(&mut test, documents(key)).unwrap();
        assert_eq!(step(&mut test, transition(0, PUBLISH)), expected);
    }
}
