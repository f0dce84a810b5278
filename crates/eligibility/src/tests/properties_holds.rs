//! Overrides and holds: P-31 to P-35.

use proptest::prelude::*;
use tidegate_model::{Catalog, CatalogChange, HoldKind, Object, Timestamp};

use crate::decision::Source;
use crate::naive::Outcome;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::testing::{Dice, World, bundle_id, plausible_world, request_parts};
use crate::trace::Entry;

fn for_many(seed: u64, mut check: impl FnMut(&World, &Snapshot, &Request<'_>, Timestamp)) {
    let world = plausible_world(seed);
    let snapshot = world.snapshot();
    let dice = &mut Dice::new(seed ^ 3);
    for _ in 0..25 {
        let parts = request_parts(dice);
        check(&world, &snapshot, &parts.request(), parts.now);
    }
}

/// Steps from a release to the last one.
fn depth(catalog: &Catalog, outcome: &Outcome) -> Option<usize> {
    let mut id = outcome.target.as_ref()?.0.clone()?;
    let mut steps = 0;
    while let Some(next) = catalog.releases().get(&id)?.body.next.clone() {
        id = next;
        steps += 1;
    }
    Some(steps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// P-31: with an active override there is its bundle, or a reason against it, and nothing of the graph.
    #[test]
    fn p_31_an_override_silences_the_graph(seed: u64) {
        for_many(seed, |_, snapshot, request, now| {
            let mut trace = Vec::new();
            let decision = crate::decide_traced(snapshot, request, now, &mut trace);
            let chosen = trace.iter().find_map(|e| match e { Entry::Override { bundle, .. } => Some(*bundle), _ => None });
            let Some(bundle) = chosen else { return };
            let expected = matches!(decision.reason, Reason::OfferOverride | Reason::UpToDateOverride | Reason::OverrideUnavailable);
            assert!(expected || decision.reason.is_hold(), "{decision:?}");
            assert!(decision.target.is_none_or(|t| t.bundle.id == *bundle && t.release.is_none()));
            assert!(!trace.iter().any(|entry| matches!(entry, Entry::Candidate { .. } | Entry::Position { .. })));
        });
    }

    /// P-32: the order in which objects came does not matter.
    #[test]
    fn p_32_insertion_order_does_not_matter(seed: u64) {
        let world = plausible_world(seed);
        let dice = &mut Dice::new(seed ^ 4);
        let mut changes: Vec<_> = world.catalog.objects().map(CatalogChange::Put).collect();
        for i in (1..changes.len()).rev() {
            changes.swap(i, dice.below(i + 1));
        }
        let mut catalog = Catalog::default();
        let mut shuffled = Snapshot::empty();
        for change in changes {
            catalog.apply(&change);
            shuffled = crate::compile(&shuffled, &catalog, &[change], world.stamp());
        }
        let snapshot = world.snapshot();
        for _ in 0..25 {
            let parts = request_parts(dice);
            prop_assert_eq!(crate::decide(&shuffled, &parts.request(), parts.now), crate::decide(&snapshot, &parts.request(), parts.now));
        }
    }

    /// P-33: one more hold turns no "no" into an offer, and no target into a newer one. (A way back that opens because
    /// nothing lies ahead any more is of source Revert.)
    #[test]
    fn p_33_a_hold_never_helps(seed: u64, kind in 0..8usize, limit in proptest::option::of(0..9u8)) {
        for_many(seed, |world, snapshot, request, now| {
            let mut held = world.clone();
            held.hold(HoldKind::ALL[kind], |hold| hold.bundle = limit.map(|i| bundle_id(&format!("b{i}"))));
            let (before, after) = (Outcome::from(crate::decide(snapshot, request, now)), held.hears(request, now));
            if after.reason.is_offer() && after.source == Some(Source::Release) {
                assert_eq!(before.source, Some(Source::Release), "{request:?}");
                assert!(before.reason.is_offer(), "{request:?}");
                assert!(depth(&world.catalog, &after) >= depth(&world.catalog, &before), "{request:?}");
            }
            if after.source == Some(Source::Override) {
                assert_eq!(after, before);
            }
        });
    }

    /// P-34: a hard hold lets no offer of any source through; limited to a bundle, none of that bundle.
    #[test]
    fn p_34_hard_holds_dominate(seed: u64, kind in 0..4usize) {
        for_many(seed, |world, snapshot, request, now| {
            let decision = crate::decide(snapshot, request, now);
            let Some(target) = decision.target.filter(|_| decision.is_offer()) else { return };
            let kind = HoldKind::ALL[kind];
            let in_force = |hold: &mut tidegate_model::Hold| {
                hold.from = now;
                hold.until = None;
            };
            let mut held = world.clone();
            held.hold(kind, in_force);
            assert!(!held.hears(request, now).reason.is_offer());
            let mut limited = world.clone();
            limited.hold(kind, |hold| {
                in_force(hold);
                hold.bundle = Some(target.bundle.id.clone());
            });
            let outcome = limited.hears(request, now);
            assert!(!outcome.reason.is_offer() || outcome.target.is_some_and(|(_, bundle, _)| bundle != target.bundle.id));
        });
    }

    /// P-35: what has expired may as well be gone.
    #[test]
    fn p_35_what_has_expired_changes_nothing(seed: u64) {
        for_many(seed, |world, snapshot, request, now| {
            let mut swept = world.catalog.clone();
            for object in world.catalog.objects() {
                let ends = match &object {
                    Object::Hold(hold) => hold.body.until,
                    Object::Override(chosen) => chosen.body.ends_at,
                    _ => None,
                };
                if ends.is_some_and(|ends| ends <= now) {
                    swept.apply(&CatalogChange::Remove(object.reference()));
                }
            }
            let swept = Snapshot::of(&swept, world.stamp());
            assert_eq!(crate::decide(&swept, request, now), crate::decide(snapshot, request, now));
        });
    }
}
