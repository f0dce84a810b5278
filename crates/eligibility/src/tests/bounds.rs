//! What happens at the limits, and with a catalog that its rules exclude.

use tidegate_model::{HoldKind, HoldScope, RolloutState, Selector};

use crate::limits;
use crate::reason::Reason;
use crate::request::Request;
use crate::testing::{World, after, ask, bundle_id, on, release_id, texts};

/// A chain of `count` releases, all of one bundle that a hold keeps back but the first, which is free.
fn held_chain(count: usize) -> World {
    let mut world = World::new();
    world.bundle("held", |_| {});
    world.bundle("free", |_| {});
    for i in 0..count {
        world.release(&format!("r{i:05}"), |release| {
            release.bundle = bundle_id(if i == 1 { "free" } else { "held" });
            release.next = (i + 1 < count).then(|| release_id(&format!("r{:05}", i + 1)));
        });
    }
    world.hold(HoldKind::Safeguard, |hold| hold.bundle = Some(bundle_id("held")));
    world
}

#[test]
fn only_the_highest_candidates_of_a_long_path_are_tested() {
    let request = Request { bundle: Some("none"), ..on("r00000") };
    // The start, the free one, as many as are tested, and the end of the path.
    let within = held_chain(limits::CANDIDATES_TESTED_MAX + 2).snapshot();
    let decision = crate::decide(&within, &request, after(0));
    assert_eq!((decision.reason, decision.target.unwrap().release.unwrap().as_str()), (Reason::OfferCandidate, "r00001"));
    let beyond = held_chain(limits::CANDIDATES_TESTED_MAX + 3).snapshot();
    assert_eq!(crate::decide(&beyond, &request, after(0)).reason, Reason::HoldSafeguard);
}

#[test]
fn candidates_that_nobody_can_have_do_not_count() {
    let mut world = held_chain(limits::CANDIDATES_TESTED_MAX + 500);
    for i in 2..1_000 {
        world.release(&format!("r{i:05}"), |release| release.disabled = true);
    }
    let request = Request { bundle: Some("none"), ..on("r00000") };
    let snapshot = world.snapshot();
    assert_eq!(crate::decide(&snapshot, &request, after(0)).reason, Reason::OfferCandidate);
}

#[test]
fn a_path_through_many_lanes_is_searched_in_full() {
    // A comb: a short branch joins at every tooth, so that paths from the branches change lanes; and a full binary
    // in-tree, whose deepest leaves change lanes as often as can be.
    for parent in [|i: usize| if i.is_multiple_of(2) { i.saturating_sub(2) } else { i - 1 }, |i: usize| (i - 1) / 2] {
        let mut world = World::new();
        for i in 0..127 {
            world.bundle(&format!("b{i}"), |bundle| bundle.security_epoch = u64::from(i % 3 == 0));
            world.release(&format!("r{i}"), |release| {
                release.next = (i > 0).then(|| release_id(&format!("r{}", parent(i))));
                release.disabled = i % 5 == 0;
            });
        }
        for i in 0..127 {
            let at = format!("r{i}");
            for epoch in [0, 1, 2] {
                // Agrees with the twin, which walks every step.
                world
                    .hears(&Request { release: Some(&at), bundle: Some("none"), security_epoch: Some(epoch), ..ask() }, after(0));
            }
        }
    }
}

#[test]
fn a_graph_that_runs_in_a_circle_answers_not_ready() {
    let mut world = World::graph();
    world.release("r5", |release| release.next = Some(release_id("r1")));
    for request in [on("r0"), on("r5")] {
        world.expect(&request, after(0), Reason::NotReady, "");
    }
    world.release("r1", |release| release.bundle = bundle_id("b5"));
    world.expect(&on("r5"), after(0), Reason::NotReady, "");
    world.release("r5", |release| release.dead_end = true);
    world.expect(&on("r5"), after(0), Reason::DeadEnd, "");
}

#[test]
fn a_release_whose_bundle_is_missing_is_never_offered() {
    let mut world = World::graph();
    world.release("r5", |release| release.bundle = bundle_id("gone"));
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    world.expect(&on("r1"), after(0), Reason::NotAvailable, "");
}

#[test]
fn selectors_that_no_index_serves_are_counted() {
    let mut world = World::graph();
    for (i, selector) in [
        Selector { tags_none_of: texts(&["x"]), ..Selector::default() },
        Selector { tags_any_of: texts(&["x"]), ..Selector::default() },
        Selector::default(),
    ]
    .into_iter()
    .enumerate()
    {
        world.hold(HoldKind::OptOut, |hold| hold.scope = HoldScope::Selector(selector.clone()));
        world.overriding("b4", |chosen| {
            chosen.starts_at = after(1 + i as u64);
            chosen.target = tidegate_model::OverrideTarget::Selector(selector);
        });
    }
    assert_eq!(world.snapshot().unindexed_selectors("os"), 4);
    assert_eq!(world.snapshot().unindexed_selectors("none"), 0);
}

#[test]
fn hostile_requests_are_invalid_and_never_a_panic() {
    let world = World::graph();
    let long = "9".repeat(65_536);
    let dots = ".".repeat(256);
    let digits = "1".repeat(256);
    let snapshot = world.snapshot();
    for text in [long.as_str(), &dots, &digits, "\u{0}", "\u{202e}", "1.2.3-\u{7f}", "NaN", "-1", "💥"] {
        for request in [
            Request { device: Some(text), ..on("r0") },
            Request { release: Some(text), ..on("r0") },
            Request { bundle: Some(text), ..on("r0") },
            Request { version: Some(text), ..on("r0") },
            Request { attributes: &[("os", text), ("framework.sdk", text), (text, "")], ..on("r0") },
            Request { tags: &[text], ..on("r0") },
            Request { product: text, ..ask() },
        ] {
            let reason = crate::decide(&snapshot, &request, after(0)).reason;
            let is_bad_key = request.device.is_some_and(|key| key.chars().any(char::is_control));
            assert_eq!(reason == Reason::InvalidRequest, text.len() > 256 || is_bad_key, "{reason}: {text:?}");
        }
    }
}

#[test]
fn extreme_instants_are_answered() {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = tidegate_model::Exposure::Ramp(tidegate_model::Ramp::Apple));
    world.hold(HoldKind::Window, |hold| {
        hold.from = tidegate_model::Timestamp::from_millis(i64::MIN);
        hold.until = None;
        let window =
            tidegate_model::Window { cron: "* * * * *".to_owned(), duration: tidegate_model::Span::from_secs(1), timezone: None };
        hold.window = Some(window);
    });
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let decision = world.snapshot();
        let now = tidegate_model::Timestamp::from_millis(now);
        assert!(!crate::decide(&decision, &on("r0"), now).reason.as_str().is_empty());
    }
    assert_eq!(world.catalog.releases().get("r5").unwrap().body.rollout.state, RolloutState::Active);
}
