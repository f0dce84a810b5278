//! Golden scenarios of the graph (E.1), those that need no write side.

use std::collections::BTreeSet;

use tidegate_model::{BundleState, CohortId, Exposure, Ppm, RolloutState, Signature};

use crate::reason::Reason;
use crate::request::Request;
use crate::testing::{World, after, ask, before, bundle_id, on, release_id, texts, version};

#[test]
fn g_01_everybody_goes_to_the_latest() {
    World::graph().expect(&on("r0"), after(0), Reason::OfferLatest, "r5");
}

#[test]
fn g_02_a_paused_latest_leaves_the_release_before_it() {
    let mut world = World::graph();
    world.state("r5", RolloutState::Paused);
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    let named: Vec<_> = world.candidates(&on("r0"), after(0)).into_iter().map(|(release, _)| release).collect();
    assert_eq!(named, ["r5", "r1"], "r2 and r4 are on no path from r0");
}

#[test]
fn g_03_a_required_release_is_a_stop_over() {
    let mut world = World::graph();
    world.release("r1", |release| release.required = true);
    world.expect(&on("r0"), after(0), Reason::OfferRequired, "r1");
    world.expect(&on("r1"), after(0), Reason::OfferLatest, "r5");
}

#[test]
fn g_05_any_of_the_tags_will_do() {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = Exposure::Tags(texts(&["canary"])));
    world.expect(&Request { tags: &["beta"], ..on("r0") }, after(0), Reason::OfferCandidate, "r1");
    world.expect(&Request { tags: &["beta", "canary"], ..on("r0") }, after(0), Reason::OfferLatest, "r5");
}

#[test]
fn g_08_garbage_is_passed_over_until_something_tells() {
    let mut world = World::graph();
    world.release("r1", |release| release.version_requirement = Some(">=1.0.0".to_owned()));
    let request = Request { release: Some("no id!"), bundle: Some("unknown"), version: Some("1.0.0"), ..ask() };
    world.expect(&request, after(0), Reason::OfferLatest, "r5");
    assert_eq!(world.candidates(&request, after(0)).len(), 2, "enters at r1, ends at r5");
}

#[test]
fn g_09_of_one_bundle_the_lowest_versioned_release_counts() {
    let mut world = World::graph();
    world.bundle("bX", |_| {});
    world.release("r2", |release| release.bundle = bundle_id("bX"));
    world.release("r4", |release| {
        release.bundle = bundle_id("bX");
        release.version = None;
    });
    world.state("r5", RolloutState::Paused);
    let request = Request { bundle: Some("bX"), ..ask() };
    world.expect(&request, after(0), Reason::Paused, "");
    assert_eq!(world.candidates(&request, after(0)), [("r5".to_owned(), Some(Reason::Paused))], "r4 is not reinstalled");
}

#[test]
fn g_11_of_several_entries_the_lowest_version_is_first() {
    let mut world = World::graph();
    for release in ["r1", "r4"] {
        world.release(release, |release| release.version_requirement = Some(">=1.0.0".to_owned()));
    }
    let request = Request { version: Some("1.0.0"), ..ask() };
    world.expect(&request, after(0), Reason::OfferLatest, "r5");
    let named: Vec<_> = world.candidates(&request, after(0)).into_iter().map(|(release, _)| release).collect();
    assert_eq!(named, ["r5", "r1"]);
}

#[test]
fn g_12_a_release_without_requirement_is_no_entry() {
    let mut world = World::graph();
    world.release("r4", |release| release.version_requirement = Some(">=1.0.0".to_owned()));
    let request = Request { version: Some("1.0.0"), ..ask() };
    let named: Vec<_> = world.candidates(&request, after(0)).into_iter().map(|(release, _)| release).collect();
    assert_eq!(named, ["r5", "r4"]);
}

#[test]
fn g_14_the_code_is_that_of_the_highest_candidate() {
    let mut world = World::graph();
    world.release("r1", |release| release.disabled = true);
    world.roll_out("r5", |policy| {
        policy.stages[0].exposure = Exposure::Percent { share: Ppm::NOBODY, basis: tidegate_model::Basis::Hash };
    });
    world.expect(&on("r0"), after(0), Reason::NotInPhase, "");
    assert_eq!(world.candidates(&on("r0"), after(0))[1], ("r1".to_owned(), Some(Reason::Disabled)));
}

#[test]
fn g_16_an_unsigned_bundle_is_skipped() {
    let mut world = World::graph();
    world.product(|product| product.trusted_keys = texts(&["k"]));
    for bundle in ["b0", "b1"] {
        world.bundle(bundle, |bundle| bundle.signatures.push(Signature { key: "k".to_owned(), signature: None }));
    }
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    assert_eq!(world.candidates(&on("r0"), after(0))[0], ("r5".to_owned(), Some(Reason::Unsigned)));
}

#[test]
fn g_17_an_override_lasts_from_its_start_to_before_its_end() {
    let mut world = World::graph();
    world.bundle("x", |_| {});
    world.overriding("x", |chosen| {
        chosen.starts_at = after(0);
        chosen.ends_at = Some(after(3_600));
    });
    world.expect(&on("r0"), before(1), Reason::OfferLatest, "r5");
    world.expect(&on("r0"), after(0), Reason::OfferOverride, "x");
    world.expect(&on("r0"), after(3_599), Reason::OfferOverride, "x");
    world.expect(&on("r0"), after(3_600), Reason::OfferLatest, "r5");
}

#[test]
fn g_19_a_device_on_its_overrides_bundle_is_up_to_date() {
    let mut world = World::graph();
    world.overriding("b3", |_| {});
    world.expect(&Request { bundle: Some("b3"), ..on("r0") }, after(0), Reason::UpToDateOverride, "");
}

#[test]
fn g_21_a_device_that_moved_is_placed_by_its_bundle() {
    let mut world = World::graph();
    world.cohort("beta", |_| {});
    for (id, next) in [("r14", Some("r15")), ("r15", None)] {
        world.release(id, |release| {
            release.cohort = CohortId::new("beta").unwrap();
            release.bundle = bundle_id(if id == "r14" { "b4" } else { "b5" });
            release.next = next.map(release_id);
        });
    }
    world.device("dev-1", |device| device.cohort = Some(CohortId::new("beta").unwrap()));
    let request = Request { bundle: Some("b4"), version: Some("1.2.0"), ..on("r4") };
    world.expect(&request, after(0), Reason::OfferLatest, "r15");
}

#[test]
fn g_23_a_withdrawn_release_is_passed_over_in_both_directions() {
    let mut world = World::graph();
    world.bundle("b6", |_| {});
    world.release("r6", |release| release.version = Some(version("2.1.0")));
    world.release("r5", |release| {
        release.next = Some(release_id("r6"));
        release.rollout.state = RolloutState::RolledBack;
    });
    world.expect(&on("r4"), after(0), Reason::OfferLatest, "r6");
    world.expect(&on("r5"), after(0), Reason::OfferLatest, "r6");
}

#[test]
fn g_101_older_devices_skip_a_dead_end_and_those_on_it_stay() {
    let mut world = World::graph();
    world.release("r4", |release| release.dead_end = true);
    world.expect(&on("r2"), after(0), Reason::OfferLatest, "r5");
    assert_eq!(world.candidates(&on("r2"), after(0))[1], ("r4".to_owned(), Some(Reason::DeadEnd)));
    world.expect(&on("r4"), after(0), Reason::DeadEnd, "");
}

#[test]
fn a_withdrawn_stop_over_still_stops_unless_it_never_stood_or_was_opened() {
    for (was_completed, open_barrier, reason) in
        [(true, false, Reason::Withdrawn), (true, true, Reason::OfferLatest), (false, false, Reason::OfferLatest)]
    {
        let mut world = World::graph();
        world.release("r1", |release| {
            release.required = true;
            release.rollout.state = RolloutState::RolledBack;
            release.rollout.was_completed = was_completed;
            release.rollout.open_barrier = open_barrier;
        });
        let target = if reason == Reason::OfferLatest { "r5" } else { "" };
        world.expect(&on("r0"), after(0), reason, target);
    }
}

#[test]
fn a_disabled_required_release_stops_everybody() {
    let mut world = World::graph();
    world.release("r1", |release| {
        release.required = true;
        release.disabled = true;
    });
    world.expect(&on("r0"), after(0), Reason::Disabled, "");
}

#[test]
fn a_withdrawal_may_send_devices_back_but_never_to_what_they_have() {
    let mut world = World::graph();
    world.release("r5", |release| {
        release.rollout.state = RolloutState::RolledBack;
        release.rollout.revert_to = Some(release_id("r4"));
    });
    world.expect(&on("r5"), after(0), Reason::OfferRevert, "r4");
    world.expect(&on("r4"), after(0), Reason::Withdrawn, "");
    world.bundle("b4", |bundle| bundle.state = BundleState::Recalled);
    world.expect(&on("r5"), after(0), Reason::Withdrawn, "");
    // r4 on the bundle of r5: going back would install what is there, and then move on again, for ever.
    world.release("r4", |release| release.bundle = bundle_id("b5"));
    world.expect(&on("r5"), after(0), Reason::Withdrawn, "");
    world.expect(&on("r4"), after(0), Reason::Withdrawn, "");
}

#[test]
fn a_share_of_the_devices_goes_back() {
    let mut world = World::graph();
    world.release("r5", |release| {
        release.rollout.state = RolloutState::RolledBack;
        release.rollout.revert_to = Some(release_id("r4"));
        release.rollout.revert_share = Ppm::new(300_000).unwrap();
    });
    let keys: Vec<_> = (0..1_000).map(|i| format!("dev-{i:04}")).collect();
    let salt = world.catalog.releases().get("r5").unwrap().body.rollout.salt.unwrap();
    let reverted: BTreeSet<_> = keys
        .iter()
        .filter(|key| world.answer(&Request { device: Some(key), ..on("r5") }, after(0)).0 == Reason::OfferRevert)
        .collect();
    let share = Ppm::new(300_000).unwrap();
    assert_eq!(reverted, keys.iter().filter(|key| share.admits(salt.position(key))).collect());
    world.expect(&Request { device: None, ..on("r5") }, after(0), Reason::Withdrawn, "");
}

#[test]
fn devices_that_nothing_places_hear_so() {
    let mut world = World::graph();
    world.expect(&ask(), after(0), Reason::PositionUnknown, "");
    world.cohort("stable", |cohort| cohort.entry_release = Some(release_id("r0")));
    world.expect(&ask(), after(0), Reason::OfferLatest, "r5");
    world.product(|product| product.default_cohort = None);
    world.expect(&ask(), after(0), Reason::NoCohort, "");
    world.cohort("empty", |_| {});
    world.expect(&Request { attributes: &[("cohort", "empty")], ..ask() }, after(0), Reason::NoReleases, "");
}

#[test]
fn the_earliest_cohort_with_a_matching_rule_wins_over_the_one_that_is_named() {
    let mut world = World::graph();
    world.cohort("late", |cohort| cohort.rules.push(crate::testing::attribute("region", &["eu"])));
    let european = Request { attributes: &[("region", "eu"), ("cohort", "stable")], ..on("r0") };
    world.expect(&european, after(0), Reason::NoReleases, "");
    world.device("dev-1", |device| drop(device.attributes.insert("region".to_owned(), "us".to_owned())));
    world.expect(&european, after(0), Reason::OfferLatest, "r5");
}

#[test]
fn g_58_a_release_that_does_not_fit_hides_nothing() {
    let mut world = World::graph();
    world.bundle("b5", |bundle| {
        let min = tidegate_model::DottedVersion::parse("15.04").unwrap();
        bundle.requires.frameworks.push(tidegate_model::Framework { name: "sdk".to_owned(), min });
    });
    let with = Request { attributes: &[("framework.sdk", "15.4")], ..on("r1") };
    world.expect(&with, after(0), Reason::OfferLatest, "r5");
    world.expect(&on("r1"), after(0), Reason::IncompatibleFramework, "");
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
}

#[test]
fn flattened_answers_keep_the_truth_in_the_trace() {
    let mut world = World::graph();
    world.product(|product| product.flatten_reasons = true);
    world.state("r5", RolloutState::Paused);
    let snapshot = world.snapshot();
    let mut trace = Vec::new();
    let decision = crate::decide_traced(&snapshot, &on("r1"), after(0), &mut trace);
    assert_eq!(decision.reason, Reason::Paused);
    assert_eq!(decision.public().reason, Reason::UpToDate);
    assert!(trace.iter().any(|entry| entry.code() == Some(Reason::Paused)));
    assert!(trace.iter().all(|entry| !entry.to_string().is_empty()));
}

#[test]
fn readiness_is_answered_before_anything_else() {
    let world = World::graph();
    let ahead = Request { min_config_version: Some(1_000), ..on("r0") };
    world.expect(&ahead, after(0), Reason::ReplicaBehind, "");
    world.expect(&Request { product: "later", ..ahead }, after(0), Reason::ReplicaBehind, "");
    world.expect(&Request { product: "later", ..on("r0") }, after(0), Reason::UnknownProduct, "");
    world.expect(&Request { group: Some(7), ..on("r0") }, after(0), Reason::InvalidRequest, "");
}
