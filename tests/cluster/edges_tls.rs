//! Edges with TLS and tokens, as real processes: who trusts the right authority and shows the token follows, over two hops;
//! who does not says so, and is not ready.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::edge::Edge;
use tidegate_harness::{binary, fleet, wait};
use tidegate_platform::tls::ConnectTls;
use tidegate_platform::{Network as _, Platform, TlsNetwork};

use crate::ONE_AT_A_TIME;

const PATIENCE: Duration = Duration::from_secs(30);

/// Files of one authority and of a certificate that it gave to somebody on loopback.
struct Files {
    authority: String,
    cert: String,
    key: String,
}

impl Files {
    fn make(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be drawn");
        let authority = params.self_signed(&key).expect("a well-formed certificate").pem();
        let issuer = Issuer::new(params, key);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().expect("keys can be drawn");
        let cert = CertificateParams::new(names).expect("names").signed_by(&key, &issuer).expect("a well-formed certificate");
        let file = |part: &str, text: String| {
            let path = folder.join(format!("{name}-{part}.pem"));
            std::fs::write(&path, text).expect("the test's folder can be written");
            path.display().to_string()
        };
        Self { authority: file("ca", authority), cert: file("cert", cert.pem()), key: file("key", key.serialize_pem()) }
    }

    /// Arguments of an edge that shows this certificate to those who come.
    fn listening(&self) -> Vec<&str> {
        let Self { cert, key, .. } = self;
        vec!["--tls-device-cert", cert, "--tls-device-key", key, "--tls-admin-cert", cert, "--tls-admin-key", key]
    }
}

/// Runs the command line with these credentials; returns what it printed.
async fn tidegate(credentials: &[&str], arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(binary::path());
    let output = command.args(credentials).args(arguments).output().await.expect("the binary starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tidegate {}: {error}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The reason that a device hears over TLS; nothing if it is not answered.
async fn check(address: &str, authority: &str) -> Option<String> {
    let system = Platform::system();
    let connect = ConnectTls { authority: PathBuf::from(authority), identity: None, protocols: vec!["http/1.1".to_owned()] };
    let network = TlsNetwork::new(system.network, system.vfs, system.clock, None, Some(connect)).expect("the authority is whole");
    let io = network.connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.ok()?;
    tokio::spawn(connection);
    let body = Full::new(bytes::Bytes::from(fleet::request("dev-1").to_string()));
    let request = hyper::Request::post("/v1/check").header("host", address).header("content-type", "application/json");
    let answer = sender.send_request(request.body(body).expect("a well-formed request")).await.ok()?;
    let bytes = answer.into_body().collect().await.ok()?.to_bytes();
    let answer: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    answer["reason"].as_str().map(str::to_owned)
}

async fn hears(edge: &Edge, authority: &str, reason: &str) {
    wait::until(&format!("{} answers {reason} over TLS", edge.name), PATIENCE, || async {
        (check(&edge.device, authority).await? == reason).then_some(())
    })
    .await;
}

/// Waits until the edge has said that it does not follow, and why; it is not ready then.
async fn refuses(edge: &Edge, why: &str) {
    wait::until(&format!("{} says {why:?}", edge.name), PATIENCE, || async {
        let log = edge.logged();
        log.lines().any(|line| line.contains("not following") && line.contains(why)).then_some(())
    })
    .await;
    assert_eq!(edge.readiness().await, 503, "{}", edge.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_follow_over_tls_with_a_token_and_say_what_is_missing() {
    let _one = ONE_AT_A_TIME.lock().await;
    let pki = tempfile::TempDir::new().expect("there is a temporary folder");
    let (ours, strangers) = (Files::make(pki.path(), "ours"), Files::make(pki.path(), "strangers"));
    let tls = format!("tls.admin.cert = {:?}\ntls.admin.key = {:?}", ours.cert, ours.key);
    let cluster = Arc::new(Cluster::start_with(1, &tls).await);
    let upstream = format!("https://{}", cluster.nodes[0].addresses.admin);
    let manifest = pki.path().join("fleet.yaml").display().to_string();
    std::fs::write(&manifest, fleet::MANIFEST).expect("the test's folder can be written");
    let open = ["--endpoint", &upstream, "--ca", &ours.authority];
    tidegate(&open, &["apply", "-f", &manifest]).await;
    tidegate(&open, &["rollout", "publish", fleet::NEW]).await;
    let token = pki.path().join("token").display().to_string();
    let secret = tidegate(&open, &["cluster", "token", "create", "root", "--role", "admin"]).await;
    std::fs::write(&token, secret.split_whitespace().last().expect("a secret is printed")).expect("the folder can be written");

    let folder = cluster.folder.path();
    let known = ["--ca", &ours.authority, "--token-file", &token];
    let arguments: Vec<&str> = known.into_iter().chain(ours.listening()).collect();
    let near = Edge::start_with(folder, "edge-near", &upstream, &[], &arguments);
    hears(&near, &ours.authority, "OFFER_LATEST").await;
    let below = format!("https://{}", near.admin);
    let far = Edge::start_with(folder, "edge-far", &below, &[], &arguments);
    hears(&far, &ours.authority, "OFFER_LATEST").await;
    assert_eq!(check(&far.device, &strangers.authority).await, None, "whoever trusts others does not talk to it");

    // At a node and at an edge alike.
    for (place, upstream) in [("node", &upstream), ("edge", &below)] {
        let wrong = ["--ca", &strangers.authority, "--token-file", &token];
        let distrusts = Edge::start_with(folder, &format!("wrong-ca-{place}"), upstream, &[], &wrong);
        refuses(&distrusts, "certificate").await;
        let missing = Edge::start_with(folder, &format!("no-token-{place}"), upstream, &[], &["--ca", &ours.authority]);
        refuses(&missing, "The request does not have valid authentication credentials").await;
    }

    let operator: Vec<&str> = ["--endpoint", upstream.as_str()].into_iter().chain(known).collect();
    tidegate(&operator, &["rollout", "pause", fleet::NEW]).await;
    hears(&far, &ours.authority, "PAUSED").await;
}
