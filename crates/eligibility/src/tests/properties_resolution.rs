//! Which release a device is led to: P-20 to P-28, P-30.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_model::{BundleState, Catalog, Exposure, Object, Ppm, Release, ReleaseId, RolloutState, Timestamp, Version};

use crate::decision::{Decision, Source};
use crate::naive::Outcome;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::testing::{Dice, World, after, ask, plausible_world, release_id, request_parts, version};
use crate::trace::{Entry, PositionedBy};

/// Calls `check` for many requests of one plausible world.
fn for_many(seed: u64, mut check: impl FnMut(&World, &Snapshot, &Request<'_>, Timestamp)) {
    let world = plausible_world(seed);
    let snapshot = world.snapshot();
    let dice = &mut Dice::new(seed ^ 2);
    for _ in 0..25 {
        let parts = request_parts(dice);
        check(&world, &snapshot, &parts.request(), parts.now);
    }
}

fn traced<'s>(snapshot: &'s Snapshot, request: &Request<'_>, now: Timestamp) -> (Decision<'s>, Vec<Entry<'s>>) {
    let mut trace = Vec::new();
    (crate::decide_traced(snapshot, request, now, &mut trace), trace)
}

fn release<'c>(catalog: &'c Catalog, id: &ReleaseId) -> &'c Release {
    &catalog.releases().get(id).unwrap().body
}

/// Where a trace places the device, and whether that is a candidate already.
fn position(trace: &[Entry<'_>]) -> Option<(ReleaseId, PositionedBy)> {
    trace.iter().find_map(|entry| match entry {
        Entry::Position { release, by } => Some(((*release).clone(), *by)),
        _ => None,
    })
}

/// Releases from `from` on, in order, up to the first that nobody may pass.
fn path(catalog: &Catalog, from: &ReleaseId, is_candidate: bool) -> Vec<ReleaseId> {
    let counts = |r: &Release| {
        let stands = r.rollout.state != RolloutState::RolledBack || (r.rollout.was_completed && !r.rollout.open_barrier);
        r.required && !r.dead_end && stands
    };
    let mut path = if is_candidate { vec![from.clone()] } else { Vec::new() };
    let mut last = from.clone();
    while path.is_empty() || !counts(release(catalog, &last)) {
        let Some(next) = release(catalog, &last).next.clone() else { break };
        path.push(next.clone());
        last = next;
    }
    path
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// P-20: even after every share was shrunk, no release offers an older version to anybody.
    #[test]
    fn p_20_shrinking_offers_nothing_older(seed: u64) {
        for_many(seed, |world, _, request, now| {
            let mut shrunk = world.clone();
            for stored in world.catalog.policies().values() {
                let mut policy = (**stored).clone();
                for stage in &mut policy.body.stages {
                    stage.exposure = Exposure::Percent { share: Ppm::NOBODY, basis: tidegate_model::Basis::Hash };
                }
                shrunk.catalog.apply(&tidegate_model::CatalogChange::Put(Object::Policy(policy.into())));
            }
            let outcome = shrunk.hears(request, now);
            let scheme = world.catalog.products().get("os").unwrap().body.version_scheme;
            let reported = request.version.and_then(|text| Version::parse(scheme, text).ok());
            let offered = outcome.target.as_ref().and_then(|(_, _, text)| Version::parse(scheme, text.as_ref()?).ok());
            if outcome.source == Some(Source::Release) {
                assert!(!matches!((offered, reported), (Some(to), Some(from)) if to.is_below(&from)), "{request:?}");
            }
        });
    }

    /// P-21: if a candidate passes all checks and no soft hold is active, there is an offer.
    #[test]
    fn p_21_what_passes_is_never_hidden(seed: u64) {
        for_many(seed, |_, snapshot, request, now| {
            let (decision, trace) = traced(snapshot, request, now);
            let passes = trace.iter().any(|entry| matches!(entry, Entry::Candidate { failure: None, .. }));
            let is_held = trace.iter().any(|entry| matches!(entry, Entry::Hold { .. }));
            assert!(!passes || is_held || decision.is_offer(), "{request:?} {decision:?}");
        });
    }

    /// P-22: a target of source Release lies on the path, and not beyond what nobody may pass; the trace names the
    /// whole path, highest first.
    #[test]
    fn p_22_targets_are_reachable(seed: u64) {
        for_many(seed, |world, snapshot, request, now| {
            let (decision, trace) = traced(snapshot, request, now);
            let Some((at, by)) = position(&trace) else { return };
            let is_entry = matches!(by, PositionedBy::Version | PositionedBy::Entry);
            let moved = trace.iter().filter_map(|e| match e { Entry::MovedOn { release } => Some((*release).clone()), _ => None });
            let from = moved.fold(at, |_, later| later);
            let mut expected = path(&world.catalog, &from, is_entry);
            if !is_entry && release(&world.catalog, &from).dead_end {
                expected.clear();
            }
            let named: Vec<_> = trace.iter().filter_map(|e| match e { Entry::Candidate { release, .. } => Some((*release).clone()), _ => None }).collect();
            assert!(named.iter().rev().eq(&expected), "{request:?}: {named:?} {expected:?}");
            if let (Some(Source::Release), Some(target)) = (decision.source, decision.target) {
                assert!(expected.contains(target.release.unwrap()), "{request:?}");
            }
        });
    }

    /// P-23: whoever follows offers comes to rest, and is nowhere twice.
    #[test]
    fn p_23_following_offers_comes_to_rest(seed: u64) {
        for_many(seed, |world, snapshot, request, now| {
            let mut seen: BTreeSet<String> = request.release.map(str::to_owned).into_iter().collect();
            let mut decision = crate::decide(snapshot, request, now);
            for _ in 0..=world.catalog.releases().len() + 1 {
                let Some(target) = decision.target.filter(|_| decision.is_offer() && decision.reason != Reason::OfferInfo) else { return };
                if let Some(release) = target.release {
                    assert!(seen.insert(release.to_string()), "{release} twice from {request:?}");
                }
                let follow = Request {
                    release: target.release.map(ReleaseId::as_str),
                    bundle: Some(target.bundle.id.as_str()),
                    version: target.version.map(|version| version.as_str()),
                    ..*request
                };
                decision = crate::decide(snapshot, &follow, now);
            }
            panic!("no rest from {request:?}");
        });
    }

    /// P-26: with a known release id, bundle and version do not matter for where the device is.
    #[test]
    fn p_26_the_release_id_comes_first(seed: u64) {
        for_many(seed, |_, snapshot, request, now| {
            let (_, trace) = traced(snapshot, request, now);
            let Some((at, PositionedBy::Release)) = position(&trace) else { return };
            for other in [Request { bundle: None, ..*request }, Request { version: None, ..*request }] {
                let (_, trace) = traced(snapshot, &other, now);
                if let Some(other) = position(&trace) {
                    assert_eq!(other, (at.clone(), PositionedBy::Release));
                }
            }
        });
    }

    /// P-27: garbage is the same as nothing.
    #[test]
    fn p_27_garbage_is_ignored(seed: u64) {
        for_many(seed, |_, snapshot, request, now| {
            let hears = |request: &Request<'_>| Outcome::from(crate::decide(snapshot, request, now));
            for garbage in ["no id!", "-", "", "ÿ"] {
                let as_release = Request { release: Some(garbage), ..*request };
                assert_eq!(hears(&as_release), hears(&Request { release: None, ..*request }), "{as_release:?}");
                let as_bundle = Request { bundle: Some(garbage), ..*request };
                assert_eq!(hears(&as_bundle), hears(&Request { bundle: None, ..*request }), "{as_bundle:?}");
                let as_version = Request { version: Some(garbage), ..*request };
                assert_eq!(hears(&as_version), hears(&Request { version: None, ..*request }), "{as_version:?}");
            }
        });
    }

    /// P-28: entry by version only leads to greater versions.
    #[test]
    fn p_28_entry_by_version_goes_up(seed: u64) {
        for_many(seed, |world, snapshot, request, now| {
            let (_, trace) = traced(snapshot, request, now);
            let Some((at, PositionedBy::Version)) = position(&trace) else { return };
            let scheme = world.catalog.products().get("os").unwrap().body.version_scheme;
            let own = release(&world.catalog, &at).version.clone().unwrap();
            let (own, reported) = (Version::parse(scheme, own.as_str()).unwrap(), Version::parse(scheme, request.version.unwrap()).unwrap());
            assert!(reported.is_below(&own));
        });
    }

    /// P-30: nothing that is stopped, withdrawn, unpublished or untrusted is ever offered by the graph.
    #[test]
    fn p_30_only_sound_releases_are_offered(seed: u64) {
        for_many(seed, |world, snapshot, request, now| {
            let decision = crate::decide(snapshot, request, now);
            let Some(target) = decision.target.filter(|target| target.release.is_some()) else { return };
            let release = release(&world.catalog, target.release.unwrap());
            let product = &world.catalog.products().get("os").unwrap().body;
            assert!(matches!(release.rollout.state, RolloutState::Active | RolloutState::Completed));
            assert!(!release.disabled && !release.dead_end && release.linked);
            let policy = world.catalog.policies().get(&release.id);
            let embargo = policy.is_some_and(|p| matches!(p.body.trigger, tidegate_model::Trigger::At(_)));
            let waits = embargo && release.next.is_none() && release.rollout.stage_index == 0 && release.rollout.waits_for_trigger(now);
            assert!(!waits, "{request:?}");
            assert_eq!(target.bundle.state, BundleState::Ready);
            let is_signed = target.bundle.signatures.iter().any(|s| product.trusted_keys.contains(&s.key));
            assert!(product.trusted_keys.is_empty() || is_signed);
        });
    }

    /// P-24: with all releases completed and nothing in the way, everybody ends at the latest. P-25: with k required
    /// ones between, in exactly k + 1 hops.
    #[test]
    fn p_24_p_25_a_clear_way_leads_to_the_latest(required in proptest::collection::vec(any::<bool>(), 1..12), start in 0..12usize) {
        let mut world = World::new();
        let last = required.len();
        for i in 0..=last {
            world.bundle(&format!("b{i}"), |_| {});
            world.release(&format!("r{i}"), |release| {
                release.version = Some(version(&format!("1.{i}.0")));
                release.next = (i < last).then(|| release_id(&format!("r{}", i + 1)));
                release.required = required.get(i) == Some(&true);
            });
        }
        let start = start % (last + 1);
        let mut at = format!("r{start}");
        let mut hops = 0;
        while let (reason, Some(target)) = world.answer(&Request { release: Some(&at), ..ask() }, after(0)) {
            prop_assert!(reason.is_offer());
            hops += 1;
            prop_assert!(hops <= last);
            at = target;
        }
        prop_assert_eq!(at, format!("r{last}"));
        let between = required[(start + 1).min(last)..].iter().filter(|required| **required).count();
        prop_assert_eq!(hops, if start == last { 0 } else { between + 1 });
    }
}
