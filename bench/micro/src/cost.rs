//! What a catalog costs besides decisions: to compile it whole and change by change, to hold it, and to hand it on.

use std::hint::black_box;
use std::time::Instant;

use tidegate_eligibility::{Snapshot, compile};
use tidegate_model::{Catalog, CatalogChange, RolloutState};

use crate::catalog::World;
use crate::shape::{Named, Shape, TYPICAL};
use crate::time::Nanos;

/// Changes of each kind that are compiled one after the other.
const CHANGES: usize = 60;

/// The kinds of changes that are timed, in the order of the tables.
pub const KINDS: [&str; 5] = ["pause or resume", "publish", "device", "hold", "override"];

/// What compiling costs in one catalog, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The whole catalog, from nothing.
    pub whole: f64,
    /// One change of each of [`KINDS`], from the previous snapshot to the next, which is dropped in that time too.
    pub changes: Vec<Nanos>,
    /// A clone of the snapshot.
    pub clone: f64,
}

/// Times compilation in this catalog.
#[must_use]
pub fn compilation(world: &World, snapshot: &Snapshot, whole: f64) -> Compilation {
    Compilation { whole, changes: KINDS.iter().map(|kind| changes(world, snapshot, kind)).collect(), clone: clone(snapshot) }
}

fn clone(snapshot: &Snapshot) -> f64 {
    const CLONES: u32 = 10_000;
    let began = Instant::now();
    (0..CLONES).for_each(|_| drop(black_box(snapshot.clone())));
    began.elapsed().as_secs_f64() * 1e9 / f64::from(CLONES)
}

/// Every change is made to the catalog first, which is not timed: it happens once on every node, by `apply`.
fn changes(world: &World, snapshot: &Snapshot, kind: &str) -> Nanos {
    let (mut catalog, mut current) = (world.catalog.clone(), snapshot.clone());
    let mut slices = Vec::with_capacity(CHANGES);
    for number in 0..CHANGES {
        let version = snapshot.stamp().config_version + 1 + number as u64;
        let batch = batch((world, &catalog), kind, number, version);
        batch.iter().for_each(|change| drop(catalog.apply(change)));
        let mut stamp = current.stamp();
        (stamp.config_version, stamp.applied_index) = (version, version);
        let began = Instant::now();
        current = compile(&current, &catalog, &batch, stamp);
        slices.push(began.elapsed().as_secs_f64() * 1e9);
    }
    Nanos::of(slices)
}

/// Change number `number` of this kind, to what the world has become by those before it.
fn batch((world, catalog): (&World, &Catalog), kind: &str, number: usize, version: u64) -> Vec<CatalogChange> {
    let cohort = number % world.shape.rollouts.max(1);
    match kind {
        "pause or resume" => {
            let is_first_round = (number / world.shape.rollouts.max(1)).is_multiple_of(2);
            let state = if is_first_round { RolloutState::Paused } else { RolloutState::Active };
            vec![world.turn(cohort, state, version)]
        }
        "publish" => world.publish(catalog, cohort, number / world.shape.rollouts.max(1), version),
        "device" => vec![world.register(world.shape.devices / 2 + number, version)],
        "hold" => vec![world.hold(world.shape.holds + number, version)],
        _override => vec![world.overriding(world.shape.overrides + number, version)],
    }
}

/// Memory of one kind of object: what the catalog takes for it, and what its compiled form takes beside that.
#[derive(Clone, Debug)]
pub struct Weight {
    /// One of what.
    pub of: &'static str,
    /// Bytes in the catalog, its hash tree included.
    pub catalog: f64,
    /// Bytes in the compiled form, which shares the objects themselves.
    pub compiled: f64,
}

/// Objects of each kind that are weighed.
const WEIGHED: usize = 20_000;

/// Weighs one release (with its bundle and policy), one rollout (a cohort with six releases, the latest under way), one
/// record, one override and one hold: by what a catalog with many of them holds more than one without.
#[must_use]
pub fn weights() -> Vec<Weight> {
    let base = TYPICAL.shape;
    let cases: [(&'static str, Shape, usize); 5] = [
        ("release", Shape { releases: base.releases + WEIGHED, ..base }, WEIGHED),
        ("rollout", Shape { rollouts: 2_000, releases: 2_400 * 6, ..base }, 2_000 - base.rollouts),
        ("device record", Shape { devices: base.devices + WEIGHED, ..base }, WEIGHED),
        ("override", Shape { overrides: base.overrides + WEIGHED, ..base }, WEIGHED),
        ("hold", Shape { holds: base.holds + WEIGHED, ..base }, WEIGHED),
    ];
    let (catalog, compiled) = held(base);
    let more = cases.map(|(of, shape, count)| {
        let (with_catalog, with_compiled) = held(shape);
        let count = u32::try_from(count).map_or(1.0, f64::from);
        Weight { of, catalog: (with_catalog - catalog) / count, compiled: (with_compiled - compiled) / count }
    });
    more.into()
}

/// Bytes that a catalog holds, and those that its compiled form adds. Requested bytes: what the allocator rounds up comes
/// on top, with glibc some eight bytes an allocation.
fn held(shape: Shape) -> (f64, f64) {
    let mut world: Option<World> = None;
    let catalog = allocation_counter::measure(|| world = Some(World::new(shape))).bytes_current;
    let mut snapshot = None;
    let compiled = allocation_counter::measure(|| {
        snapshot = world.as_ref().map(|world| Snapshot::of(&world.catalog, world.stamp()));
    });
    (catalog as f64, compiled.bytes_current as f64)
}

/// Builds a catalog and its snapshot; says how long compiling took, in nanoseconds.
#[must_use]
pub fn build(named: Named) -> (World, Snapshot, f64) {
    let world = World::new(named.shape);
    let began = Instant::now();
    let snapshot = Snapshot::of(&world.catalog, world.stamp());
    (world, snapshot, began.elapsed().as_secs_f64() * 1e9)
}
