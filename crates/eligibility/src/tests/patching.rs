//! Graphs that are patched equal those that are laid out anew, and what must be quick is patched.

use std::sync::Arc;

use proptest::prelude::*;
use tidegate_model::{Catalog, CatalogChange, Object, ReleaseId, RolloutState, Urgency};

use crate::compiled::{Graph, ProductView};
use crate::naive;
use crate::snapshot::{Snapshot, Stamp};
use crate::testing::{Dice, World, after, bundle_id, on, release_id, version};

/// A chain of `count` releases, the latest under way.
fn chain(count: usize) -> World {
    let mut world = World::new();
    (0..count).for_each(|i| publish(&mut world, i));
    world
}

/// Release `i` comes after the one before it.
fn publish(world: &mut World, i: usize) {
    world.bundle(&format!("b{i:03}"), |_| {});
    if i > 0 {
        world.release(&name(i - 1), |release| {
            release.next = Some(release_id(&name(i)));
            release.rollout.state = RolloutState::Completed;
        });
    }
    world.release(&name(i), |release| release.version = Some(version(&format!("1.{i}.0"))));
    world.roll_out(&name(i), |_| {});
}

fn name(i: usize) -> String {
    format!("r{i:03}")
}

/// What leads from one catalog to the other.
fn changes(from: &Catalog, to: &Catalog) -> Vec<CatalogChange> {
    let is_changed = |object: &Object| from.get(&object.reference()).as_ref() != Some(object);
    to.objects().filter(is_changed).map(CatalogChange::Put).collect()
}

fn view(snapshot: &Snapshot) -> &Arc<ProductView> {
    snapshot.products().get("os").unwrap()
}

fn graph(snapshot: &Snapshot) -> Arc<Graph> {
    view(snapshot).cohorts.get("stable").unwrap().graph.clone()
}

/// Makes a change, and says whether the graph could be patched; it equals the one that is laid out anew.
fn is_patched(world: &mut World, change: impl FnOnce(&mut World)) -> bool {
    let (before, catalog) = (world.snapshot(), world.catalog.clone());
    change(world);
    let whole = world.snapshot();
    let named = |change: &CatalogChange| match change {
        CatalogChange::Put(Object::Release(stored)) => Some(stored.body.id.clone()),
        CatalogChange::Put(Object::Policy(stored)) => Some(stored.body.release.clone()),
        _ => None,
    };
    let mut ids: Vec<ReleaseId> = changes(&catalog, &world.catalog).iter().filter_map(named).collect();
    ids.sort();
    ids.dedup();
    let changed: Vec<_> = ids.into_iter().map(|id| (id.clone(), view(&whole).releases.get(id.as_str()).cloned())).collect();
    let patched = graph(&before).patched(&changed);
    if let Some(patched) = &patched {
        assert_eq!(patched, &*graph(&whole));
    }
    patched.is_some()
}

#[test]
fn what_must_be_quick_is_patched() {
    let mut world = chain(40);
    assert!(is_patched(&mut world, |world| world.state("r039", RolloutState::Paused)));
    assert!(is_patched(&mut world, |world| world.state("r039", RolloutState::Active)));
    assert!(is_patched(&mut world, |world| world.state("r039", RolloutState::Completed)));
    assert!(is_patched(&mut world, |world| publish(world, 40)));
    assert!(is_patched(&mut world, |world| world.release("r020", |release| release.notes = "seen".to_owned())));
    assert!(is_patched(&mut world, |world| world.release("r050", |release| release.linked = false)), "a draft");
}

#[test]
fn what_places_other_releases_is_laid_out_anew() {
    let disabled = |world: &mut World| world.release("r020", |release| release.disabled = true);
    assert!(!is_patched(&mut chain(40), disabled));
    assert!(!is_patched(&mut chain(40), |world| world.release("r020", |release| release.required = true)));
    assert!(!is_patched(&mut chain(40), |world| world.release("r020", |release| release.urgency = Urgency::Critical)));
    assert!(!is_patched(&mut chain(40), |world| world.release("r020", |release| release.version = None)));
    assert!(!is_patched(&mut chain(40), |world| world.release("r020", |release| release.linked = false)));
    let mut world = chain(40);
    world.release("r039", |release| release.required = true);
    assert!(!is_patched(&mut world, |world| publish(world, 40)), "walks stopped at what nobody may pass");
    let mut world = chain(40);
    world.release("r039", |release| release.next = Some(release_id("r040")));
    assert!(!is_patched(&mut world, |world| world.release("r040", |release| release.bundle = bundle_id("b001"))), "waited for");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// P-01: over the life of a cohort, one change after the other, the snapshot is that of the whole catalog; and what devices hear
    /// is what the catalog says.
    #[test]
    fn p_01_a_life_of_changes_compiles_to_the_whole(seed: u64) {
        let dice = &mut Dice::new(seed);
        let mut world = chain(1 + dice.below(4));
        let mut count = world.catalog.releases().len();
        let mut snapshot = world.snapshot();
        for step in 0..25_u64 {
            let before = world.catalog.clone();
            for _ in 0..1 + dice.below(2) {
                live(&mut world, dice, &mut count);
            }
            let stamp = Stamp { config_version: 1_000 + step, epoch: 1, applied_index: step };
            snapshot = crate::compile(&snapshot, &world.catalog, &changes(&before, &world.catalog), stamp);
            let whole = Snapshot::of(&world.catalog, stamp);
            prop_assert_eq!(snapshot.products(), whole.products());
            let at: &'static str = ["r000", "r001", "r002", "r005"][dice.below(4)];
            let heard = naive::Outcome::from(crate::decide(&snapshot, &on(at), after(60)));
            prop_assert_eq!(heard, naive::decide(&world.catalog, stamp, &on(at), after(60)));
        }
    }
}

/// One thing that happens to a cohort: mostly a publication or a turn of the latest release, sometimes of an older one, or a branch.
fn live(world: &mut World, dice: &mut Dice, count: &mut usize) {
    let latest = name(*count - 1);
    let any = name(dice.below(*count));
    match dice.below(12) {
        0..=3 => {
            publish(world, *count);
            *count += 1;
        }
        4 | 5 => world.state(&latest, dice.pick(&[RolloutState::Paused, RolloutState::Active, RolloutState::RolledBack])),
        6 => world.state(&any, RolloutState::Completed),
        7 => world.release(&any, |release| release.disabled = !release.disabled),
        8 => world.release(&any, |release| release.required = !release.required),
        9 => world.release(&latest, |release| release.urgency = Urgency::Critical),
        10 => {
            // A branch that leads to one of the chain.
            world.bundle(&format!("b{}", &any[1..]), |_| {});
            world.release(&format!("s{}", &any[1..]), |release| {
                release.bundle = bundle_id(&format!("b{}", &any[1..]));
                release.next = Some(release_id(&any));
            });
        }
        _ => world.release(&latest, |release| release.dead_end = !release.dead_end),
    }
}
