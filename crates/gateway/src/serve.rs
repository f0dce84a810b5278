//! The accept loop: connections in, answers out, an orderly end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tidegate_platform::{Accepted, Io, Listener, Spawner};
use tokio::sync::{Semaphore, watch};
use tokio::time::MissedTickBehavior;

use crate::asked;
use crate::gateway::Gateway;
use crate::limits;
use crate::preface::Watched;
use crate::seats::{Order, Seat, Seats};
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
    let seats = Arc::new(Seats::default());
    // Held by every connection: when the last is gone, all connections are.
    let (all_gone, present) = watch::channel(());
    let builder = Arc::new(connection_builder(Executor(Arc::clone(&spawner))));
    spawner.spawn("gateway seats", Box::pin(look_after(Arc::downgrade(&seats))));
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
        let (gateway, builder, seat, present) = (Arc::clone(&gateway), Arc::clone(&builder), seats.enter(), present.clone());
        let Accepted { io, peer, lane, .. } = accepted;
        let task = async move {
            connection((io, peer), &gateway, &builder, seat).await;
            gateway.metrics().connection_closed();
            drop((slot, present));
        };
        lane.spawn(&*spawner, "gateway connection", Box::pin(task));
    };
    drop((listener, present));
    seats.tell(Order::Drain);
    if tokio::time::timeout(limits::DRAIN_MAX, all_gone.closed()).await.is_err() {
        seats.tell(Order::Cut);
    }
    if tokio::time::timeout(Duration::from_secs(1), all_gone.closed()).await.is_err() {
        tracing::warn!(wait_s = limits::DRAIN_MAX.as_secs(), "device connections outlived the drain");
    }
    ended
}

/// Looks at the connections from time to time, as long as there are seats. Beside the accept loop, so that neither holds up
/// the other.
async fn look_after(seats: Weak<Seats>) {
    let mut look = tokio::time::interval(limits::SEATS_LOOK);
    // After a stop of the process what waits in the sockets is read before anybody counts as idle.
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        match seats.upgrade() {
            Some(seats) => seats.look(),
            None => return,
        }
    }
}

/// The protocol settings that every connection is served with.
fn connection_builder(executor: Executor) -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        // The seats see to slow heads and idle connections.
        .header_read_timeout(None)
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
    (io, peer): (Box<dyn Io>, SocketAddr),
    gateway: &Arc<Gateway<S>>,
    builder: &auto::Builder<Executor>,
    seat: Seat,
) {
    let (io, shown) = Watched::new(io);
    // Counted by connection: one count for all would be pulled back and forth between processors.
    let gateway = Arc::new(Arc::clone(gateway));
    let service = service_fn(|request: Request<Incoming>| {
        let (gateway, busy, request) = (Arc::clone(&gateway), seat.begin(), asked::ask(request));
        async move {
            let answer = gateway.handle(request).await;
            drop(busy);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let (mut is_draining, mut is_known) = (false, false);
    let served = poll_fn(|cx| {
        match seat.order(cx) {
            Order::Serve => {}
            Order::Cut => return Poll::Ready(Ok(())),
            // Without a protocol there is nothing to end in order.
            Order::Drain if !shown.is_set() => return Poll::Ready(Ok(())),
            Order::Drain => {
                if !std::mem::replace(&mut is_draining, true) {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
        let polled = connection.as_mut().poll(cx);
        if !is_known && shown.is_set() {
            is_known = true;
            if shown.is_http2() {
                seat.leave_to_protocol();
            }
        }
        polled
    });
    if let Err(error) = served.await {
        // Clients hang up, time out and send nonsense all day: nothing that somebody must act on.
        tracing::debug!(%peer, %error, "device connection ended early");
    }
}

/// Resolves once the value is true, or its sender gone.
async fn is_true(receiver: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which asks for the end as well.
    let _ended = receiver.wait_for(|is_set| *is_set).await.is_ok();
}
