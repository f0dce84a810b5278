//! The compiled form against the naive twin, and incremental compilation against compilation from empty.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_model::{Catalog, CatalogChange, HoldId, HoldKind, HoldScope, Object, ObjectRef, Selector};

use crate::naive;
use crate::reason::Reason;
use crate::snapshot::{Snapshot, Stamp};
use crate::testing::{Dice, World, attribute, bundle_id, plausible_world, request_parts};

/// What leads from one catalog to another, in random order.
fn changes(from: &Catalog, to: &Catalog, dice: &mut Dice) -> Vec<CatalogChange> {
    let old: BTreeSet<_> = from.objects().map(|object| object.reference()).collect();
    let new: BTreeSet<_> = to.objects().map(|object| object.reference()).collect();
    let removed = old.difference(&new).cloned().map(CatalogChange::Remove);
    let is_changed = |object: &Object| from.get(&object.reference()).as_ref() != Some(object);
    let mut changes: Vec<_> = removed.chain(to.objects().filter(is_changed).map(CatalogChange::Put)).collect();
    for i in (1..changes.len()).rev() {
        changes.swap(i, dice.below(i + 1));
    }
    changes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// compile + decide = naive decide, in all fields, over many devices and instants; P-02 on the way: asking twice,
    /// with others in between, gives the same answer.
    #[test]
    fn p_02_compiled_decisions_are_those_of_the_catalog(seed: u64) {
        let world = plausible_world(seed);
        let dice = &mut Dice::new(seed ^ 1);
        let requests: Vec<_> = (0..40).map(|_| request_parts(dice)).collect();
        let answers: Vec<_> = requests.iter().map(|parts| world.hears(&parts.request(), parts.now)).collect();
        let snapshot = world.snapshot();
        for (parts, answer) in requests.iter().zip(answers).rev() {
            let again = crate::decide(&snapshot, &parts.request(), parts.now);
            prop_assert_eq!(naive::Outcome::from(again), answer);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// P-01: compiled step by step or at once, the snapshot of a catalog is the same, in digest, content and behaviour.
    #[test]
    fn p_01_incremental_compilation_equals_compilation_from_empty(seed: u64) {
        let dice = &mut Dice::new(seed);
        let mut catalog = Catalog::default();
        let mut snapshot = Snapshot::empty();
        let mut stamp = Stamp::default();
        for round in 0..3 {
            // A neighbour: most objects differ, but all names are of one vocabulary.
            let goal = if round == 2 && dice.chance(20) { Catalog::default() } else { plausible_world(dice.next()).catalog };
            let mut changes = changes(&catalog, &goal, dice);
            while !changes.is_empty() {
                let batch: Vec<_> = changes.drain(..(1 + dice.below(6)).min(changes.len())).collect();
                batch.iter().for_each(|change| drop(catalog.apply(change)));
                stamp.config_version += 1;
                stamp.applied_index += 2;
                snapshot = crate::compile(&snapshot, &catalog, &batch, stamp);
                prop_assert_eq!(snapshot.stamp(), stamp);
                if dice.chance(20) || changes.is_empty() {
                    let whole = Snapshot::of(&catalog, stamp);
                    prop_assert_eq!(snapshot.digest(), whole.digest());
                    prop_assert_eq!(snapshot.products(), whole.products());
                    let parts = request_parts(dice);
                    let outcome = naive::Outcome::from(crate::decide(&snapshot, &parts.request(), parts.now));
                    prop_assert_eq!(outcome, naive::decide(&catalog, stamp, &parts.request(), parts.now));
                }
            }
        }
    }
}

/// A hold whose selector can match nobody is filed nowhere, whatever else came and went beside it.
#[test]
fn a_hold_on_nobody_leaves_no_trace_in_the_index() {
    let mut world = World::graph();
    let with = |world: &mut World, selector: Selector| {
        world.hold(HoldKind::OptOut, |hold| {
            hold.bundle = Some(bundle_id("b5"));
            hold.scope = HoldScope::Selector(selector);
        });
    };
    with(&mut world, attribute("region", &[]));
    let whole = world.snapshot();
    with(&mut world, Selector::default());
    let more = world.snapshot();
    let gone = [CatalogChange::Remove(ObjectRef::Hold(HoldId::new("h1").unwrap()))];
    world.catalog.apply(&gone[0]);
    let again = crate::compile(&more, &world.catalog, &gone, world.stamp());
    assert_eq!(again.products(), whole.products());
}

/// The properties above are worth what the catalogs reach: every answer that `decide` can give on a sound catalog.
#[test]
fn plausible_catalogs_reach_every_answer() {
    let given_elsewhere = [
        Reason::InvalidRequest,
        Reason::UnknownProduct,
        Reason::NotReady,
        Reason::ReplicaBehind,
        Reason::SnapshotStale,
        // Drafts are not linked, so they are on no path.
        Reason::NotPublished,
    ];
    let mut missing: BTreeSet<_> = Reason::ALL.iter().copied().filter(|reason| !given_elsewhere.contains(reason)).collect();
    for seed in 0..3_000 {
        let snapshot = plausible_world(seed).snapshot();
        let dice = &mut Dice::new(seed ^ 1);
        for _ in 0..40 {
            let parts = request_parts(dice);
            missing.remove(&crate::decide(&snapshot, &parts.request(), parts.now).reason);
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("never given: {missing:?}");
}
