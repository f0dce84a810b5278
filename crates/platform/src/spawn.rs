//! The spawning seam: every task starts here, with a name.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt as _;
use tokio::runtime::Handle;

/// A boxed task.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Starts tasks and blocking work.
pub trait Spawner: Send + Sync + 'static {
    /// Runs `task` concurrently. A panic in it is logged with the task's name by the implementation.
    fn spawn(&self, name: &'static str, task: Task);

    /// Runs `work`, which may block on disk or burn CPU, away from the async threads (a thread of its own in production,
    /// inline in the simulation).
    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send + 'static>);
}

/// Tasks on the current tokio runtime.
#[derive(Debug, Default)]
pub struct TokioSpawner;

impl Spawner for TokioSpawner {
    fn spawn(&self, name: &'static str, task: Task) {
        tokio::spawn(caught(name, task));
    }

    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send + 'static>) {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        if let Err(error) = spawned {
            tracing::error!(task = name, %error, "no thread could be started");
            std::process::abort();
        }
    }
}

/// Tasks on the runtime that it was made on, wherever they are started from.
#[derive(Clone, Debug)]
pub struct HomeSpawner(Handle);

impl HomeSpawner {
    /// On the current runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }
}

impl Spawner for HomeSpawner {
    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(caught(name, task));
    }

    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send + 'static>) {
        TokioSpawner.spawn_blocking(name, work);
    }
}

/// The task, logging its panic. Not a second task that waits for the first: a stream of HTTP/2 is a task for each request.
pub(crate) fn caught(name: &'static str, task: Task) -> impl Future<Output = ()> + Send + 'static {
    AssertUnwindSafe(task).catch_unwind().map(move |ended| {
        if let Err(payload) = ended {
            tracing::error!(task = name, error = said(payload.as_ref()), "task panicked");
        }
    })
}

/// What a panic said, of the payload that catching it gives.
#[must_use]
pub fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_task_and_nothing_else() {
        let (dropped, gone) = tokio::sync::oneshot::channel::<()>();
        let (alive, heard) = tokio::sync::oneshot::channel();
        TokioSpawner.spawn(
            "unlucky",
            Box::pin(async move {
                let _held = dropped;
                panic!("on purpose");
            }),
        );
        assert!(gone.await.is_err(), "what it held is let go");
        TokioSpawner.spawn("lucky", Box::pin(async move { assert!(alive.send(7).is_ok()) }));
        assert_eq!(heard.await, Ok(7));
    }

    #[test]
    fn what_a_panic_said_is_told() {
        let payloads: [Box<dyn Any + Send>; 3] = [Box::new("a"), Box::new("b".to_owned()), Box::new(3)];
        assert_eq!(payloads.each_ref().map(|payload| said(payload.as_ref())), ["a", "b", "it said nothing"]);
    }
}
