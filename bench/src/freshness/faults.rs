//! How old an offer can be under each fault: every fault of one member, and of all, under load, with a rollout paused
//! meanwhile. The harness makes them and looks; the tests of the cluster judge the same figures.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_harness::faults::{BOUND, Fault, Figures, Scene, Skipped};

use crate::table;

/// How long a stopped process stays stopped.
const STOPPED: Duration = Duration::from_secs(30);

/// Makes all faults, those that need the same build or disk on one cluster.
pub async fn all() -> anyhow::Result<Vec<Figures>> {
    let with_commands = |fault: &Fault| matches!(fault, Fault::Clock(..) | Fault::StalledDisk(_));
    let with_small_disk = |fault: &Fault| matches!(fault, Fault::FullDisk(_));
    let group = |is_in: &dyn Fn(&Fault) -> bool| Fault::ALL.into_iter().filter(|fault| is_in(fault)).collect::<Vec<_>>();
    let groups =
        [group(&|fault| !with_commands(fault) && !with_small_disk(fault)), group(&with_commands), group(&with_small_disk)];
    let mut figures = Vec::new();
    for faults in groups {
        match Scene::set(&faults).await {
            Ok(mut scene) => {
                for fault in faults {
                    let lasting = if matches!(fault, Fault::Stop(_)) { STOPPED } else { Duration::ZERO };
                    figures.push(scene.run(fault, lasting).await?);
                }
            }
            Err(Skipped(why)) => faults.iter().for_each(|fault| table::say(format!("skipped: {fault}: {why}"))),
        }
    }
    Ok(figures)
}

/// Prints them, with the bound beside.
pub fn print(figures: &[Figures]) {
    let offer = |at: Option<Duration>| at.map_or_else(|| "none".to_owned(), |at| at.as_millis().to_string());
    let row = |one: &Figures| {
        let late = one.affected_side.late_offers + one.healthy_side.late_offers + one.edge.late_offers;
        vec![
            one.fault.to_string(),
            offer(one.affected_side.last_offer),
            offer(one.healthy_side.last_offer),
            offer(one.edge.last_offer),
            BOUND.as_millis().to_string(),
            late.to_string(),
            format!("{} / {} / {}", one.healthy_side.checks, one.healthy_side.unanswered, one.healthy_side.stale),
            one.edge.stale.to_string(),
            format!("{} / {}", one.writes_acknowledged, one.writes_lost),
            one.writes_gap.as_millis().to_string(),
            one.right_again_after.map_or_else(|| "never".to_owned(), |after| after.as_millis().to_string()),
        ]
    };
    let header = [
        "fault, under load",
        "last offer ms: affected",
        "healthy",
        "edge",
        "bound ms",
        "beyond it",
        "healthy checks / unanswered / stale",
        "edge stale",
        "writes / lost",
        "without writes ms",
        "right again ms",
    ];
    table::print(
        "Staleness under each fault: the last offer of a release, after its pause was acknowledged",
        &header,
        &figures.iter().map(row).collect::<Vec<_>>(),
    );
    table::say(format!(
        "One check each 15 ms and asker; times of offers are when the check was sent. SIGSTOP lasts {} s, the others longer than the bound. Right again: from the end of the fault until the affected nodes say nothing wrong any more, by themselves.",
        STOPPED.as_secs()
    ));
}

/// Whether everything promised was kept.
pub fn is_kept(figures: &Figures) -> bool {
    let late = figures.affected_side.late_offers + figures.healthy_side.late_offers + figures.edge.late_offers;
    let is_quiet = figures.healthy_side.unanswered == 0 && figures.healthy_side.stale == 0;
    late == 0 && is_quiet && figures.writes_lost == 0 && figures.is_recovered && figures.agree
}

/// All of it.
pub fn json(figures: &Figures) -> Value {
    let ms = |at: Option<Duration>| at.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
    json!({
        "fault": figures.fault.to_string(), "kept": is_kept(figures),
        "last_offer_ms": {
            "affected": ms(figures.affected_side.last_offer), "healthy": ms(figures.healthy_side.last_offer), "edge": ms(figures.edge.last_offer),
        },
        "healthy": {
            "checks": figures.healthy_side.checks, "unanswered": figures.healthy_side.unanswered, "stale": figures.healthy_side.stale,
            "slowest_ms": ms(Some(figures.healthy_side.slowest)),
        },
        "edge_stale": figures.edge.stale,
        "writes": {"acknowledged": figures.writes_acknowledged, "lost": figures.writes_lost, "gap_ms": ms(Some(figures.writes_gap))},
        "right_again_ms": ms(figures.right_again_after),
    })
}
