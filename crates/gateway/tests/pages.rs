//! Readiness, metrics, the snapshot's description, the dashboard and the API document.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use support::{Fake, gateway, post, send, snapshot};

#[tokio::test]
async fn ready_only_while_the_snapshot_is_within_its_bound() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let ready = async || send(&gateway, Method::GET, "/readyz", "").await.status.as_u16();
    assert_eq!(ready().await, 200);
    fake.set(|script| script.staleness = Some(support::BOUND + Duration::from_millis(1)));
    assert_eq!(ready().await, 503);
    fake.set(|script| script.staleness = None);
    assert_eq!(ready().await, 503);
    fake.set(|script| script.staleness = Some(Duration::ZERO));
    assert_eq!(ready().await, 200);
    fake.set(|script| script.is_ready = false);
    assert_eq!(ready().await, 503);
    fake.set(|script| (script.is_ready, script.snapshot) = (true, None));
    let answer = send(&gateway, Method::GET, "/readyz", "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "NOT_READY"));
    // Alive all the while.
    let live = send(&gateway, Method::GET, "/livez", "").await;
    assert_eq!((live.status.as_u16(), &live.body[..]), (200, &b"ok\n"[..]));
}

#[tokio::test]
async fn the_snapshot_is_described_ready_or_not() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    fake.set(|script| script.staleness = Some(Duration::from_secs(6)));
    let expected = json!({
        "config_version": 9, "epoch": 1, "applied_index": 12, "digest": snapshot(9).digest().to_string(),
        "staleness_ms": 6_000, "max_staleness_ms": 5_000, "ready": false, "node": "2",
    });
    assert_eq!(send(&gateway, Method::GET, "/v1/snapshot", "").await.json(), expected);
    fake.set(|script| script.staleness = None);
    assert_eq!(send(&gateway, Method::GET, "/v1/snapshot", "").await.json()["staleness_ms"], Value::Null);
}

#[tokio::test]
async fn head_says_what_get_would_without_its_body() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    for path in ["/", "/livez", "/readyz", "/v1/snapshot", "/openapi.json"] {
        let get = send(&gateway, Method::GET, path, "").await;
        let head = send(&gateway, Method::HEAD, path, "").await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn metrics_count_checks_by_reason_and_carry_nothing_that_clients_choose() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    for _ in 0..3 {
        post(&gateway, r#"{"product":"os","device":"dev-secret","release":"os-r1"}"#).await;
    }
    post(&gateway, r#"{"product":"unheard-of"}"#).await;
    let answer = send(&gateway, Method::GET, "/metrics", "").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        r#"tidegate_gateway_checks_total{transport="Http",reason="UP_TO_DATE"} 3"#,
        r#"tidegate_gateway_checks_total{transport="Http",reason="UNKNOWN_PRODUCT"} 1"#,
        "tidegate_gateway_check_seconds_count 4",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("unheard"), "{text}");
}

#[tokio::test]
async fn the_status_shows_cluster_and_rollouts() {
    let fake = Fake::new();
    let status = send(&gateway(&fake), Method::GET, "/v1/status", "").await.json();
    assert_eq!((&status["node"], &status["ready"], &status["config_version"]), (&json!("2"), &json!(true), &json!(9)));
    assert_eq!((&status["leader"], &status["term"]), (&json!("1"), &json!(3)));
    assert_eq!(status["members"][0]["device_addr"], "127.0.0.1:7401");
    assert_eq!(status["products"], json!(["held", "os", "quiet", "tight"]));
    let rollouts = status["rollouts"].as_array().unwrap();
    assert_eq!((rollouts.len(), &status["rollouts_left_out"]), (8, &json!(0)));
    let held = rollouts.iter().find(|line| line["release"] == "held-r1").unwrap();
    let expected = json!({
        "product": "held", "cohort": "stable", "release": "held-r1", "version": "2.0.0", "state": "PAUSED", "stage": "all",
        "stage_number": 1, "stages": 1, "share_ppm": 1_000_000, "latest": true, "required": false, "disabled": false,
        "dead_end": false,
    });
    assert_eq!(*held, expected);
}

#[tokio::test]
async fn the_status_is_made_at_most_once_a_second() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let first = send(&gateway, Method::GET, "/v1/status", "").await.body;
    fake.set(|script| script.snapshot = None);
    assert_eq!(send(&gateway, Method::GET, "/v1/status", "").await.body, first);
}

#[tokio::test]
async fn the_dashboard_takes_nothing_from_elsewhere() {
    let fake = Fake::new();
    let page = send(&gateway(&fake), Method::GET, "/", "").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(!text.contains("://") && !text.contains("innerHTML"), "no address, and data goes in as text only");
}

/// Names of the fields that a schema of the API document has.
fn fields(document: &Value, schema: &str) -> BTreeSet<String> {
    document["components"]["schemas"][schema]["properties"].as_object().unwrap().keys().cloned().collect()
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn the_api_document_names_every_field_of_every_answer() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let document = send(&gateway, Method::GET, "/openapi.json", "").await.json();
    let answer = post(&gateway, r#"{"product":"os","release":"os-r0","explain":true}"#).await.json();
    assert_eq!(keys(&answer), fields(&document, "CheckAnswer"));
    assert_eq!(keys(&answer["trace"][0]), fields(&document, "TraceLine"));
    let own: BTreeSet<String> = keys(&answer["artifacts"][0]);
    assert!(own.is_subset(&fields(&document, "Artifact")));
    assert_eq!(keys(&send(&gateway, Method::GET, "/v1/snapshot", "").await.json()), fields(&document, "SnapshotInfo"));
    let problem = post(&gateway, r#"{"product":"os","group":9}"#).await.json();
    assert_eq!(keys(&problem), fields(&document, "Problem"));
}

#[tokio::test]
async fn the_api_document_names_every_field_of_a_request() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let document = send(&gateway, Method::GET, "/openapi.json", "").await.json();
    let request = fields(&document, "CheckRequest");
    let parameters = document["paths"]["/v1/check"]["get"]["parameters"].as_array().unwrap();
    let query: BTreeSet<String> =
        parameters.iter().filter(|p| p["in"] == "query").map(|p| p["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(query, request);
    // Each is known to the reader: a value of a type that fits no field is refused under its name.
    for field in &request {
        let body = json!({"product": "os", field: [[0]]}).to_string();
        let refused = post(&gateway, body).await;
        assert_eq!(refused.status.as_u16(), 400, "{field}");
        assert_eq!(refused.json()["errors"][0]["field"], field.as_str());
    }
}

#[tokio::test]
async fn the_api_document_names_every_code_and_path() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let document = send(&gateway, Method::GET, "/openapi.json", "").await.json();
    let named = |schema: &str, field: &str| -> BTreeSet<String> {
        let codes = document["components"]["schemas"][schema]["properties"][field]["enum"].as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    };
    let errors = ["INVALID_REQUEST", "UNKNOWN_PRODUCT", "NOT_READY"];
    let all: BTreeSet<String> = tidegate_eligibility::Reason::ALL
        .iter()
        .map(|reason| reason.as_str().to_owned())
        .filter(|code| !errors.contains(&code.as_str()))
        .collect();
    assert_eq!(named("CheckAnswer", "reason"), all);
    assert!(errors.iter().all(|code| named("Problem", "code").contains(*code)));
    for path in keys(&document["paths"]) {
        let status = send(&gateway, Method::GET, &path, "").await.status.as_u16();
        assert_ne!(status, 404, "{path}");
    }
}
