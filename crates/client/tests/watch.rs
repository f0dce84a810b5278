//! A watch is complete, in order and resumed; what it cannot resume it says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use prost::Message;
use tidegate_client::{Filter, Place, WatchError, admin};
use tidegate_model::{CatalogChange, ObjectKind, ObjectRef, ReleaseId};
use tidegate_proto::types::v1 as types;
use tonic::{Code, Status};

use support::{Net, Reply, client, lost, refusal};

fn removal(id: &str) -> CatalogChange {
    CatalogChange::Remove(ObjectRef::Release(ReleaseId::new(id).unwrap()))
}

/// One message of a stream.
fn message(config_version: u64, ids: &[&str], is_partial: bool) -> Vec<u8> {
    let changes = ids.iter().map(|id| types::Change::from(&removal(id))).collect();
    admin::v1::WatchResponse { epoch: 1, config_version, changes, is_partial }.encode_to_vec()
}

/// These messages, and then the connection dies.
fn broken(messages: Vec<Vec<u8>>) -> Reply {
    Reply::Ended(messages, Status::unavailable("connection reset"))
}

fn place(config_version: u64) -> Place {
    Place { epoch: 1, config_version }
}

#[tokio::test(start_paused = true)]
async fn config_versions_come_whole_and_in_order_across_broken_streams() {
    let net = Net::default();
    let (a, b) = (net.up("a"), net.up("b"));
    // The second config version is cut in the middle: nothing of it may be handed out, and all of it afterwards.
    a.then(broken(vec![message(7, &[], false), message(8, &["x"], false), message(9, &["y"], true)]));
    b.then(broken(vec![message(8, &[], false), message(9, &["y"], true), message(9, &["z"], false)]));
    a.then(lost());
    b.then(broken(vec![message(9, &[], false), message(12, &["w"], false)]));
    let client = client(&net, &["a", "b"]);
    let mut watch = client.watch(Place::default(), Filter::default());
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(watch.next().await.unwrap());
    }
    let got: Vec<_> = heard.into_iter().map(|changes| (changes.place, changes.changes)).collect();
    let expected = vec![
        (place(7), vec![]),
        (place(8), vec![removal("x")]),
        (place(9), vec![removal("y"), removal("z")]),
        (place(12), vec![removal("w")]),
    ];
    assert_eq!(got, expected);
    assert_eq!(watch.place(), place(12));
    let asked: Vec<(u64, u64)> = [a.messages::<admin::v1::WatchRequest>(), b.messages()]
        .concat()
        .iter()
        .map(|asked| (asked.epoch, asked.from_config_version))
        .collect();
    assert!(asked.contains(&(0, 0)) && asked.contains(&(1, 8)) && asked.contains(&(1, 9)), "{asked:?}");
    assert!(!a.heard()[0].headers.contains_key("grpc-timeout"), "a watch has no deadline");
}

#[tokio::test(start_paused = true)]
async fn compaction_is_said_with_the_floor() {
    let net = Net::default();
    let node = net.up("a");
    let compacted = || {
        refusal(
            Code::OutOfRange,
            admin::v1::Refusal { code: "COMPACTED".to_owned(), floor: Some(40), ..admin::v1::Refusal::default() },
        )
    };
    node.then(Reply::Status(compacted())).then(Reply::Ended(vec![message(50, &["x"], false)], compacted()));
    let client = client(&net, &["a"]);
    let mut watch = client.watch(place(3), Filter::default());
    match watch.next().await.unwrap_err() {
        WatchError::Compacted { place: at, floor } => assert_eq!((at, floor), (place(3), Some(40))),
        WatchError::Call(other) => panic!("{other:?}"),
    }
    // Too slow in the middle of a stream: the same, and the place is kept.
    let mut watch = client.watch(place(49), Filter::default());
    assert_eq!(watch.next().await.unwrap().changes, vec![removal("x")]);
    assert!(matches!(watch.next().await.unwrap_err(), WatchError::Compacted { place: at, .. } if at == place(50)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_back_is_not_believed() {
    let net = Net::default();
    net.up("a").then(Reply::Messages(vec![message(2, &["x"], false)]));
    let mut watch = client(&net, &["a"]).watch(place(3), Filter::default());
    assert!(matches!(watch.next().await.unwrap_err(), WatchError::Call(error) if error.code() == "BAD_ANSWER"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_gives_up_when_nobody_answers_for_long() {
    let net = Net::default();
    let mut watch = client(&net, &["a"]).watch(place(3), Filter::default());
    assert!(matches!(watch.next().await.unwrap_err(), WatchError::Call(error) if error.code() == "UNREACHABLE"));
    assert_eq!(watch.place(), place(3));
}

#[tokio::test(start_paused = true)]
async fn the_filter_travels() {
    let net = Net::default();
    let node = net.up("a");
    node.then(Reply::Messages(vec![message(4, &[], false)]));
    let filter = Filter { kinds: vec![ObjectKind::Release], product: Some(tidegate_model::ProductId::new("os").unwrap()) };
    client(&net, &["a"]).watch(place(3), filter).next().await.unwrap();
    let asked = &node.messages::<admin::v1::WatchRequest>()[0];
    assert_eq!((asked.kinds.clone(), asked.product.as_deref()), (vec![types::ObjectKind::Release as i32], Some("os")));
}
