//! From a listener of the network seam to the stream of connections that a gRPC server takes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tidegate_platform::{Accepted, Io, Listener, Spawner};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// An accepted connection with its place among those that are allowed at once.
pub struct AdminIo {
    io: Box<dyn Io>,
    _slot: OwnedSemaphorePermit,
}

impl Connected for AdminIo {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for AdminIo {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for AdminIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Accepts until `stop` turns true or the listener fails; connections beyond the bound wait to be accepted.
#[must_use]
pub fn accepted(
    mut listener: Box<dyn Listener>,
    connections_max: usize,
    spawner: &dyn Spawner,
    mut stop: watch::Receiver<bool>,
) -> ReceiverStream<std::io::Result<AdminIo>> {
    let (sender, receiver) = mpsc::channel(1);
    let slots = Arc::new(Semaphore::new(connections_max));
    let task = async move {
        loop {
            let accepting = async {
                let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
                Some((slot, listener.accept().await))
            };
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|is_stopping| *is_stopping) => return,
                next = accepting => next,
            };
            let Some((slot, accepted)) = next else { return };
            let connection = accepted.map(|Accepted { io, .. }| AdminIo { io, _slot: slot });
            let is_over = connection.is_err();
            if sender.send(connection).await.is_err() || is_over {
                return;
            }
        }
    };
    spawner.spawn("admin accept", Box::pin(task));
    ReceiverStream::new(receiver)
}
