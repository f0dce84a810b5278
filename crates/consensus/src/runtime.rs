//! The async runtime as a type parameter: tokio in production, tokio with repeatable random numbers in the simulation.
//!
//! openraft draws election jitter from its runtime. In the simulation that source is task-local and exists only inside
//! [`Runtime::scope`]; the node enters the scope for every call that reaches consensus from outside (peer calls, handle
//! calls), so neither transports nor callers need to know. The simulation's spawner starts every task inside the scope too.

use std::future::Future;

use openraft::AsyncRuntime;
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;

/// The runtime of real processes.
pub type Production = TokioRuntime;

/// The runtime of the simulation: the same tasks and timers, with random numbers from the scope's seed.
pub type Simulated = DeterministicRng<TokioRuntime>;

/// A runtime that a node can run on.
pub trait Runtime: AsyncRuntime + Send + Sync {
    /// Whether the log is driven by a task instead of a thread, so that a run can be repeated.
    const DRIVES_LOG_INLINE: bool;

    /// Runs `future` where consensus may be called; `seed` is drawn only if the runtime wants one.
    fn scope<F>(seed: impl FnOnce() -> u64, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future + Send;
}

impl Runtime for Production {
    const DRIVES_LOG_INLINE: bool = false;

    fn scope<F>(_seed: impl FnOnce() -> u64, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future + Send,
    {
        future
    }
}

impl Runtime for Simulated {
    const DRIVES_LOG_INLINE: bool = true;

    fn scope<F>(seed: impl FnOnce() -> u64, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future + Send,
    {
        Self::scope(seed(), future)
    }
}
