//! Watches whether a new connection has shown its protocol.
//!
//! Telling HTTP/1.1 from HTTP/2 means waiting for up to 24 bytes. Until they are there nothing can be ended in order; and
//! an idle connection is left to the protocol's own pings only once it is known to be HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tidegate_platform::Io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Nothing can be said yet.
const UNKNOWN: u8 = 0;
const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

/// Which protocol the connection has shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(Arc<AtomicU8>);

impl Shown {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != UNKNOWN
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.0.load(Ordering::Acquire) == HTTP2
    }
}

/// A stream whose first bytes are looked at as they pass.
pub(crate) struct Watched {
    io: Box<dyn Io>,
    /// Bytes of the preface seen so far; `None` once decided.
    matched: Option<usize>,
    shown: Shown,
}

impl Watched {
    pub(crate) fn new(io: Box<dyn Io>) -> (Self, Shown) {
        let shown = Shown::default();
        (Self { io, matched: Some(0), shown: shown.clone() }, shown)
    }

    fn look(&mut self, bytes: &[u8]) {
        let Some(matched) = self.matched else { return };
        let rest = &PREFACE[matched..];
        let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        let is_whole = same == rest.len();
        let is_decided = is_whole || same < bytes.len();
        self.matched = (!is_decided).then_some(matched + same);
        if is_decided {
            self.shown.0.store(if is_whole { HTTP2 } else { HTTP1 }, Ordering::Release);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        if this.matched.is_some() && buf.filled().len() > before {
            this.look(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces one read at a time; true if the protocol is decided after them.
    fn is_shown_after(pieces: &[&[u8]]) -> bool {
        shown_after(pieces).is_set()
    }

    fn shown_after(pieces: &[&[u8]]) -> Shown {
        let (mut watched, shown) = Watched::new(Box::new(tokio::io::empty()));
        for piece in pieces {
            watched.look(piece);
        }
        shown
    }

    #[test]
    fn decided_by_the_first_foreign_byte_or_the_whole_preface() {
        assert!(!is_shown_after(&[]));
        assert!(!is_shown_after(&[b"PRI"]));
        assert!(!is_shown_after(&[b"P", b"RI * HTTP/2.0\r\n"]));
        assert!(is_shown_after(&[b"POST"]));
        assert!(is_shown_after(&[b"P", b"O"]));
        assert!(is_shown_after(&[b"GET / HTTP/1.1\r\n"]));
        assert!(is_shown_after(&[b"PRI * HTTP/2.0\r\n\r\n", b"SM\r\n\r\n"]));
        assert!(is_shown_after(&[&[PREFACE, b"and frames".as_slice()].concat()]));
        assert!(shown_after(&[b"PRI * HTTP/2.0\r\n\r\n", b"SM\r\n\r\n"]).is_http2());
        assert!(!shown_after(&[b"PRI * HTTP/2.0\r\n\r\nSN"]).is_http2());
    }
}
