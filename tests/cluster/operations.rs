//! What operators do with a running cluster.

use std::time::Duration;

use tidegate_tests::cluster::Cluster;
use tidegate_tests::wait;

use crate::{ONE_AT_A_TIME, fleet};

#[tokio::test(flavor = "multi_thread")]
async fn leadership_moves_and_every_node_takes_every_call() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let first = cluster.leader().await;
    let other = (first + 1) % 3;
    let wanted = cluster.nodes[other].id.to_string();
    cluster.run(&["cluster", "transfer-leader", "--to", &wanted]).await;
    wait::until("the other node leads", Duration::from_secs(10), || async { (cluster.leader().await == other).then_some(()) })
        .await;

    // A write through each node, each seen by a linearizable read through another.
    for (node, text) in ["one", "two", "three"].into_iter().enumerate() {
        let client = fleet::client(&cluster, &[node], Duration::from_secs(5));
        let manifest = format!("{{kind: cohort, id: {text}, product: app}}");
        let source = tidegate_manifest::Source { name: "test".to_owned(), text: manifest };
        let documents: Vec<_> = tidegate_manifest::parse(&[source]).expect("a manifest").into_iter().map(|d| d.value).collect();
        client.apply(&documents, &client.request_id(), tidegate_client::Run::Commit).await.expect("any node takes a write");
        let reader = fleet::client(&cluster, &[(node + 1) % 3], Duration::from_secs(5));
        let cohorts = reader
            .list(tidegate_model::ObjectKind::Cohort, None, tidegate_client::Consistency::Linearizable)
            .await
            .expect("any node takes a read")
            .value;
        assert!(cohorts.iter().any(|cohort| cohort.reference().id() == format!("app/{text}")));
    }
    cluster.run(&["cluster", "verify"]).await;
}

/// P-07, G-94: the same request id has one effect and the same answer; G-93: of two writers one hears CONFLICT.
#[tokio::test(flavor = "multi_thread")]
async fn p_07_repeated_and_competing_writes() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let first = cluster.run(&["--output", "json", "rollout", "pause", "r1", "--request-id", "once"]).await;
    let again = cluster.run(&["--output", "json", "rollout", "pause", "r1", "--request-id", "once"]).await;
    assert_eq!(first, again, "the answer is repeated");
    let (code, _, error) = cluster.try_run(&["rollout", "resume", "r1", "--request-id", "once"]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("REQUEST_ID_REUSED"), "{error}");

    let release: serde_json::Value =
        serde_json::from_str(&cluster.run(&["--output", "json", "get", "release", "r1"]).await).expect("JSON");
    let version = release["status"]["version"].as_u64().expect("a version").to_string();
    cluster.run(&["rollout", "resume", "r1", "--expected-version", &version]).await;
    let (code, _, error) = cluster.try_run(&["rollout", "pause", "r1", "--expected-version", &version]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("CONFLICT"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_changes_nothing_and_says_what_is_wrong() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(1).await;
    fleet::load(&cluster).await;
    let before = cluster.run(&["export"]).await;
    let file = cluster.folder.path().join("bad.yaml");
    let text = "kind: cohort\nid: extra\nproduct: app\n---\nkind: policy\nrelease: r1\nstages:\n  - {name: all, exposure: {percnt: 5}}\n";
    std::fs::write(&file, text).expect("the test's folder can be written");
    let path = file.to_str().expect("temporary folders have plain names");
    let (code, _, error) = cluster.try_run(&["apply", "-f", path]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("bad.yaml:8") && error.contains("percnt") && error.contains("percent"), "{error}");
    let (code, _, error) = cluster.try_run(&["rollout", "resume", "r1"]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("ILLEGAL_TRANSITION"), "{error}");
    assert_eq!(cluster.run(&["export"]).await, before);
    let unreachable = tokio::process::Command::new(tidegate_tests::binary::path())
        .args(["--endpoint", "http://127.0.0.1:9", "--timeout", "2", "get", "product"])
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(unreachable.status.code(), Some(3));
}
