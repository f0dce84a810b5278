//! Connections to upstreams.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tidegate_platform::{Network, causes};
use tidegate_proto::edge::v1::snapshot_service_client::SnapshotServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::limits::{CONNECT_WAIT_MAX, MESSAGE_BYTES_MAX, PING_INTERVAL, PING_WAIT_MAX, SILENCE_MAX};
use crate::replica;

/// Where to follow: any of these will do.
pub struct Upstreams {
    /// Speaks TLS if the upstreams do.
    pub network: Arc<dyn Network>,
    /// `host:port` of each, at least one.
    pub addresses: Vec<String>,
    /// The `authorization` to show, if any.
    pub authorization: Option<MetadataValue<Ascii>>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// No connection.
    #[error("no connection: {reason}")]
    Connect {
        /// What the system said.
        reason: String,
    },
    /// The upstream ended it, or it was lost.
    #[error("{} ({})", .0.message(), .0.code())]
    Status(Box<Status>),
    /// The upstream ended it without a reason, as one that stops does.
    #[error("the upstream ended the stream")]
    Ended,
    /// Nothing came although it was asked.
    #[error("nothing was heard for {SILENCE_MAX:?}")]
    Silent,
    /// It answers and does not know that what it has is new enough; another upstream may.
    #[error("what the upstream has is older than {age_max:?}, or of unknown age")]
    Lagging {
        /// The age at which another one is looked for.
        age_max: Duration,
    },
    /// What came is not believed.
    #[error(transparent)]
    Refused(#[from] replica::Refused),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Upstreams {
    /// A client of one of them.
    pub(crate) async fn connect(&self, seat: usize) -> Result<SnapshotServiceClient<Channel>, Broken> {
        let failed = |error: &(dyn std::error::Error + 'static)| Broken::Connect { reason: causes(error) };
        let address = &self.addresses[seat % self.addresses.len()];
        let network = Arc::clone(&self.network);
        let target = address.clone();
        // The network speaks TLS where it must; for gRPC the stream is plain either way.
        let connector = tower::service_fn(move |_uri: http::Uri| {
            let (network, target) = (Arc::clone(&network), target.clone());
            async move { network.connect(&target).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| failed(&error))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_WAIT_MAX)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_WAIT_MAX)
            .keep_alive_while_idle(true);
        let connected = tokio::time::timeout(CONNECT_WAIT_MAX, endpoint.connect_with_connector(connector)).await;
        let late = |_| Broken::Connect { reason: format!("none within {CONNECT_WAIT_MAX:?}") };
        let channel = connected.map_err(late)?.map_err(|error| failed(&error))?;
        Ok(SnapshotServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub(crate) fn dress<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }
}
