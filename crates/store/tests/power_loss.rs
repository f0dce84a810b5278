//! The power-loss suite: hundreds of lives that end badly, and the six broken builds that it must notice.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests print what they showed")]

use tidegate_store::Sabotage;
use tidegate_store::testing::power_loss::{self, Report};

const STORES: u64 = 32;
const LIVES: u64 = 15;

/// How many stores to crash: more than usual if the environment says so.
fn stores() -> u64 {
    std::env::var("TIDEGATE_POWER_LOSS_STORES").ok().and_then(|count| count.parse().ok()).unwrap_or(STORES)
}

#[test]
fn nothing_acknowledged_is_lost_in_hundreds_of_power_losses() {
    let mut total = Report::default();
    for seed in 0..stores() {
        let report = power_loss::run(seed, LIVES, None).unwrap_or_else(|violation| panic!("{violation}"));
        total.power_losses += report.power_losses;
        total.kills += report.kills;
        total.failed_syncs += report.failed_syncs;
        total.acknowledged += report.acknowledged;
        total.snapshots += report.snapshots;
    }
    println!("{total:?}");
    assert!(total.power_losses >= 300, "{total:?}");
    assert!(total.kills >= 30 && total.failed_syncs >= 10 && total.snapshots >= 300, "{total:?}");
    assert!(total.acknowledged >= 100 * (total.power_losses + total.kills), "{total:?}");
}

#[test]
fn every_broken_build_is_noticed() {
    for step in Sabotage::ALL {
        let noticed = (0..STORES).find_map(|seed| power_loss::run(seed, LIVES, Some(step)).err());
        let violation = noticed.unwrap_or_else(|| panic!("{step:?} was never noticed"));
        println!("{step:?}: {violation}");
    }
}

#[test]
fn a_run_can_be_repeated_from_its_seed() {
    let first = power_loss::run(77, 6, None).unwrap();
    assert_eq!(first, power_loss::run(77, 6, None).unwrap());
}
