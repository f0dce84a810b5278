//! A node that is being stopped waits for nobody who only listens.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use std::time::Duration;

use nodes::{Calls, config, free_port, product, ready, start};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::audit_service_client::AuditServiceClient;
use tidegate_proto::admin::v1::watch_service_client::WatchServiceClient;
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::snapshot_service_client::SnapshotServiceClient;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

/// How a stream ends that would not end by itself.
async fn end<T>(mut stream: Streaming<T>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_an_end_are_ended_and_do_not_hold_up_the_drain() {
    const DRAIN: Duration = Duration::from_secs(40);
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let own = format!("127.0.0.1:{port}");
    let node = start(config(1, folder.path(), port, &[("cluster.bootstrap", &own), ("limits.drain", "40s")])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    calls.apply(product(1), "").await.unwrap();

    let channel = || calls.channel.clone();
    let watch = WatchServiceClient::new(channel()).watch(admin::WatchRequest::default()).await.unwrap().into_inner();
    let tail = AuditServiceClient::new(channel()).tail_audit(admin::TailAuditRequest::default()).await.unwrap().into_inner();
    let request = tonic_health::pb::HealthCheckRequest::default();
    let health = HealthClient::new(channel()).watch(request).await.unwrap().into_inner();
    let (asked, questions) = tokio::sync::mpsc::channel::<ServerReflectionRequest>(1);
    let mut reflection = ServerReflectionClient::new(channel());
    let reflection = reflection.server_reflection_info(ReceiverStream::new(questions)).await.unwrap().into_inner();
    let (open, opening) = tokio::sync::mpsc::channel(1);
    let message = edge::follow_request::Message::Open(edge::FollowOpen::default());
    open.send(edge::FollowRequest { message: Some(message) }).await.unwrap();
    let follow = SnapshotServiceClient::new(channel()).follow(ReceiverStream::new(opening)).await.unwrap().into_inner();

    let listeners = tokio::spawn(async move {
        let ends = tokio::join!(end(watch), end(tail), end(health), end(reflection), end(follow));
        drop((asked, open));
        ends
    });
    drop(calls);
    let told = Instant::now();
    node.shutdown().await;
    assert!(told.elapsed() < DRAIN / 2, "the drain took {:?}", told.elapsed());
    let gone = Code::Unavailable;
    assert_eq!(listeners.await.unwrap(), (gone, gone, gone, gone, gone));
}
