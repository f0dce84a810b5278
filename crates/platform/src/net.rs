//! The socket seam: connect and listen, with TLS as a decorator (`tls`), so that consensus, server and client never
//! know which network they stand on.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::lanes::{Lane, Lanes};

/// A boxed future of this seam.
pub type NetFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// What the other side proved about itself with its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Subject alternative names (DNS and URI) of the verified client certificate.
    pub names: Vec<String>,
}

/// A connection that a listener accepted.
pub struct Accepted {
    /// The stream.
    pub io: Box<dyn Io>,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Set when the transport verified a client certificate.
    pub identity: Option<PeerIdentity>,
    /// Where its task should run.
    pub lane: Lane,
}

/// Accepts connections.
pub trait Listener: Send + 'static {
    /// Waits for the next connection. Transient errors (out of descriptors, aborted connection, failed handshake) are
    /// retried inside with a pause; an error from here means that the listener is gone.
    fn accept(&mut self) -> NetFuture<'_, Accepted>;
    /// The bound address, with the port that the system chose if 0 was asked for.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Connects and listens.
pub trait Network: Send + Sync + 'static {
    /// Opens a connection to `authority` (`host:port`).
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>>;
    /// Binds `addr`.
    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>>;
    /// Binds `addr` for connections that are many and short of work each, such as those of devices: a network that can gives
    /// them lanes.
    fn listen_for_many(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        self.listen(addr)
    }
}

/// Plain TCP through tokio.
#[derive(Debug, Default)]
pub struct TcpNetwork;

struct TcpAcceptor {
    listener: tokio::net::TcpListener,
    lanes: Option<Lanes>,
}

impl Network for TcpNetwork {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }

    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = tokio::net::TcpListener::bind(addr).await?;
            Ok(Box::new(TcpAcceptor { listener, lanes: None }) as Box<dyn Listener>)
        })
    }

    fn listen_for_many(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async move {
            let listener = tokio::net::TcpListener::bind(addr).await?;
            Ok(Box::new(TcpAcceptor { listener, lanes: Some(Lanes::start()?) }) as Box<dyn Listener>)
        })
    }
}

impl TcpAcceptor {
    fn place(&self, stream: tokio::net::TcpStream, peer: SocketAddr) -> io::Result<Accepted> {
        stream.set_nodelay(true)?;
        let (stream, lane) = match &self.lanes {
            Some(lanes) => lanes.place(stream)?,
            None => (stream, Lane::default()),
        };
        Ok(Accepted { io: Box::new(stream), peer, identity: None, lane })
    }
}

impl Listener for TcpAcceptor {
    fn accept(&mut self) -> NetFuture<'_, Accepted> {
        Box::pin(async move {
            loop {
                let accepted = self.listener.accept().await.and_then(|(stream, peer)| self.place(stream, peer));
                match accepted {
                    Ok(accepted) => return Ok(accepted),
                    Err(error) => {
                        tracing::warn!(%error, "accept failed, going on");
                        tokio::time::sleep(crate::limits::ACCEPT_PAUSE).await;
                    }
                }
            }
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
