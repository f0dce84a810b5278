//! Golden scenarios of Sparkle (E.2) and of ramps, shares and rosters (E.3), those that need no write side.

use std::collections::BTreeSet;

use tidegate_model::{
    Basis, DottedVersion, Exposure, InstallMode as Stored, Ppm, Ramp, RampStep, RolloutState, Salt, SaltOrigin, Span,
    Urgency as Haste,
};

use crate::decision::{InstallMode, Urgency};
use crate::reason::Reason;
use crate::request::{Mode, Request};
use crate::testing::{DAY, HOUR, T, World, after, ask, before, device_key, on, release_id, version};

fn ppm(share: u32) -> Ppm {
    Ppm::new(share).unwrap()
}

fn percent(share: u32) -> Exposure {
    Exposure::Percent { share: ppm(share), basis: Basis::Hash }
}

/// r5 in seven groups, a day each, of a product whose devices may name their group.
fn sparkle() -> World {
    let mut world = World::graph();
    world.product(|product| product.client_phased = true);
    world.roll_out("r5", |policy| {
        policy.stages[0].exposure = Exposure::Ramp(Ramp::Groups { groups: 7, interval: Span::from_secs(DAY) });
    });
    world.release("r5", |release| {
        release.published_at = Some(T);
        release.rollout.stage_opened_at = Some(before(30 * DAY));
    });
    world
}

fn in_group(group: u8) -> Request<'static> {
    Request { group: Some(group), ..on("r1") }
}

#[test]
fn g_25_each_group_waits_for_its_interval() {
    let offered = [0, 1, 2, 3, 6].map(|group| sparkle().answer(&in_group(group), after(2 * DAY)).0.is_offer());
    assert_eq!(offered, [true, true, true, false, false]);
    let waits = sparkle().hears(&in_group(3), after(2 * DAY));
    assert_eq!((waits.reason, waits.next_eligible_at), (Reason::NotInPhase, Some(after(3 * DAY))));
    sparkle().expect(&in_group(3), after(3 * DAY), Reason::OfferLatest, "r5");
}

#[test]
fn g_26_before_the_date_nobody_is_offered_it() {
    for group in [0, 6] {
        sparkle().expect(&in_group(group), before(3 * DAY), Reason::NotInPhase, "");
    }
}

#[test]
fn g_28_a_user_who_asks_is_let_past_if_the_policy_says_so() {
    let mut world = sparkle();
    let asks = Request { mode: Mode::Interactive, ..in_group(6) };
    world.expect(&asks, before(3 * DAY), Reason::NotInPhase, "");
    world.roll_out("r5", |policy| {
        policy.stages[0].exposure = Exposure::Ramp(Ramp::Groups { groups: 7, interval: Span::from_secs(DAY) });
        policy.interactive_bypasses_phase = true;
    });
    world.expect(&asks, before(3 * DAY), Reason::OfferLatest, "r5");
}

#[test]
fn g_29_a_critical_release_does_not_wait_for_its_date() {
    let mut world = sparkle();
    world.release("r5", |release| release.urgency = Haste::Critical);
    world.expect(&in_group(0), before(3 * DAY), Reason::OfferCritical, "r5");
    world.expect(&in_group(0), after(DAY), Reason::OfferLatest, "r5");
}

#[test]
fn g_30_critical_below_a_version() {
    let mut world = World::graph();
    world.cohort("stable", |cohort| cohort.entry_release = Some(release_id("r5")));
    world.release("r5", |release| release.urgency = Haste::CriticalBelow(version("1.5.0")));
    for (host, urgency) in [("1.0.0", Urgency::Critical), ("1.5.0", Urgency::Normal), ("1.6.0", Urgency::Normal)] {
        assert_eq!(world.hears(&Request { version: Some(host), ..ask() }, after(0)).urgency, urgency, "{host}");
    }
    assert_eq!(world.hears(&ask(), after(0)).urgency, Urgency::Normal, "an unknown version is not below");
}

fn major() -> World {
    let mut world = World::new();
    for (id, text, next) in [("r1", "1.0.0", Some("r2")), ("r2", "2.0.0", Some("r3")), ("r3", "3.0.0", None)] {
        world.bundle(&id.replace('r', "b"), |_| {});
        world.release(id, |release| {
            release.version = Some(version(text));
            release.next = next.map(release_id);
        });
    }
    world.release("r3", |release| release.install_mode = Stored::Ask { auto_from: Some(version("2.0.0")) });
    world.cohort("stable", |cohort| cohort.entry_release = Some(release_id("r2")));
    world
}

#[test]
fn g_33_a_major_release_goes_by_itself_from_its_version_on() {
    for (host, target) in [("1.0.0", "r2"), ("2.0.0", "r3"), ("2.5.0", "r3")] {
        let outcome = major().hears(&Request { version: Some(host), ..ask() }, after(0));
        assert_eq!(outcome.target.unwrap().0, Some(release_id(target)), "{host}");
        assert_eq!(outcome.install_mode, InstallMode::Auto);
    }
}

#[test]
fn g_34_if_only_a_major_release_is_newer_the_client_may_prompt() {
    let mut world = major();
    world.release("r2", |release| release.rollout.state = RolloutState::Paused);
    let host = Request { version: Some("1.0.0"), ..ask() };
    world.expect(&host, after(0), Reason::NeedsUser, "r3");
    let asks = Request { mode: Mode::Interactive, ..host };
    world.expect(&asks, after(0), Reason::OfferLatest, "r3");
    assert_eq!(world.hears(&asks, after(0)).install_mode, InstallMode::Ask);
}

#[test]
fn g_36_an_older_release_stands_in_for_one_held_by_its_phase() {
    let mut world = major();
    world.release("r3", |release| release.install_mode = Stored::Auto);
    world.roll_out("r3", |policy| policy.stages[0].exposure = percent(0));
    world.expect(&on("r1"), after(0), Reason::OfferCandidate, "r2");
}

#[test]
fn g_40_os_bounds_are_inclusive() {
    let dotted = |text| DottedVersion::parse(text).ok();
    for (os, fits) in [("9", false), ("10", true), ("12", true), ("13", false)] {
        let mut world = World::graph();
        world.bundle("b5", |bundle| {
            bundle.requires.os_min = dotted("10");
            bundle.requires.os_max = dotted("12");
        });
        let reason = if fits { Reason::OfferLatest } else { Reason::IncompatibleOs };
        world.expect(&Request { attributes: &[("os", os)], ..on("r1") }, after(0), reason, if fits { "r5" } else { "" });
        world.bundle("b5", |bundle| bundle.requires = tidegate_model::Requirement::default());
        world.expect(&Request { attributes: &[("os", os)], ..on("r1") }, after(0), Reason::OfferLatest, "r5");
    }
}

#[test]
fn information_is_an_offer_of_its_own() {
    let mut world = World::graph();
    world.release("r5", |release| {
        release.install_mode = Stored::Info { versions: BTreeSet::from([version("1.1.0")]), below: Some(version("1.0.1")) };
    });
    for (host, reason) in [("r0", Reason::OfferInfo), ("r1", Reason::OfferInfo), ("r2", Reason::OfferLatest)] {
        world.expect(&on(host), after(0), reason, "r5");
    }
}

/// Devices of 10,000 that are offered r5 under `exposure` at `secs` after its opening.
fn admitted(exposure: Exposure, secs: u64) -> usize {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = exposure);
    let snapshot = world.snapshot();
    let is_offered = |i: &usize| {
        let key = format!("dev-{i}");
        crate::decide(&snapshot, &Request { device: Some(&key), ..on("r1") }, after(secs)).is_offer()
    };
    (0..10_000).filter(is_offered).count()
}

/// Within four standard deviations of the share, in ten thousand.
fn assert_share(count: usize, share: f64) {
    let deviation = (10_000.0 * share * (1.0 - share)).sqrt();
    assert!((count as f64 - 10_000.0 * share).abs() <= 4.0 * deviation, "{count} of 10000, expected {share}");
}

#[test]
fn g_41_apple_days() {
    for (day, share) in [(0, 0.01), (1, 0.02), (2, 0.05), (3, 0.1), (4, 0.2), (5, 0.5), (6, 1.0)] {
        assert_share(admitted(Exposure::Ramp(Ramp::Apple), day * DAY), share);
    }
}

#[test]
fn g_48_linear_ramps() {
    let ramp = |from, minutes: u64| Exposure::Ramp(Ramp::Linear { from: ppm(from), duration: Span::from_secs(minutes * 60) });
    assert_share(admitted(ramp(0, 2_880), 1_440 * 60), 0.5);
    assert_share(admitted(ramp(100_000, 600), 300 * 60), 0.55);
    assert_share(admitted(percent(300_000), DAY), 0.3);
}

#[test]
fn g_50_steps_of_a_phased_updater() {
    let step = |i: u64| RampStep { offset: Span::from_secs(i * 6 * HOUR), share: ppm(100_000 * (i as u32 + 1)) };
    let ramp = || Exposure::Ramp(Ramp::Steps((0..10).map(step).collect()));
    for (hours, share) in [(0, 0.1), (6, 0.2), (48, 0.9), (54, 1.0)] {
        assert_share(admitted(ramp(), hours * HOUR), share);
    }
}

#[test]
fn g_46_a_share_of_zero_is_nobody() {
    assert_eq!(admitted(percent(0), DAY), 0);
}

#[test]
fn g_43_pause_and_resume_keep_who_was_admitted() {
    let offered = |world: &World| {
        let keys: Vec<_> = (0..500).map(|i| format!("dev-{i}")).collect();
        keys.into_iter()
            .filter(|key| world.answer(&Request { device: Some(key), ..on("r1") }, after(HOUR)).0.is_offer())
            .collect::<BTreeSet<_>>()
    };
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = percent(200_000));
    let before = offered(&world);
    assert!(!before.is_empty());
    world.state("r5", RolloutState::Paused);
    assert!(offered(&world).is_empty());
    world.state("r5", RolloutState::Active);
    assert_eq!(offered(&world), before);
}

#[test]
fn g_44_g_56_an_inherited_or_a_fixed_salt_admits_the_same_devices() {
    let offered = |origin: SaltOrigin, release: &'static str| {
        let mut world = World::graph();
        world.bundle("b6", |_| {});
        world.release("r6", |r| r.rollout.salt = Some(Salt([9; 16])));
        world.release("r5", |r| {
            r.next = (release == "r6").then(|| release_id("r6"));
            r.rollout.salt = Some(Salt([9; 16]));
        });
        world.roll_out(release, |policy| policy.stages[0].exposure = percent(100_000));
        world.release(release, |r| r.rollout.salt_origin = origin);
        if release == "r6" {
            world.state("r5", RolloutState::RolledBack);
        }
        let is_target =
            |key: &String| world.answer(&Request { device: Some(key), ..on("r1") }, after(0)).1.as_deref() == Some(release);
        (0..500).map(|i| format!("dev-{i}")).filter(is_target).collect::<BTreeSet<_>>()
    };
    let first = offered(SaltOrigin::Fresh, "r5");
    assert!((20..=80).contains(&first.len()));
    assert_eq!(offered(SaltOrigin::Inherited(release_id("r5")), "r6"), first);
    assert_eq!(offered(SaltOrigin::CohortFixed, "r6"), first);
}

#[test]
fn g_52_g_55_a_roster_admits_exactly_its_devices() {
    let roster: Vec<_> = (0..40).map(|i| format!("dev-{}", i * 7)).collect();
    for exposure in [Exposure::Count(40), Exposure::Percent { share: ppm(100_000), basis: Basis::Roster }] {
        let mut world = World::graph();
        world.roll_out("r5", |policy| policy.stages[0].exposure = exposure);
        world.release("r5", |r| r.rollout.admitted = roster.iter().map(|key| device_key(key)).collect());
        let keys: Vec<_> = (0..500).map(|i| format!("dev-{i}")).collect();
        let snapshot = world.snapshot();
        let is_offered =
            |key: &&String| crate::decide(&snapshot, &Request { device: Some(key), ..on("r1") }, after(0)).is_offer();
        assert_eq!(keys.iter().filter(is_offered).count(), 40);
        world.expect(&Request { device: Some("dev-1"), ..on("r1") }, after(0), Reason::NotInPhase, "");
        world.expect(&Request { device: None, ..on("r1") }, after(0), Reason::NoDeviceKey, "");
    }
}

#[test]
fn g_89_the_first_release_of_a_model_is_phased_like_any_other() {
    let mut world = World::new();
    world.bundle("b1", |_| {});
    world.release("r1", |_| {});
    world.roll_out("r1", |policy| policy.stages[0].exposure = percent(500_000));
    world.cohort("stable", |cohort| cohort.entry_release = Some(release_id("r1")));
    let heard: BTreeSet<_> =
        (0..50).map(|i| world.answer(&Request { device: Some(&format!("dev-{i}")), ..ask() }, after(0)).0).collect();
    assert_eq!(heard, BTreeSet::from([Reason::OfferLatest, Reason::NotInPhase]));
}

#[test]
fn an_embargo_tells_when_it_ends() {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.trigger = tidegate_model::Trigger::At(after(DAY)));
    world.release("r5", |release| release.rollout.stage_opened_at = Some(after(DAY)));
    let waits = world.hears(&on("r1"), after(DAY - 1));
    assert_eq!((waits.reason, waits.next_eligible_at), (Reason::Scheduled, Some(after(DAY))));
    world.expect(&on("r1"), after(DAY), Reason::OfferLatest, "r5");
}
