//! Loopback TCP with nodes that can be cut off: bytes on a cut wire wait, as behind a router that drops them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tidegate_platform::net::NetFuture;
use tidegate_platform::{Io, Listener, Network, TcpNetwork};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// All wires of a cluster.
#[derive(Clone)]
pub struct Wires {
    cut: watch::Sender<BTreeSet<u64>>,
    ports: Arc<Mutex<BTreeMap<u16, u64>>>,
}

impl Default for Wires {
    fn default() -> Self {
        Self { cut: watch::Sender::new(BTreeSet::new()), ports: Arc::default() }
    }
}

impl Wires {
    /// The network as `node` sees it.
    pub fn network(&self, node: u64) -> CutNetwork {
        CutNetwork { wires: self.clone(), node }
    }

    /// Says which node listens on a port.
    pub fn name(&self, node: u64, port: u16) {
        self.ports.lock().unwrap().insert(port, node);
    }

    /// Cuts a node off from all others, in both directions.
    pub fn cut(&self, node: u64) {
        self.cut.send_modify(|cut| {
            cut.insert(node);
        });
    }

    /// Ends all cuts. Connections made before stay dead.
    pub fn heal(&self) {
        self.cut.send_modify(BTreeSet::clear);
    }

    fn is_cut(&self, ends: [Option<u64>; 2]) -> bool {
        let cut = self.cut.borrow();
        ends.into_iter().flatten().any(|end| cut.contains(&end))
    }
}

pub struct CutNetwork {
    wires: Wires,
    node: u64,
}

impl Network for CutNetwork {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        Box::pin(async move {
            let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0u16);
            let other = self.wires.ports.lock().unwrap().get(&port).copied();
            let ends = [Some(self.node), other];
            if self.wires.is_cut(ends) {
                std::future::pending::<()>().await;
            }
            let inner = TcpNetwork.connect(authority).await?;
            Ok(Box::new(Wire { inner, wires: self.wires.clone(), ends, is_dead: false }) as Box<dyn Io>)
        })
    }

    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        TcpNetwork.listen(addr)
    }
}

/// A connection that swallows bytes for ever once one of its ends was cut off.
struct Wire {
    inner: Box<dyn Io>,
    wires: Wires,
    ends: [Option<u64>; 2],
    is_dead: bool,
}

impl Wire {
    fn is_dead(&mut self) -> bool {
        self.is_dead |= self.wires.is_cut(self.ends);
        self.is_dead
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buf);
        if self.is_dead() {
            // What arrives is thrown away; nobody is woken any more.
            buf.set_filled(before);
            return Poll::Pending;
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_dead() {
            return Poll::Ready(Ok(data.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
