//! Every fault of one member during load: the others answer as before, nobody offers beyond the bound what was paused, no
//! acknowledged write is lost, and everything is right again without an operator.

use std::time::{Duration, Instant};

use tidegate_client::Run;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::faults::{BOUND, Fault, Figures, Role, Scene, Skipped, Way};
use tidegate_harness::load::{Asking, Load, judge_writes};
use tidegate_harness::small_disk::large;
use tidegate_harness::{fleet, report};

use crate::ONE_AT_A_TIME;

/// How long a fault lasts at least; it is longer than the bound in any case.
const LASTING: Duration = Duration::ZERO;

/// Time without writes after which an election counts as held up; it takes one to two seconds, and three where the leader has to
/// find out first that nobody answers it.
const SLOW_ELECTION: Duration = Duration::from_secs(4);
/// Time for one check on a node that nothing happened to, after which the machine counts as held up.
const SLOW_CHECK: Duration = Duration::from_secs(1);

/// Runs these faults one after the other on one cluster, and judges what everybody has to keep.
async fn run(faults: &[Fault]) {
    let _one = ONE_AT_A_TIME.lock().await;
    match Scene::set(faults).await {
        Ok(mut scene) => run_on(&mut scene, faults).await.iter().for_each(judge),
        Err(Skipped(why)) => report::line(format!("skipped: {why}")),
    }
}

async fn run_on(scene: &mut Scene, faults: &[Fault]) -> Vec<Figures> {
    let mut all = Vec::new();
    for fault in faults {
        let figures = scene.run(*fault, LASTING).await.expect("the run shows something");
        report::line(line(&figures));
        all.push(figures);
    }
    all
}

fn line(figures: &Figures) -> String {
    let offer = |side: Option<Duration>| side.map_or("none".to_owned(), |at| format!("{} ms", at.as_millis()));
    format!(
        "{}: {} checks on the healthy side, {} unanswered, {} stale, slowest {} ms; last offer after the pause: affected {}, \
         healthy {}, edge {} (bound {} ms); edge {} stale; {} writes, {} lost, {} refused, gap {} ms; paused after {} ms, right \
         again after {} ms",
        figures.fault,
        figures.healthy_side.checks,
        figures.healthy_side.unanswered,
        figures.healthy_side.stale,
        figures.healthy_side.slowest.as_millis(),
        offer(figures.affected_side.last_offer),
        offer(figures.healthy_side.last_offer),
        offer(figures.edge.last_offer),
        BOUND.as_millis(),
        figures.edge.stale,
        figures.writes_acknowledged,
        figures.writes_lost,
        figures.writes_refused.len(),
        figures.writes_gap.as_millis(),
        figures.paused_after.as_millis(),
        figures.right_again_after.map_or("ever".to_owned(), |after| after.as_millis().to_string()),
    )
}

fn judge(figures: &Figures) {
    let Figures { fault, affected_side, healthy_side, edge, .. } = figures;
    for (name, side) in [("affected", affected_side), ("healthy", healthy_side), ("edge", edge)] {
        assert_eq!(side.late_offers, 0, "{fault}: offers beyond the bound on the {name} side: {figures:?}");
        assert!(side.unexpected.is_empty(), "{fault}, {name} side: {:?}", side.unexpected);
    }
    assert_eq!(figures.writes_lost, 0, "{fault}");
    assert!(figures.is_recovered && figures.agree, "{fault}: {figures:?}");
    if *fault == Fault::KillAll {
        return;
    }
    if is_held_up(figures) {
        report::line(format!("{fault}: this machine is held up, how fresh the others were is not judged"));
        return;
    }
    for (name, side) in [("healthy", healthy_side), ("edge", edge)] {
        assert_eq!((side.unanswered, side.stale), (0, 0), "{fault}, {name} side: {side:?}");
        assert!(side.late_checks >= 20, "{fault}, {name} side: it was not listened beyond the bound: {side:?}");
    }
}

/// Whether the machine had so much more to do than it can that a check or an election took many times what it takes. Nobody can
/// be fresh without a leader for as long as the bound, which is no fault of anybody.
fn is_held_up(figures: &Figures) -> bool {
    // Ordinary writes are refused for as long as the leader's disk is full.
    let has_no_writes = figures.fault == Fault::FullDisk(Role::Leader);
    figures.healthy_side.slowest >= SLOW_CHECK || (figures.writes_gap >= SLOW_ELECTION && !has_no_writes)
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_killed_member_costs_no_check_on_the_others_and_no_acknowledged_write() {
    run(&[Fault::Kill(Role::Leader), Fault::Kill(Role::Follower)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_member_that_is_cut_off_costs_no_check_on_the_others() {
    run(&[Fault::Cut(Role::Leader), Fault::Cut(Role::Follower)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_leader_that_is_cut_off_one_way_costs_no_check_on_the_others() {
    run(&[Fault::CutOneWay(Role::Leader, Way::In), Fault::CutOneWay(Role::Leader, Way::Out)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_follower_that_is_cut_off_one_way_costs_no_check_on_the_others() {
    run(&[Fault::CutOneWay(Role::Follower, Way::In), Fault::CutOneWay(Role::Follower, Way::Out)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_stopped_process_costs_no_check_on_the_others() {
    run(&[Fault::Stop(Role::Leader), Fault::Stop(Role::Follower)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_wrong_clock_costs_no_check_on_the_others() {
    let clocks = [
        Fault::Clock(Role::Leader, 1),
        Fault::Clock(Role::Leader, -1),
        Fault::Clock(Role::Follower, 1),
        Fault::Clock(Role::Follower, -1),
    ];
    run(&clocks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_leader_costs_no_check() {
    run(&[Fault::FullDisk(Role::Leader)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_a_follower_costs_no_check_and_no_write() {
    run(&[Fault::FullDisk(Role::Follower)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p_41_a_cluster_that_was_killed_as_a_whole_offers_nothing_that_was_paused() {
    run(&[Fault::KillAll]).await;
}

/// A disk that answers nothing any more costs the leader its leadership within seconds, and the node its life soon after; the
/// others go on, and with a disk that answers it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stalls_ends_its_node_and_costs_no_check_on_the_others() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut scene = Scene::set(&[Fault::StalledDisk(Role::Leader)]).await.expect("it needs no rights");
    for role in [Role::Leader, Role::Follower] {
        for figures in run_on(&mut scene, &[Fault::StalledDisk(role)]).await {
            judge(&figures);
            let log = scene.cluster.nodes[figures.affected[0]].logged();
            assert!(log.contains("the disk did not finish a write"), "the node says why it ended: {log}");
        }
    }
}

/// Size of a file beyond which a write fails: well below that of a log segment, and above that of what the node says, which
/// goes to a file, too.
const FILE_SIZE_MAX: u64 = 160 * 1024;
/// Writes that fill more than that of a log segment.
const LARGE_WRITES: u32 = 6;

/// `ulimit -f`: the node ends with a message, not by a signal; what it had is whole, and the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_size_of_files_ends_a_node_by_name_and_damages_nothing() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let victim = (cluster.leader().await + 1) % 3;
    let load = Load::start(&cluster, Asking::EachNode);
    load.written(Instant::now(), 5).await;
    cluster.nodes[victim].limit_file_size(Some(FILE_SIZE_MAX));
    let client = fleet::client(&cluster, &[0, 1, 2], Duration::from_secs(60));
    for number in 0..LARGE_WRITES {
        client.apply(&large(number), &client.request_id(), Run::Commit).await.expect("two of three nodes are a majority");
    }
    assert_eq!(cluster.nodes[victim].ended(Duration::from_secs(60)).await, Some(1), "no signal ended it");
    load.written(Instant::now(), 20).await;
    cluster.start_node(victim);
    cluster.wait_ready().await;
    let outcome = load.stop().await;
    let log = cluster.nodes[victim].logged();
    assert!(log.contains("File too large") && log.contains("group-0/log"), "{log}");
    for one in outcome.seen.iter().filter(|one| one.node != victim) {
        assert_eq!(one.heard.as_deref(), Ok("OFFER_LATEST r1"), "node index {}", one.node);
    }
    judge_writes(&cluster, &[0, 1, 2], &outcome.acknowledged).await;
    fleet::agree(&cluster).await;
}
