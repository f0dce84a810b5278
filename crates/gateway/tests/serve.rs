//! Connections: both protocols on one listener, bounds on everything that a client can hold on to, an orderly end.
//!
//! The listener is in memory and time is paused, so every deadline is met exactly and nothing waits for real.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tidegate_gateway::gateway::Bounds;
use tidegate_gateway::{limits, serve};
use tidegate_platform::net::NetFuture;
use tidegate_platform::{Accepted, Lane, Listener, TokioSpawner};
use tidegate_proto::device::v1 as wire;
use tidegate_proto::device::v1::device_service_client::DeviceServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use support::{Fake, gateway_within, snapshot};

const CHECK: &str =
    "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: 35\r\n\r\n{\"product\":\"os\",\"release\":\"os-r0\"}\n";
const LIVE: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// Longest wait for anything here, in simulated time.
const WAIT_MAX: Duration = Duration::from_secs(600);

struct InMemory(mpsc::Receiver<DuplexStream>);

impl Listener for InMemory {
    fn accept(&mut self) -> NetFuture<'_, Accepted> {
        Box::pin(async {
            let io = self.0.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
            Ok(Accepted { io: Box::new(io), peer: SocketAddr::from(([127, 0, 0, 1], 1)), identity: None, lane: Lane::default() })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }
}

/// A served gateway.
struct Running {
    connections: mpsc::Sender<DuplexStream>,
    shutdown: watch::Sender<bool>,
    served: JoinHandle<io::Result<()>>,
}

impl Running {
    fn start(fake: &Fake, connections_max: usize) -> Self {
        let (connections, accepted) = mpsc::channel(16);
        let (shutdown, receiver) = watch::channel(false);
        let gateway = gateway_within(fake, Bounds { connections_max, ..Bounds::default() });
        let served = tokio::spawn(serve(Box::new(InMemory(accepted)), gateway, Arc::new(TokioSpawner), receiver));
        Self { connections, shutdown, served }
    }

    async fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(1 << 18);
        self.connections.send(far).await.unwrap();
        near
    }
}

/// Writes a request and reads its answer's head and body; the connection stays open.
async fn ask(stream: &mut DuplexStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    answer(stream).await
}

async fn answer(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                return text;
            }
        }
        let mut chunk = [0; 4_096];
        let count = tokio::time::timeout(WAIT_MAX, stream.read(&mut chunk)).await.expect("an answer comes").unwrap();
        assert_ne!(count, 0, "the connection ended after: {text}");
        text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
}

/// Everything until the connection ends.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    let ended = tokio::time::timeout(WAIT_MAX, stream.read_to_end(&mut text)).await;
    // A cut connection is as good an end as a closed one.
    let _is_clean = ended.expect("the connection ends").is_ok();
    String::from_utf8(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn http1_connections_are_kept_alive() {
    let running = Running::start(&Fake::new(), 8);
    let mut stream = running.connect().await;
    for _ in 0..3 {
        let text = ask(&mut stream, CHECK).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("OFFER_LATEST"), "{text}");
    }
    assert!(ask(&mut stream, "GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.contains("404"));
    assert!(ask(&mut stream, LIVE).await.ends_with("ok\n"));
}

#[tokio::test(start_paused = true)]
async fn grpc_is_on_the_same_listener() {
    let running = Running::start(&Fake::new(), 8);
    let stream = std::sync::Mutex::new(Some(running.connect().await));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = stream.lock().unwrap().take().map(TokioIo::new);
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused)) }
    });
    let endpoint = tonic::transport::Endpoint::from_static("http://x:1");
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let mut client = DeviceServiceClient::new(channel);
    let request =
        wire::CheckRequest { product: "os".to_owned(), release: Some("os-r0".to_owned()), ..wire::CheckRequest::default() };
    for _ in 0..3 {
        assert_eq!(client.check(request.clone()).await.unwrap().into_inner().reason, "OFFER_LATEST");
    }
    let info = client.get_snapshot_info(wire::GetSnapshotInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.config_version, info.epoch, info.ready, info.staleness_ms), (9, 1, true, Some(12)));
    assert_eq!(info.digest, snapshot(9).digest().to_string());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_too_little_is_ended() {
    let running = Running::start(&Fake::new(), 8);
    for said in ["", "P", "PRI * HTTP/2.0\r\n", "POST /v1/check HTTP/1.1\r\nhost"] {
        let mut stream = running.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let text = rest(&mut stream).await;
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{said:?}: {text}");
        let took = begun.elapsed();
        assert!(took <= limits::HEAD_WAIT_MAX + Duration::from_secs(1), "{said:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_ended() {
    let running = Running::start(&Fake::new(), 8);
    let mut stream = running.connect().await;
    ask(&mut stream, LIVE).await;
    let begun = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(begun.elapsed() <= limits::HEAD_WAIT_MAX + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let running = Running::start(&Fake::new(), 8);
    let mut stream = running.connect().await;
    stream.write_all(b"POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\n{").await.unwrap();
    let begun = Instant::now();
    let text = rest(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("BODY_TOO_SLOW"), "{text}");
    assert!(begun.elapsed() <= limits::BODY_WAIT_MAX + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_cut_at_its_bound() {
    let running = Running::start(&Fake::new(), 8);
    let mut stream = running.connect().await;
    stream.write_all(b"POST /v1/check HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for _ in 0..=limits::BODY_BYTES_MAX / 0x4000 {
        stream.write_all(b"4000\r\n").await.unwrap();
        stream.write_all(&[b' '; 0x4000]).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("BODY_TOO_LARGE"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn heads_are_bounded() {
    let running = Running::start(&Fake::new(), 8);
    let long = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(limits::HTTP1_HEAD_BYTES_MAX));
    let many: String = (0..=limits::HTTP1_HEADERS_MAX).map(|i| format!("x{i}: y\r\n")).collect();
    for request in [long, format!("GET /livez HTTP/1.1\r\n{many}\r\n")] {
        let mut stream = running.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
    }
    assert!(ask(&mut running.connect().await, LIVE).await.ends_with("ok\n"), "others are not harmed");
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_closed_and_makes_room_when_another_ends() {
    let fake = Fake::new();
    let running = Running::start(&fake, 2);
    let (mut first, mut second) = (running.connect().await, running.connect().await);
    ask(&mut first, LIVE).await;
    ask(&mut second, LIVE).await;
    assert_eq!(rest(&mut running.connect().await).await, "");
    assert!(ask(&mut first, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.contains("connections_refused_total 1"));
    drop(second);
    let mut text = String::new();
    for _ in 0..100 {
        // The place is free once the server has seen the end.
        let mut third = running.connect().await;
        third.write_all(LIVE.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
        text = rest(&mut third).await;
        if !text.is_empty() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(text.ends_with("ok\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn running_requests_finish_when_the_process_drains() {
    let fake = Fake::new();
    let gate = Arc::new(Notify::new());
    *fake.gate.lock().unwrap() = Some(Arc::clone(&gate));
    fake.set(|script| {
        script.staleness = None;
        script.probe = Some((snapshot(10), Duration::ZERO));
    });
    let running = Running::start(&fake, 8);
    let mut idle = running.connect().await;
    ask(&mut idle, LIVE).await;
    let mut busy = running.connect().await;
    busy.write_all(CHECK.as_bytes()).await.unwrap();
    fake.probe_begun().await;
    running.shutdown.send(true).unwrap();
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    gate.notify_one();
    let text = rest(&mut busy).await;
    assert!(text.contains("OFFER_LATEST"), "{text}");
    running.served.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut() {
    let fake = Fake::new();
    *fake.gate.lock().unwrap() = Some(Arc::new(Notify::new()));
    fake.set(|script| script.staleness = None);
    let running = Running::start(&fake, 8);
    let mut silent = running.connect().await;
    silent.write_all(b"P").await.unwrap();
    let mut stuck = running.connect().await;
    stuck.write_all(CHECK.as_bytes()).await.unwrap();
    fake.probe_begun().await;
    let begun = Instant::now();
    running.shutdown.send(true).unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut stuck).await, "");
    running.served.await.unwrap().unwrap();
    assert!(begun.elapsed() <= limits::DRAIN_MAX + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lost_listener_is_an_orderly_end_too() {
    let running = Running::start(&Fake::new(), 8);
    let mut stream = running.connect().await;
    ask(&mut stream, LIVE).await;
    drop(running.connections);
    assert_eq!(running.served.await.unwrap().unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(rest(&mut stream).await, "");
}
