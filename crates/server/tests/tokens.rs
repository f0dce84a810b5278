//! Bearer tokens: from an open cluster to one that knows its callers, at every node, and back.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use nodes::{Calls, config, free_port, product, ready, start};
use sha2::{Digest, Sha256};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tonic::{Code, Request};

fn with_token<T>(message: T, secret: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    request
}

fn grant(name: &str, role: types::Role, secret: &str) -> admin::PutTokenRequest {
    let sha256 = Sha256::digest(secret.as_bytes()).to_vec().into();
    admin::PutTokenRequest { name: name.into(), role: role.into(), sha256, request_id: String::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_token_closes_the_door_and_the_last_one_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let own = format!("127.0.0.1:{port}");
    let node = start(config(1, folder.path(), port, &[("cluster.bootstrap", &own)])).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    calls.apply(product(1), "").await.unwrap();

    let short = admin::PutTokenRequest { sha256: vec![1; 31].into(), ..grant("root", types::Role::Admin, "s1") };
    assert_eq!(calls.cluster().put_token(short).await.unwrap_err().code(), Code::InvalidArgument);
    let made = calls.cluster().put_token(grant("root", types::Role::Admin, "s1")).await.unwrap().into_inner();
    assert_eq!(made.version, 1);
    let granted = with_token(grant("viewer", types::Role::Read, "s2"), "s1");
    calls.cluster().put_token(granted).await.unwrap();

    let nobody = calls.cluster().get_status(admin::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    calls.cluster().get_status(with_token(admin::GetStatusRequest {}, "s2")).await.unwrap();
    let apply = admin::ApplyRequest::default();
    assert_eq!(calls.objects().apply(with_token(apply.clone(), "s2")).await.unwrap_err().code(), Code::PermissionDenied);
    let documents = product(1).into_iter().map(|spec| types::Document { expected_version: None, spec: Some(spec) });
    let apply = admin::ApplyRequest { documents: documents.collect(), ..apply };
    calls.objects().apply(with_token(apply, "s1")).await.unwrap();

    // Checks of devices need no token.
    assert_eq!(calls.check("r0").await.reason, "UP_TO_DATE");

    // A replaced secret is worth nothing at once.
    calls.cluster().put_token(with_token(grant("viewer", types::Role::Read, "s3"), "s1")).await.unwrap();
    let old = calls.cluster().get_status(with_token(admin::GetStatusRequest {}, "s2")).await.unwrap_err();
    assert_eq!(old.code(), Code::Unauthenticated);
    let list = admin::ListTokensRequest::default();
    let tokens = calls.cluster().list_tokens(with_token(list, "s1")).await.unwrap().into_inner().tokens;
    assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["root", "viewer"]);

    // The audit names who did what.
    let mut audits = admin::audit_service_client::AuditServiceClient::new(calls.channel.clone());
    let request = admin::ListAuditRequest { principal: Some("root".into()), ..Default::default() };
    let rows = audits.list_audit(with_token(request, "s3")).await.unwrap().into_inner().rows;
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows.windows(2).all(|pair| pair[0].index > pair[1].index));
    drop((audits, calls));
    node.shutdown().await;
}
