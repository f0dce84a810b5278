//! The device API over gRPC says what JSON says.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_gateway::gateway::Bounds;
use tidegate_gateway::{Body, Gateway, Stop};
use tidegate_proto::device::v1 as wire;
use tidegate_proto::device::v1::device_service_client::DeviceServiceClient;
use tonic::{Code, Status};

use support::{Fake, gateway, gateway_within, post};

async fn call(gateway: &Arc<Gateway<Fake>>, request: wire::CheckRequest) -> Result<wire::CheckResponse, Status> {
    let gateway = Arc::clone(gateway);
    let service = tower::service_fn(move |request: Request<tonic::body::Body>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<http::Response<Body>, Infallible>(gateway.handle(request).await) }
    });
    DeviceServiceClient::new(service).check(request).await.map(tonic::Response::into_inner)
}

/// The request as a JSON body.
fn body(request: &wire::CheckRequest) -> String {
    let mut map = Map::new();
    map.insert("product".to_owned(), json!(request.product));
    let texts = [
        ("device", &request.device),
        ("release", &request.release),
        ("bundle", &request.bundle),
        ("version", &request.version),
        ("pending", &request.pending),
        ("nonce", &request.nonce),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            map.insert(name.to_owned(), json!(value));
        }
    }
    map.insert("attributes".to_owned(), json!(request.attributes));
    map.insert("tags".to_owned(), json!(request.tags));
    let mode = if request.mode() == wire::Mode::Interactive { "interactive" } else { "background" };
    map.insert("mode".to_owned(), json!(mode));
    map.insert("group".to_owned(), json!(request.group));
    map.insert("security_epoch".to_owned(), json!(request.security_epoch));
    map.insert("min_config_version".to_owned(), json!(request.min_config_version));
    map.insert("explain".to_owned(), json!(request.explain));
    Value::Object(map).to_string()
}

/// The gRPC answer in the words of JSON, without jitter.
fn as_json(answer: &wire::CheckResponse) -> Value {
    let named = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let artifact = |artifact: &wire::Artifact| {
        assert_eq!(artifact.base_sha256, None, "no artifact of the fixture is a delta");
        json!({"name": artifact.name, "size": artifact.size, "sha256": artifact.sha256, "url": artifact.url})
    };
    let line = |step: &wire::TraceStep| json!({"step": step.step, "release": named(&step.subject), "code": step.code, "detail": named(&step.detail)});
    json!({
        "eligible": answer.eligible, "reason": answer.reason, "target_release": answer.target_release,
        "target_bundle": answer.target_bundle, "version": answer.version,
        "artifacts": answer.artifacts.iter().map(artifact).collect::<Vec<_>>(),
        "urgency": named(&answer.urgency), "install_mode": named(&answer.install_mode), "source": named(&answer.source),
        "config_version": answer.config_version, "staleness_ms": answer.staleness_ms, "node": answer.node,
        "next_eligible_at": answer.next_eligible_at_ms, "expires_at": answer.expires_at_ms, "nonce": answer.nonce,
        "trace": answer.trace.iter().map(line).collect::<Vec<_>>(),
    })
}

/// The JSON answer without jitter, instants as milliseconds.
fn normal(mut answer: Value) -> Value {
    let map = answer.as_object_mut().unwrap();
    assert!(map.remove("retry_after_s").unwrap().as_u64().unwrap() >= 1);
    for name in ["next_eligible_at", "expires_at"] {
        if let Some(text) = map[name].as_str() {
            assert_eq!(text, "2026-01-01T00:05:00Z", "the only instant that the fixture can give");
            map.insert(name.to_owned(), json!(support::NOW.plus(support::POLL).as_millis()));
        }
    }
    answer
}

fn request() -> impl Strategy<Value = wire::CheckRequest> {
    let short = |texts: &'static [&'static str]| proptest::option::of(proptest::sample::select(texts).prop_map(str::to_owned));
    let product = proptest::sample::select(vec!["os", "held", "quiet", "tight", "none", ""]);
    let reported = (
        short(&["", "dev-0001", "gerät-ü", "a\u{1}b"]),
        short(&["", "os-r0", "os-r1", "held-r0", "quiet-r0", "nonsense"]),
        short(&["", "os-b0", "os-b1", "held-b0"]),
        short(&["", "1.0.0", "9.9.9", "..."]),
        short(&["os-r1", "x"]),
    );
    let facts = (
        proptest::collection::btree_map("[a-c]{0,2}", "[a-z]{0,3}", 0..4),
        proptest::collection::vec("[a-c]{0,2}", 0..4),
        0..4_i32,
        proptest::option::of(0..9_u32),
    );
    let rest = (proptest::option::of(0..3_u64), proptest::option::of(8..11_u64), short(&["", "q1"]), any::<bool>());
    (product, reported, facts, rest).prop_map(|(product, reported, facts, rest)| wire::CheckRequest {
        product: product.to_owned(),
        device: reported.0,
        release: reported.1,
        bundle: reported.2,
        version: reported.3,
        pending: reported.4,
        attributes: facts.0,
        tags: facts.1,
        mode: facts.2,
        group: facts.3,
        security_epoch: rest.0,
        min_config_version: rest.1,
        nonce: rest.2,
        explain: rest.3,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// P-02 across transports: one request, one decision, whichever way it came.
    #[test]
    fn p_02_both_transports_give_the_same_answer(
        request in request(),
        staleness_ms in proptest::option::of(0..7_000_u64),
        is_stopped in any::<bool>(),
    ) {
        let fake = Fake::new();
        fake.set(|script| {
            script.staleness = staleness_ms.map(Duration::from_millis);
            script.stopped = is_stopped.then(|| ("os-r1".to_owned(), Stop::Paused));
        });
        let gateway = gateway(&fake);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        // A mode outside the enumeration cannot be said in JSON.
        let is_sayable = (0..=2).contains(&request.mode);
        runtime.block_on(async {
            let posted = post(&gateway, body(&request)).await;
            match call(&gateway, request).await {
                Ok(answer) => {
                    prop_assert!(is_sayable);
                    prop_assert_eq!(posted.status.as_u16(), 200);
                    prop_assert_eq!(as_json(&answer), normal(posted.json()));
                    prop_assert_eq!(answer.epoch, 1);
                }
                Err(status) if is_sayable => {
                    let (code, http) = match status.code() {
                        Code::InvalidArgument => ("INVALID_REQUEST", 400),
                        Code::NotFound => ("UNKNOWN_PRODUCT", 404),
                        other => panic!("{other:?} {}", status.message()),
                    };
                    prop_assert_eq!(posted.status.as_u16(), http);
                    prop_assert_eq!(posted.code(), code);
                    let detail = posted.json()["detail"].as_str().unwrap().to_owned();
                    prop_assert_eq!(status.message(), format!("{code}: {detail}"));
                }
                Err(status) => prop_assert_eq!(status.code(), Code::InvalidArgument),
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn refusals_have_their_grpc_codes() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let of = |product: &str| wire::CheckRequest { product: product.to_owned(), ..wire::CheckRequest::default() };
    let long = wire::CheckRequest { nonce: Some("x".repeat(257)), ..of("os") };
    assert_eq!(call(&gateway, long).await.unwrap_err().code(), Code::InvalidArgument);
    let huge = wire::CheckRequest { tags: vec!["x".repeat(140_000)], ..of("os") };
    assert!(call(&gateway, huge).await.is_err(), "a message over 128 KiB is refused before it is decoded");
    fake.set(|script| script.snapshot = None);
    assert_eq!(call(&gateway, of("os")).await.unwrap_err().code(), Code::Unavailable);
    let full = gateway_within(&fake, Bounds { checks_in_flight_max: 0, connections_max: 1 });
    let shed = call(&full, of("os")).await.unwrap_err();
    assert_eq!((shed.code(), shed.message().starts_with("OVERLOADED")), (Code::ResourceExhausted, true));
}

#[tokio::test]
async fn a_stale_snapshot_is_a_decision_and_never_an_offer() {
    let fake = Fake::new();
    fake.set(|script| script.staleness = None);
    let request =
        wire::CheckRequest { product: "os".to_owned(), release: Some("os-r0".to_owned()), ..wire::CheckRequest::default() };
    let answer = call(&gateway(&fake), request).await.unwrap();
    assert_eq!((answer.eligible, answer.reason.as_str(), answer.staleness_ms), (false, "SNAPSHOT_STALE", None));
}
