//! A network that counts: connections asked for, connections made, bytes in both directions.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tidegate_platform::net::NetFuture;
use tidegate_platform::{Io, Listener, Network, TcpNetwork};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts since the beginning.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections asked for, made or not.
    pub attempts: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Bytes received.
    pub received: AtomicU64,
    /// Bytes sent.
    pub sent: AtomicU64,
}

/// Counts at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub attempts: u64,
    pub connections: u64,
    pub received: u64,
    pub sent: u64,
}

impl Counters {
    /// What has been counted so far.
    pub fn now(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            attempts: read(&self.attempts),
            connections: read(&self.connections),
            received: read(&self.received),
            sent: read(&self.sent),
        }
    }
}

impl Counts {
    /// What was counted since `before`.
    pub fn since(self, before: Self) -> Self {
        self.with(before, |now, before| now - before)
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        self.with(other, |one, other| one + other)
    }

    /// The larger one of each.
    pub fn most(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    fn with(self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            attempts: both(self.attempts, other.attempts),
            connections: both(self.connections, other.connections),
            received: both(self.received, other.received),
            sent: both(self.sent, other.sent),
        }
    }
}

/// TCP, counted.
pub struct CountedNetwork(pub Arc<Counters>);

impl Network for CountedNetwork {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        Box::pin(async move {
            self.0.attempts.fetch_add(1, Ordering::Relaxed);
            let io = TcpNetwork.connect(authority).await?;
            self.0.connections.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(CountedIo { io, counters: Arc::clone(&self.0) }) as Box<dyn Io>)
        })
    }

    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        TcpNetwork.listen(addr)
    }
}

struct CountedIo {
    io: Box<dyn Io>,
    counters: Arc<Counters>,
}

impl AsyncRead for CountedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.counters.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for CountedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &polled {
            self.counters.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
