//! What leaves the cluster: snapshots fetched and followed; and what tools find on the admin listener.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use nodes::{Calls, config, free_port, product, ready, start};
use tidegate_model::{Catalog, CatalogChange, Object};
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::snapshot_service_client::SnapshotServiceClient;
use tidegate_server::Node;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_response};

async fn node(folder: &std::path::Path) -> (Node, Calls) {
    let port = free_port();
    let own = format!("127.0.0.1:{port}");
    let node = start(config(1, folder, port, &[("cluster.bootstrap", &own)])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    calls.apply(product(3), "").await.unwrap();
    (node, calls)
}

fn put(catalog: &mut Catalog, records: edge::SnapshotRecords) {
    for object in records.objects {
        catalog.apply(&CatalogChange::Put(Object::try_from(object).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetched_snapshot_has_the_digest_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (node, calls) = node(folder.path()).await;
    let mut client = SnapshotServiceClient::new(calls.channel.clone());
    for products in [vec![], vec!["os".to_owned()], vec!["nothing".to_owned()]] {
        let request = edge::FetchSnapshotRequest { products: products.clone() };
        let mut stream = client.fetch_snapshot(request).await.unwrap().into_inner();
        let (mut catalog, mut header, mut roots) = (Catalog::default(), None, None);
        while let Some(message) = stream.message().await.unwrap() {
            match message.message.unwrap() {
                edge::fetch_snapshot_response::Message::Header(found) => header = Some(found),
                edge::fetch_snapshot_response::Message::Records(records) => put(&mut catalog, records),
                edge::fetch_snapshot_response::Message::Trailer(trailer) => roots = trailer.roots,
            }
        }
        let (header, roots) = (header.unwrap(), roots.unwrap());
        assert_eq!(header.objects, catalog.len() as u64);
        assert_eq!(catalog.is_empty(), products == ["nothing"]);
        for root in &roots.products {
            let product = root.product.as_deref().map(|id| tidegate_model::ProductId::new(id).unwrap());
            assert_eq!(root.root[..], catalog.product_root(product.as_ref()).0);
        }
        assert_eq!(roots.digest.is_empty(), !products.is_empty());
        if products.is_empty() {
            assert_eq!(roots.digest[..], catalog.digest().0);
        }
    }
    drop((client, calls));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_keeps_an_equal_catalog_and_hears_its_age() {
    use edge::follow_request::Message as Asked;
    use edge::follow_response::Message as Told;
    let folder = tempfile::tempdir().unwrap();
    let (node, calls) = node(folder.path()).await;
    let (ask, questions) = tokio::sync::mpsc::channel(4);
    let open = edge::FollowOpen::default();
    ask.send(edge::FollowRequest { message: Some(Asked::Open(open)) }).await.unwrap();
    let mut client = SnapshotServiceClient::new(calls.channel.clone());
    let mut stream = client.follow(ReceiverStream::new(questions)).await.unwrap().into_inner();

    let mut catalog = Catalog::default();
    loop {
        match stream.message().await.unwrap().unwrap().message.unwrap() {
            Told::Header(_) => {}
            Told::Records(records) => put(&mut catalog, records),
            Told::Trailer(trailer) => {
                assert_eq!(trailer.roots.unwrap().digest[..], catalog.digest().0);
                break;
            }
            other => panic!("{other:?}"),
        }
    }

    calls.publish("r1").await;
    let version = calls.status().await.config_version;
    ask.send(edge::FollowRequest { message: Some(Asked::Probe(edge::FollowProbe { nonce: 42 })) }).await.unwrap();
    let mut is_at = 0;
    loop {
        match stream.message().await.unwrap().unwrap().message.unwrap() {
            Told::Delta(delta) => {
                for change in delta.changes {
                    catalog.apply(&CatalogChange::try_from(change).unwrap());
                }
                is_at = delta.stamp.unwrap().config_version;
                if let Some(roots) = delta.roots {
                    assert_eq!(roots.digest[..], catalog.digest().0);
                }
            }
            Told::ProbeAnswer(answer) => {
                assert_eq!((answer.nonce, answer.stamp.unwrap().config_version), (42, version));
                assert!(answer.staleness_ms.is_some());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(is_at, version, "the answer comes after everything known when the probe came");
    assert_eq!(catalog.digest(), node.context().shelf.load().state.catalog().digest());
    drop((ask, stream, client, calls));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_find_health_and_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let (node, calls) = node(folder.path()).await;
    let mut health = HealthClient::new(calls.channel.clone());
    let mut stream = health.watch(tonic_health::pb::HealthCheckRequest::default()).await.unwrap().into_inner();
    while stream.message().await.unwrap().unwrap().status != i32::from(tonic_health::ServingStatus::Serving as u8) {}

    let mut reflection = ServerReflectionClient::new(calls.channel.clone());
    let request =
        ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
    let mut answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in ["tidegate.admin.v1.ApplyService", "tidegate.admin.v1.ClusterService", "tidegate.edge.v1.SnapshotService"] {
        assert!(names.iter().any(|name| name == service), "{names:?}");
    }
    drop((stream, health, reflection, answers, calls));
    node.shutdown().await;
}
