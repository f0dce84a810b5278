//! One request in, one answer out: routes, admission, and nothing about connections.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response};
use http_body::Body as HttpBody;
use prometheus_client::registry::Registry;
use tidegate_eligibility::Reason;
use tidegate_platform::{Clock, Platform};
use tidegate_proto::device::v1::device_service_server::DeviceServiceServer;
use tower::Service;

use crate::body::Body;
use crate::desk::Desk;
use crate::grpc::DeviceApi;
use crate::metrics::{Metrics, Transport};
use crate::overview::Overviews;
use crate::problem::Refusal;
use crate::source::SnapshotSource;
use crate::{http_check, limits, pages};

/// Bounds that a deployment may set; see [`limits`] for what happens at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Checks that wait for something at one moment.
    pub checks_in_flight_max: usize,
    /// Open connections.
    pub connections_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { checks_in_flight_max: limits::CHECKS_IN_FLIGHT_MAX, connections_max: limits::CONNECTIONS_MAX }
    }
}

/// Answers device requests from what a [`SnapshotSource`] supplies.
pub struct Gateway<S: SnapshotSource> {
    desk: Arc<Desk<S>>,
    grpc: DeviceServiceServer<DeviceApi<S>>,
    overviews: Overviews,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    in_flight: AtomicUsize,
}

/// A place among the checks that wait; given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: SnapshotSource> Gateway<S> {
    /// A gateway over `source`. `registry` is what `/metrics` prints: `metrics` and whatever else the process has
    /// entered in it. Clock and randomness come from `platform`.
    #[must_use]
    pub fn new(source: S, platform: &Platform, metrics: Metrics, registry: Arc<Registry>, bounds: Bounds) -> Self {
        let desk = Arc::new(Desk::new(source, platform.random.as_ref(), metrics));
        let grpc = DeviceServiceServer::new(DeviceApi::new(Arc::clone(&desk), Arc::clone(&platform.clock)))
            .max_decoding_message_size(limits::BODY_BYTES_MAX);
        Self {
            desk,
            grpc,
            overviews: Overviews::default(),
            registry,
            clock: Arc::clone(&platform.clock),
            bounds,
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Where the snapshots come from.
    pub fn source(&self) -> &S {
        self.desk.source()
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.desk.metrics()
    }

    pub(crate) fn connections_max(&self) -> usize {
        self.bounds.connections_max
    }

    /// Answers one request, whatever it is.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
        if is_grpc {
            // Apart, for it is large, and what answers other requests is moved about with each.
            return Box::pin(self.call(request)).await;
        }
        match request.uri().path() {
            "/v1/check" => self.check(request).await,
            path => self.page(path, request.method()).unwrap_or_else(|refusal| refusal.to_http()),
        }
    }

    async fn check<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let begun = self.clock.boot();
        let answered = self.admitted(self.answer(request)).await.unwrap_or_else(Err);
        let took = self.clock.boot().since(begun);
        match &answered {
            Ok((reason, _)) => self.metrics().check_decided(Transport::Http, *reason, took),
            Err(refusal) => self.metrics().check_refused(Transport::Http, refusal.code(), took),
        }
        answered.map_or_else(|refusal| refusal.to_http(), |(_, response)| response)
    }

    async fn answer<B>(&self, request: Request<B>) -> Result<(Reason, Response<Body>), Refusal>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        match head.method {
            Method::POST => {
                let body = http_check::read_body(body).await?;
                http_check::post(&self.desk, &body).await
            }
            Method::GET | Method::HEAD => http_check::get(&self.desk, head.uri.query().unwrap_or_default(), &head.headers).await,
            _ => Err(Refusal::MethodNotAllowed { allow: "GET, HEAD, POST" }),
        }
    }

    /// A gRPC call. Its checks are counted by [`DeviceApi`]; what is shed here has not been read.
    async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let mut grpc = self.grpc.clone();
        match self.admitted(grpc.call(request)).await {
            Ok(response) => response.unwrap_or_else(|never| match never {}).map(Body::Grpc),
            Err(refusal) => {
                self.metrics().check_refused(Transport::Grpc, refusal.code(), Duration::ZERO);
                refusal.to_grpc().into_http()
            }
        }
    }

    /// Does `work` if there is a place for it. Work that is done without waiting needs none: there are only as many at one
    /// moment as there are threads, and counting them would cost more than it tells.
    async fn admitted<T>(&self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        if self.in_flight.load(Ordering::Relaxed) >= self.bounds.checks_in_flight_max {
            return Err(self.shed());
        }
        let mut work = pin!(work);
        if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            return Ok(done);
        }
        let running = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.in_flight);
        if running >= self.bounds.checks_in_flight_max {
            return Err(self.shed());
        }
        Ok(work.await)
    }

    fn shed(&self) -> Refusal {
        self.metrics().check_shed();
        Refusal::Overloaded { in_flight_max: self.bounds.checks_in_flight_max, retry_after_s: self.desk.retry_soon_s() }
    }

    /// Everything that is not a check: small, read-only, answered at once.
    fn page(&self, path: &str, method: &Method) -> Result<Response<Body>, Refusal> {
        let page: fn(&Self) -> Result<Response<Body>, Refusal> = match path {
            "/livez" => |_| Ok(pages::live()),
            "/readyz" => |this| pages::ready(&this.desk),
            "/metrics" => |this| Ok(pages::metrics(&this.registry)),
            "/v1/snapshot" => |this| pages::snapshot(&this.desk),
            "/v1/status" => |this| {
                let overview = this.overviews.current(this.desk.source(), this.clock.boot());
                Ok(pages::json(overview))
            },
            "/openapi.json" => |_| Ok(pages::open_api()),
            "/" => |_| Ok(pages::dashboard()),
            _ => return Err(Refusal::NotFound),
        };
        match *method {
            Method::GET => page(self),
            Method::HEAD => page(self).map(pages::head_only),
            _ => Err(Refusal::MethodNotAllowed { allow: "GET, HEAD" }),
        }
    }
}
