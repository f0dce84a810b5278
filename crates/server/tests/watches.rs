//! What a watcher is told, from wherever it reads: everything once and in order, or that there is a hole.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use std::collections::BTreeMap;

use nodes::{Calls, DEADLINE, config, free_port, product, ready, release, start};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tidegate_server::Node;
use tokio_stream::StreamExt as _;
use tonic::{Code, Streaming};

type Stream = Streaming<admin::WatchResponse>;

fn alone(folder: &std::path::Path, peer_port: u16, more: &[(&str, &str)]) -> tidegate_server::Config {
    let own = format!("127.0.0.1:{peer_port}");
    config(1, folder, peer_port, &[&[("cluster.bootstrap", own.as_str())], more].concat())
}

async fn watch(calls: &Calls, from_config_version: u64) -> Stream {
    let mut watches = admin::watch_service_client::WatchServiceClient::new(calls.channel.clone());
    let request = admin::WatchRequest { from_config_version, ..Default::default() };
    watches.watch(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Stream) -> Result<admin::WatchResponse, tonic::Status> {
    tokio::time::timeout(DEADLINE, stream.message()).await.expect("a change comes in time").map(Option::unwrap)
}

/// All objects of a node, and the config version that they belong to.
async fn base(calls: &Calls) -> (u64, BTreeMap<String, types::Object>) {
    let mut applies = admin::apply_service_client::ApplyServiceClient::new(calls.channel.clone());
    let mut stream = applies.export(admin::ExportRequest::default()).await.unwrap().into_inner();
    let (mut at, mut objects) = (0, BTreeMap::new());
    while let Some(message) = stream.next().await {
        let message = message.unwrap();
        at = message.config_version;
        objects.extend(message.objects.into_iter().map(|object| (name(&object), object)));
    }
    (at, objects)
}

fn name(object: &types::Object) -> String {
    let model = tidegate_model::Object::try_from(object.clone()).unwrap();
    format!("{:?}", model.reference())
}

fn take_in(objects: &mut BTreeMap<String, types::Object>, changes: Vec<types::Change>) {
    for change in changes {
        match change.kind.unwrap() {
            types::change::Kind::Put(object) => {
                objects.insert(name(&object), object);
            }
            types::change::Kind::Remove(reference) => {
                let model = tidegate_model::ObjectRef::try_from(reference).unwrap();
                objects.remove(&format!("{model:?}"));
            }
        }
    }
}

/// Registration and base belong to one config version: whoever reads a base while others write, and watches from its
/// version, at that node or another, ends with what everybody has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_and_a_watch_from_its_version_have_no_gap_and_no_duplicate() {
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let peers = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let mut nodes: Vec<Node> = Vec::new();
    for ((id, folder), port) in (1..).zip(&folders).zip(&ports) {
        nodes.push(start(config(id, folder.path(), *port, &[("cluster.bootstrap", peers.as_str())])).await);
    }
    let mut calls = Vec::new();
    for node in &nodes {
        ready(node).await;
        calls.push(Calls::to(node).await);
    }
    calls[0].apply(product(1), "").await.unwrap();
    let writer = calls[0].clone();
    let writing = tokio::spawn(async move {
        for number in 100..160 {
            writer.apply(release(number), "").await.unwrap();
        }
        let reference = types::ObjectRef { kind: Some(types::object_ref::Kind::Release("r159".into())) };
        let request = admin::DeleteObjectRequest { object: Some(reference), ..Default::default() };
        writer.objects().delete_object(request).await.unwrap().into_inner().config_version
    });
    // Bases of many moments, each followed at the next node.
    let mut followers = Vec::new();
    for round in 0..12 {
        let (at, objects) = base(&calls[round % 3]).await;
        let stream = watch(&calls[(round + 1) % 3], at).await;
        followers.push((at, objects, stream));
    }
    let last = writing.await.unwrap();
    nodes::until("all nodes are there", || nodes.iter().all(|node| node.context().shelf.load().state.config_version() >= last))
        .await;
    let (end, expected) = base(&calls[2]).await;
    for (from, mut objects, mut stream) in followers {
        let begin = next(&mut stream).await.unwrap();
        assert_eq!((begin.config_version, begin.changes.len()), (from, 0));
        let mut at = from;
        while at < end {
            let message = next(&mut stream).await.unwrap();
            assert!(message.config_version > at, "each config version once, in order");
            at = message.config_version;
            take_in(&mut objects, message.changes);
        }
        assert_eq!(objects, expected, "from {from}");
    }
    drop(calls);
    for node in nodes {
        node.shutdown().await;
    }
}

/// Versions whose content is no longer kept are not passed over in silence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_from_before_what_is_kept_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let more = [("storage.snapshot_entries", "8"), ("storage.log_entries_kept", "0")];
    let node = start(alone(folder.path(), port, &more)).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let change = types::SettingsChange { history_versions_max: Some(2), ..Default::default() };
    let request = admin::UpdateSettingsRequest { change: Some(change), request_id: String::new() };
    calls.cluster().update_settings(request).await.unwrap();
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
    let mut stream = watch(&calls, first).await;
    assert_eq!(next(&mut stream).await.unwrap().config_version, first);
    let told = next(&mut stream).await.unwrap_err();
    assert_eq!(told.code(), Code::OutOfRange, "{told:?}");
    assert!(told.message().contains("no longer kept"), "{told:?}");
    let mut stream = watch(&calls, last).await;
    assert_eq!(next(&mut stream).await.unwrap().config_version, last, "from here on everything is kept");
    calls.transition("r1", types::transition::Verb::Disable(types::Unit {})).await.unwrap();
    assert!(next(&mut stream).await.unwrap().config_version > last);
    drop((calls, stream));
    node.shutdown().await;
}
