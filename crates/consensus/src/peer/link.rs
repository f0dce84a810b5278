//! One connection to one peer, made when first needed and again after it broke.
//!
//! Replication, heartbeats, snapshots and calls each have a link of their own, so that none delays another. A network
//! that swallows packets leaves connections that look alive: each call has its own limit, and after a few calls in a row
//! without an answer the link connects anew rather than waiting for the system to notice.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_platform::{Network, Spawner};
use tidegate_proto::peer::v1::peer_service_client::PeerServiceClient;
use tokio::sync::Mutex;

use crate::limits::{LINK_MISSES_MAX, LINK_PING, LINK_PING_TIMEOUT, PEER_CONNECT_MAX, PEER_MESSAGE_BYTES_MAX, PEER_WINDOW_BYTES};

/// A client of the peer protocol over one connection.
pub(crate) type Client = PeerServiceClient<Pipe>;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum CallError {
    /// No connection: the call never left.
    NotConnected(std::io::Error),
    /// The other side answered with an error.
    Answered(tonic::Status),
    /// The connection broke with the call under way.
    Broken(tonic::Status),
    /// No answer within the limit.
    TimedOut(Duration),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotConnected(error) => write!(f, "cannot connect: {error}"),
            Self::Answered(status) => write!(f, "refused: {}", status.message()),
            Self::Broken(status) => write!(f, "connection broke: {}", status.message()),
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
        }
    }
}

impl std::error::Error for CallError {}

impl CallError {
    fn of(status: tonic::Status) -> Self {
        use std::error::Error as _;
        // An error that came over the wire has no local cause.
        if status.source().is_none() { Self::Answered(status) } else { Self::Broken(status) }
    }
}

/// Starts hyper's tasks through the spawner.
#[derive(Clone)]
pub(crate) struct Tasks(pub(crate) Arc<dyn Spawner>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn("peer-http2", Box::pin(future));
    }
}

/// See the module text.
pub(crate) struct Link {
    authority: String,
    origin: Uri,
    network: Arc<dyn Network>,
    tasks: Tasks,
    connection: Mutex<Option<Pipe>>,
    misses: AtomicU32,
}

impl Link {
    /// A link to the peer that listens at `authority` (`host:port`). Nothing is connected yet.
    pub(crate) fn new(authority: &str, network: Arc<dyn Network>, spawner: Arc<dyn Spawner>) -> Self {
        let origin = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
        Self {
            authority: authority.to_owned(),
            // A malformed address fails at connecting, with its own message.
            origin: origin.unwrap_or_else(|_| Uri::from_static("http://invalid.address/")),
            network,
            tasks: Tasks(spawner),
            connection: Mutex::new(None),
            misses: AtomicU32::new(0),
        }
    }

    /// A client on the living connection, made now if there is none.
    pub(crate) async fn client(&self) -> Result<Client, CallError> {
        let mut connection = self.connection.lock().await;
        if self.misses.load(Ordering::Relaxed) >= LINK_MISSES_MAX {
            *connection = None;
        }
        let living = connection.as_ref().filter(|pipe| !pipe.0.is_closed()).cloned();
        let pipe = match living {
            Some(pipe) => pipe,
            None => {
                *connection = None;
                self.misses.store(0, Ordering::Relaxed);
                let pipe = self.connect().await.map_err(CallError::NotConnected)?;
                connection.insert(pipe).clone()
            }
        };
        Ok(PeerServiceClient::with_origin(pipe, self.origin.clone())
            .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX))
    }

    /// Makes one call, answered within `limit` or given up.
    pub(crate) async fn call<T, F>(&self, limit: Duration, call: impl FnOnce(Client) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let mut client = None;
        let exchange = async {
            let connected = self.client().await?;
            client = Some(Attempt::new(self));
            call(connected).await.map(tonic::Response::into_inner).map_err(CallError::of)
        };
        let result = tokio::time::timeout(limit, exchange).await;
        let is_under_way = client.is_some();
        if let (Some(attempt), Ok(_)) = (client, &result) {
            attempt.answered();
        }
        match result {
            Ok(result) => result,
            Err(_) if is_under_way => Err(CallError::TimedOut(limit)),
            Err(_) => {
                let error = std::io::Error::new(std::io::ErrorKind::TimedOut, format!("{} within {limit:?}", self.authority));
                Err(CallError::NotConnected(error))
            }
        }
    }

    /// Forgets the connection: the next call makes a new one.
    pub(crate) fn distrust(&self) {
        self.misses.store(LINK_MISSES_MAX, Ordering::Relaxed);
    }

    async fn connect(&self) -> std::io::Result<Pipe> {
        let attempt = async {
            let io = self.network.connect(&self.authority).await?;
            let (sender, connection) = http2::Builder::new(self.tasks.clone())
                .timer(TokioTimer::new())
                .keep_alive_interval(LINK_PING)
                .keep_alive_timeout(LINK_PING_TIMEOUT)
                .keep_alive_while_idle(true)
                .initial_stream_window_size(PEER_WINDOW_BYTES)
                .initial_connection_window_size(PEER_WINDOW_BYTES)
                .handshake(TokioIo::new(io))
                .await
                .map_err(std::io::Error::other)?;
            let drive = async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "peer connection ended");
                }
            };
            self.tasks.0.spawn("peer-connection", Box::pin(drive));
            Ok(Pipe(sender))
        };
        tokio::time::timeout(PEER_CONNECT_MAX, attempt).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

/// Counts a call that ended without an answer, in whichever way it ended.
struct Attempt<'a> {
    link: &'a Link,
    is_answered: bool,
}

impl<'a> Attempt<'a> {
    fn new(link: &'a Link) -> Self {
        Self { link, is_answered: false }
    }

    fn answered(mut self) {
        self.is_answered = true;
        self.link.misses.store(0, Ordering::Relaxed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.link.misses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The sending half of a connection, as the service that a tonic client wants.
#[derive(Clone)]
pub(crate) struct Pipe(http2::SendRequest<tonic::body::Body>);

impl tower::Service<Request<tonic::body::Body>> for Pipe {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
