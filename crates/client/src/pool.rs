//! One connection per endpoint, made when it is first needed and again when it is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper_util::rt::TokioIo;
use tidegate_platform::{Network, causes};
use tonic::transport::Channel;

use crate::limits;
use crate::options::Endpoint;

/// Connections to all endpoints, and which of them answered last.
pub(crate) struct Pool {
    network: Arc<dyn Network>,
    seats: Vec<Seat>,
    preferred: AtomicUsize,
}

struct Seat {
    endpoint: Endpoint,
    channel: Mutex<Option<Channel>>,
}

impl Pool {
    pub(crate) fn new(network: Arc<dyn Network>, endpoints: &[Endpoint]) -> Self {
        let seats = endpoints.iter().map(|endpoint| Seat { endpoint: endpoint.clone(), channel: Mutex::new(None) }).collect();
        Self { network, seats, preferred: AtomicUsize::new(0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// The endpoint that answered last.
    pub(crate) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Relaxed)
    }

    pub(crate) fn prefer(&self, seat: usize) {
        self.preferred.store(seat, Ordering::Relaxed);
    }

    pub(crate) fn endpoint(&self, seat: usize) -> &Endpoint {
        &self.seats[seat].endpoint
    }

    /// The connection of this seat. An error means that nothing was sent. Two callers may connect at once; the last
    /// connection stays, the other serves its caller.
    pub(crate) async fn channel(&self, seat: usize) -> Result<Channel, String> {
        let seat = &self.seats[seat];
        if let Some(channel) = seat.channel.lock().expect("no panic happens under this lock").clone() {
            return Ok(channel);
        }
        let connected = tokio::time::timeout(limits::CONNECT_WAIT_MAX, self.connect(&seat.endpoint)).await;
        let channel = connected
            .map_err(|_| format!("no connection within {:?}", limits::CONNECT_WAIT_MAX))?
            .map_err(|error| causes(&error))?;
        *seat.channel.lock().expect("no panic happens under this lock") = Some(channel.clone());
        Ok(channel)
    }

    /// Forgets the connection, so that the next call makes a new one.
    pub(crate) fn forget(&self, seat: usize) {
        *self.seats[seat].channel.lock().expect("no panic happens under this lock") = None;
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Channel, tonic::transport::Error> {
        let network = Arc::clone(&self.network);
        let authority = endpoint.authority().to_owned();
        // The network speaks TLS where it must; for gRPC the stream is plain either way.
        let connector = tower::service_fn(move |_uri: http::Uri| {
            let (network, authority) = (Arc::clone(&network), authority.clone());
            async move { network.connect(&authority).await.map(TokioIo::new) }
        });
        tonic::transport::Endpoint::from_shared(format!("http://{}", endpoint.authority()))?
            .connect_timeout(limits::CONNECT_WAIT_MAX)
            .http2_keep_alive_interval(limits::PING_INTERVAL)
            .keep_alive_timeout(limits::PING_WAIT_MAX)
            .connect_with_connector(connector)
            .await
    }
}
