//! Waiting for conditions, with a deadline, instead of sleeping for a guess.

use std::future::Future;
use std::time::{Duration, Instant};

/// Polls `probe` every few milliseconds until it gives a value.
///
/// # Panics
/// When `patience` is over; `what` names the condition.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, patience: Duration, probe: impl FnMut() -> F) -> T {
    within(patience, probe).await.unwrap_or_else(|| panic!("not within {patience:?}: {what}"))
}

/// Polls `probe` every few milliseconds until it gives a value; `None` when `patience` is over.
pub async fn within<T, F: Future<Output = Option<T>>>(patience: Duration, mut probe: impl FnMut() -> F) -> Option<T> {
    let deadline = Instant::now() + patience;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(value) = probe().await {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
    }
}
