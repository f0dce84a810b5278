//! A stream of messages that can end with a status even when its buffer is full.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use crate::limits::STALL_MAX;

/// The receiving side; it is what a call answers with.
pub struct Fated<T> {
    receiver: mpsc::Receiver<T>,
    fate: Arc<OnceLock<Status>>,
    is_over: bool,
}

/// The sending side of a [`Fated`] stream.
pub struct FatedSender<T> {
    sender: mpsc::Sender<T>,
    fate: Arc<OnceLock<Status>>,
}

/// A bounded channel whose receiving side is a [`Fated`] stream.
#[must_use]
pub fn fated<T>(buffer: usize) -> (FatedSender<T>, Fated<T>) {
    let (sender, receiver) = mpsc::channel(buffer);
    let fate = Arc::new(OnceLock::new());
    (FatedSender { sender, fate: Arc::clone(&fate) }, Fated { receiver, fate, is_over: false })
}

impl<T> FatedSender<T> {
    /// False if the other side is gone or does not read.
    pub async fn send(&self, message: T) -> bool {
        self.sender.send_timeout(message, STALL_MAX).await.is_ok()
    }

    /// Resolves when the other side is gone.
    pub async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Ends the stream with this status, after what is buffered.
    pub fn end(&self, status: Status) {
        let _is_first = self.fate.set(status).is_ok();
    }
}

impl<T> Stream for Fated<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(None) if self.is_over => Poll::Ready(None),
            Poll::Ready(None) => {
                self.is_over = true;
                Poll::Ready(self.fate.get().cloned().map(Err))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
