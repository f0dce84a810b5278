//! Handshakes over loopback with certificates made for the test.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as Key, SanType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::clock::BootTime;
use crate::net::TcpNetwork;
use crate::vfs::StdVfs;

/// Boot time that stands still until it is moved.
#[derive(Default)]
struct TestClock(Mutex<Duration>);

impl TestClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        BootTime(*self.0.lock().unwrap())
    }

    fn wall_ms(&self) -> i64 {
        0
    }
}

struct Folder {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, Key>,
}

impl Folder {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, Key::generate().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        Self { dir, authority }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Issues `<name>.pem` and `<name>.key` for 127.0.0.1 and `dns`.
    fn issue(&self, name: &str, dns: &str) -> KeyPair {
        let key = Key::generate().unwrap();
        let mut params = CertificateParams::new(vec![dns.to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        let pair = KeyPair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    fn listen(&self, identity: KeyPair, clients: ClientCertificates) -> ListenTls {
        ListenTls { identity, clients, protocols: vec!["h2".to_owned()] }
    }

    fn connect(&self, identity: Option<KeyPair>) -> ConnectTls {
        ConnectTls { authority: self.path("ca.pem"), identity, protocols: vec!["h2".to_owned()] }
    }
}

fn network(clock: Arc<TestClock>, listen: Option<ListenTls>, connect: Option<ConnectTls>) -> Result<TlsNetwork, TlsError> {
    TlsNetwork::new(Arc::new(TcpNetwork), Arc::new(StdVfs), clock, listen, connect)
}

/// Sends a word to the server and back; returns what the server learnt about the client.
async fn exchange(server: &mut Box<dyn Listener>, client: &TlsNetwork) -> std::io::Result<Option<PeerIdentity>> {
    let authority = server.local_addr()?.to_string();
    let ask = async {
        let mut io = client.connect(&authority).await?;
        io.write_all(b"word").await?;
        let mut answer = [0; 4];
        io.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"WORD");
        Ok::<_, std::io::Error>(())
    };
    let answer = async {
        let mut accepted = server.accept().await?;
        let mut word = [0; 4];
        accepted.io.read_exact(&mut word).await?;
        accepted.io.write_all(&word.to_ascii_uppercase()).await?;
        Ok::<_, std::io::Error>(accepted.identity)
    };
    tokio::select! {
        both = async { tokio::try_join!(ask, answer) } => both.map(|((), identity)| identity),
        () = tokio::time::sleep(Duration::from_secs(10)) => Err(std::io::ErrorKind::TimedOut.into()),
    }
}

async fn listener(network: &TlsNetwork) -> Box<dyn Listener> {
    network.listen("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn both_sides_prove_who_they_are() {
    let folder = Folder::new();
    let required = ClientCertificates::Required { authority: folder.path("ca.pem") };
    let listen = folder.listen(folder.issue("server", "node-1"), required);
    let clock = Arc::new(TestClock::default());
    let server = network(Arc::clone(&clock), Some(listen), None).unwrap();
    let mut listener = listener(&server).await;
    let connect = folder.connect(Some(folder.issue("client", "node-2")));
    let client = network(clock, None, Some(connect)).unwrap();
    let identity = exchange(&mut listener, &client).await.unwrap().unwrap();
    assert_eq!(identity.names, ["node-2", "127.0.0.1"]);
}

#[tokio::test]
async fn a_client_without_certificate_is_refused_only_where_one_is_required() {
    let folder = Folder::new();
    let clock = Arc::new(TestClock::default());
    let client = network(Arc::clone(&clock), None, Some(folder.connect(None))).unwrap();
    let authority = folder.path("ca.pem");
    for (clients, is_served) in [
        (ClientCertificates::Ignored, true),
        (ClientCertificates::Optional { authority: authority.clone() }, true),
        (ClientCertificates::Required { authority: authority.clone() }, false),
    ] {
        let listen = folder.listen(folder.issue("server", "node-1"), clients.clone());
        let server = network(Arc::clone(&clock), Some(listen), None).unwrap();
        let mut listener = listener(&server).await;
        let result = exchange(&mut listener, &client).await;
        assert_eq!(result.is_ok(), is_served, "{clients:?}: {result:?}");
        assert_eq!(result.ok().flatten(), None);
    }
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let (ours, theirs) = (Folder::new(), Folder::new());
    let clock = Arc::new(TestClock::default());
    let listen = theirs.listen(theirs.issue("server", "node-1"), ClientCertificates::Ignored);
    let server = network(Arc::clone(&clock), Some(listen), None).unwrap();
    let mut listener = listener(&server).await;
    let client = network(clock, None, Some(ours.connect(None))).unwrap();
    assert!(exchange(&mut listener, &client).await.is_err());
}

#[tokio::test]
async fn a_silent_client_holds_up_nobody() {
    let folder = Folder::new();
    let clock = Arc::new(TestClock::default());
    let listen = folder.listen(folder.issue("server", "node-1"), ClientCertificates::Ignored);
    let server = network(Arc::clone(&clock), Some(listen), None).unwrap();
    let mut listener = listener(&server).await;
    let address = listener.local_addr().unwrap().to_string();
    let _silent = TcpNetwork.connect(&address).await.unwrap();
    let client = network(clock, None, Some(folder.connect(None))).unwrap();
    exchange(&mut listener, &client).await.unwrap();
}

#[tokio::test]
async fn changed_files_are_picked_up_and_broken_ones_change_nothing() {
    let folder = Folder::new();
    let clock = Arc::new(TestClock::default());
    let required = ClientCertificates::Required { authority: folder.path("ca.pem") };
    let listen = folder.listen(folder.issue("server", "node-1"), required);
    let server = network(Arc::clone(&clock), Some(listen), None).unwrap();
    let mut listener = listener(&server).await;
    let pair = folder.issue("client", "before");
    let client = network(Arc::clone(&clock), None, Some(folder.connect(Some(pair.clone())))).unwrap();
    let names = async |listener: &mut Box<dyn Listener>| exchange(listener, &client).await.unwrap().unwrap().names[0].clone();
    assert_eq!(names(&mut listener).await, "before");
    folder.issue("client", "after");
    assert_eq!(names(&mut listener).await, "before", "no look within a second");
    clock.advance(Duration::from_secs(2));
    assert_eq!(names(&mut listener).await, "after");
    std::fs::write(&pair.certificate, "not a certificate").unwrap();
    clock.advance(Duration::from_secs(2));
    assert_eq!(names(&mut listener).await, "after", "the former certificate stays in force");
}

#[test]
fn errors_name_the_file() {
    let folder = Folder::new();
    let clock = Arc::new(TestClock::default());
    let good = folder.issue("server", "node-1");
    let other = folder.issue("other", "node-2");
    let check = |pair: KeyPair, says: &str, about: &Path| {
        let listen = folder.listen(pair, ClientCertificates::Ignored);
        let error = network(Arc::clone(&clock), Some(listen), None).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(&about.display().to_string()), "{error}");
    };
    let missing = folder.path("missing.pem");
    check(KeyPair { certificate: missing.clone(), ..good.clone() }, "cannot read", &missing);
    let key = good.key.clone();
    check(KeyPair { certificate: key.clone(), ..good.clone() }, "holds no certificate", &key);
    let certificate = good.certificate.clone();
    check(KeyPair { key: certificate.clone(), ..good.clone() }, "holds no private key", &certificate);
    check(KeyPair { key: other.key.clone(), ..good }, "cannot be used together", &other.key);
}
