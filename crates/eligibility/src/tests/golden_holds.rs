//! Golden scenarios of holds, retries and versions (E.6), those that need no write side; and what holds tell.

use tidegate_model::{HoldKind, HoldScope, RolloutState, Span, Urgency, Window};

use crate::reason::Reason;
use crate::request::{Mode, Request};
use crate::testing::{DAY, HOUR, World, after, ask, bundle_id, device_key, on, release_id};

#[test]
fn g_80_a_repair_hold_beats_an_override_with_force() {
    let mut world = World::graph();
    world.overriding("b4", |_| {});
    world.expect(&on("r0"), after(0), Reason::OfferOverride, "b4");
    world.hold(HoldKind::Repair, |hold| hold.scope = HoldScope::Device(device_key("dev-1")));
    let held = world.hears(&on("r0"), after(0));
    assert_eq!((held.reason, held.next_eligible_at), (Reason::HoldRepair, Some(after(30 * DAY))));
}

#[test]
fn g_81_an_opt_out_holds_critical_releases_but_not_overrides() {
    let mut world = World::graph();
    world.hold(HoldKind::OptOut, |_| {});
    world.expect(&on("r0"), after(0), Reason::HoldOptedOut, "");
    world.release("r5", |release| release.urgency = Urgency::Critical);
    world.expect(&on("r0"), after(0), Reason::HoldOptedOut, "");
    world.overriding("b4", |_| {});
    world.expect(&on("r0"), after(0), Reason::OfferOverride, "b4");
}

#[test]
fn g_83_what_was_rolled_back_here_is_not_offered_again() {
    let mut world = World::graph();
    world.hold(HoldKind::Backoff, |hold| {
        hold.scope = HoldScope::Device(device_key("dev-1"));
        hold.release = Some(release_id("r5"));
        hold.until = None;
    });
    world.expect(&on("r1"), after(0), Reason::HoldBackoff, "");
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    world.expect(&Request { mode: Mode::Interactive, ..on("r1") }, after(0), Reason::HoldBackoff, "");
    world.expect(&Request { device: Some("dev-2"), ..on("r1") }, after(0), Reason::OfferLatest, "r5");
    // The memory is of the bundle: another release of it is held just the same.
    world.release("r1", |release| release.bundle = bundle_id("b5"));
    world.expect(&on("r0"), after(0), Reason::HoldBackoff, "");
}

#[test]
fn g_87_an_unreadable_version_is_no_position() {
    let world = World::graph();
    world.expect(&Request { version: Some("banana"), ..ask() }, after(0), Reason::PositionUnknown, "");
    world.expect(&Request { version: Some("banana"), ..on("r0") }, after(0), Reason::OfferLatest, "r5");
}

#[test]
fn holds_are_tried_in_their_order_and_the_last_to_end_counts() {
    let mut world = World::graph();
    for (kind, until) in [
        (HoldKind::Safeguard, None),
        (HoldKind::Freeze, Some(after(DAY))),
        (HoldKind::Freeze, Some(after(2 * DAY))),
        (HoldKind::OptOut, None),
    ] {
        world.hold(kind, |hold| hold.until = until);
    }
    let held = world.hears(&on("r0"), after(0));
    assert_eq!((held.reason, held.next_eligible_at), (Reason::HoldFreeze, Some(after(2 * DAY))));
    assert_eq!(world.hears(&on("r0"), after(2 * DAY)).reason, Reason::HoldSafeguard);
}

#[test]
fn a_critical_fix_is_not_hidden_by_a_newer_normal_release() {
    let mut world = World::graph();
    world.release("r1", |release| release.urgency = Urgency::Critical);
    world.hold(HoldKind::OptOut, |hold| hold.critical_pierces = true);
    world.expect(&on("r0"), after(0), Reason::OfferCritical, "r1");
    world.expect(&on("r1"), after(0), Reason::HoldOptedOut, "");
}

#[test]
fn a_consent_is_for_one_release() {
    let mut world = World::graph();
    world.hold(HoldKind::Consent, |_| {});
    world.release("r1", |release| release.consents.extend([device_key("dev-1")]));
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    world.expect(&on("r1"), after(0), Reason::HoldConsent, "");
    world.expect(&Request { device: Some("dev-2"), ..on("r0") }, after(0), Reason::HoldConsent, "");
}

#[test]
fn windows_must_all_be_open() {
    // It is noon at the start. One opens at 13:00 for four hours, the other at 15:00 for one.
    let mut world = World::graph();
    for (cron, hours) in [("0 13 * * *", 4), ("0 15 * * *", 1)] {
        world.hold(HoldKind::Window, |hold| {
            hold.window = Some(Window { cron: cron.to_owned(), duration: Span::from_secs(hours * HOUR), timezone: None });
        });
    }
    for (hours, next) in [(0, 3), (1, 3), (4, 27)] {
        let held = world.hears(&on("r0"), after(hours * HOUR));
        assert_eq!((held.reason, held.next_eligible_at), (Reason::HoldWindow, Some(after(next * HOUR))), "at +{hours} h");
    }
    world.expect(&on("r0"), after(3 * HOUR), Reason::OfferLatest, "r5");
    // One that cannot be read holds for as long as it lasts.
    world.hold(HoldKind::Window, |hold| {
        hold.window = Some(Window { cron: "x".to_owned(), duration: Span::from_secs(HOUR), timezone: None });
        hold.until = Some(after(6 * HOUR));
    });
    let held = world.hears(&on("r0"), after(3 * HOUR));
    assert_eq!((held.reason, held.next_eligible_at), (Reason::HoldWindow, Some(after(27 * HOUR))));
}

#[test]
fn a_stop_of_one_bundle_is_a_safeguard_on_it() {
    let mut world = World::graph();
    world.hold(HoldKind::Safeguard, |hold| hold.bundle = Some(bundle_id("b5")));
    world.expect(&on("r0"), after(0), Reason::OfferCandidate, "r1");
    world.expect(&on("r1"), after(0), Reason::HoldSafeguard, "");
    world.overriding("b5", |_| {});
    world.expect(&on("r1"), after(0), Reason::HoldSafeguard, "");
}

#[test]
fn a_way_back_is_held_like_any_target() {
    let mut world = World::graph();
    world.release("r5", |release| {
        release.rollout.state = RolloutState::RolledBack;
        release.rollout.revert_to = Some(release_id("r1"));
    });
    world.hold(HoldKind::OptOut, |_| {});
    world.expect(&on("r5"), after(0), Reason::HoldOptedOut, "");
    world.expect(&Request { mode: Mode::Interactive, ..on("r5") }, after(0), Reason::OfferRevert, "r1");
}

#[test]
fn a_hold_on_a_release_follows_it_into_being() {
    let mut world = World::graph();
    world.hold(HoldKind::Freeze, |hold| hold.release = Some(release_id("r6")));
    let before = world.snapshot();
    let mut later = world.clone();
    later.release("r6", |release| release.bundle = bundle_id("b5"));
    later.release("r5", |release| release.next = Some(release_id("r6")));
    let changes = ["r5", "r6"].map(|id| {
        let stored = later.catalog.releases().get(id).unwrap().clone();
        tidegate_model::CatalogChange::Put(tidegate_model::Object::Release(stored))
    });
    let after_change = crate::compile(&before, &later.catalog, &changes, later.stamp());
    assert_eq!(crate::decide(&after_change, &on("r1"), after(0)).reason, Reason::HoldFreeze);
    later.expect(&on("r1"), after(0), Reason::HoldFreeze, "");
}
