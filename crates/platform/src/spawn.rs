//! The spawning seam: every task starts here, with a name.

use std::future::Future;
use std::pin::Pin;

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
        let handle = tokio::spawn(task);
        tokio::spawn(async move {
            if let Err(error) = handle.await
                && error.is_panic()
            {
                tracing::error!(task = name, %error, "task panicked");
            }
        });
    }

    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send + 'static>) {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        if let Err(error) = spawned {
            tracing::error!(task = name, %error, "no thread could be started");
            std::process::abort();
        }
    }
}
