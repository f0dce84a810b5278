//! The accept loop: connections in, answers out, an orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tidegate_platform::{Accepted, Listener, Spawner};
use tokio::sync::{Semaphore, watch};

use crate::gateway::Gateway;
use crate::limits;
use crate::preface::Watched;
use crate::source::SnapshotSource;

/// Starts the tasks of HTTP/2 streams through the spawning seam.
#[derive(Clone)]
struct Executor(Arc<dyn Spawner>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        self.0.spawn("gateway stream", Box::pin(future));
    }
}

/// Serves `gateway` on `listener` until `shutdown` turns true (or its sender is gone): then nothing new is accepted,
/// running requests may finish within [`limits::DRAIN_MAX`], and what is left is cut.
///
/// # Errors
/// Returns early, after the same orderly end, with what the listener said when it failed for good.
pub async fn serve<S: SnapshotSource>(
    mut listener: Box<dyn Listener>,
    gateway: Arc<Gateway<S>>,
    spawner: Arc<dyn Spawner>,
    mut shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(gateway.connections_max()));
    let (drain, draining) = watch::channel(false);
    let builder = Arc::new(connection_builder(Executor(Arc::clone(&spawner))));
    let ended = loop {
        let accepted = tokio::select! {
            biased;
            () = is_true(&mut shutdown) => break Ok(()),
            accepted = listener.accept() => accepted,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => break Err(error),
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            gateway.metrics().connection_refused();
            continue;
        };
        gateway.metrics().connection_opened();
        let (gateway, builder, draining) = (Arc::clone(&gateway), Arc::clone(&builder), draining.clone());
        let task = async move {
            connection(accepted, &gateway, &builder, draining).await;
            gateway.metrics().connection_closed();
            drop(slot);
        };
        spawner.spawn("gateway connection", Box::pin(task));
    };
    drop(listener);
    // Receivers live in the connection tasks: when the last is gone, all connections are.
    drop(draining);
    drain.send_replace(true);
    let is_quiet = tokio::time::timeout(limits::DRAIN_MAX + Duration::from_secs(1), drain.closed()).await.is_ok();
    if !is_quiet {
        tracing::warn!(wait_s = limits::DRAIN_MAX.as_secs(), "device connections outlived the drain");
    }
    ended
}

/// The protocol settings that every connection is served with.
fn connection_builder(executor: Executor) -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_WAIT_MAX)
        .max_buf_size(limits::HTTP1_HEAD_BYTES_MAX)
        .max_headers(limits::HTTP1_HEADERS_MAX)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .max_header_list_size(limits::HTTP2_HEADER_LIST_BYTES_MAX)
        .max_pending_accept_reset_streams(limits::HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(limits::HTTP2_LOCAL_RESETS_MAX)
        .max_send_buf_size(limits::HTTP2_SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(limits::HTTP2_PING_INTERVAL)
        .keep_alive_timeout(limits::HTTP2_PING_WAIT_MAX);
    builder
}

/// Serves one connection to its end.
async fn connection<S: SnapshotSource>(
    accepted: Accepted,
    gateway: &Arc<Gateway<S>>,
    builder: &auto::Builder<Executor>,
    mut draining: watch::Receiver<bool>,
) {
    let (io, shown) = Watched::new(accepted.io);
    let service = service_fn(|request: Request<Incoming>| {
        let gateway = Arc::clone(gateway);
        async move { Ok::<_, Infallible>(gateway.handle(request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut preface_deadline = pin!(tokio::time::sleep(limits::HEAD_WAIT_MAX));
    let mut is_preface_due = true;
    let served = loop {
        tokio::select! {
            served = connection.as_mut() => break served,
            () = preface_deadline.as_mut(), if is_preface_due => {
                if !shown.is_set() {
                    return;
                }
                is_preface_due = false;
            }
            () = is_true(&mut draining) => {
                if !shown.is_set() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(limits::DRAIN_MAX, connection.as_mut()).await {
                    Ok(served) => break served,
                    Err(_) => return,
                }
            }
        }
    };
    if let Err(error) = served {
        // Clients hang up, time out and send nonsense all day: nothing that somebody must act on.
        tracing::debug!(peer = %accepted.peer, %error, "device connection ended early");
    }
}

/// Resolves once the value is true, or its sender gone.
async fn is_true(receiver: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which asks for the end as well.
    let _ended = receiver.wait_for(|is_set| *is_set).await.is_ok();
}
