//! Properties of what the controller brings about: exclusions, rosters, triggers, bakes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod lively;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use lively::lively_moves;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tidegate_machine::{State, apply};
use tidegate_model::{
    Catalog, CellState, Command, DeviceKey, ExclusionScope, Policy, ReleaseId, Rollout, RolloutState, SaltOrigin, Stage, Steer,
    SteerStep, Trigger,
};
use world::{entry, log, run};

fn current_stage(catalog: &Catalog, id: &ReleaseId, rollout: &Rollout) -> Option<Stage> {
    let implicit = Policy::implicit(id.clone());
    let policy = catalog.policies().get(id).map_or(&implicit, |policy| &policy.body);
    policy.stages.get(rollout.stage_index as usize).cloned()
}

/// Domain values that are open somewhere, with the product and key that they are open in; read off the words of the model.
fn open_domains(catalog: &Catalog) -> BTreeSet<(String, String, String)> {
    let mut open = BTreeSet::new();
    for (id, stored) in catalog.releases() {
        let rollout = &stored.body.rollout;
        if ![RolloutState::Active, RolloutState::Paused].contains(&rollout.state) {
            continue;
        }
        let Some(domains) = current_stage(catalog, id, rollout).and_then(|stage| stage.domains) else { continue };
        for (value, cell) in &rollout.cells {
            if ![CellState::Closed, CellState::Passed].contains(&cell.state) {
                open.insert((stored.body.product.to_string(), domains.key.clone(), value.clone()));
            }
        }
    }
    open
}

/// The states after each entry, with the one before.
fn pairs<'a>(steps: &'a [(State, tidegate_machine::Applied)], last: &'a State) -> Vec<(&'a State, &'a State)> {
    let afters = steps.iter().skip(1).map(|(before, _)| before).chain([last]);
    steps.iter().map(|(before, _)| before).zip(afters).collect()
}

fn everybody_ever(rollout: &Rollout) -> BTreeSet<DeviceKey> {
    rollout.admitted.iter().chain(&rollout.dismissed).cloned().collect()
}

/// The greatest size that a step of the log asked for, for any rollout that this one inherits from.
fn asked_sizes(log: &[(u64, tidegate_model::Entry)]) -> BTreeMap<ReleaseId, u32> {
    let mut sizes: BTreeMap<ReleaseId, u32> = BTreeMap::new();
    for (_, entry) in log {
        let commands = match &entry.command {
            Command::Batch(commands) => commands.iter().collect(),
            other => vec![other],
        };
        for command in commands {
            if let Command::Steer(Steer { release, step: SteerStep::Admit { size, .. }, .. }) = command {
                let greatest = sizes.entry(release.clone()).or_insert(0);
                *greatest = (*greatest).max(*size);
            }
        }
    }
    sizes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// P-44: no two domains of one exclusion group are open after any entry of any history.
    #[test]
    fn p_44_no_two_domains_of_a_group_are_open(moves in lively_moves(80)) {
        let (last, steps) = run(&log(&moves));
        for state in steps.iter().map(|(before, _)| before).chain([&last]) {
            let open = open_domains(state.catalog());
            for exclusion in state.catalog().exclusions().values().map(|stored| &stored.body) {
                for group in &exclusion.groups {
                    for (product, key, value) in &open {
                        let against = open.iter().find(|(other_product, other_key, other)| {
                            let in_scope = exclusion.scope == ExclusionScope::Global || other_product == product;
                            in_scope && other_key == key && other != value && group.contains(other)
                        });
                        let concerns = *key == exclusion.key && group.contains(value);
                        prop_assert!(!concerns || against.is_none(), "{value} and {against:?} are open together");
                    }
                }
            }
        }
    }

    /// P-18: whoever was ever on a roster takes a slot for good, and there are never more slots than were asked for.
    /// P-19: nobody leaves a roster under the policy that admitted them, and who leaves keeps the slot.
    #[test]
    fn p_18_p_19_slots_are_never_used_again(moves in lively_moves(80)) {
        let log = log(&moves);
        let sizes = asked_sizes(&log);
        let (last, steps) = run(&log);
        let policy = |state: &State, id: &ReleaseId| state.catalog().policies().get(id).cloned();
        let mut admitted_under = BTreeMap::new();
        for (before, after) in pairs(&steps, &last) {
            for (id, new) in after.catalog().releases() {
                let rollout = &new.body.rollout;
                let was_admitted = |key: &DeviceKey| {
                    before.catalog().releases().get(id).is_some_and(|old| old.body.rollout.admitted.contains(key))
                };
                for key in rollout.admitted.iter().filter(|key| !was_admitted(key)) {
                    admitted_under.insert((id.clone(), key.clone()), policy(after, id));
                }
                let ever = everybody_ever(rollout);
                prop_assert!(ever.len() <= rollout.admitted_max as usize);
                prop_assert!(rollout.admitted.iter().all(|key| !rollout.dismissed.contains(key)));
                let Some(old) = before.catalog().releases().get(id).filter(|old| old.body.linked) else {
                    // A new rollout takes over what the one that it supersedes had, or begins with nobody.
                    let taken_over = match &rollout.salt_origin {
                        SaltOrigin::Inherited(from) => {
                            everybody_ever(&after.catalog().releases().get(from).unwrap().body.rollout)
                        }
                        SaltOrigin::Fresh | SaltOrigin::CohortFixed => BTreeSet::new(),
                    };
                    prop_assert!(taken_over.is_subset(&ever));
                    continue;
                };
                prop_assert!(everybody_ever(&old.body.rollout).is_subset(&ever));
                prop_assert!(old.body.rollout.admitted_max <= rollout.admitted_max);
                let mut left = old.body.rollout.admitted.iter().filter(|key| !rollout.admitted.contains(*key));
                let is_policy_of = |key: &DeviceKey| admitted_under.get(&(id.clone(), key.clone())) == Some(&policy(after, id));
                prop_assert!(!left.any(is_policy_of), "somebody left the roster of {id} under the policy that admitted them");
            }
        }
        for (id, stored) in last.catalog().releases() {
            let mut asked = sizes.get(id).copied().unwrap_or(0);
            let mut origin = &stored.body.rollout.salt_origin;
            while let SaltOrigin::Inherited(from) = origin {
                asked = asked.max(sizes.get(from).copied().unwrap_or(0));
                origin = &last.catalog().releases().get(from).unwrap().body.rollout.salt_origin;
            }
            prop_assert!(stored.body.rollout.admitted_max <= asked);
        }
    }

    /// P-40: a trigger fires exactly once, and publishes only when the release that it waits for has COMPLETED.
    #[test]
    fn p_40_triggers_fire_once_and_only_on_completion(moves in lively_moves(80)) {
        let (mut state, _) = run(&log(&moves));
        let releases: Vec<ReleaseId> = state.catalog().releases().keys().cloned().collect();
        for (round, id) in releases.iter().enumerate() {
            let fire = |state: &mut State, round: usize| {
                let expected_version = state.catalog().releases().get(id).unwrap().version;
                let steer = Steer { release: id.clone(), expected_version, step: SteerStep::Fire };
                let index = state.applied_index() + 1;
                apply(state, index, &entry(index, 10_000, "controller", &format!("f{round}"), Command::Steer(steer)))
            };
            let before = state.clone();
            let first = fire(&mut state, 2 * round);
            let awaited = before.catalog().releases().get(id).unwrap().body.rollout.state;
            let has_ended = [RolloutState::Completed, RolloutState::RolledBack].contains(&awaited);
            prop_assert_eq!(first.result.is_ok(), has_ended);
            for (draft, stored) in before.catalog().releases() {
                let now = &state.catalog().releases().get(draft).unwrap().body.rollout;
                let waited = before.catalog().policies().get(draft).is_some_and(|policy| {
                    policy.body.trigger == Trigger::After(id.clone())
                }) && stored.body.rollout.state == RolloutState::Draft && stored.body.rollout.flag.is_none();
                let was_published = stored.body.rollout.state == RolloutState::Draft && now.state == RolloutState::Active;
                prop_assert!(!was_published || (waited && awaited == RolloutState::Completed));
                prop_assert!(!waited || !has_ended || was_published || now.flag.is_some(), "{draft} still waits");
            }
            if has_ended {
                let again = fire(&mut state, 2 * round + 1);
                prop_assert!(again.result.is_ok() && again.changes.is_empty(), "a trigger fired twice");
            }
        }
    }

    /// Whoever looks at the state alone finds the same holders as a command at work, and what may open does open.
    #[test]
    fn what_an_exclusion_lets_open_opens(moves in lively_moves(80)) {
        let (state, _) = run(&log(&moves));
        for (id, stored) in state.catalog().releases() {
            let rollout = &stored.body.rollout;
            let is_on = rollout.state == RolloutState::Active
                && !rollout.waits_for_trigger(state.log_time())
                && rollout.frozen_since.is_none();
            let Some(domains) = current_stage(state.catalog(), id, rollout).and_then(|stage| stage.domains) else { continue };
            let open = rollout.cells.values().filter(|cell| cell.holds_token()).count();
            for (value, cell) in &rollout.cells {
                if !is_on || cell.state != CellState::Closed || open >= domains.parallel as usize {
                    continue;
                }
                let step = SteerStep::OpenCells(BTreeSet::from([value.clone()]));
                let steer = Steer { release: id.clone(), expected_version: stored.version, step };
                let mut next = state.clone();
                let index = next.applied_index() + 1;
                let entry = entry(index, 0, "controller", "open", Command::Steer(steer));
                let opened = apply(&mut next, index, &entry).result.is_ok();
                prop_assert_eq!(opened, state.exclusion_holder(id, value).is_none());
            }
        }
    }
}

/// The properties above say nothing about histories in which nothing happens.
#[test]
fn lively_histories_are_lively() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..200 {
        let moves = lively_moves(120).new_tree(&mut runner).unwrap().current();
        let (last, steps) = run(&log(&moves));
        for (before, after) in pairs(&steps, &last) {
            for (id, new) in after.catalog().releases() {
                let Some(old) = before.catalog().releases().get(id) else { continue };
                let (old, new) = (&old.body.rollout, &new.body.rollout);
                let mut note = |what, is_so: bool| *seen.entry(what).or_insert(0) += usize::from(is_so);
                note(
                    "cells open",
                    old.cells.values().filter(|cell| cell.holds_token()).count()
                        < new.cells.values().filter(|cell| cell.holds_token()).count(),
                );
                note("stages pass", old.passed.len() < new.passed.len());
                note("rosters grow", old.admitted.len() < new.admitted.len());
                note("slots are kept", old.dismissed.len() < new.dismissed.len());
                note("gates fail", !old.gate_failed && new.gate_failed);
                note("failures are acknowledged", old.acknowledged_at < new.acknowledged_at);
                note("freezes begin", old.frozen_since < new.frozen_since);
                note("flags are set", old.flag.is_none() && new.flag.is_some());
            }
        }
        let refused = |text: &str| {
            let rejections = steps.iter().filter_map(|(_, applied)| applied.result.as_ref().err());
            rejections.filter(|rejection| rejection.sentence.contains(text)).count()
        };
        *seen.entry("exclusions keep cells closed").or_insert(0) += refused("an exclusion keeps");
        *seen.entry("slots run out").or_insert(0) += refused("would be on the roster");
        *seen.entry("bakes are waited for").or_insert(0) += refused("its bake is not over");
    }
    assert!(seen.len() == 11 && seen.values().all(|count| *count >= 10), "{seen:?}");
}
