//! Work that may block on disk or burn CPU, awaited from a task.

use std::io;

use tidegate_platform::Spawner;
use tokio::sync::oneshot;

/// Runs `work` where blocking is allowed and returns what it returned; an error if it panicked.
pub(crate) async fn run<T: Send + 'static>(
    spawner: &dyn Spawner,
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    spawner.spawn_blocking(
        name,
        Box::new(move || {
            // Nobody waits any more if the task was cancelled; the work is then for nothing, not wrong.
            let _ = done.send(work());
        }),
    );
    result.await.map_err(|_| io::Error::other(format!("{name} panicked")))
}
