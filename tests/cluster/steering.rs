//! The controller on the leader: rollouts go on by themselves, whoever dies and whoever else has a hand in them.

use std::time::Duration;

use tidegate_client::{Client, Error};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::{report, wait};
use tidegate_model::{CatalogChange, Object, ObjectRef, ReleaseId, Transition, Verb};
use tidegate_proto::device::v1::{InstallEvent, InstallEventKind};
use tidegate_proto::storage::v1::HistoryRow;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

/// How long a stage bakes in these tests.
const BAKE: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(60);

/// A product with three registered devices and a release in three stages; the first two are left through their gates.
fn manifest(gate: &str) -> String {
    let devices: String = (1..=3).map(|number| format!("---\n{{kind: device, id: d{number}, product: app}}\n")).collect();
    format!(
        "{{kind: product, id: app, default_cohort: stable, allow_unregistered: true, version_scheme: semver}}
---
{{kind: cohort, id: stable, product: app}}
---
{{kind: bundle, id: b0, product: app, version: 1.0.0}}
---
{{kind: bundle, id: b1, product: app, version: 1.1.0}}
---
{{kind: release, id: r0, product: app, cohort: stable, bundle: b0, version: 1.0.0, adopt: completed}}
---
{{kind: release, id: r1, product: app, cohort: stable, bundle: b1, version: 1.1.0, previous: [r0]}}
---
kind: policy
release: r1
stages:
  - {{name: first, exposure: {{percent: 100}}, gate: {gate}}}
  - {{name: second, exposure: {{percent: 100}}, gate: {gate}}}
  - {{name: last, exposure: all}}
{devices}"
    )
}

/// Where r1 stands: number of its stage (from 1) and its version.
async fn stands(cluster: &Cluster) -> (u64, u64, serde_json::Value) {
    let text = cluster.run(&["--output", "json", "rollout", "status", "r1"]).await;
    let status: serde_json::Value = serde_json::from_str(&text).expect("status is JSON");
    let number = |key: &str| status[key].as_u64().unwrap_or_else(|| panic!("{key} in {status}"));
    (number("stage_number"), number("version"), status)
}

async fn reaches(cluster: &Cluster, stage: u64) -> serde_json::Value {
    wait::until(&format!("stage {stage}"), PATIENCE, || async {
        let (at, _, status) = stands(cluster).await;
        (at >= stage).then_some(status)
    })
    .await
}

async fn advance(client: &Client, expected_version: u64) -> Result<(), Error> {
    let release = ReleaseId::new("r1").expect("a plain id");
    let verb = Verb::Advance { domain: None };
    let transition =
        Transition { release, expected_version: Some(expected_version), reason: Some("seen enough".to_owned()), verb };
    client.transition(&transition, &client.request_id()).await.map(|_| ())
}

/// Stages pass when their bake is over, also if the leader that began it dies meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_goes_on_by_itself_and_survives_its_leader() {
    let _one = ONE_AT_A_TIME.lock().await;
    let mut cluster = Cluster::start(3).await;
    cluster.apply(&manifest(&format!("{{bake: {}s}}", BAKE.as_secs()))).await;
    cluster.run(&["rollout", "publish", "r1"]).await;
    reaches(&cluster, 2).await;

    let leader = cluster.leader().await;
    cluster.nodes[leader].kill();
    let killed = std::time::Instant::now();
    let status = reaches(&cluster, 3).await;
    report::line(format!("stage 3 came {} ms after the leader was killed, bake {BAKE:?}", killed.elapsed().as_millis()));
    assert_eq!(status["stage"], "last", "{status}");
    let (stage, _, _) = stands(&cluster).await;
    assert_eq!(stage, 3, "the last stage has no gate");
    cluster.start_node(leader);
    cluster.wait_ready().await;
    // Nodes that still hold a connection to the one that died need a moment to ask it again.
    wait::until("all nodes agree", PATIENCE, || async {
        (cluster.try_run(&["cluster", "verify"]).await.0 == Some(0)).then_some(())
    })
    .await;
}

/// G-71: an operator advances at the moment at which the controller does. One of them wins, the other hears CONFLICT, and
/// the stage moves by one.
#[tokio::test(flavor = "multi_thread")]
async fn g_71_an_operator_and_the_controller_advance_by_one_together() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    cluster.apply(&manifest(&format!("{{bake: {}s}}", BAKE.as_secs()))).await;
    let client = fleet::client(&cluster, &[0, 1, 2], Duration::from_secs(10));
    cluster.run(&["rollout", "publish", "r1"]).await;
    let (mut won, mut lost) = (0, 0);
    let margin = Duration::from_millis(150);
    for (stage, at) in [(1, BAKE - margin), (2, BAKE + margin)] {
        reaches(&cluster, stage).await;
        let (_, version, _) = stands(&cluster).await;
        // The bake ends about when this tick comes, a little later or earlier: whoever is first, the version has moved on
        // for the other.
        let mut ticks = tokio::time::interval(at);
        ticks.tick().await;
        ticks.tick().await;
        match advance(&client, version).await {
            Ok(()) => won += 1,
            Err(error) => {
                assert_eq!(error.code(), "CONFLICT", "{error}");
                lost += 1;
            }
        }
    }
    reaches(&cluster, 3).await;
    report::line(format!("the operator won {won} and lost {lost} races"));

    let history = client.history(&ObjectRef::Release(ReleaseId::new("r1").expect("a plain id")), 100).await.expect("history");
    let mut stages: Vec<(u64, u32)> = history.into_iter().map(stage_of).collect();
    stages.sort_unstable();
    let steps = stages.windows(2).map(|pair| pair[1].1 - pair[0].1);
    assert!(steps.clone().all(|step| step <= 1) && steps.sum::<u32>() == 2, "version and stage: {stages:?}");
}

/// Version and stage index of r1 in one row of its history.
fn stage_of(row: HistoryRow) -> (u64, u32) {
    let change = CatalogChange::try_from(row.change.expect("a row has a change")).expect("a change of this build");
    match change {
        CatalogChange::Put(Object::Release(stored)) => (stored.version, stored.body.rollout.stage_index),
        other => panic!("a release was asked for: {other:?}"),
    }
}

/// Install events reach the leader through any node, count once, and open the gate that waits for them.
#[tokio::test(flavor = "multi_thread")]
async fn events_open_the_gate_that_waits_for_them() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    cluster.apply(&manifest("{bake: 1s, min_sample: 2, max_failures: 2}")).await;
    cluster.run(&["rollout", "publish", "r1"]).await;
    let leader = cluster.leader().await;
    let client = fleet::client(&cluster, &[(leader + 1) % 3], Duration::from_secs(10));
    let event = |device: &str, kind: InstallEventKind| InstallEvent {
        event_id: format!("{device}-{kind:?}"),
        product: "app".to_owned(),
        device: device.to_owned(),
        release: Some("r1".to_owned()),
        kind: kind.into(),
        ..InstallEvent::default()
    };
    let first = vec![event("d1", InstallEventKind::Succeeded), event("d2", InstallEventKind::Downloading)];
    let answer = client.record_install_events(first.clone()).await.expect("taken in");
    assert_eq!((answer.accepted, answer.duplicates, answer.unattributed), (2, 0, 0));
    let again = client.record_install_events(first).await.expect("taken in");
    assert_eq!((again.accepted, again.duplicates), (0, 2));
    let (stage, _, status) = stands(&cluster).await;
    assert_eq!(stage, 1);
    let counts = &status["progress"]["counts"];
    assert_eq!((counts["attempted"].as_u64(), counts["succeeded"].as_u64()), (Some(2), Some(1)), "{status}");
    assert!(!status["progress"]["waits"].as_array().expect("a list").is_empty(), "{status}");

    let nameless = InstallEvent { event_id: String::new(), ..event("d1", InstallEventKind::Failed) };
    let refused = client.record_install_events(vec![event("d3", InstallEventKind::Failed), nameless]).await;
    assert_eq!(refused.expect_err("one has no id").code(), "INVALID_REQUEST");

    client.record_install_events(vec![event("d2", InstallEventKind::Succeeded)]).await.expect("taken in");
    reaches(&cluster, 2).await;
}
