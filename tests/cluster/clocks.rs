//! One node's wall clock is set an hour ahead or back, during load: it opens nothing early, says what is wrong, and stamps
//! nothing.

use std::time::{Duration, Instant};

use tidegate_harness::cluster::{Cluster, check_request};
use tidegate_harness::process::Build;
use tidegate_harness::{report, wait};
use tokio::sync::Mutex;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::load::{Asking, Load, judge_writes};

const HOUR_MS: i64 = 3_600_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// A release that begins in half an hour, and one whose ramp does.
fn manifest(begins: &str) -> String {
    format!(
        "{{kind: product, id: late, default_cohort: stable, allow_unregistered: true, version_scheme: semver}}
---
{{kind: cohort, id: stable, product: late}}
---
{{kind: bundle, id: l0, product: late, version: 1.0.0}}
---
{{kind: bundle, id: l1, product: late, version: 1.1.0}}
---
{{kind: release, id: late0, product: late, cohort: stable, bundle: l0, version: 1.0.0, adopt: completed}}
---
{{kind: release, id: late1, product: late, cohort: stable, bundle: l1, version: 1.1.0, previous: [late0]}}
---
{{kind: policy, release: late1, trigger: {{at: \"{begins}\"}}}}
---
{{kind: product, id: slow, default_cohort: stable, allow_unregistered: true, version_scheme: semver}}
---
{{kind: cohort, id: stable, product: slow}}
---
{{kind: bundle, id: s0, product: slow, version: 1.0.0}}
---
{{kind: bundle, id: s1, product: slow, version: 1.1.0}}
---
{{kind: release, id: slow0, product: slow, cohort: stable, bundle: s0, version: 1.0.0, adopt: completed}}
---
{{kind: release, id: slow1, product: slow, cohort: stable, bundle: s1, version: 1.1.0, previous: [slow0]}}
---
kind: policy
release: slow1
stages:
  - {{name: all, exposure: {{ramp: {{steps: [[0h, 0], [30m, 100]]}}}}}}
"
    )
}

/// RFC 3339 text of half an hour from now.
fn in_half_an_hour() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    let at = i64::try_from(now).expect("not that far in the future") + HOUR_MS / 2;
    tidegate_model::Timestamp::from_millis(at).to_string()
}

/// Asks all nodes for what has not begun, until the one with the wrong clock shows the alarm; returns the number of answers.
async fn until_alarmed(cluster: &Cluster, victim: usize) -> usize {
    let mut devices: Vec<_> = (0..3).map(|node| cluster.device(node)).collect();
    let (begun, mut answers) = (Instant::now(), 0);
    loop {
        for (node, device) in devices.iter_mut().enumerate() {
            for product in ["late", "slow"] {
                let request = check_request(product, &format!("dev-{answers}"), &format!("{product}0"));
                let answer = device.check(&request, PATIENCE).await.expect("every node answers").body;
                let reason = answer["reason"].as_str().expect("a decision has a reason");
                assert!(
                    !reason.starts_with("OFFER"),
                    "node index {node}, {:?} after the clock was set: {answer}",
                    begun.elapsed()
                );
                answers += 1;
            }
        }
        let page = devices[victim].get("/v1/status", PATIENCE).await.expect("every node answers").body;
        let is_alarmed = page.to_string().contains("the wall clock is");
        // Some probes and heartbeats later nothing has changed, either.
        if is_alarmed && begun.elapsed() > Duration::from_millis(800) {
            return answers;
        }
        assert!(begun.elapsed() < PATIENCE, "no alarm: {page}");
    }
}

async fn until_calm(cluster: &Cluster, victim: usize) {
    let device = Mutex::new(cluster.device(victim));
    wait::until("the alarm is cleared", PATIENCE, || async {
        let page = device.lock().await.get("/v1/status", PATIENCE).await.ok()?.body;
        (!page.to_string().contains("the wall clock is")).then_some(())
    })
    .await;
}

/// P-43: whatever its clock says, no node opens a trigger or a ramp early; a leader with a wrong clock hands over, and writes
/// go on without anybody's help.
#[tokio::test(flavor = "multi_thread")]
async fn p_43_a_wrong_clock_opens_nothing_early_and_stops_no_writes() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start_build(3, "", Build::Commanded).await;
    fleet::load(&cluster).await;
    cluster.apply(&manifest(&in_half_an_hour())).await;
    for release in ["late1", "slow1"] {
        cluster.run(&["rollout", "publish", release]).await;
    }
    let load = Load::start(&cluster, Asking::EachNode);
    load.written(Instant::now(), 5).await;
    let mut steps = Vec::new();
    for ahead_ms in [HOUR_MS, -HOUR_MS] {
        for role in ["follower", "leader"] {
            let leader = cluster.leader().await;
            let victim = if role == "leader" { leader } else { (leader + 1) % 3 };
            cluster.nodes[victim].set_clock(ahead_ms);
            let set = Instant::now();
            let answers = until_alarmed(&cluster, victim).await;
            load.written(set, 10).await;
            let now_leads = cluster.leader().await;
            assert_ne!(now_leads, victim, "a node with a wrong clock does not lead");
            report::line(format!("{role} set by {ahead_ms} ms: {answers} answers, nothing early, writes go on"));
            cluster.nodes[victim].set_clock(0);
            until_calm(&cluster, victim).await;
            steps.push((victim, set, Instant::now()));
        }
    }
    let outcome = load.stop().await;
    for one in &outcome.seen {
        let is_victim = steps.iter().any(|(node, from, to)| *node == one.node && one.sent + one.took >= *from && one.sent <= *to);
        let is_stale = one.heard.as_deref().is_ok_and(|heard| heard.starts_with("SNAPSHOT_STALE"));
        assert!(one.heard.as_deref() == Ok("OFFER_LATEST r1") || (is_victim && is_stale), "{:?}", one.heard);
    }
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    judge_writes(&cluster, &[0, 1, 2], &outcome.acknowledged).await;
    fleet::agree(&cluster).await;
}
