//! What operators do with a running cluster.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::wait;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

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

/// P-08: checks, of devices known or not, well formed or not, leave the replicated state of every node as it was. The
/// requests are drawn from a seed, which is printed.
#[tokio::test(flavor = "multi_thread")]
async fn p_08_checks_write_nothing_replicated() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    fleet::load(&cluster).await;
    let before = wait::until("three equal nodes", Duration::from_secs(10), || async {
        let states = replicated(&cluster).await;
        states.iter().all(|state| *state == states[0]).then_some(states)
    })
    .await;

    let seed = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| u64::from(since.subsec_nanos()));
    tidegate_harness::report::line(format!("p_08: seed {seed}"));
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let (products, releases) = (["app", "other", ""], ["r0", "r1", "no such release", "\u{0}"]);
    let mut answered = 0;
    for _ in 0..600 {
        let mut request = fleet::request(&format!("device-{}", random.random_range(0..50)));
        request["product"] = products[random.random_range(0..products.len())].into();
        request["release"] = releases[random.random_range(0..releases.len())].into();
        request["explain"] = random.random_bool(0.5).into();
        let mut device = cluster.device(random.random_range(0..3));
        let answer = device.check(&request, Duration::from_secs(5)).await.expect("every node answers");
        answered += u32::from(answer.status == hyper::StatusCode::OK);
    }
    assert!(answered > 100, "seed {seed}: some requests are good ones");
    assert_eq!(replicated(&cluster).await, before, "seed {seed}");
}

/// Applied index, config version and digest of every node.
async fn replicated(cluster: &Cluster) -> Vec<[serde_json::Value; 3]> {
    let mut states = Vec::new();
    for index in 0..cluster.nodes.len() {
        let page = cluster.device(index).get("/v1/snapshot", Duration::from_secs(5)).await.expect("every node answers").body;
        states.push(["applied_index", "config_version", "digest"].map(|field| page[field].clone()));
    }
    states
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
    let unreachable = tokio::process::Command::new(tidegate_harness::binary::path())
        .args(["--endpoint", "http://127.0.0.1:9", "--timeout", "2", "get", "product"])
        .output()
        .await
        .expect("the binary starts");
    assert_eq!(unreachable.status.code(), Some(3));
}
