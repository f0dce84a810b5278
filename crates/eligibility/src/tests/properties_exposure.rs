//! Who is admitted, through the whole of a decision: P-10 to P-17.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tidegate_model::{Basis, Exposure, PassedStage, Ppm, Ramp, RampStep, RolloutState, Salt, Span, Stage, Timestamp};

use crate::request::Request;
use crate::testing::{DAY, HOUR, T, World, after, device_key, on, release_id};

fn ppm(share: u32) -> Ppm {
    Ppm::new(share).unwrap()
}

fn percent(share: u32) -> Exposure {
    Exposure::Percent { share: ppm(share), basis: Basis::Hash }
}

/// r5 rolling out under `exposure` with `salt`.
fn world(exposure: Exposure, salt: [u8; 16]) -> World {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = exposure);
    world.release("r5", |release| release.rollout.salt = Some(Salt(salt)));
    world
}

/// Which of the devices `0..count` are offered r5.
fn admitted(world: &World, count: usize, now: Timestamp) -> BTreeSet<usize> {
    let snapshot = world.snapshot();
    let is_offered = |i: &usize| {
        let key = format!("dev-{i}");
        crate::decide(&snapshot, &Request { device: Some(&key), ..on("r1") }, now).is_offer()
    };
    (0..count).filter(is_offered).collect()
}

fn ramps() -> impl Strategy<Value = Ramp> {
    let steps = proptest::collection::vec((1..DAY, 0..=250_000u32), 1..6).prop_map(|parts| {
        let (mut offset, mut share) = (0, 0);
        let steps = parts.into_iter().map(|(later, more)| {
            offset += later;
            share = (share + more).min(1_000_000);
            RampStep { offset: Span::from_secs(offset), share: ppm(share) }
        });
        Ramp::Steps(steps.collect())
    });
    prop_oneof![
        steps,
        Just(Ramp::Apple),
        (1..12u32, 0..2 * DAY).prop_map(|(groups, secs)| Ramp::Groups { groups, interval: Span::from_secs(secs) }),
        (0..=1_000_000u32, 1..5_000u64)
            .prop_map(|(from, minutes)| Ramp::Linear { from: ppm(from), duration: Span::from_secs(minutes * 60) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// P-10: a larger share offers to everybody that a smaller one does. P-11: 0 is nobody, 1,000,000 is everybody,
    /// with or without a key.
    #[test]
    fn p_10_p_11_shares_are_nested(a in 0..=1_000_000u32, b in 0..=1_000_000u32, salt: [u8; 16]) {
        let (low, high) = (world(percent(a.min(b)), salt), world(percent(a.max(b)), salt));
        prop_assert!(admitted(&low, 60, T).is_subset(&admitted(&high, 60, T)));
        for basis in [Basis::Hash, Basis::Roster] {
            let of = |share| world(Exposure::Percent { share: ppm(share), basis }, salt);
            for device in [None, Some(""), Some("dev-7")] {
                let request = Request { device, ..on("r1") };
                prop_assert!(!of(0).hears(&request, T).reason.is_offer());
                prop_assert!(of(1_000_000).hears(&request, T).reason.is_offer());
            }
        }
    }

    /// P-12: over many keys the admitted share is within four standard deviations.
    #[test]
    fn p_12_admission_is_uniform(share in 10_000..=990_000u32, salt: [u8; 16]) {
        let count = admitted(&world(percent(share), salt), 4_000, T).len() as f64;
        let share = f64::from(share) / 1e6;
        let deviation = (4_000.0 * share * (1.0 - share)).sqrt();
        prop_assert!((count - 4_000.0 * share).abs() <= 4.0 * deviation, "{} of 4000 at {}", count, share);
    }

    /// P-13: with another salt, being admitted says nothing about being admitted.
    #[test]
    fn p_13_rollouts_are_independent(a: [u8; 16], b: [u8; 16]) {
        prop_assume!(a != b);
        let (first, second) = (admitted(&world(percent(500_000), a), 4_000, T), admitted(&world(percent(500_000), b), 4_000, T));
        let both = first.intersection(&second).count() as f64;
        // A quarter is in both; four standard deviations of 4,000 draws at a quarter are 110.
        prop_assert!((both - 1_000.0).abs() <= 110.0, "{} of 4000 in both", both);
    }

    /// P-14: with the inherited salt (or roster) a superseding rollout offers to exactly the same devices.
    #[test]
    fn p_14_an_inherited_salt_or_roster_admits_the_same(
        share in 1..1_000_000u32, salt: [u8; 16], roster in proptest::collection::btree_set(0..40usize, 0..20), by_roster: bool,
    ) {
        let exposure = || if by_roster { Exposure::Count(20) } else { percent(share) };
        let keys: Vec<_> = roster.iter().map(|i| device_key(&format!("dev-{i}"))).collect();
        let mut old = world(exposure(), salt);
        old.release("r5", |release| release.rollout.admitted = keys.iter().cloned().collect());
        let mut new = old.clone();
        new.bundle("b6", |_| {});
        new.release("r6", |release| {
            release.rollout.salt = Some(Salt(salt));
            release.rollout.admitted = keys.iter().cloned().collect();
        });
        new.release("r5", |release| {
            release.next = Some(release_id("r6"));
            release.rollout.state = RolloutState::RolledBack;
        });
        new.roll_out("r6", |policy| policy.stages[0].exposure = exposure());
        let was = admitted(&old, 40, T);
        prop_assert_eq!(&was, &admitted(&new, 40, T));
        prop_assert!(!by_roster || was == roster);
    }

    /// P-18: with a roster, whoever is offered the release is on it, whatever n the exposure names. P-19: a roster that
    /// grows takes nothing away from anybody.
    #[test]
    fn p_18_p_19_the_roster_says_who(
        salt: [u8; 16], n in 1..50u32, by_count: bool,
        roster in proptest::collection::btree_set(0..40usize, 0..20), more in proptest::collection::btree_set(0..40usize, 0..20),
    ) {
        let exposure = if by_count { Exposure::Count(n) } else { Exposure::Percent { share: ppm(n * 10_000), basis: Basis::Roster } };
        let mut world = world(exposure, salt);
        let mut with = |keys: &BTreeSet<usize>| {
            let keys: Vec<_> = keys.iter().map(|i| device_key(&format!("dev-{i}"))).collect();
            world.release("r5", |release| release.rollout.admitted = keys.into_iter().collect());
            admitted(&world, 40, T)
        };
        prop_assert_eq!(with(&roster), roster.clone());
        let larger = roster.union(&more).copied().collect();
        prop_assert_eq!(with(&larger), larger);
    }

    /// P-15: who is admitted by a ramp stays so; and the announced instant is the exact edge of admission.
    #[test]
    fn p_15_ramps_only_widen(ramp in ramps(), salt: [u8; 16], mut secs in proptest::collection::vec(0..8 * DAY, 4)) {
        let world = world(Exposure::Ramp(ramp), salt);
        secs.sort_unstable();
        let mut before = BTreeSet::new();
        for secs in secs {
            let now = admitted(&world, 40, after(secs));
            prop_assert!(before.is_subset(&now));
            before = now;
            let first = world.hears(&on("r1"), after(secs));
            if let Some(at) = first.next_eligible_at {
                prop_assert!(world.hears(&on("r1"), at).reason.is_offer());
                prop_assert!(!world.hears(&on("r1"), Timestamp::from_millis(at.as_millis() - 1)).reason.is_offer());
            }
        }
    }

    /// P-16: whenever it is paused and resumed, a ramp admits at resume whom it admitted at pause.
    #[test]
    fn p_16_a_pause_freezes_the_ramp(ramp in ramps(), salt: [u8; 16], at in 0..8 * DAY, pauses in proptest::collection::vec(1..40 * DAY, 1..4)) {
        let mut world = world(Exposure::Ramp(ramp), salt);
        let before = admitted(&world, 60, after(at));
        let paused: u64 = pauses.iter().sum();
        world.state("r5", RolloutState::Paused);
        prop_assert!(admitted(&world, 60, after(at + paused)).is_empty());
        world.state("r5", RolloutState::Active);
        world.release("r5", |release| release.rollout.stage_paused = Span::from_secs(paused));
        prop_assert_eq!(before, admitted(&world, 60, after(at + paused)));
    }

    /// P-16 for freezes: however long one lasts, a ramp admits as many after it as before, and nobody more meanwhile.
    #[test]
    fn p_16_a_freeze_holds_the_ramp_still(ramp in ramps(), salt: [u8; 16], at in 0..8 * DAY, frozen in 1..40 * DAY) {
        let mut world = world(Exposure::Ramp(ramp), salt);
        let before = admitted(&world, 60, after(at));
        world.release("r5", |release| release.rollout.frozen_since = Some(after(at)));
        prop_assert_eq!(&before, &admitted(&world, 60, after(at + frozen)));
        prop_assert_eq!(world.hears(&on("r1"), after(at + frozen)).next_eligible_at, None);
        world.release("r5", |release| {
            release.rollout.frozen_since = None;
            release.rollout.stage_paused = Span::from_secs(frozen);
        });
        prop_assert_eq!(&before, &admitted(&world, 60, after(at + frozen)));
    }

    /// P-17: who is admitted at one stage stays so at every later one, whatever the later ones select.
    #[test]
    fn p_17_stages_only_widen(shares in proptest::collection::vec(0..=1_000_000u32, 1..5), regional in 0..5usize, salt: [u8; 16]) {
        let stages: Vec<_> = shares.iter().enumerate().map(|(i, share)| Stage {
            name: format!("s{i}"),
            selector: if i == regional { crate::testing::attribute("region", &["eu"]) } else { Default::default() },
            exposure: percent(*share),
            domains: None,
            gate: None,
        }).collect();
        let mut before = BTreeSet::new();
        for index in 0..stages.len() {
            let mut world = world(Exposure::All, salt);
            world.roll_out("r5", |policy| policy.stages = stages.clone());
            world.release("r5", |release| {
                release.rollout.stage_index = index as u32;
                let left = stages[..index].iter();
                release.rollout.passed = left.map(|s| PassedStage { name: s.name.clone(), exposure: s.exposure.clone() }).collect();
            });
            let now = admitted(&world, 60, after(HOUR));
            prop_assert!(before.is_subset(&now));
            before = now;
        }
    }
}
