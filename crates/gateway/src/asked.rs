//! A request's body that is asked for before anybody waits for it.
//!
//! The body of an HTTP/1.1 request mostly comes with its head and lies in the connection's buffer, but hyper hands it over
//! only once it is asked for. Asked when the answer is being worked on, it wakes the connection a second time for every
//! request; asked at once, it is there when it is wanted.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::header::EXPECT;
use http::{Request, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};

/// What a body says when it is asked.
type Brought<B> = Option<Result<Frame<<B as HttpBody>::Data>, <B as HttpBody>::Error>>;

/// The body, and what the first question for it brought.
pub(crate) struct Asked<B: HttpBody> {
    body: B,
    first: Poll<Brought<B>>,
}

/// Asks for the body, unless it is no HTTP/1.1 or the client first wants to hear that it may send it.
pub(crate) fn ask<B: HttpBody + Unpin>(request: Request<B>) -> Request<Asked<B>> {
    let (head, mut body) = request.into_parts();
    let is_early = head.version <= Version::HTTP_11 && !body.is_end_stream() && !head.headers.contains_key(EXPECT);
    let first = if is_early {
        // Nobody is to be woken: who wants the body asks again.
        Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()))
    } else {
        Poll::Pending
    };
    Request::from_parts(head, Asked { body, first })
}

impl<B: HttpBody + Unpin> HttpBody for Asked<B>
where
    B::Data: Unpin,
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Brought<B>> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.first, Poll::Pending) {
            Poll::Pending => Pin::new(&mut this.body).poll_frame(cx),
            first @ Poll::Ready(_) => first,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.first {
            Poll::Pending => self.body.is_end_stream(),
            Poll::Ready(first) => first.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.first {
            Poll::Pending => self.body.size_hint(),
            // The body no longer counts what it gave.
            Poll::Ready(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use http_body_util::{BodyExt as _, Empty, Full};

    use super::*;

    /// A body of one piece that comes when it is asked for the second time, and counts how often it is asked.
    #[derive(Default)]
    struct Slow {
        asked: usize,
    }

    impl HttpBody for Slow {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.asked += 1;
            match self.asked {
                1 => Poll::Pending,
                2 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"late"))))),
                _ => Poll::Ready(None),
            }
        }
    }

    fn full(text: &'static str) -> Full<Bytes> {
        Full::from(text)
    }

    fn collected<B: HttpBody<Error: std::fmt::Debug>>(request: Request<B>) -> Option<Bytes> {
        request.into_body().collect().now_or_never().map(|body| body.unwrap().to_bytes())
    }

    #[test]
    fn every_body_comes_whole_and_once() {
        assert_eq!(collected(ask(Request::new(full("there")))).unwrap(), "there");
        assert_eq!(collected(ask(Request::new(Empty::<Bytes>::new()))).unwrap(), "");
        assert_eq!(collected(ask(Request::new(Slow::default()))).unwrap(), "late");
        let told = ask(Request::new(full("there"))).into_body();
        assert!(!told.is_end_stream() && told.size_hint().exact().is_none());
    }

    #[test]
    fn a_client_that_waits_for_a_word_is_not_asked_and_no_other_protocol() {
        let expecting = Request::builder().header(EXPECT, "100-continue").body(Slow::default()).unwrap();
        assert_eq!(ask(expecting).into_body().body.asked, 0);
        let http2 = Request::builder().version(Version::HTTP_2).body(Slow::default()).unwrap();
        assert_eq!(ask(http2).into_body().body.asked, 0);
        assert_eq!(ask(Request::new(Slow::default())).into_body().body.asked, 1);
        assert_eq!(collected(Request::new(Slow::default())), None);
    }
}
