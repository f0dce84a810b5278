//! What all calls of one node share. Cheap to reach, nothing in it waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidegate_consensus::Handle;
use tidegate_model::RequestId;
use tidegate_platform::Platform;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::journal::Books;
use crate::kinds::Kinds;
use crate::limits::{BACKUPS_MAX, WATCHERS_MAX};
use crate::published::{Published, Shelf};
use crate::refusal::Door;
use crate::steering::{Records, Sightings};

/// What all calls of one node share.
pub struct Context {
    /// The node's settings.
    pub config: Config,
    /// The applied state.
    pub shelf: Arc<Shelf>,
    /// History and audit.
    pub books: Books,
    /// What devices sent, for the controller.
    pub records: Arc<Records>,
    /// Devices that asked this node, on their way to the others.
    pub sightings: Sightings,
    /// What this build knows of commands.
    pub kinds: Kinds,
    /// The seams: the wall clock stamps proposals, randomness makes request ids and seeds.
    pub platform: Platform,
    handle: OnceLock<Handle>,
    watchers: Arc<Semaphore>,
    backups: Arc<Semaphore>,
    /// Set once the log is recovered, cleared when draining.
    is_open: AtomicBool,
    /// Set when this node's digest was found to differ from another's at an equal config version. Never cleared.
    has_diverged: AtomicBool,
    /// Until when writes have an answer, once the node is being stopped.
    answers_until: watch::Sender<Option<Instant>>,
}

impl Context {
    /// Shared parts of a node whose consensus does not run yet.
    #[must_use]
    pub fn new(config: Config, shelf: Arc<Shelf>, books: Books, records: Arc<Records>, platform: Platform) -> Self {
        Self {
            config,
            shelf,
            books,
            records,
            sightings: Sightings::default(),
            kinds: Kinds::of_this_build(),
            platform,
            handle: OnceLock::new(),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            backups: Arc::new(Semaphore::new(BACKUPS_MAX)),
            is_open: AtomicBool::new(false),
            has_diverged: AtomicBool::new(false),
            answers_until: watch::Sender::new(None),
        }
    }

    /// Says that consensus runs.
    pub fn attach(&self, handle: Handle) {
        let _is_first = self.handle.set(handle).is_ok();
    }

    /// Way into consensus.
    ///
    /// # Errors
    /// It does not run yet.
    pub fn handle(&self) -> Result<&Handle, Door> {
        self.handle.get().ok_or(Door::NotReady)
    }

    /// The newest state, whatever its age.
    ///
    /// # Errors
    /// The node has diverged or met an entry that it cannot carry out: nothing it has may be shown as the cluster's.
    pub fn published(&self) -> Result<Arc<Published>, Door> {
        if self.is_sound() { Ok(self.shelf.load()) } else { Err(Door::NotReady) }
    }

    /// The newest state with the answers that it remembers.
    ///
    /// # Errors
    /// As [`published`](Self::published).
    pub async fn whole(&self) -> Result<Published, Door> {
        self.published()?;
        self.shelf.whole().await.ok_or(Door::NotReady)
    }

    /// Whether what this node has may be served at all.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.has_diverged.load(Ordering::Acquire) && self.shelf.poison_reason().is_none()
    }

    /// Whether this node wants traffic.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire) && self.is_sound()
    }

    /// Opens the node for traffic, or closes it.
    pub fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Release);
    }

    /// Says that the node is being stopped: a write that has no outcome at `instant` is answered without one.
    pub fn answer_until(&self, instant: Instant) {
        self.answers_until.send_replace(Some(instant));
    }

    /// Resolves when no write may wait any longer, because the node is being stopped.
    pub(crate) async fn out_of_time(&self) {
        let mut answers_until = self.answers_until.subscribe();
        let instant = answers_until.wait_for(Option::is_some).await.ok().and_then(|instant| *instant);
        match instant {
            Some(instant) => tokio::time::sleep_until(instant).await,
            // The sender is a part of this node, which is borrowed here.
            None => std::future::pending().await,
        }
    }

    /// Whether this node's digest was found to differ from another's.
    #[must_use]
    pub fn has_diverged(&self) -> bool {
        self.has_diverged.load(Ordering::Acquire)
    }

    /// Stops serving for good: the digest differs from another node's.
    pub fn set_diverged(&self) {
        self.has_diverged.store(true, Ordering::Release);
    }

    /// Proven age of the published state now.
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        self.handle.get()?.freshness().current_staleness()
    }

    /// Whether the node would answer a check now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_open() && self.staleness().is_some_and(|age| age <= self.config.max_staleness)
    }

    /// A place among the watchers and followers of this node, held until dropped.
    ///
    /// # Errors
    /// All are taken.
    pub fn watcher_slot(&self) -> Result<OwnedSemaphorePermit, Door> {
        Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| Door::Busy)
    }

    /// A place among the backups that this node sends, held until dropped.
    ///
    /// # Errors
    /// All are taken.
    pub fn backup_slot(&self) -> Result<OwnedSemaphorePermit, Door> {
        Arc::clone(&self.backups).try_acquire_owned().map_err(|_| Door::Busy)
    }

    /// Runs `work`, which may block or burn CPU, away from the async threads.
    ///
    /// # Errors
    /// It did not come to an end.
    pub async fn blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Door> {
        let (done, result) = tokio::sync::oneshot::channel();
        let work = move || {
            // The caller may have gone; then nobody wants to know.
            let _is_wanted = done.send(work()).is_ok();
        };
        self.platform.spawner.spawn_blocking(name, Box::new(work));
        result.await.map_err(|_| Door::NotReady)
    }

    /// A request id for a caller that chose none.
    #[must_use]
    pub fn draw_request_id(&self) -> RequestId {
        let text = format!("auto-{:016x}{:016x}", self.platform.random.u64(), self.platform.random.u64());
        RequestId::new(&text).expect("letters, digits and a dash, 37 bytes")
    }
}
