//! Streams that would go on for ever end when their listener is told to stop, so that nobody holds up a drain by listening,
//! and everybody learns soon that it is time to go elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

/// A layer that ends the answers of some calls when a listener stops.
#[derive(Clone)]
pub struct EndingLayer {
    /// Paths of the calls whose answers have no end of their own.
    pub endless: &'static [&'static str],
    /// Turns true when they are to end.
    pub closing: watch::Receiver<bool>,
    /// What they end with.
    pub status: fn() -> Status,
}

impl<S> Layer<S> for EndingLayer {
    type Service = Ending<S>;

    fn layer(&self, inner: S) -> Ending<S> {
        Ending { told: self.clone(), inner }
    }
}

/// The service behind an [`EndingLayer`].
#[derive(Clone)]
pub struct Ending<S> {
    told: EndingLayer,
    inner: S,
}

impl<S, B> Service<Request<B>> for Ending<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Send,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_endless = self.told.endless.contains(&request.uri().path());
        let answer = self.inner.call(request);
        if !is_endless {
            return Box::pin(answer);
        }
        let EndingLayer { mut closing, status, .. } = self.told.clone();
        Box::pin(async move {
            let closed = async move {
                // An error means that the sender is gone, which asks for the end as well.
                let _is_closing = closing.wait_for(|is_closing| *is_closing).await.is_ok();
            };
            answer.await.map(|answer| answer.map(|body| Body::new(Ended { body, closed: Some(Box::pin(closed)), status })))
        })
    }
}

/// A body that is cut off, between two messages and with a status, when its listener stops.
struct Ended {
    body: Body,
    /// Resolves when it is to end; absent once it has.
    closed: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    status: fn() -> Status,
}

impl http_body::Body for Ended {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(closed) = &mut self.closed else { return Poll::Ready(None) };
        // First: a stream that always has something to say would otherwise never end.
        if closed.as_mut().poll(context).is_pending() {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        self.closed = None;
        let mut trailers = HeaderMap::new();
        let told = (self.status)().add_header(&mut trailers);
        Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.closed.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::convert::Infallible;

    use http_body::Body as _;

    use super::*;

    /// Something that never ends and never pauses.
    struct Chatter;

    impl http_body::Body for Chatter {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
        }
    }

    async fn next(body: &mut Body) -> Option<Frame<Bytes>> {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.map(Result::unwrap)
    }

    #[tokio::test]
    async fn only_endless_answers_end_and_they_say_why() {
        let (close, closing) = watch::channel(false);
        let layer = EndingLayer { endless: &["/a/Watch"], closing, status: || Status::unavailable("stops") };
        let inner = tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Body::new(Chatter))) });
        let mut service = layer.layer(inner);
        let mut open = async |path: &str| {
            let request = Request::builder().uri(path).body(()).unwrap();
            service.call(request).await.unwrap().into_body()
        };
        let (mut endless, mut finite) = (open("/a/Watch").await, open("/a/Export").await);
        assert!(next(&mut endless).await.unwrap().is_data());
        assert!(next(&mut finite).await.unwrap().is_data());
        close.send_replace(true);
        let trailers = next(&mut endless).await.unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-status"], (tonic::Code::Unavailable as i32).to_string());
        assert!(next(&mut endless).await.is_none() && endless.is_end_stream());
        assert!(next(&mut finite).await.unwrap().is_data());
        let mut late = open("/a/Watch").await;
        assert!(next(&mut late).await.unwrap().is_trailers(), "whoever comes too late is told at once");
    }
}
