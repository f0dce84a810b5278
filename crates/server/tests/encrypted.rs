//! TLS on all three listeners: who shows the right certificate is served, and nobody else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use std::path::Path;

use nodes::{config, free_port, ready, start};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tidegate_proto::admin::v1 as admin;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Certificate and key of somebody on loopback.
    fn issue(&self) -> (String, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, folder: &Path) -> Vec<(String, String)> {
        let (cert, key) = self.issue();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (cert, key, ca) = (file("cert.pem", &cert), file("key.pem", &key), file("ca.pem", &self.pem));
        let mut settings = Vec::new();
        for listener in ["device", "admin", "peer"] {
            settings.push((format!("tls.{listener}.cert"), cert.clone()));
            settings.push((format!("tls.{listener}.key"), key.clone()));
        }
        settings.push(("tls.peer.ca".to_owned(), ca.clone()));
        settings.push(("tls.admin.client_ca".to_owned(), ca));
        settings.push(("tls.admin.client_required".to_owned(), "true".to_owned()));
        settings
    }
}

async fn connect(address: std::net::SocketAddr, tls: ClientTlsConfig) -> Result<Channel, tonic::transport::Error> {
    let port = address.port();
    Endpoint::from_shared(format!("https://localhost:{port}")).unwrap().tls_config(tls).unwrap().connect().await
}

async fn status(channel: Channel) -> Result<admin::GetStatusResponse, tonic::Status> {
    let mut client = admin::cluster_service_client::ClusterServiceClient::new(channel);
    client.get_status(admin::GetStatusRequest {}).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_operators_with_certificates_are_served_and_others_are_not() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let peers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let peers = peers.join(",");
    let mut running = Vec::new();
    for ((id, folder), port) in (1..).zip(&folders).zip(&ports) {
        let tls = ours.write(folder.path());
        let mut more: Vec<(&str, &str)> = tls.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        more.push(("cluster.bootstrap", &peers));
        running.push(start(config(id, &folder.path().join("data"), *port, &more)).await);
    }
    for node in &running {
        ready(node).await;
    }

    let (cert, key) = ours.issue();
    let trusted = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&ours.pem)).domain_name("localhost");
    let known = trusted.clone().identity(Identity::from_pem(cert, key));
    let found = status(connect(running[0].admin_addr(), known).await.unwrap()).await.unwrap();
    assert_eq!(found.members.len(), 3);

    let (cert, key) = strangers.issue();
    for tls in [trusted.clone(), trusted.identity(Identity::from_pem(cert, key))] {
        let refused = match connect(running[0].admin_addr(), tls).await {
            Err(_) => true,
            // With TLS 1.3 the refusal may come with the first call.
            Ok(channel) => status(channel).await.is_err(),
        };
        assert!(refused);
    }
    let plain = Endpoint::from_shared(format!("http://{}", running[0].admin_addr())).unwrap();
    let refused = match plain.connect().await {
        Err(_) => true,
        Ok(channel) => status(channel).await.is_err(),
    };
    assert!(refused, "plain text is not spoken there");
    for node in running {
        node.shutdown().await;
    }
}

#[tokio::test]
async fn an_unusable_certificate_is_named_before_anything_listens() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem").display().to_string();
    let more = [("tls.device.cert", missing.as_str()), ("tls.device.key", missing.as_str())];
    let config = config(1, folder.path(), free_port(), &more);
    let failure = tidegate_server::Node::start(config, tidegate_platform::Platform::system()).await.err().unwrap();
    assert_eq!(failure.to_string(), "cannot use the certificates of the device listener");
    let source = std::error::Error::source(&failure).unwrap().to_string();
    assert!(source.contains("missing.pem"), "{source}");
}
