//! A spawner that knows which blocking work is still running, so that a node has stopped only when its threads have.

use std::sync::Arc;
use std::time::Duration;

use tidegate_platform::Spawner;
use tidegate_platform::spawn::Task;
use tokio::sync::watch;

/// Counts the blocking work that runs through it.
pub struct Tracked {
    inner: Arc<dyn Spawner>,
    running: Arc<watch::Sender<usize>>,
}

impl Tracked {
    /// Runs everything on `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Spawner>) -> Self {
        Self { inner, running: Arc::new(watch::Sender::new(0)) }
    }

    /// Waits until all blocking work has ended; false if some is left after `timeout`.
    pub async fn ended(&self, timeout: Duration) -> bool {
        let mut running = self.running.subscribe();
        tokio::time::timeout(timeout, running.wait_for(|count| *count == 0)).await.is_ok()
    }
}

/// Counts down when the work ends, also by a panic.
struct Running(Arc<watch::Sender<usize>>);

impl Running {
    fn begin(running: &Arc<watch::Sender<usize>>) -> Self {
        running.send_modify(|count| *count += 1);
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Spawner for Tracked {
    fn spawn(&self, name: &'static str, task: Task) {
        self.inner.spawn(name, task);
    }

    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send + 'static>) {
        let running = Running::begin(&self.running);
        let counted = move || {
            let _running = running;
            work();
        };
        self.inner.spawn_blocking(name, Box::new(counted));
    }
}

#[cfg(test)]
mod tests {
    use tidegate_platform::TokioSpawner;

    use super::*;

    #[tokio::test]
    async fn the_end_is_the_end_of_all_blocking_work() {
        let tracked = Tracked::new(Arc::new(TokioSpawner));
        assert!(tracked.ended(Duration::ZERO).await);
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        tracked.spawn_blocking(
            "waits",
            Box::new(move || {
                let _is_told = waits.recv().is_ok();
            }),
        );
        assert!(!tracked.ended(Duration::from_millis(5)).await);
        drop(go_on);
        assert!(tracked.ended(Duration::from_secs(20)).await);
    }
}
