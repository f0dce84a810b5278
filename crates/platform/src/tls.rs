//! TLS over any network: [`TlsNetwork`] decorates a [`Network`], so that nothing above knows whether a wire is encrypted.
//!
//! Certificates come from PEM files, which are looked at again (at most once a second, when a connection is made) and
//! replaced without a restart; a file that became unreadable leaves the former certificates in force and is logged.
//! Handshakes run beside one another and have a deadline, so a silent client holds up nobody. `config` turns files into
//! rustls configurations, `names` reads what a certificate says about its owner.

mod config;
mod names;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, future::BoxFuture};
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use config::TlsError;

use self::config::{ClientSide, Reloaded, ServerSide};
use crate::clock::Clock;
use crate::limits::{TLS_HANDSHAKE_MAX, TLS_HANDSHAKES_PENDING_MAX};
use crate::net::{Accepted, Io, Listener, NetFuture, Network, PeerIdentity};
use crate::vfs::Vfs;

/// A certificate chain and its key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Certificate chain, the own certificate first.
    pub certificate: PathBuf,
    /// Private key (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
}

/// What a listener wants from those who connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Does not ask for certificates.
    Ignored,
    /// Verifies a certificate against these authorities if one is shown.
    Optional {
        /// PEM file of authorities.
        authority: PathBuf,
    },
    /// Refuses whoever shows no certificate of these authorities.
    Required {
        /// PEM file of authorities.
        authority: PathBuf,
    },
}

/// How a listener speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenTls {
    /// What it shows.
    pub identity: KeyPair,
    /// What it wants.
    pub clients: ClientCertificates,
    /// Application protocols offered, most wanted first: `h2`, `http/1.1`.
    pub protocols: Vec<String>,
}

/// How a connector speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTls {
    /// PEM file of the authorities that servers have to be certified by.
    pub authority: PathBuf,
    /// What it shows when asked.
    pub identity: Option<KeyPair>,
    /// Application protocols wanted.
    pub protocols: Vec<String>,
}

/// TLS over another network. A direction without settings stays as it is.
pub struct TlsNetwork {
    inner: Arc<dyn Network>,
    listen: Option<Arc<Reloaded<ServerSide>>>,
    connect: Option<Arc<Reloaded<ClientSide>>>,
}

impl TlsNetwork {
    /// Reads the files once; later changes are picked up by themselves.
    ///
    /// # Errors
    /// [`TlsError`] names the file that cannot be used and why.
    pub fn new(
        inner: Arc<dyn Network>,
        vfs: Arc<dyn Vfs>,
        clock: Arc<dyn Clock>,
        listen: Option<ListenTls>,
        connect: Option<ConnectTls>,
    ) -> Result<Self, TlsError> {
        let listen = listen.map(|settings| Reloaded::open(ServerSide(settings), Arc::clone(&vfs), Arc::clone(&clock)));
        let connect = connect.map(|settings| Reloaded::open(ClientSide(settings), vfs, clock));
        Ok(Self { inner, listen: listen.transpose()?.map(Arc::new), connect: connect.transpose()?.map(Arc::new) })
    }

    fn decorate(&self, inner: Box<dyn Listener>) -> Box<dyn Listener> {
        match &self.listen {
            None => inner,
            Some(config) => {
                let config = Arc::clone(config);
                Box::new(TlsListener { inner, config, handshakes: FuturesUnordered::new() })
            }
        }
    }
}

impl Network for TlsNetwork {
    fn connect<'a>(&'a self, authority: &'a str) -> NetFuture<'a, Box<dyn Io>> {
        Box::pin(async move {
            let Some(connect) = &self.connect else { return self.inner.connect(authority).await };
            let config = connect.current();
            let name = ServerName::try_from(host_of(authority).to_owned()).map_err(std::io::Error::other)?;
            let io = self.inner.connect(authority).await?;
            let handshake = TlsConnector::from(config).connect(name, io);
            let stream = tokio::time::timeout(TLS_HANDSHAKE_MAX, handshake).await??;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }

    fn listen(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async move { Ok(self.decorate(self.inner.listen(addr).await?)) })
    }

    fn listen_for_many(&self, addr: SocketAddr) -> NetFuture<'_, Box<dyn Listener>> {
        Box::pin(async move { Ok(self.decorate(self.inner.listen_for_many(addr).await?)) })
    }
}

/// `host` of `host:port`, without the brackets of an IPv6 address.
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

struct TlsListener {
    inner: Box<dyn Listener>,
    config: Arc<Reloaded<ServerSide>>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Accepted>>>,
}

impl TlsListener {
    fn shake_hands(&self, accepted: Accepted) -> BoxFuture<'static, Option<Accepted>> {
        let acceptor = TlsAcceptor::from(self.config.current());
        let peer = accepted.peer;
        Box::pin(async move {
            let result = tokio::time::timeout(TLS_HANDSHAKE_MAX, acceptor.accept(accepted.io)).await;
            match result {
                Ok(Ok(stream)) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                    let identity = shown.map(|certificate| PeerIdentity { names: names::of(certificate) });
                    Some(Accepted { io: Box::new(stream), peer, identity, lane: accepted.lane })
                }
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                    None
                }
                Err(_) => {
                    tracing::debug!(%peer, limit = ?TLS_HANDSHAKE_MAX, "TLS handshake took too long");
                    None
                }
            }
        })
    }
}

impl Listener for TlsListener {
    fn accept(&mut self) -> NetFuture<'_, Accepted> {
        Box::pin(async move {
            loop {
                let has_room = self.handshakes.len() < TLS_HANDSHAKES_PENDING_MAX;
                tokio::select! {
                    biased;
                    Some(finished) = self.handshakes.next() => {
                        if let Some(accepted) = finished {
                            return Ok(accepted);
                        }
                    }
                    accepted = self.inner.accept(), if has_room => {
                        let handshake = self.shake_hands(accepted?);
                        self.handshakes.push(handshake);
                    }
                }
            }
        })
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

#[cfg(test)]
#[path = "tls/tests.rs"]
mod tests;
