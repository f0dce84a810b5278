//! The leader dies under load.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::Cluster;
use tidegate_harness::report;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::load::{Asking, Load, Seen, judge_writes};

/// Longest that a check may take.
const CHECK_MAX: Duration = Duration::from_millis(100);
/// Longest time without writes.
const WRITES_RESUME_MAX: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_leader_costs_no_check_and_no_acknowledged_write() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let leader = cluster.leader().await;
    let load = Load::start(&cluster, Asking::EachNode);
    load.written(Instant::now(), 40).await;
    cluster.nodes[leader].kill();
    let killed = Instant::now();
    load.written(killed + WRITES_RESUME_MAX, 40).await;
    let outcome = load.stop().await;

    judge_checks(&outcome.seen, leader, killed);
    let acknowledged = outcome.acknowledged;
    let resumed = acknowledged.iter().map(|(_, at)| *at).filter(|at| *at > killed + Duration::from_millis(200)).min();
    let gap = resumed.expect("writes resume").duration_since(killed);
    report::line(format!(
        "{} checks, {} acknowledged writes, writes resumed {} ms after the kill",
        outcome.seen.len(),
        acknowledged.len(),
        gap.as_millis()
    ));
    assert!(gap <= WRITES_RESUME_MAX, "writes resumed only after {gap:?}");

    cluster.start_node(leader);
    cluster.wait_ready().await;
    assert!(acknowledged.len() >= 60, "only {} writes were acknowledged", acknowledged.len());
    judge_writes(&cluster, &[0, 1, 2], &acknowledged).await;
}

fn judge_checks(seen: &[Seen], leader: usize, killed: Instant) {
    let living: Vec<&Seen> =
        seen.iter().filter(|one| one.node != leader || one.sent + Duration::from_millis(50) < killed).collect();
    for one in &living {
        let when = if one.sent < killed { "before the kill" } else { "after the kill" };
        assert_eq!(one.heard.as_deref(), Ok("OFFER_LATEST r1"), "node index {} {when}", one.node);
    }
    let slow: Vec<String> = living.iter().filter(|one| one.took > CHECK_MAX).map(|one| format!("{:?}", one.took)).collect();
    assert!(slow.is_empty(), "{} of {} checks took longer than {CHECK_MAX:?}: {slow:?}", slow.len(), living.len());
    let after = living.iter().filter(|one| one.sent > killed).count();
    assert!(after >= 500, "only {after} checks were made after the kill");
}
