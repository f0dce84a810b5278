//! One node from its first start to its second, over real files and sockets.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use nodes::{Calls, config, free_port, product, ready, release, start};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tonic::Code;

/// A node that makes a cluster of itself.
fn alone(folder: &std::path::Path, peer_port: u16, more: &[(&str, &str)]) -> tidegate_server::Config {
    let own = format!("127.0.0.1:{peer_port}");
    config(1, folder, peer_port, &[&[("cluster.bootstrap", own.as_str())], more].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_decides_and_comes_back_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let node = start(alone(folder.path(), port, &[])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;

    let applied = calls.apply(product(2), "first").await.unwrap();
    assert!(applied.objects.iter().all(|object| object.effect() == types::Effect::Created), "{applied:?}");
    assert_eq!(calls.check("r0").await.reason, "UP_TO_DATE");
    calls.publish("r1").await;
    let offered = calls.check("r0").await;
    assert_eq!((offered.reason.as_str(), offered.target_release.as_deref()), ("OFFER_LATEST", Some("r1")));
    assert!(offered.staleness_ms.is_some_and(|age| age < 5_000));

    // The admin's own check agrees, and can look at another instant.
    let check = tidegate_proto::device::v1::CheckRequest {
        product: "os".into(),
        device: Some("d1".into()),
        release: Some("r0".into()),
        explain: true,
        ..Default::default()
    };
    let mut devices = admin::device_service_client::DeviceServiceClient::new(calls.channel.clone());
    let request = admin::CheckForUpdateRequest { check: Some(check.clone()), at_ms: None };
    let answer = devices.check_for_update(request).await.unwrap().into_inner();
    assert!(!answer.hypothetical);
    let decision = answer.decision.unwrap();
    assert_eq!(decision.target_release.as_deref(), Some("r1"));
    assert!(decision.trace.iter().any(|step| step.step == "candidate"), "{:?}", decision.trace);
    let request = admin::CheckForUpdateRequest { check: Some(check), at_ms: Some(1) };
    assert!(devices.check_for_update(request).await.unwrap().into_inner().hypothetical);

    let paused = calls.transition("r1", types::transition::Verb::Pause(types::Unit {})).await.unwrap();
    assert_eq!(paused.state(), types::RolloutState::Paused);
    assert_eq!(calls.check("r0").await.reason, "PAUSED");

    let before = calls.status().await;
    let history = history(&calls, "r1").await;
    assert!(history.len() >= 3, "created, published, paused: {history:?}");
    drop((calls, devices));
    node.shutdown().await;

    let node = start(alone(folder.path(), port, &[])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let after = calls.status().await;
    assert_eq!((after.digest, after.config_version), (before.digest, before.config_version));
    assert_eq!(after.store_uuid, before.store_uuid);
    assert_eq!(calls.check("r0").await.reason, "PAUSED");
    assert_eq!(self::history(&calls, "r1").await, history);

    // P-06: the same request id answers the same result again, and nothing happens twice.
    let again = calls.apply(product(2), "first").await.unwrap();
    assert_eq!(again, applied);
    let reused = calls.apply(product(1), "first").await.unwrap_err();
    assert_eq!(reused.code(), Code::FailedPrecondition);
    assert_eq!(calls.status().await.config_version, before.config_version);
    node.shutdown().await;
}

async fn history(calls: &Calls, release: &str) -> Vec<(u64, u64)> {
    let object = types::ObjectRef { kind: Some(types::object_ref::Kind::Release(release.into())) };
    let request = admin::GetHistoryRequest { object: Some(object), ..Default::default() };
    let rows = calls.objects().get_history(request).await.unwrap().into_inner().rows;
    rows.iter().map(|row| (row.index, row.version)).collect()
}

/// A selector that names neither devices nor values is tried by every check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_has_only_so_many_selectors_that_no_index_serves() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(alone(folder.path(), free_port(), &[])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    calls.apply(product(1), "").await.unwrap();
    let hold = |number: usize| {
        let selector = types::Selector { tags_none_of: vec![format!("t{number}")], ..types::Selector::default() };
        types::document::Spec::Hold(types::HoldSpec {
            id: format!("h{number}"),
            product: "os".into(),
            scope: Some(types::HoldScope { kind: Some(types::hold_scope::Kind::Selector(selector)) }),
            kind: types::HoldKind::OptOut.into(),
            ..types::HoldSpec::default()
        })
    };
    let max = tidegate_eligibility::limits::SELECTORS_UNINDEXED_MAX;
    calls.apply((0..max).map(hold).collect(), "").await.unwrap();
    let before = calls.status().await.config_version;
    let refused = calls.apply(vec![hold(max)], "one more").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert_eq!(calls.status().await.config_version, before);
    // The same ones again, and holds that an index finds, are welcome.
    calls.apply((0..max).map(hold).collect(), "").await.unwrap();
    let one_device = types::HoldScope { kind: Some(types::hold_scope::Kind::Device("d1".into())) };
    let types::document::Spec::Hold(by_selector) = hold(max) else { unreachable!("a hold was made") };
    let by_device = types::HoldSpec { scope: Some(one_device), ..by_selector };
    calls.apply(vec![types::document::Spec::Hold(by_device)], "").await.unwrap();
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(alone(folder.path(), free_port(), &[])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    calls.apply(product(1), "").await.unwrap();

    // Forward reference to nothing: INVALID_OBJECT with the field.
    let mut dangling = release(5);
    dangling.remove(0);
    let refused = calls.apply(dangling, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    assert!(!refused.details().is_empty());

    let gone = calls.transition("nowhere", types::transition::Verb::Pause(types::Unit {})).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let illegal = calls.transition("r0", types::transition::Verb::Pause(types::Unit {})).await.unwrap_err();
    assert_eq!(illegal.code(), Code::FailedPrecondition);

    let spec = product(0).remove(1);
    let document = types::Document { expected_version: Some(9), spec: Some(spec) };
    let request = admin::ApplyRequest { documents: vec![document], ..Default::default() };
    let stale = calls.objects().apply(request.clone()).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);

    let malformed = admin::GetObjectRequest::default();
    assert_eq!(calls.objects().get_object(malformed).await.unwrap_err().code(), Code::InvalidArgument);
    let list = admin::ListObjectsRequest { kind: 4, page_token: "zz".into(), ..Default::default() };
    assert_eq!(calls.objects().list_objects(list).await.unwrap_err().code(), Code::InvalidArgument);

    // A dry run judges and changes nothing.
    let before = calls.status().await.config_version;
    let documents = release(1).into_iter().map(|spec| types::Document { expected_version: None, spec: Some(spec) });
    let dry = admin::ApplyRequest { documents: documents.collect(), dry_run: true, ..Default::default() };
    let judged = calls.objects().apply(dry).await.unwrap().into_inner();
    assert!(judged.dry_run && judged.objects.len() == 2);
    assert_eq!(calls.status().await.config_version, before);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_in_pages_and_watches_resume() {
    let folder = tempfile::tempdir().unwrap();
    let node = start(alone(folder.path(), free_port(), &[])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let first = calls.apply(product(25), "").await.unwrap().config_version;

    let (mut ids, mut token) = (Vec::new(), String::new());
    loop {
        let request = admin::ListObjectsRequest { kind: 4, page_size: 10, page_token: token, ..Default::default() };
        let page = calls.objects().list_objects(request).await.unwrap().into_inner();
        assert!(page.objects.len() <= 10);
        ids.extend(page.objects.into_iter().map(|object| match object.body {
            Some(types::object::Body::Release(release)) => release.id,
            other => panic!("{other:?}"),
        }));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 25);

    let mut watches = admin::watch_service_client::WatchServiceClient::new(calls.channel.clone());
    let request = admin::WatchRequest { from_config_version: first, ..Default::default() };
    let mut live = watches.watch(request).await.unwrap().into_inner();
    assert_eq!(live.message().await.unwrap().unwrap().config_version, first);
    calls.publish("r1").await;
    let published = live.message().await.unwrap().unwrap();
    assert!(published.config_version > first && !published.changes.is_empty(), "{published:?}");
    calls.transition("r1", types::transition::Verb::Pause(types::Unit {})).await.unwrap();
    let paused = live.message().await.unwrap().unwrap();
    assert!(paused.config_version > published.config_version);

    // Another one from the same point sees the same, in the same order.
    let request = admin::WatchRequest { from_config_version: first, ..Default::default() };
    let mut resumed = watches.watch(request).await.unwrap().into_inner();
    resumed.message().await.unwrap();
    assert_eq!(resumed.message().await.unwrap().unwrap(), published);
    assert_eq!(resumed.message().await.unwrap().unwrap(), paused);

    let other_life = admin::WatchRequest { from_config_version: first, epoch: 99, ..Default::default() };
    assert_eq!(watches.watch(other_life).await.unwrap_err().code(), Code::OutOfRange);
    drop((live, resumed));
    node.shutdown().await;
}

/// After a restart the changes are no longer in memory: a watcher gets them from the change table and the history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_resumes_across_a_restart_from_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let more = [("storage.snapshot_entries", "8"), ("storage.log_entries_kept", "0")];
    let node = start(alone(folder.path(), port, &more)).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let first = calls.apply(product(2), "").await.unwrap().config_version;
    calls.publish("r1").await;
    for _ in 0..10 {
        calls.transition("r1", types::transition::Verb::Disable(types::Unit {})).await.unwrap();
        calls.transition("r1", types::transition::Verb::Enable(types::Unit {})).await.unwrap();
    }
    nodes::until("a snapshot", || node.context().handle().unwrap().status().snapshot_index > 8).await;
    let last = calls.status().await.config_version;
    drop(calls);
    node.shutdown().await;

    let node = start(alone(folder.path(), port, &more)).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let mut watches = admin::watch_service_client::WatchServiceClient::new(calls.channel.clone());
    let request = admin::WatchRequest { from_config_version: first, ..Default::default() };
    let mut watch = watches.watch(request).await.unwrap().into_inner();
    let (mut at, mut disabled) = (first, Vec::new());
    assert_eq!(watch.message().await.unwrap().unwrap().config_version, first);
    while at < last {
        let message = watch.message().await.unwrap().unwrap();
        assert!(message.config_version > at, "each config version once, in order");
        at = message.config_version;
        for change in message.changes {
            if let Some(types::change::Kind::Put(types::Object { body: Some(types::object::Body::Release(r)), .. })) = change.kind
                && r.id == "r1"
            {
                disabled.push(r.disabled);
            }
        }
    }
    let expected: Vec<bool> = std::iter::once(false).chain([true, false].into_iter().cycle().take(20)).collect();
    assert_eq!(disabled, expected, "every version with its own content");
    drop(watch);
    node.shutdown().await;
}
