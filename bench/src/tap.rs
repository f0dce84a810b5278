//! A counting proxy before one listener. What goes through it is what goes over the wire, seen from outside of both processes:
//! the payload of TCP with the framing of HTTP/2, without TLS and without the headers of packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes that have passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// To whoever connected.
    pub down: u64,
    /// To the listener behind.
    pub up: u64,
}

impl Passed {
    /// What has passed since `before`.
    pub fn since(self, before: Self) -> Self {
        Self { down: self.down - before.down, up: self.up - before.up }
    }
}

#[derive(Default)]
struct Counters {
    down: AtomicU64,
    up: AtomicU64,
}

/// A running proxy; it takes no more connections after its end, and those that it carries end with their sides.
pub struct Tap {
    /// Where to connect instead.
    pub address: String,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Tap {
    /// Listens on a free port of loopback for connections to `target`.
    pub async fn before(target: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("loopback has no free port")?;
        let address = listener.local_addr()?.to_string();
        let counters = Arc::new(Counters::default());
        let (counting, target) = (Arc::clone(&counters), target.to_owned());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (counting, target) = (Arc::clone(&counting), target.clone());
                tokio::spawn(async move {
                    // Whoever connected sees the end of the connection, as without a proxy.
                    if let Ok(far) = TcpStream::connect(target).await {
                        carry(near, far, &counting).await;
                    }
                });
            }
        });
        Ok(Self { address, counters, accepting })
    }

    /// What has passed so far, over all connections.
    pub fn passed(&self) -> Passed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Passed { down: read(&self.counters.down), up: read(&self.counters.up) }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(near: TcpStream, far: TcpStream, counters: &Counters) {
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pump(near_read, far_write, &counters.up) => {}
        () = pump(far_read, near_write, &counters.down) => {}
    }
}

/// Bytes are counted before they are passed on: whoever sees their effect finds them counted.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, counter: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        counter.fetch_add(count as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_passes_arrives_and_is_counted_in_its_direction() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tap = Tap::before(&listener.local_addr().unwrap().to_string()).await.unwrap();
        let mut near = TcpStream::connect(&tap.address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        near.write_all(&[1; 300]).await.unwrap();
        let mut heard = vec![0; 300];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!((heard, tap.passed()), (vec![1; 300], Passed { down: 0, up: 300 }));
        let before = tap.passed();
        far.write_all(&[2; 70_000]).await.unwrap();
        let mut heard = vec![0; 70_000];
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(tap.passed().since(before), Passed { down: 70_000, up: 0 });
    }
}
