//! The admin listener of an edge: the snapshot service for edges below, and health.
//!
//! An edge knows no tokens of the cluster: these do not leave it. Whoever wants to follow here shows the token that this edge
//! shows upstream, or a certificate that the listener asks for; so nobody learns salts here who could not learn them there.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use http::{Request, Response};
use subtle::ConstantTimeEq as _;
use tidegate_distribution::{EndingLayer, Snapshots, accepted};
use tidegate_platform::Listener;
use tidegate_proto::edge::v1::snapshot_service_server::SnapshotServiceServer;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Server;
use tower::{Layer, Service};

use crate::edge::Shared;
use crate::limits::{ADMIN_CONNECTIONS_MAX, ADMIN_PING, ADMIN_STREAMS_MAX};
use crate::origin::Catalogs;

/// Calls of this prefix need no credentials: load balancers ask without, and learn nothing but "serving".
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Calls whose answers go on for as long as somebody listens. Followers are told by their origin.
const ENDLESS: &[&str] = &["/grpc.health.v1.Health/Watch"];

/// Serves those below until `stop` turns true and running calls have ended; streams without an end of their own end then.
///
/// # Errors
/// The listener failed for good.
pub(crate) async fn serve<H>(
    listener: Box<dyn Listener>,
    shared: Arc<Shared>,
    health: H,
    mut stop: watch::Receiver<bool>,
) -> Result<(), tonic::transport::Error>
where
    H: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
    H::Future: Send + 'static,
{
    let incoming = accepted(listener, ADMIN_CONNECTIONS_MAX, shared.platform.spawner.as_ref(), stop.clone());
    let wanted = shared.config.authorization.as_ref().map(|text| Arc::from(text.as_bytes()));
    let ending =
        EndingLayer { endless: ENDLESS, closing: stop.clone(), status: || Status::unavailable("this edge is being stopped") };
    let catalogs = Catalogs { shared, closing: stop.clone() };
    Server::builder()
        .max_concurrent_streams(ADMIN_STREAMS_MAX)
        .http2_keepalive_interval(Some(ADMIN_PING))
        .http2_keepalive_timeout(Some(ADMIN_PING))
        .layer(DoorLayer { wanted })
        .layer(ending)
        .add_service(SnapshotServiceServer::new(Snapshots(Arc::new(catalogs))))
        .add_service(health)
        .serve_with_incoming_shutdown(incoming, async move {
            // An error means that the sender is gone, which asks for the end as well.
            let _is_stopping = stop.wait_for(|is_stopping| *is_stopping).await.is_ok();
        })
        .await
}

/// Puts the door before a service.
#[derive(Clone)]
struct DoorLayer {
    /// What the `authorization` header must be; absent: anything.
    wanted: Option<Arc<[u8]>>,
}

impl<S> Layer<S> for DoorLayer {
    type Service = Doorman<S>;

    fn layer(&self, inner: S) -> Doorman<S> {
        Doorman { wanted: self.wanted.clone(), inner }
    }
}

/// The service behind the door.
#[derive(Clone)]
struct Doorman<S> {
    wanted: Option<Arc<[u8]>>,
    inner: S,
}

impl<S> Doorman<S> {
    fn admits<B>(&self, request: &Request<B>) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let shown = request.headers().get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        request.uri().path().starts_with(HEALTH) || bool::from(shown.ct_eq(wanted))
    }
}

impl<S, B> Service<Request<B>> for Doorman<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.admits(&request) {
            return Box::pin(self.inner.call(request));
        }
        Box::pin(async { Ok(Status::unauthenticated("the token that this edge shows upstream is needed").into_http()) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Whether a call with this header gets through a door that wants this one.
    async fn is_let_in(wanted: Option<&str>, path: &str, shown: Option<&str>) -> bool {
        let behind = tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let mut door = DoorLayer { wanted: wanted.map(|text| Arc::from(text.as_bytes())) }.layer(behind);
        let mut request = Request::builder().uri(path);
        if let Some(shown) = shown {
            request = request.header("authorization", shown);
        }
        let response = door.call(request.body(()).unwrap()).await.unwrap();
        response.headers().get("grpc-status").is_none()
    }

    #[tokio::test]
    async fn those_below_show_the_token_that_is_shown_upstream() {
        let follow = "/tidegate.edge.v1.SnapshotService/Follow";
        assert!(is_let_in(Some("Bearer secret"), follow, Some("Bearer secret")).await);
        for bad in [None, Some(""), Some("Bearer"), Some("Bearer secret2"), Some("bearer secret")] {
            assert!(!is_let_in(Some("Bearer secret"), follow, bad).await, "{bad:?}");
        }
        assert!(is_let_in(Some("Bearer secret"), "/grpc.health.v1.Health/Check", None).await);
        assert!(is_let_in(None, follow, None).await, "a cluster without tokens");
    }
}
