//! What devices hear over HTTP: answers, errors, entity tags, and the order of a check.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tidegate_gateway::Stop;
use tidegate_gateway::gateway::Bounds;

use support::{Answer, Fake, gateway, gateway_within, post, send, snapshot};

const AT_R0: &str = r#"{"product":"os","device":"dev-0001","release":"os-r0"}"#;

/// The answer to a posted check, which must be a decision.
async fn decision(fake: &Fake, body: &str) -> Value {
    let answer = post(&gateway(fake), body.to_owned()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn an_offer_names_everything_that_the_device_needs() {
    let fake = Fake::new();
    let answer = post(&gateway(&fake), r#"{"product":"os","device":"dev-0001","release":"os-r0","nonce":"q1"}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut json = answer.json();
    let retry = json["retry_after_s"].take().as_u64().unwrap();
    assert!((150..=450).contains(&retry), "half to one and a half poll intervals, got {retry}");
    let expected = json!({
        "eligible": true, "reason": "OFFER_LATEST", "target_release": "os-r1", "target_bundle": "os-b1", "version": "2.0.0",
        "artifacts": [{"name": "image", "size": 1_048_576, "sha256": "ab".repeat(32),
                       "url": "https://updates.example/image?a=\"1\""}],
        "urgency": "normal", "install_mode": "auto", "source": "release", "config_version": 9, "staleness_ms": 12,
        "node": "2", "retry_after_s": null, "next_eligible_at": null, "expires_at": "2026-01-01T00:05:00Z", "nonce": "q1",
        "trace": [],
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn a_negative_answer_names_no_target() {
    let fake = Fake::new();
    for (body, reason) in [
        (r#"{"product":"os","release":"os-r1"}"#, "UP_TO_DATE"),
        (r#"{"product":"held","release":"held-r0"}"#, "PAUSED"),
        (r#"{"product":"os","release":"os-r0","min_config_version":10}"#, "REPLICA_BEHIND"),
        (r#"{"product":"os"}"#, "POSITION_UNKNOWN"),
    ] {
        let json = decision(&fake, body).await;
        assert_eq!(json["reason"], reason);
        assert_eq!(json["eligible"], false);
        assert_eq!(json["config_version"], 9);
        assert_eq!(json["artifacts"], json!([]));
        for absent in ["target_release", "target_bundle", "version", "urgency", "install_mode", "source", "expires_at", "nonce"] {
            assert_eq!(json[absent], Value::Null, "{reason} {absent}");
        }
    }
}

#[tokio::test]
async fn a_product_may_flatten_its_reasons_but_not_its_trace() {
    let fake = Fake::new();
    let json = decision(&fake, r#"{"product":"quiet","release":"quiet-r0"}"#).await;
    assert_eq!((&json["reason"], &json["trace"]), (&json!("UP_TO_DATE"), &json!([])));
    let json = decision(&fake, r#"{"product":"quiet","release":"quiet-r0","explain":true}"#).await;
    assert_eq!(json["reason"], "UP_TO_DATE");
    let codes: Vec<&str> = json["trace"].as_array().unwrap().iter().map(|line| line["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"PAUSED"), "{codes:?}");
}

#[tokio::test]
async fn a_trace_is_given_only_when_asked_for() {
    let fake = Fake::new();
    let json = decision(&fake, AT_R0).await;
    assert_eq!(json["trace"], json!([]));
    let json = decision(&fake, r#"{"product":"os","release":"os-r0","explain":true}"#).await;
    let trace = json["trace"].as_array().unwrap();
    let candidate = trace.iter().find(|line| line["step"] == "candidate").unwrap();
    assert_eq!(candidate["release"], "os-r1");
    assert_eq!(trace.last().unwrap()["code"], "OFFER_LATEST");
}

#[tokio::test]
async fn the_clock_is_read_after_the_decision() {
    let fake = Fake::new();
    decision(&fake, AT_R0).await;
    assert_eq!(fake.calls(), ["current", "decision_now", "staleness"]);
    // The process stops for a minute while it decides: fresh before, stale after.
    fake.set(|script| script.stop = Duration::from_secs(60));
    let json = decision(&fake, AT_R0).await;
    assert_eq!(json["reason"], "SNAPSHOT_STALE");
    assert_eq!(json["eligible"], false);
    assert_eq!(json["target_release"], Value::Null);
    assert!(json["staleness_ms"].as_u64().unwrap() > 60_000);
    let again = ["current", "decision_now", "staleness"];
    assert_eq!(fake.calls(), [&again[..], &["ensure_fresh"], &again[..]].concat());
}

#[tokio::test]
async fn beyond_the_bound_the_answer_is_always_stale() {
    let fake = Fake::new();
    fake.set(|script| script.staleness = Some(support::BOUND));
    assert_eq!(decision(&fake, AT_R0).await["reason"], "OFFER_LATEST");
    for staleness in [Some(support::BOUND + Duration::from_nanos(1)), Some(Duration::from_secs(86_400)), None] {
        fake.set(|script| script.staleness = staleness);
        for body in [
            AT_R0,
            r#"{"product":"os","release":"os-r1"}"#,
            r#"{"product":"held","release":"held-r0"}"#,
            r#"{"product":"quiet","release":"quiet-r0"}"#,
            r#"{"product":"nobody-knows"}"#,
            r#"{"product":"os","min_config_version":10}"#,
            r#"{"product":"os","release":"os-r0","explain":true}"#,
        ] {
            let json = decision(&fake, body).await;
            assert_eq!(json["reason"], "SNAPSHOT_STALE", "{staleness:?} {body}");
            assert_eq!(json["eligible"], false);
            assert_eq!(json["target_release"], Value::Null);
            assert_eq!(json["trace"], json!([]));
            assert_eq!(json["staleness_ms"].is_null(), staleness.is_none());
            assert!(json["retry_after_s"].as_u64().unwrap() <= 3, "come back soon");
        }
    }
}

#[tokio::test]
async fn a_product_may_ask_for_a_tighter_bound() {
    let fake = Fake::new();
    fake.set(|script| script.staleness = Some(Duration::from_secs(2)));
    assert_eq!(decision(&fake, AT_R0).await["reason"], "OFFER_LATEST");
    assert_eq!(decision(&fake, r#"{"product":"tight","release":"tight-r0"}"#).await["reason"], "SNAPSHOT_STALE");
}

#[tokio::test]
async fn a_stale_check_is_decided_anew_on_what_the_probe_brings() {
    let fake = Fake::new();
    fake.set(|script| {
        script.staleness = Some(Duration::from_secs(6));
        script.probe = Some((snapshot(10), Duration::from_millis(1)));
    });
    let json = decision(&fake, r#"{"product":"os","release":"os-r0","min_config_version":10}"#).await;
    assert_eq!(json["reason"], "OFFER_LATEST");
    assert_eq!(json["config_version"], 10);
    assert_eq!(json["staleness_ms"], 1);
}

#[tokio::test]
async fn the_stop_list_can_only_deny() {
    let fake = Fake::new();
    for (stop, reason) in [(Stop::Paused, "PAUSED"), (Stop::Withdrawn, "WITHDRAWN")] {
        fake.set(|script| script.stopped = Some(("os-r1".to_owned(), stop)));
        let json = decision(&fake, AT_R0).await;
        assert_eq!(json["reason"], reason);
        assert_eq!(json["eligible"], false);
        assert_eq!(json["target_release"], Value::Null);
        assert_eq!(decision(&fake, r#"{"product":"os","release":"os-r1"}"#).await["reason"], "UP_TO_DATE");
    }
}

#[tokio::test]
async fn an_offer_is_repeated_to_a_device_that_is_about_to_install_it() {
    let fake = Fake::new();
    let pending = r#"{"product":"os","device":"d","release":"os-r0","pending":"os-r1"}"#;
    assert_eq!(decision(&fake, pending).await["target_release"], "os-r1");
    fake.set(|script| script.stopped = Some(("os-r1".to_owned(), Stop::Withdrawn)));
    assert_eq!(decision(&fake, pending).await["eligible"], false);
}

#[tokio::test]
async fn errors_have_stable_codes() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let cases = [
        (Method::POST, "/v1/check", r#"{"product":"other"}"#, 404, "UNKNOWN_PRODUCT"),
        (Method::POST, "/v1/check", "{}", 400, "INVALID_REQUEST"),
        (Method::GET, "/v1/check", "", 400, "INVALID_REQUEST"),
        (Method::PUT, "/v1/check", AT_R0, 405, "METHOD_NOT_ALLOWED"),
        (Method::POST, "/v1/snapshot", "", 405, "METHOD_NOT_ALLOWED"),
        (Method::POST, "/v1/events", r#"{"events":[]}"#, 404, "NOT_FOUND"),
        (Method::GET, "/v1/check/", "", 404, "NOT_FOUND"),
    ];
    for (method, target, body, status, code) in cases {
        let answer = send(&gateway, method.clone(), target, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{method} {target}");
        assert_eq!(answer.json()["status"], status);
    }
    let query = format!("/v1/check?product=os&nonce={}", "x".repeat(9_000));
    assert_eq!(send(&gateway, Method::GET, &query, "").await.code(), "QUERY_TOO_LONG");
    fake.set(|script| script.snapshot = None);
    let answer = post(&gateway, AT_R0).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "NOT_READY"));
    assert!((1..=3).contains(&answer.header("retry-after").parse::<u64>().unwrap()));
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_never_a_panic() {
    let fake = Fake::new();
    let gateway = gateway(&fake);
    let long = "x".repeat(60_000);
    let deep = |open: &str, close: &str, n: usize| format!(r#"{{"product":"os","x":{}{}}}"#, open.repeat(n), close.repeat(n));
    let many = (0..1_000).map(|i| format!(r#""a{i}":"b""#)).collect::<Vec<_>>().join(",");
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (b"".to_vec(), 400),
        (b"null".to_vec(), 400),
        (b"[]".to_vec(), 400),
        (b"\"os\"".to_vec(), 400),
        (b"{\"product\":\"os\"".to_vec(), 400),
        (b"{\"product\":\"os\"}{}".to_vec(), 400),
        (b"{\"product\":\"\xff\xfe\"}".to_vec(), 400),
        (b"\xef\xbb\xbf\xff".to_vec(), 400),
        (b"{\"product\":\"os\",\"security_epoch\":NaN}".to_vec(), 400),
        (b"{\"product\":\"os\",\"security_epoch\":Infinity}".to_vec(), 400),
        (br#"{"product":"os","security_epoch":-1}"#.to_vec(), 400),
        (br#"{"product":"os","security_epoch":1.5}"#.to_vec(), 400),
        (br#"{"product":"os","security_epoch":1e400}"#.to_vec(), 400),
        (br#"{"product":"os","security_epoch":18446744073709551616}"#.to_vec(), 400),
        (br#"{"product":"os","security_epoch":18446744073709551615}"#.to_vec(), 200),
        (br#"{"product":"os","min_config_version":"7"}"#.to_vec(), 400),
        (br#"{"product":7}"#.to_vec(), 400),
        (br#"{"product":"os","product":"held"}"#.to_vec(), 400),
        (br#"{"product":"os","tags":"canary"}"#.to_vec(), 400),
        (br#"{"product":"os","tags":[1]}"#.to_vec(), 400),
        (br#"{"product":"os","attributes":[]}"#.to_vec(), 400),
        (br#"{"product":"os","attributes":{"a":{"b":"c"}}}"#.to_vec(), 400),
        (br#"{"product":"os","attributes":{"a":"1","a":"2"}}"#.to_vec(), 400),
        (br#"{"product":"os","mode":"loud"}"#.to_vec(), 400),
        (br#"{"product":"os","group":7}"#.to_vec(), 400),
        (br#"{"product":"os","group":-1}"#.to_vec(), 400),
        (br#"{"product":"os","explain":"yes"}"#.to_vec(), 400),
        (br#"{"product":"os","device":"a\u0000b"}"#.to_vec(), 400),
        (format!(r#"{{"product":"{long}"}}"#).into_bytes(), 400),
        (format!(r#"{{"product":"os","device":"{long}"}}"#).into_bytes(), 400),
        (format!(r#"{{"product":"os","version":"{long}"}}"#).into_bytes(), 400),
        (format!(r#"{{"product":"os","nonce":"{long}"}}"#).into_bytes(), 400),
        (format!(r#"{{"product":"os","tags":["{long}"]}}"#).into_bytes(), 400),
        (format!(r#"{{"product":"os","attributes":{{{many}}}}}"#).into_bytes(), 400),
        (deep("[", "]", 30_000).into_bytes(), 400),
        (deep("{\"a\":", "}", 9_000).into_bytes(), 400),
        // Unknown fields are ignored, whatever is in them; garbage in a known one is as good as leaving it out.
        (format!(r#"{{"product":"os","later":"{long}"}}"#).into_bytes(), 200),
        (br#"{"product":"os","release":"no such","bundle":"../..","version":"not.a.version!"}"#.to_vec(), 200),
        (br#"{"product":"os","device":"","release":null,"tags":null}"#.to_vec(), 200),
        (deep("[", "]", 15).into_bytes(), 200),
        (deep("[", "]", 16).into_bytes(), 400),
        (format!(r#"{{"product":"os","x":"\"{}"}}"#, "[".repeat(99)).into_bytes(), 200),
        (format!(r#"{{"product":"os","device":"{}"}}"#, "x".repeat(65_536)).into_bytes(), 400),
        (vec![b'x'; 131_073], 413),
    ];
    for (body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = post(&gateway, body).await;
        assert_eq!(answer.status.as_u16(), status, "{shown}: {answer:?}");
        match status {
            400 => assert_eq!(answer.code(), "INVALID_REQUEST", "{shown}"),
            413 => assert_eq!(answer.code(), "BODY_TOO_LARGE", "{shown}"),
            _ => assert!(answer.json()["reason"].is_string(), "{shown}"),
        }
    }
}

#[tokio::test]
async fn a_bad_field_is_named() {
    let fake = Fake::new();
    let json = post(&gateway(&fake), r#"{"product":"os","group":9}"#).await.json();
    assert_eq!(json["errors"], json!([{"field": "group", "rule": "must be 0 to 6"}]));
    assert_eq!(json["detail"], "group: must be 0 to 6");
}

#[tokio::test]
async fn an_announced_length_beyond_the_bound_is_refused_unread() {
    /// A body that must not be read.
    struct Untouchable;
    impl http_body::Body for Untouchable {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            panic!("the body was read");
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(131_073)
        }
    }
    let fake = Fake::new();
    let request = Request::post("/v1/check").body(Untouchable).unwrap();
    let answer = Answer::read(gateway(&fake).handle(request).await).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "BODY_TOO_LARGE"));
}

async fn get_with(fake: &Fake, query: &str, tag: &str) -> Answer {
    let mut request = Request::get(format!("/v1/check?{query}"));
    if !tag.is_empty() {
        request = request.header("if-none-match", tag);
    }
    Answer::read(gateway(fake).handle(request.body(Full::new(bytes::Bytes::new())).unwrap()).await).await
}

#[tokio::test]
async fn get_gives_the_same_answer_as_post() {
    let fake = Fake::new();
    let got = get_with(&fake, "product=os&device=dev-0001&release=os-r0&attributes.region=eu&tags=a&tags=b", "").await;
    let posted = post(
        &gateway(&fake),
        r#"{"product":"os","device":"dev-0001","release":"os-r0","attributes":{"region":"eu"},"tags":["a","b"]}"#,
    )
    .await;
    assert_eq!(got.json(), posted.json());
    assert_eq!(got.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_entity_tag_covers_the_decision_and_nothing_else() {
    let fake = Fake::new();
    let query = "product=os&device=dev-0001&release=os-r0";
    let first = get_with(&fake, query, "").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
    // Age, time, jitter: another answer, the same decision.
    fake.set(|script| {
        script.staleness = Some(Duration::from_millis(900));
        script.now = script.now.plus(tidegate_model::Span::from_secs(60));
    });
    let second = get_with(&fake, query, "").await;
    assert_eq!(second.header("etag"), tag);
    assert_ne!(second.json(), first.json());
    let known = get_with(&fake, query, &tag).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!((known.header("etag"), known.header("cache-control")), (tag.as_str(), "no-store"));
    for other in [format!("\"x\", {tag}"), tag.trim_start_matches("W/").to_owned(), "*".to_owned()] {
        assert_eq!(get_with(&fake, query, &other).await.status, StatusCode::NOT_MODIFIED, "{other}");
    }
    assert_eq!(get_with(&fake, query, "W/\"0\"").await.status, StatusCode::OK);
    // Another decision, another tag; and a node that went stale has nothing to confirm.
    fake.set(|script| script.stopped = Some(("os-r1".to_owned(), Stop::Paused)));
    assert_eq!(get_with(&fake, query, &tag).await.status, StatusCode::OK);
    fake.set(|script| script.staleness = None);
    assert_eq!(get_with(&fake, query, &tag).await.json()["reason"], "SNAPSHOT_STALE");
}

#[tokio::test]
async fn entity_tags_are_for_get_without_nonce() {
    let fake = Fake::new();
    let query = "product=os&device=dev-0001&release=os-r0";
    let tag = get_with(&fake, query, "").await.header("etag").to_owned();
    let answer = get_with(&fake, &format!("{query}&nonce=q1"), &tag).await;
    assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, ""));
    assert_eq!(answer.json()["nonce"], "q1");
    for header in ["if-none-match", "if-match"] {
        for value in [tag.as_str(), "*", "\"other\""] {
            let request = Request::post("/v1/check").header(header, value).body(Full::new(AT_R0.into())).unwrap();
            let answer = Answer::read(gateway(&fake).handle(request).await).await;
            assert_eq!((answer.status, answer.header("etag")), (StatusCode::OK, ""), "{header}: {value}");
        }
    }
}

#[tokio::test]
async fn one_check_too_many_is_shed_before_its_body_is_read() {
    let fake = Fake::new();
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    *fake.gate.lock().unwrap() = Some(std::sync::Arc::clone(&gate));
    fake.set(|script| {
        script.staleness = None;
        script.probe = Some((snapshot(10), Duration::ZERO));
    });
    let gateway = gateway_within(&fake, Bounds { checks_in_flight_max: 1, connections_max: 1 });
    let first = tokio::spawn({
        let gateway = std::sync::Arc::clone(&gateway);
        async move { post(&gateway, AT_R0).await }
    });
    fake.probe_begun().await;
    let shed = post(&gateway, "not even JSON").await;
    assert_eq!((shed.status.as_u16(), shed.code().as_str()), (503, "OVERLOADED"));
    assert!(shed.header("retry-after").parse::<u64>().unwrap() >= 1);
    // Pages that say how the node is are not checks.
    assert_eq!(send(&gateway, Method::GET, "/livez", "").await.status, StatusCode::OK);
    gate.notify_one();
    assert_eq!(first.await.unwrap().json()["reason"], "OFFER_LATEST");
    assert_eq!(post(&gateway, AT_R0).await.status, StatusCode::OK);
    let metrics = send(&gateway, Method::GET, "/metrics", "").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(text.contains("tidegate_gateway_shed_total 1"), "{text}");
}
