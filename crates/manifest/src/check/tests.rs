//! Requests of all kinds, hostile ones among them, and the bytes of answers.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_model::{Artifact, Timestamp};

use super::*;

fn refusal(request: Result<CheckRequest, BadRequest>) -> String {
    match request {
        Ok(request) => format!("no refusal: {request:?}"),
        Err(bad) => format!("{}: {bad}", bad.code()),
    }
}

fn check_refusals(bodies: &[&str], expected: &Expect) {
    let lines: Vec<_> = bodies.iter().map(|body| refusal(request_from_json(body.as_bytes()))).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn a_whole_request_in_both_forms() {
    let body = json!({
        "product": "phone-os", "device": "dev-0001", "release": "r0", "bundle": "b0", "version": "1.0.0",
        "attributes": {"region": "eu", "model": "akita", "framework.sdk": "15"}, "tags": ["canary", "a", "canary"],
        "mode": "interactive", "group": 6, "security_epoch": 3, "min_config_version": 18_446_744_073_709_551_615_u64,
        "pending": "r5", "nonce": "q1", "explain": true, "unknown": {"deep": [1, {"x": null}]}
    });
    let from_json = request_from_json(body.to_string().as_bytes()).expect("a good request");
    let query = "product=phone-os&device=dev-0001&release=r0&bundle=b0&version=1.0.0&attributes.region=eu&attributes=model=akita\
        &attributes.framework.sdk=15&tags=canary&tags=a&tags=canary&mode=interactive&group=6&security_epoch=3\
        &min_config_version=18446744073709551615&pending=r5&nonce=q1&explain=true&unknown=%20";
    assert_eq!(request_from_query(query).expect("a good query"), from_json);
    assert_eq!(from_json.attribute("model"), Some("akita"));
    assert_eq!(from_json.attribute("mode"), None);
    assert!(from_json.has_tag("a") && !from_json.has_tag("b"));
    assert_eq!(from_json.tags, ["a", "canary"]);
}

#[test]
fn null_and_empty_are_left_out() {
    let minimal = CheckRequest { product: "os".to_owned(), ..CheckRequest::default() };
    let body =
        br#"{"product":"os","device":"","release":null,"attributes":null,"tags":null,"mode":null,"group":null,"explain":null}"#;
    assert_eq!(request_from_json(body).as_ref(), Ok(&minimal));
    assert_eq!(request_from_query("product=os&device=&group=&mode=").as_ref(), Ok(&minimal));
    let key = request_from_query("product=os&device=ger%C3%A4t-%C3%BC+1").expect("a good query");
    assert_eq!(key.device.as_deref(), Some("gerät-ü 1"));
}

#[test]
fn wrong_types_name_their_field() {
    check_refusals(
        &[
            r#"{}"#,
            r#"{"product":5}"#,
            r#"{"product":"os","device":["a"]}"#,
            r#"{"product":"os","version":1.0}"#,
            r#"{"product":"os","attributes":{"a":1}}"#,
            r#"{"product":"os","attributes":[]}"#,
            r#"{"product":"os","attributes":{"a":"1","a":"2"}}"#,
            r#"{"product":"os","tags":"canary"}"#,
            r#"{"product":"os","tags":[null]}"#,
            r#"{"product":"os","mode":"background "}"#,
            r#"{"product":"os","group":7}"#,
            r#"{"product":"os","group":-1}"#,
            r#"{"product":"os","security_epoch":1.5}"#,
            r#"{"product":"os","security_epoch":18446744073709551616}"#,
            r#"{"product":"os","explain":"yes"}"#,
            r#"{"product":"os","device":"a","device":"b"}"#,
            r#"{"product":"os","device":"a\u0000"}"#,
            r#"{"product":"os","device":"\ud800"}"#,
        ],
        &expect![[r#"
            INVALID_REQUEST: product: must be given
            INVALID_REQUEST: product: must be text
            INVALID_REQUEST: device: must be text
            INVALID_REQUEST: version: must be text
            INVALID_REQUEST: attributes: must be a map of text to text
            INVALID_REQUEST: attributes: must be a map of text to text
            INVALID_REQUEST: attributes: must not name one twice
            INVALID_REQUEST: tags: must be a list of text
            INVALID_REQUEST: tags: must be a list of text
            INVALID_REQUEST: mode: must be background or interactive
            INVALID_REQUEST: group: must be 0 to 6
            INVALID_REQUEST: group: must be 0 to 6
            INVALID_REQUEST: security_epoch: must be a whole number from 0 to 2^64 - 1
            INVALID_REQUEST: security_epoch: must be a whole number from 0 to 2^64 - 1
            INVALID_REQUEST: explain: must be true or false
            INVALID_REQUEST: device: must not be there twice
            INVALID_REQUEST: device: must have no control characters
            INVALID_REQUEST: body is no JSON object: unexpected end of hex escape at line 1 column 33"#]],
    );
}

#[test]
fn what_is_no_request_is_refused() {
    check_refusals(
        &["", "null", "5", "[]", "\"x\"", "{", r#"{"product":"os"} x"#, r#"{"product":NaN}"#, r#"{"product":"os","x":NaN}"#],
        &expect![[r#"
            INVALID_REQUEST: body is no JSON object: EOF while parsing a value at line 1 column 0
            INVALID_REQUEST: body is no JSON object: invalid type: null, expected an object at line 1 column 4
            INVALID_REQUEST: body is no JSON object: invalid type: integer `5`, expected an object at line 1 column 1
            INVALID_REQUEST: body is no JSON object: invalid type: sequence, expected an object at line 1 column 0
            INVALID_REQUEST: body is no JSON object: invalid type: string "x", expected an object at line 1 column 3
            INVALID_REQUEST: body is no JSON object: EOF while parsing an object at line 1 column 1
            INVALID_REQUEST: body is no JSON object: trailing characters at line 1 column 18
            INVALID_REQUEST: body is no JSON object: expected value at line 1 column 12
            INVALID_REQUEST: body is no JSON object: expected value at line 1 column 21"#]],
    );
    let deep = format!("{{\"product\":\"os\",\"x\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let long = format!("{{\"product\":\"os\",\"version\":\"{}\"}}", "x".repeat(60_000));
    let text = format!("{{\"product\":\"os\",\"device\":\"{}\"}}", "x".repeat(65_536));
    let large = format!("{{\"product\":\"os\",\"x\":\"{}\"}}", "x".repeat(131_072));
    let many = format!("{{\"product\":\"os\",\"tags\":[{}\"t\"]}}", "\"t\",".repeat(256));
    let attributes: serde_json::Map<String, Value> = (0..65).map(|i| (format!("a{i}"), json!("x"))).collect();
    let attributes = json!({"product": "os", "attributes": attributes}).to_string();
    check_refusals(
        &[&deep, &long, &text, &large, &many, &attributes],
        &expect![[r#"
            INVALID_REQUEST: body is no JSON object: recursion limit exceeded at line 1 column 147
            INVALID_REQUEST: version: must be at most 128 bytes
            INVALID_REQUEST: device: must be at most 256 bytes
            BODY_TOO_LARGE: request of 131095 bytes must have at most 131072
            INVALID_REQUEST: tags: must be at most 256
            INVALID_REQUEST: attributes: must be at most 64"#]],
    );
    let hidden_utf8 = refusal(request_from_json(b"{\"product\":\"os\",\"x\":[{\"y\":\"\xff\"}]}"));
    expect!["INVALID_REQUEST: body is no JSON object: invalid unicode code point at line 1 column 28"].assert_eq(&hidden_utf8);
    let invalid_utf8 = refusal(request_from_json(b"{\"product\":\"\xff\xfe\"}"));
    expect!["INVALID_REQUEST: body is no JSON object: invalid unicode code point at line 1 column 13"].assert_eq(&invalid_utf8);
}

#[test]
fn bad_queries_are_refused() {
    let queries = [
        "",
        "device=d",
        "product=os&group=seven",
        "product=os&product=os",
        "product=%zz",
        "product=%ff",
        "product=os&tags=",
        "product=os&attributes=region",
        "product=os&security_epoch=+1",
        "product=os&explain=1",
    ];
    let lines: Vec<_> = queries.iter().map(|query| refusal(request_from_query(query))).collect();
    expect![[r#"
        INVALID_REQUEST: product: must be given
        INVALID_REQUEST: product: must be given
        INVALID_REQUEST: group: must be 0 to 6
        INVALID_REQUEST: product: must not be there twice
        INVALID_REQUEST: query has a % without two hexadecimal digits
        INVALID_REQUEST: query is not UTF-8 once its escapes are resolved
        no refusal: CheckRequest { product: "os", device: None, release: None, bundle: None, version: None, attributes: [], tags: [], mode: Background, group: None, security_epoch: None, min_config_version: None, pending: None, nonce: None, explain: false }
        INVALID_REQUEST: attributes: must be a map of text to text
        INVALID_REQUEST: security_epoch: must be a whole number from 0 to 2^64 - 1
        INVALID_REQUEST: explain: must be true or false"#]].assert_eq(&lines.join("\n"));
}

fn offer<'a>(artifacts: &'a [Artifact], trace: &'a [TraceLine<'a>]) -> CheckAnswer<'a> {
    CheckAnswer {
        eligible: true,
        reason: "OFFER_LATEST",
        target_release: Some("r5"),
        target_bundle: Some("b5"),
        version: Some("2.0.0"),
        artifacts,
        urgency: Some("normal"),
        install_mode: Some("auto"),
        source: Some("release"),
        config_version: 123,
        staleness_ms: Some(12),
        node: "2",
        retry_after_s: 300,
        next_eligible_at: None,
        expires_at: Some(Timestamp::from_secs(1_767_225_900)),
        nonce: Some("q\"1\n\u{1}ü"),
        hypothetical: false,
        trace,
    }
}

#[test]
fn answers_are_json_with_all_fields() {
    let artifacts = [Artifact {
        name: "image".to_owned(),
        size: 1_048_576,
        sha256: "00".repeat(32),
        base_sha256: None,
        url: Some("https://x/y".to_owned()),
    }];
    let trace = [TraceLine { step: "candidate", release: Some("r6"), code: "NOT_IN_PHASE", detail: None }];
    let answer = offer(&artifacts, &trace);
    let json: Value = serde_json::from_str(&answer.to_json()).expect("an answer is JSON");
    expect![[r#"
        {
          "eligible": true,
          "reason": "OFFER_LATEST",
          "target_release": "r5",
          "target_bundle": "b5",
          "version": "2.0.0",
          "artifacts": [
            {
              "name": "image",
              "size": 1048576,
              "sha256": "0000000000000000000000000000000000000000000000000000000000000000",
              "url": "https://x/y"
            }
          ],
          "urgency": "normal",
          "install_mode": "auto",
          "source": "release",
          "config_version": 123,
          "next_eligible_at": null,
          "expires_at": "2026-01-01T00:05:00Z",
          "staleness_ms": 12,
          "node": "2",
          "retry_after_s": 300,
          "nonce": "q\"1\n\u0001ü",
          "trace": [
            {
              "step": "candidate",
              "release": "r6",
              "code": "NOT_IN_PHASE",
              "detail": null
            }
          ]
        }
    "#]]
    .assert_eq(&format!("{json:#}\n"));
    assert_eq!(json["nonce"], "q\"1\n\u{1}ü");
    let hypothetical: Value =
        serde_json::from_str(&CheckAnswer { hypothetical: true, ..answer.clone() }.to_json()).expect("an answer is JSON");
    assert_eq!(hypothetical["hypothetical"], true);
    let mut decision = String::new();
    answer.write_decision(&mut decision);
    let mut elsewhere = String::new();
    CheckAnswer { node: "3", staleness_ms: None, retry_after_s: 311, nonce: None, ..answer }.write_decision(&mut elsewhere);
    assert_eq!(decision, elsewhere, "the decision's bytes do not depend on who answers when");
}

#[test]
fn refusals_are_problem_documents() {
    let bad = request_from_json(br#"{"product":"os","group":9}"#).expect_err("no group 9");
    expect![[r#"(400, "{\"type\":\"about:blank\",\"title\":\"the request breaks a rule\",\"status\":400,\"code\":\"INVALID_REQUEST\",\"detail\":\"group: must be 0 to 6\",\"errors\":[{\"field\":\"group\",\"rule\":\"must be 0 to 6\"}]}")"#]].assert_eq(&format!("{:?}", bad.to_problem()));
    let large = request_from_json(&[b' '; 140_000]).expect_err("too large");
    expect![[r#"(413, "{\"type\":\"about:blank\",\"title\":\"the request is too large\",\"status\":413,\"code\":\"BODY_TOO_LARGE\",\"detail\":\"request of 140000 bytes must have at most 131072\"}")"#]].assert_eq(&format!("{:?}", large.to_problem()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = request_from_json(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = request_from_query(text);
        }
    }

    #[test]
    fn no_pieces_make_the_reader_panic(pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..40)) {
        let text = pieces.concat();
        let _ = (request_from_json(text.as_bytes()), request_from_query(&text));
    }

    /// Whatever is accepted is within all bounds, and the same again through a query.
    #[test]
    fn accepted_requests_are_within_bounds(device in "\\PC{0,300}", version in "\\PC{0,140}", tags in proptest::collection::vec("\\PC{0,4}", 0..4)) {
        let body = json!({"product": "os", "device": device, "version": version, "tags": tags}).to_string();
        match request_from_json(body.as_bytes()) {
            Ok(request) => {
                prop_assert!(request.device.is_none_or(|key| (1..=256).contains(&key.len())));
                prop_assert!(request.version.is_none_or(|version| version.len() <= 128));
                prop_assert!(request.tags.iter().all(|tag| !tag.is_empty()));
            }
            Err(bad) => prop_assert_eq!(bad.code(), "INVALID_REQUEST"),
        }
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"product\"",
    "\"os\"",
    "\"attributes\"",
    "\"tags\"",
    "\"mode\"",
    "null",
    "1",
    "-1",
    "1e999",
    "NaN",
    "true",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "product=os",
    "&",
    "attributes.",
    "=",
    "%",
    "%41",
    "+",
    " ",
    "\u{0}",
];
