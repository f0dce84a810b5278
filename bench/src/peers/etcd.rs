//! A cluster of etcd (`etcd-server` of Debian) and the few calls of its API that are measured.
//!
//! The messages are written out by hand, with the field numbers of etcd's public API v3: the measured calls need a dozen
//! fields.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::uri::PathAndQuery;
use tempfile::TempDir;
use tidegate_harness::ports::free_address;
use tidegate_harness::wait;
use tonic::codec::Streaming;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Whether it is installed.
pub fn is_installed() -> bool {
    Command::new("etcd")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Its version, in its own words.
pub fn version() -> String {
    let output = Command::new("etcd").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Three members; they end with this value.
pub struct Etcd {
    members: Vec<Child>,
    /// Client address of each, `host:port`.
    pub addresses: Vec<String>,
    _folder: TempDir,
}

impl Etcd {
    /// Starts three members with their defaults and waits until they serve.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let clients: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
        let peers: Vec<String> = (0..3).map(|_| free_address().to_string()).collect();
        let cluster: Vec<String> = peers.iter().enumerate().map(|(at, peer)| format!("m{at}=http://{peer}")).collect();
        let members = (0..3)
            .map(|at| member(folder.path(), at, &clients[at], &peers[at], &cluster.join(",")))
            .collect::<anyhow::Result<_>>()?;
        let etcd = Self { members, addresses: clients, _folder: folder };
        for address in &etcd.addresses {
            wait::until(&format!("etcd at {address} serves"), Duration::from_secs(60), || async {
                let mut member = Member::connect(address).await.ok()?;
                member.get(b"none", false).await.ok().map(|_| ())
            })
            .await;
        }
        Ok(etcd)
    }

    /// The member that leads.
    pub async fn leader(&self) -> anyhow::Result<String> {
        for address in &self.addresses {
            let status = Member::connect(address).await?.status().await?;
            let own = status.header.map_or(0, |header| header.member_id);
            if own == status.leader {
                return Ok(address.clone());
            }
        }
        anyhow::bail!("no member of etcd leads")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill().ok();
            member.wait().ok();
        }
    }
}

fn member(folder: &Path, at: usize, client: &str, peer: &str, cluster: &str) -> anyhow::Result<Child> {
    let log = std::fs::File::create(folder.join(format!("m{at}.log")))?;
    Command::new("etcd")
        .args(["--name", &format!("m{at}"), "--data-dir"])
        .arg(folder.join(format!("m{at}")))
        .args(["--listen-client-urls", &format!("http://{client}"), "--advertise-client-urls", &format!("http://{client}")])
        .args(["--listen-peer-urls", &format!("http://{peer}"), "--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error"])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("etcd cannot be started")
}

/// A connection to one member.
#[derive(Clone)]
pub struct Member(tonic::client::Grpc<Channel>);

impl Member {
    /// Connects.
    pub async fn connect(address: &str) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        Ok(Self(tonic::client::Grpc::new(channel)))
    }

    async fn unary<Q, A>(&mut self, path: &'static str, question: Q) -> anyhow::Result<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.0.ready().await?;
        let path = PathAndQuery::from_static(path);
        Ok(self.0.unary(tonic::Request::new(question), path, ProstCodec::<Q, A>::default()).await?.into_inner())
    }

    /// Writes a value if the key has this version (0: if it is not there). An error if it has another one.
    pub async fn put_if(&mut self, key: &[u8], version: i64, value: &[u8]) -> anyhow::Result<()> {
        let put = PutRequest { key: key.to_vec(), value: value.to_vec() };
        let txn = TxnRequest {
            compare: vec![Compare { result: 0, target: 0, key: key.to_vec(), version: Some(version) }],
            success: vec![RequestOp { put: Some(put) }],
        };
        let answer: TxnResponse = self.unary("/etcdserverpb.KV/Txn", txn).await?;
        ensure!(answer.succeeded, "the key has another version than {version}");
        Ok(())
    }

    /// Reads a key; `local`: without asking the others.
    pub async fn get(&mut self, key: &[u8], local: bool) -> anyhow::Result<usize> {
        let range = RangeRequest { key: key.to_vec(), serializable: local };
        let answer: RangeResponse = self.unary("/etcdserverpb.KV/Range", range).await?;
        Ok(answer.kvs.len())
    }

    async fn status(&mut self) -> anyhow::Result<StatusResponse> {
        self.unary("/etcdserverpb.Maintenance/Status", Empty {}).await
    }

    /// Changes of a key from now on, once the member has confirmed the watch.
    pub async fn watch(&mut self, key: &[u8]) -> anyhow::Result<Changes> {
        self.0.ready().await?;
        let create = WatchRequest { create: Some(WatchCreateRequest { key: key.to_vec() }) };
        // The stream of questions must stay open.
        let (questions, receiver) = tokio::sync::mpsc::channel(1);
        questions.send(create).await.context("a new channel has room")?;
        let path = PathAndQuery::from_static("/etcdserverpb.Watch/Watch");
        let request = tonic::Request::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
        let codec = ProstCodec::<WatchRequest, WatchResponse>::default();
        let mut answers = self.0.streaming(request, path, codec).await?.into_inner();
        let first = answers.message().await?.context("a watch is confirmed")?;
        ensure!(first.created, "a watch is confirmed first");
        Ok(Changes { answers, _questions: questions })
    }
}

/// A watch.
pub struct Changes {
    answers: Streaming<WatchResponse>,
    _questions: tokio::sync::mpsc::Sender<WatchRequest>,
}

impl Changes {
    /// Waits for the next message that has changes; how many it has.
    pub async fn next(&mut self) -> anyhow::Result<usize> {
        loop {
            let message = self.answers.message().await?.context("the watch has ended")?;
            if !message.events.is_empty() {
                return Ok(message.events.len());
            }
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Empty {}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(bytes = "vec", repeated, tag = "2")]
    kvs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Compare {
    /// 0: equal.
    #[prost(int32, tag = "1")]
    result: i32,
    /// 0: the version.
    #[prost(int32, tag = "2")]
    target: i32,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    /// An arm of a oneof: sent also when it is 0.
    #[prost(int64, optional, tag = "4")]
    version: Option<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RequestOp {
    #[prost(message, optional, tag = "2")]
    put: Option<PutRequest>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TxnRequest {
    #[prost(message, repeated, tag = "1")]
    compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    success: Vec<RequestOp>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TxnResponse {
    #[prost(bool, tag = "2")]
    succeeded: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WatchCreateRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    create: Option<WatchCreateRequest>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WatchResponse {
    #[prost(bool, tag = "3")]
    created: bool,
    #[prost(bytes = "vec", repeated, tag = "11")]
    events: Vec<Vec<u8>>,
}
