//! A fetched snapshot is believed only if it is whole and hashes to what the sender says; then it decides.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidegate_client::eligibility::{Reason, Request};
use tidegate_client::{Error, LocalSnapshot};
use tidegate_model::{Catalog, CatalogChange, Created, Object, Product, ProductId, Stored, Timestamp, VersionScheme};
use tidegate_platform::BootTime;
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::fetch_snapshot_response::Message as Part;
use tidegate_proto::types::v1 as types;

use support::{Net, Reply, client};

fn product(id: &str) -> Object {
    let body = Product {
        id: ProductId::new(id).unwrap(),
        version_scheme: VersionScheme::SemVer,
        allow_unregistered: true,
        default_cohort: None,
        max_staleness: None,
        required_attestations: BTreeSet::new(),
        poll_interval: None,
        trusted_keys: BTreeSet::new(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    };
    Object::Product(Arc::new(Stored { version: 1, created: Created { config_version: 7, seq: 0 }, body }))
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for id in ["os", "app"] {
        catalog.apply(&CatalogChange::Put(product(id)));
    }
    catalog
}

/// The parts of a good snapshot, one object per message.
fn parts() -> Vec<Part> {
    let catalog = catalog();
    let header = Part::Header(edge::SnapshotHeader {
        stamp: Some(edge::Stamp { epoch: 1, config_version: 9, applied_index: 12, ..edge::Stamp::default() }),
        schema: 1,
        objects: 2,
        staleness_ms: Some(40),
        decision_time_ms: 1_000_000,
    });
    let record = |object: Object| Part::Records(edge::SnapshotRecords { objects: vec![types::Object::from(&object)] });
    let roots = edge::Roots { digest: catalog.digest().0.to_vec().into(), products: Vec::new() };
    let trailer = Part::Trailer(edge::SnapshotTrailer { roots: Some(roots) });
    [vec![header], catalog.objects().map(record).collect(), vec![trailer]].concat()
}

async fn fetch(parts: Vec<Part>) -> Result<LocalSnapshot, Error> {
    let net = Net::default();
    let messages = parts.into_iter().map(|part| edge::FetchSnapshotResponse { message: Some(part) }.encode_to_vec());
    net.up("a").then(Reply::Messages(messages.collect()));
    client(&net, &["a"]).snapshot(&[]).await
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_decides_locally() {
    let local = fetch(parts()).await.unwrap();
    assert_eq!(local.snapshot().digest(), catalog().digest());
    let stamp = local.snapshot().stamp();
    assert_eq!((stamp.config_version, stamp.epoch, stamp.applied_index), (9, 1, 12));
    let ask = |product| local.decide(&Request { product, ..Request::default() }, Timestamp::from_secs(1)).reason;
    assert_eq!(ask("os"), Reason::NoCohort);
    assert_eq!(ask("none"), Reason::UnknownProduct);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_whole_or_not_what_it_says_is_refused() {
    let mut short = parts();
    short.remove(1);
    let mut cut = parts();
    cut.pop();
    let mut long = parts();
    long.insert(1, long[1].clone());
    let mut tampered = parts();
    tampered[1] = Part::Records(edge::SnapshotRecords { objects: vec![types::Object::from(&product("evil"))] });
    let mut headless = parts();
    headless.remove(0);
    let mut twice = parts();
    twice.insert(1, twice[0].clone());
    let mut hashless = parts();
    *hashless.last_mut().unwrap() = Part::Trailer(edge::SnapshotTrailer { roots: Some(edge::Roots::default()) });
    let cases = [
        (short, "1 objects of 2 announced"),
        (cut, "before the trailer"),
        (long, "more than the announced 2"),
        (tampered, "does not hash"),
        (headless, "does not begin with its header"),
        (twice, "two headers"),
        (hashless, "names no hash"),
        (vec![], "before the trailer"),
    ];
    for (parts, expected) in cases {
        let error = fetch(parts).await.err().unwrap();
        assert!(error.code() == "BAD_ANSWER" && error.to_string().contains(expected), "{error} must say {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_catalog_is_checked_product_by_product() {
    let roots = |id: &str| {
        let id = ProductId::new(id).unwrap();
        let root = catalog().product_root(Some(&id)).0.to_vec().into();
        let products = vec![edge::ProductRoot { product: Some("os".to_owned()), root }];
        Part::Trailer(edge::SnapshotTrailer { roots: Some(edge::Roots { digest: Default::default(), products }) })
    };
    let part = |trailer| {
        let mut part = parts();
        if let Part::Header(header) = &mut part[0] {
            header.objects = 1;
        }
        let record = Part::Records(edge::SnapshotRecords { objects: vec![types::Object::from(&product("os"))] });
        vec![part[0].clone(), record, trailer]
    };
    assert!(fetch(part(roots("os"))).await.is_ok());
    let error = fetch(part(roots("app"))).await.err().unwrap();
    assert!(error.to_string().contains("content of os"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn age_grows_with_the_local_clock_and_time_follows_the_slower_one() {
    let local = fetch(parts()).await.unwrap();
    let age = |later: Duration| local.staleness(BootTime(boot() + later)).unwrap();
    let first = age(Duration::ZERO);
    assert!(first >= Duration::from_millis(40));
    assert!(age(Duration::from_secs(10)) >= first + Duration::from_secs(10));
    let now = BootTime(boot());
    let sender = local.decision_time(i64::MAX, now).as_millis();
    assert!((1_000_000..1_060_000).contains(&sender), "a fast local clock does not count: {sender}");
    assert_eq!(local.decision_time(5, now).as_millis(), 5, "a slow one does");
}

/// Boot time of this machine, as the client under test reads it.
fn boot() -> Duration {
    use tidegate_platform::Clock;
    tidegate_platform::SystemClock::new().boot().0
}
