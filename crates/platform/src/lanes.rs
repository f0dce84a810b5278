//! Lanes: threads of their own for connections that are many and short of work each.
//!
//! A runtime that moves tasks between its threads makes each of them pay for being movable. A connection that stays on one
//! thread is answered for less, once there are enough of them to keep the threads awake. A single one would only wake a
//! thread that sleeps, so the first few stay with the runtime of whoever accepts them. A lane ends when its listener and
//! its last connection have gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;

use crate::apart::Apart;
use crate::limits::CONNECTIONS_BEFORE_LANES;
use crate::spawn::{Spawner, Task, caught};

/// Name of each thread.
const THREAD: &str = "connection lane";

/// The lanes of one listener.
#[derive(Debug)]
pub(crate) struct Lanes {
    threads: Vec<Apart>,
    /// Connections that are open, wherever they run.
    open: Arc<AtomicUsize>,
    next: AtomicUsize,
}

/// Where the tasks of a connection run. A listener counts its connections by it.
#[derive(Debug, Default)]
pub struct Lane {
    thread: Option<Apart>,
    open: Option<Arc<AtomicUsize>>,
}

impl Lanes {
    /// Starts one for each processor.
    pub(crate) fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..count).map(|_| Apart::start(THREAD)).collect::<io::Result<_>>()?;
        Ok(Self { threads, open: Arc::default(), next: AtomicUsize::new(0) })
    }

    /// Gives a connection its place: the stream is heard of there from now on.
    pub(crate) fn place(&self, stream: TcpStream) -> io::Result<(TcpStream, Lane)> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let mut lane = Lane { thread: None, open: Some(Arc::clone(&self.open)) };
        if before < CONNECTIONS_BEFORE_LANES {
            return Ok((stream, lane));
        }
        let thread = &self.threads[self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len()];
        let stream = stream.into_std()?;
        let within = thread.runtime().enter();
        let stream = TcpStream::from_std(stream)?;
        drop(within);
        lane.thread = Some(thread.clone());
        Ok((stream, lane))
    }
}

impl Lane {
    /// Runs the task of the connection: on its lane, else through `spawner`. Tasks that it starts on the current runtime in turn
    /// run beside it. The connection counts until the task has ended.
    pub fn spawn(self, spawner: &dyn Spawner, name: &'static str, task: Task) {
        let runtime = self.thread.as_ref().map(|thread| thread.runtime().clone());
        let counted: Task = Box::pin(async move {
            task.await;
            drop(self);
        });
        match runtime {
            Some(runtime) => drop(runtime.spawn(caught(name, counted))),
            None => spawner.spawn(name, counted),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::net::{Accepted, Network as _, TcpNetwork};
    use crate::spawn::TokioSpawner;

    /// Answers one byte with itself, and tells the thread on which it does.
    fn echo(accepted: Accepted, told: mpsc::UnboundedSender<Option<String>>) -> watch::Sender<()> {
        let Accepted { mut io, lane, .. } = accepted;
        let (alive, mut end) = watch::channel(());
        let task = async move {
            let byte = io.read_u8().await.unwrap();
            told.send(std::thread::current().name().map(str::to_owned)).unwrap();
            io.write_u8(byte).await.unwrap();
            while end.changed().await.is_ok() {}
        };
        lane.spawn(&TokioSpawner, "echo", Box::pin(task));
        alive
    }

    #[tokio::test]
    async fn the_first_connections_stay_and_more_get_threads_of_their_own() {
        let mut listener = TcpNetwork.listen_for_many("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let here = std::thread::current().name().map(str::to_owned);
        let (told, mut names) = mpsc::unbounded_channel();
        let mut open = Vec::new();
        for number in 0..CONNECTIONS_BEFORE_LANES + 3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            let alive = echo(listener.accept().await.unwrap(), told.clone());
            client.write_u8(7).await.unwrap();
            let name = names.recv().await.unwrap();
            let expected = if number < CONNECTIONS_BEFORE_LANES { here.clone() } else { Some(THREAD.to_owned()) };
            assert_eq!(name, expected, "connection {number}");
            assert_eq!(client.read_u8().await.unwrap(), 7);
            open.push((client, alive));
        }
    }

    #[tokio::test]
    async fn a_lane_counts_while_it_is_held_and_its_thread_ends_with_the_last() {
        let lanes = Lanes::start().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut placed = Vec::new();
        for _ in 0..=CONNECTIONS_BEFORE_LANES {
            placed.push(lanes.place(TcpStream::connect(address).await.unwrap()).unwrap());
        }
        assert_eq!(lanes.open.load(Ordering::Relaxed), CONNECTIONS_BEFORE_LANES + 1);
        let (_, last) = placed.pop().unwrap();
        let runtime = last.thread.as_ref().unwrap().runtime().clone();
        placed.clear();
        assert_eq!(lanes.open.load(Ordering::Relaxed), 1);
        // A task that never ends by itself is dropped with the runtime, which the listener's end alone does not take away.
        drop(lanes);
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        runtime.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        assert_eq!(runtime.spawn(async { 5 }).await.unwrap(), 5, "still there for the connection");
        drop(last);
        assert!(gone.await.is_err(), "and gone with it");
    }

    #[tokio::test]
    async fn a_panic_on_a_lane_ends_its_task_and_nothing_else() {
        let thread = Apart::start(THREAD).unwrap();
        let lane = || Lane { thread: Some(thread.clone()), open: None };
        let (dropped, gone) = tokio::sync::oneshot::channel::<()>();
        let unlucky = async move {
            let _held = dropped;
            panic!("on purpose");
        };
        lane().spawn(&TokioSpawner, "unlucky", Box::pin(unlucky));
        assert!(gone.await.is_err());
        let (alive, heard) = tokio::sync::oneshot::channel();
        lane().spawn(&TokioSpawner, "lucky", Box::pin(async move { alive.send(3).unwrap() }));
        assert_eq!(heard.await, Ok(3));
    }
}
