//! A thread with a runtime of its own: what runs there stays there, and wakes no other thread to be moved.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// One thread with its runtime. It ends, with all tasks on it, when its last clone has gone.
#[derive(Clone, Debug)]
pub struct Apart {
    runtime: Handle,
    _needed: Arc<watch::Sender<()>>,
}

impl Apart {
    /// Starts the thread under this name.
    ///
    /// # Errors
    /// The system gives no thread, or no way to wait for sockets.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (needed, mut gone) = watch::channel(());
        let this = Self { runtime: runtime.handle().clone(), _needed: Arc::new(needed) };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                // Nothing is ever sent: this ends when the sender has gone.
                while gone.changed().await.is_ok() {}
            });
        })?;
        Ok(this)
    }

    /// Its runtime.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs `work` there and waits for it. Tasks that it starts on the current runtime, and sockets that it opens, are there, too.
    ///
    /// # Panics
    /// If `work` does.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.runtime.spawn(work).await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(payload) => std::panic::resume_unwind(payload),
                // Nobody else has the handle of the task, and the runtime lives as long as this.
                Err(cancelled) => unreachable!("nobody cancels it: {cancelled}"),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::spawn::said;

    #[tokio::test]
    async fn work_and_what_it_starts_run_on_the_thread_and_end_with_it() {
        let apart = Apart::start("somewhere else").unwrap();
        let name = || std::thread::current().name().map(str::to_owned);
        let (held, gone) = tokio::sync::oneshot::channel::<()>();
        let (at, of_task) = apart
            .run(async move {
                tokio::spawn(async move {
                    let _held = held;
                    std::future::pending::<()>().await;
                });
                (name(), tokio::spawn(async move { name() }).await.unwrap())
            })
            .await;
        assert_eq!((at.as_deref(), of_task.as_deref()), (Some("somewhere else"), Some("somewhere else")));
        drop(apart);
        assert!(gone.await.is_err(), "the task that never ends has gone with the thread");
    }

    #[tokio::test]
    async fn a_panic_is_that_of_who_waits() {
        let apart = Apart::start("unlucky").unwrap();
        let ended = AssertUnwindSafe(apart.run(async { panic!("on purpose") })).catch_unwind().await;
        let payload: Box<dyn std::any::Any + Send> = ended.err().unwrap();
        assert_eq!(said(payload.as_ref()), "on purpose");
        assert_eq!(apart.run(async { 5 }).await, 5, "the thread is still there");
    }
}
