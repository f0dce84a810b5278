//! The peer listener: accepts connections and serves the peer protocol on them.

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_platform::{Accepted, Listener, PeerIdentity, Spawner};
use tidegate_proto::peer::v1::peer_service_server::{PeerService, PeerServiceServer};
use tokio::sync::{Semaphore, watch};
use tower::Service as _;

use super::link::Tasks;
use crate::limits::{
    LINK_PING, LINK_PING_TIMEOUT, PEER_CONNECTIONS_MAX, PEER_MESSAGE_BYTES_MAX, PEER_STREAMS_MAX, PEER_WINDOW_BYTES,
};

/// What a connection proved about its other end; attached to every request on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificate(pub(crate) Option<PeerIdentity>);

/// Serves until `stop` becomes true (then `Ok`) or the listener fails.
pub(crate) async fn serve<S: PeerService>(
    mut listener: Box<dyn Listener>,
    api: Arc<S>,
    spawner: Arc<dyn Spawner>,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let service = PeerServiceServer::from_arc(api)
        .max_decoding_message_size(PEER_MESSAGE_BYTES_MAX)
        .max_encoding_message_size(PEER_MESSAGE_BYTES_MAX);
    let slots = Arc::new(Semaphore::new(PEER_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(peer = %accepted.peer, max = PEER_CONNECTIONS_MAX, "too many peer connections, closing one");
            continue;
        };
        let (service, stop, tasks) = (service.clone(), stop.clone(), Tasks(Arc::clone(&spawner)));
        let connection = async move {
            serve_connection(accepted, service, tasks, stop).await;
            drop(slot);
        };
        spawner.spawn("peer-connection", Box::pin(connection));
    }
}

async fn serve_connection<S: PeerService>(
    accepted: Accepted,
    service: PeerServiceServer<S>,
    tasks: Tasks,
    mut stop: watch::Receiver<bool>,
) {
    let certificate = Certificate(accepted.identity);
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(certificate.clone());
        let mut service = service.clone();
        async move { Ok::<_, Infallible>(service.call(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http2::Builder::new(tasks)
        .timer(TokioTimer::new())
        // A date would put the wall clock into every answer; nobody reads it, and the simulation could not repeat it.
        .auto_date_header(false)
        .keep_alive_interval(LINK_PING)
        .keep_alive_timeout(LINK_PING_TIMEOUT)
        .max_concurrent_streams(PEER_STREAMS_MAX)
        .initial_stream_window_size(PEER_WINDOW_BYTES)
        .initial_connection_window_size(PEER_WINDOW_BYTES)
        .serve_connection(TokioIo::new(accepted.io), answer);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {
            // Streams of this protocol may last for ever, so they are cut rather than drained.
            return;
        }
        result = connection.as_mut() => result,
    };
    if let Err(error) = result {
        tracing::debug!(peer = %accepted.peer, %error, "peer connection ended");
    }
}
