//! The simulated machine: clock, randomness, tasks and network of one node. Files are the store's own lossy file system.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use tidegate_platform::net::NetFuture;
use tidegate_platform::spawn::Task;
use tidegate_platform::{Accepted, BootTime, Clock, Io, Lane, Listener, Network, Random, SeededRandom, Spawner};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::trace::Kind;
use crate::world::World;

/// Wall time at the beginning of every run: 2026-01-01.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// A repeatable source of choices.
#[derive(Clone)]
pub struct Dice(Arc<SeededRandom>);

impl Dice {
    /// The stream of choices for one purpose within a run.
    pub fn new(seed: u64, purpose: u64) -> Self {
        // Purposes are small numbers; the multiplication spreads them over all bits.
        Self(Arc::new(SeededRandom::new(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.u64() % bound
    }

    /// A duration between two bounds, in milliseconds.
    pub fn between_ms(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.below(high - low))
    }

    pub fn u64(&self) -> u64 {
        self.0.u64()
    }
}

/// How far a node's wall clock is off, in milliseconds; set by the faults.
pub type Skew = Arc<AtomicI64>;

/// Simulated time, the same on all nodes, and a wall clock that may be wrong.
pub struct SimClock {
    pub world: Arc<World>,
    pub skew: Skew,
}

impl Clock for SimClock {
    fn boot(&self) -> BootTime {
        BootTime(self.world.now())
    }

    fn wall_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.world.now().as_millis()).expect("runs are short");
        EPOCH_MS + elapsed + self.skew.load(Ordering::Relaxed)
    }
}

/// Starts tasks inside the scope that consensus draws its random numbers from; blocking work is done in place.
pub struct SimSpawner {
    pub dice: Dice,
}

impl Spawner for SimSpawner {
    fn spawn(&self, _name: &'static str, task: Task) {
        tokio::spawn(DeterministicRng::<TokioRuntime>::scope(self.dice.u64(), task));
    }

    fn spawn_blocking(&self, _name: &'static str, work: Box<dyn FnOnce() + Send + 'static>) {
        work();
    }
}

/// Turmoil's TCP, with every byte in the trace.
pub struct SimNetwork {
    pub world: Arc<World>,
    pub node: String,
}

impl SimNetwork {
    fn wire(&self, inner: turmoil::net::TcpStream, peer: &str) -> Box<dyn Io> {
        let name = format!("{}<>{peer}", self.node);
        Box::new(Wire { inner, world: Arc::clone(&self.world), name })
    }
}

impl Network for SimNetwork {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        Box::pin(async move {
            let stream = turmoil::net::TcpStream::connect(authority).await?;
            Ok(self.wire(stream, authority))
        })
    }

    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = turmoil::net::TcpListener::bind(addr).await?;
            let network = Self { world: Arc::clone(&self.world), node: self.node.clone() };
            Ok(Box::new(SimListener { listener, network }) as Box<dyn Listener>)
        })
    }
}

struct SimListener {
    listener: turmoil::net::TcpListener,
    network: SimNetwork,
}

impl Listener for SimListener {
    fn accept(&mut self) -> NetFuture<'_, Accepted> {
        Box::pin(async move {
            let (stream, peer) = self.listener.accept().await?;
            Ok(Accepted { io: self.network.wire(stream, &peer.to_string()), peer, identity: None, lane: Lane::default() })
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Wire {
    inner: turmoil::net::TcpStream,
    world: Arc<World>,
    name: String,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if result.is_ready() {
            self.world.trace(Kind::Received, &self.name, "", &buf.filled()[before..]);
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, data);
        if let Poll::Ready(Ok(written)) = result {
            self.world.trace(Kind::Sent, &self.name, "", &data[..written]);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
