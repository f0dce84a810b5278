//! Where calls go, what is repeated, and what callers learn when something goes wrong.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use tidegate_client::{Consistency, Error, FieldViolation, Run, Token, admin};
use tidegate_model::{ObjectKind, ObjectRef, ReleaseId, RequestId, RolloutState, Transition, Verb};
use tidegate_proto::types::v1 as types;
use tonic::Code;

use support::{Net, Reply, client, client_with, lost, refusal, refused};

fn pause() -> Transition {
    let release = ReleaseId::new("r1").unwrap();
    Transition { release, expected_version: Some(3), reason: None, verb: Verb::Pause }
}

fn paused() -> Reply {
    Reply::one(&admin::v1::TransitionRolloutStateResponse {
        version: 4,
        config_version: 17,
        state: types::RolloutState::Paused as i32,
        ..admin::v1::TransitionRolloutStateResponse::default()
    })
}

fn status() -> Reply {
    Reply::one(&admin::v1::GetStatusResponse { node: 2, ready: true, ..admin::v1::GetStatusResponse::default() })
}

fn id() -> RequestId {
    RequestId::new("req-1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_write_comes_back_typed() {
    let net = Net::default();
    let node = net.up("a");
    node.then(paused());
    let moved = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap();
    assert_eq!((moved.version, moved.state, moved.written.config_version), (4, Some(RolloutState::Paused), 17));
    let sent = &node.messages::<admin::v1::TransitionRolloutStateRequest>()[0];
    assert_eq!(sent.request_id, "req-1");
    assert_eq!(sent.transition.as_ref().unwrap().expected_version, Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_down_is_passed_over() {
    let net = Net::default();
    let up = net.up("b");
    up.then(status()).then(status());
    let client = client(&net, &["a", "b"]);
    assert_eq!(client.cluster_status().await.unwrap().node, 2);
    assert_eq!(client.cluster_status().await.unwrap().node, 2);
    assert_eq!(up.heard().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn with_every_node_down_nothing_was_done() {
    let error = client(&Net::default(), &["a", "b"]).transition(&pause(), &id()).await.unwrap_err();
    assert_eq!(error.code(), "UNREACHABLE");
    let text = error.to_string();
    assert!(text.contains("http://a:1") && text.contains("http://b:1"), "{text}");
}

/// P-07: the repetition carries the same request id, under which the cluster knows the write.
#[tokio::test(start_paused = true)]
async fn p_07_a_write_that_got_lost_is_repeated_under_its_request_id() {
    let net = Net::default();
    let (first, second) = (net.up("a"), net.up("b"));
    first.then(lost());
    second.then(paused());
    let moved = client(&net, &["a", "b"]).transition(&pause(), &id()).await.unwrap();
    assert_eq!(moved.version, 4);
    let ids = |node: &support::Node| -> Vec<String> {
        node.messages::<admin::v1::TransitionRolloutStateRequest>().into_iter().map(|sent| sent.request_id).collect()
    };
    assert_eq!((ids(&first), ids(&second)), (vec!["req-1".to_owned()], vec!["req-1".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_stays_lost_is_an_unknown_outcome() {
    let net = Net::default();
    let node = net.up("a");
    for _ in 0..40 {
        node.then(lost());
    }
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    match error {
        Error::UnknownOutcome { request_id, .. } => assert_eq!(request_id, Some(id())),
        other => panic!("{other:?}"),
    }
    assert!(node.heard().len() <= 16, "bounded");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_of_the_server_is_asked_about_again() {
    let net = Net::default();
    let node = net.up("a");
    node.then(refused(Code::Unknown, "UNKNOWN_OUTCOME")).then(paused());
    assert_eq!(client(&net, &["a"]).transition(&pause(), &id()).await.unwrap().version, 4);
}

#[tokio::test(start_paused = true)]
async fn doubt_is_settled_by_the_state_machine_and_by_nobody_else() {
    let net = Net::default();
    let node = net.up("a");
    node.then(lost()).then(refused(Code::Aborted, "CONFLICT"));
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    assert_eq!(error.code(), "CONFLICT");
    // The door does not know what became of the first attempt.
    node.then(lost()).then(refused(Code::Unauthenticated, "UNAUTHENTICATED"));
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    assert_eq!(error.code(), "UNKNOWN_OUTCOME");
    node.then(refused(Code::Unauthenticated, "UNAUTHENTICATED"));
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    assert_eq!(error.code(), "UNAUTHENTICATED");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_membership_is_never_sent_twice() {
    let net = Net::default();
    let (first, second) = (net.up("a"), net.up("b"));
    first.then(lost());
    let error = client(&net, &["a", "b"]).cluster_remove(3).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { request_id: None, .. }), "{error:?}");
    assert_eq!((first.heard().len(), second.heard().len()), (1, 0));
    // A node that says that nothing was done may be followed by another.
    first.then(refused(Code::Unavailable, "NO_LEADER"));
    second.then(Reply::one(&admin::v1::RemoveResponse {}));
    client(&net, &["a", "b"]).cluster_remove(3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_leader_is_waited_for() {
    let net = Net::default();
    let node = net.up("a");
    node.then(refused(Code::Unavailable, "NO_LEADER")).then(refused(Code::ResourceExhausted, "BUSY")).then(paused());
    assert_eq!(client(&net, &["a"]).transition(&pause(), &id()).await.unwrap().version, 4);
    for _ in 0..40 {
        node.then(refused(Code::Unavailable, "NO_LEADER"));
    }
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    assert_eq!(error.code(), "UNREACHABLE");
    assert!(error.to_string().contains("NO_LEADER"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_said_at_once() {
    let net = Net::default();
    let node = net.up("a");
    node.then(refused(Code::ResourceExhausted, "DISK_LOW"));
    assert_eq!(client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err().code(), "DISK_LOW");
    assert_eq!(node.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_does_not_use_up_the_deadline() {
    let net = Net::default();
    let (hangs, answers) = (net.up("a"), net.up("b"));
    hangs.then(Reply::Silence);
    answers.then(status());
    let begun = tokio::time::Instant::now();
    assert_eq!(client(&net, &["a", "b"]).cluster_status().await.unwrap().node, 2);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline() {
    let net = Net::default();
    let node = net.up("a");
    for _ in 0..40 {
        node.then(Reply::Silence);
    }
    let client = client_with(&net, &["a"], |options| options.deadline = Duration::from_secs(6));
    let begun = tokio::time::Instant::now();
    assert_eq!(client.cluster_status().await.unwrap_err().code(), "UNREACHABLE");
    assert!(begun.elapsed() <= Duration::from_secs(7), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_carries_everything_that_a_program_acts_on() {
    let net = Net::default();
    let node = net.up("a");
    let object = ObjectRef::Release(ReleaseId::new("r1").unwrap());
    node.then(Reply::Status(refusal(
        Code::Aborted,
        admin::v1::Refusal {
            code: "CONFLICT".to_owned(),
            object: Some(types::ObjectRef::from(&object)),
            current_version: Some(5),
            fields: vec![types::FieldViolation {
                field: "stages[0].name".to_owned(),
                value: "x".to_owned(),
                rule: "must be unique".to_owned(),
                ..types::FieldViolation::default()
            }],
            ..admin::v1::Refusal::default()
        },
    )));
    let error = client(&net, &["a"]).transition(&pause(), &id()).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.code.as_str(), refusal.status, refusal.current_version), ("CONFLICT", Code::Aborted, Some(5)));
    assert_eq!(refusal.object, Some(object));
    let FieldViolation { field, value, rule, .. } = &refusal.fields[0];
    assert_eq!((field.as_str(), value.as_str(), rule.as_str()), ("stages[0].name", "x", "must be unique"));
    assert!(error.to_string().contains("current version 5"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_token_travels_with_every_call() {
    let net = Net::default();
    let node = net.up("a");
    node.then(status());
    let client = client_with(&net, &["a"], |options| options.token = Some(Token::new("s3cret").unwrap()));
    client.cluster_status().await.unwrap();
    assert_eq!(node.heard()[0].headers["authorization"], "Bearer s3cret");
    assert!(node.heard()[0].headers.contains_key("grpc-timeout"), "the server may give up when the client does");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_so_and_an_apply_answers_per_object() {
    let net = Net::default();
    let node = net.up("a");
    let object = ObjectRef::Release(ReleaseId::new("r1").unwrap());
    node.then(Reply::one(&admin::v1::ApplyResponse {
        config_version: 9,
        objects: vec![types::ObjectOutcome {
            object: Some(types::ObjectRef::from(&object)),
            effect: types::Effect::Created as i32,
            version: 1,
        }],
        ..admin::v1::ApplyResponse::default()
    }));
    let client = client(&net, &["a"]);
    let written = client.apply(&[], &client.request_id(), Run::Dry).await.unwrap();
    assert_eq!((written.objects[0].object.clone(), written.objects[0].version), (object, 1));
    let sent = &node.messages::<admin::v1::ApplyRequest>()[0];
    assert!(sent.dry_run && sent.request_id.len() == 33, "{sent:?}");
    assert_ne!(client.request_id(), client.request_id());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_begun_anew_while_somebody_writes() {
    let net = Net::default();
    let node = net.up("a");
    let page = |config_version, token: &str| {
        Reply::one(&admin::v1::ListObjectsResponse { objects: Vec::new(), next_page_token: token.to_owned(), config_version })
    };
    node.then(page(1, "t")).then(page(2, "")).then(page(2, "t")).then(page(2, ""));
    let listed = client(&net, &["a"]).list(ObjectKind::Release, None, Consistency::Local).await.unwrap();
    assert_eq!(listed.config_version, 2);
    let sent = node.messages::<admin::v1::ListObjectsRequest>();
    assert_eq!(sent.iter().map(|page| page.page_token.as_str()).collect::<Vec<_>>(), ["", "t", "", "t"]);
    assert_eq!(sent[0].consistency, admin::v1::Consistency::Local as i32);
}

#[tokio::test(start_paused = true)]
async fn fleet_columns_that_do_not_fit_are_no_answer() {
    let net = Net::default();
    let node = net.up("a");
    let instant = |answer_of_device: Vec<u32>| admin::v1::FleetInstant {
        at_ms: 0,
        answers: vec![admin::v1::FleetAnswer { reason: "UP_TO_DATE".to_owned(), ..admin::v1::FleetAnswer::default() }],
        answer_of_device,
    };
    let reply = |instants| Reply::one(&admin::v1::CheckFleetResponse { instants, ..admin::v1::CheckFleetResponse::default() });
    node.then(reply(vec![instant(vec![0])]))
        .then(reply(vec![instant(vec![1])]))
        .then(reply(vec![instant(vec![])]))
        .then(reply(vec![]));
    let client = client(&net, &["a"]);
    let devices = [tidegate_client::device::v1::CheckRequest::default()];
    let ask = || client.check_fleet("os", &devices, &[], Consistency::Local);
    assert_eq!(ask().await.unwrap().instants.len(), 1);
    for _ in 0..3 {
        assert_eq!(ask().await.unwrap_err().code(), "BAD_ANSWER");
    }
}

#[tokio::test(start_paused = true)]
async fn ready_means_every_node() {
    let net = Net::default();
    let (a, b) = (net.up("a"), net.up("b"));
    let says = |ready| Reply::one(&admin::v1::GetStatusResponse { ready, ..admin::v1::GetStatusResponse::default() });
    a.then(says(true)).then(says(true)).then(says(true));
    b.then(says(false)).then(says(true)).then(says(false));
    let client = client(&net, &["a", "b"]);
    client.wait_ready(Duration::from_secs(5)).await.unwrap();
    let error = client.wait_ready(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().contains("http://b:1: answers, but is not ready"), "{error}");
}
