//! What readers see: the state and its compiled snapshot, swapped in whole after each batch of entries.
//!
//! One writer (the application, in log order), any number of readers that never block it nor each other. Everything
//! that serves a read starts from [`Shelf::load`].
//!
//! The answers that were given to requests are read by hardly anybody and written with every entry. They lie here only
//! between two batches of entries, lent by the application: if readers held them all the time, each entry would copy its
//! way through a table of a million. Whoever needs the state with them waits for it with [`Shelf::whole`].

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use tidegate_distribution::{Batch, Recent, Roots};
use tidegate_eligibility::Snapshot;
use tidegate_machine::{RequestTable, State};
use tidegate_model::Digest;
use tokio::sync::{Notify, watch};

use crate::limits::RECENT_DIGESTS_MAX;

/// The state at one log index. Never changes once it is on the shelf.
#[derive(Clone)]
pub struct Published {
    /// The replicated state, without the answers that it remembers; see [`Shelf::whole`].
    pub state: State,
    /// Its catalog, compiled.
    pub snapshot: Snapshot,
    /// What its catalog hashes to.
    pub roots: Roots,
}

/// Somebody waits for the answers.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where the newest [`Published`] lies.
pub struct Shelf {
    current: ArcSwap<Published>,
    recent: Mutex<Recent>,
    digests: Mutex<VecDeque<(u64, Digest)>>,
    /// The answers that belong to `current`, if they are here, and the log index that they are of.
    answers: Mutex<Option<(u64, RequestTable)>>,
    /// Wakes those who wait for the answers.
    lent: Notify,
    /// How many wait for them: as long as anybody does, the application leaves them here.
    wanted: AtomicUsize,
    /// Epoch and config version of `current`; wakes watchers.
    version: watch::Sender<(u64, u64)>,
    /// Set when an entry could not be understood: from then on nothing here may be served.
    poison: OnceLock<String>,
    poisoned: Notify,
}

impl Shelf {
    /// A shelf that shows `state`.
    #[must_use]
    pub fn new(state: State, snapshot: Snapshot) -> Self {
        let recent = Recent::from(state.config_version());
        let roots = Roots::of(state.catalog());
        Self {
            version: watch::Sender::new((state.epoch(), state.config_version())),
            answers: Mutex::new(Some((state.applied_index(), state.requests().clone()))),
            lent: Notify::new(),
            wanted: AtomicUsize::new(0),
            current: ArcSwap::from_pointee(Published { state: state.without_answers(), snapshot, roots }),
            recent: Mutex::new(recent),
            digests: Mutex::new(VecDeque::new()),
            poison: OnceLock::new(),
            poisoned: Notify::new(),
        }
    }

    /// The newest state. Later calls never give an older one.
    #[must_use]
    pub fn load(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// The same for the length of one check, without touching a reference count.
    #[must_use]
    pub fn peek(&self) -> arc_swap::Guard<Arc<Published>> {
        self.current.load()
    }

    /// Replaces the state after a batch of entries. Called by the application alone, in log order.
    pub fn publish(&self, published: Published, batches: Vec<Batch>) {
        let version = (published.state.epoch(), published.state.config_version());
        {
            self.recent.lock().expect("no panic happens under this lock").extend(batches);
        }
        self.note_digest(version.1, published.snapshot.digest());
        self.current.store(Arc::new(published));
        self.version.send_if_modified(|current| std::mem::replace(current, version) != version);
    }

    /// Replaces the state by an installed one: what led to it is not known, so watchers must start anew.
    pub fn replace(&self, published: Published) {
        let version = (published.state.epoch(), published.state.config_version());
        {
            let mut recent = self.recent.lock().expect("no panic happens under this lock");
            *recent = Recent::from(version.1);
        }
        self.note_digest(version.1, published.snapshot.digest());
        self.current.store(Arc::new(published));
        self.version.send_replace(version);
    }

    /// Puts the answers beside the state that was published, until [`take_back`](Self::take_back).
    pub fn lend(&self, applied_index: u64, answers: RequestTable) {
        {
            *self.answers.lock().expect("no panic happens under this lock") = Some((applied_index, answers));
        }
        self.lent.notify_waiters();
    }

    /// Takes the answers away, unless somebody waits for them.
    pub fn take_back(&self) {
        if self.wanted.load(Ordering::Acquire) == 0 {
            let taken = self.answers.lock().expect("no panic happens under this lock").take();
            drop(taken);
        }
    }

    /// The newest state with its answers; nothing once the shelf is poisoned. Waits for the end of the batch that is being
    /// applied, if one is.
    pub async fn whole(&self) -> Option<Published> {
        let _waiting = Waiting::begin(&self.wanted);
        loop {
            let mut lent = pin!(self.lent.notified());
            lent.as_mut().enable();
            let whole = self.joined();
            if whole.is_some() || self.poison_reason().is_some() {
                return whole;
            }
            lent.await;
        }
    }

    /// The state with its answers, if both are of the same entry.
    fn joined(&self) -> Option<Published> {
        let published = self.load();
        let answers = self.answers.lock().expect("no panic happens under this lock");
        let (_, table) = answers.as_ref().filter(|(applied_index, _)| *applied_index == published.state.applied_index())?;
        let Published { state, snapshot, roots } = Published::clone(&published);
        Some(Published { state: state.with_answers(table.clone()), snapshot, roots })
    }

    fn note_digest(&self, config_version: u64, digest: Digest) {
        let mut digests = self.digests.lock().expect("no panic happens under this lock");
        if digests.back().is_some_and(|(last, _)| *last == config_version) {
            return;
        }
        if digests.len() == RECENT_DIGESTS_MAX {
            digests.pop_front();
        }
        digests.push_back((config_version, digest));
    }

    /// The digest that this node had at `config_version`, if it is recent.
    #[must_use]
    pub fn digest_at(&self, config_version: u64) -> Option<Digest> {
        let digests = self.digests.lock().expect("no panic happens under this lock");
        digests.iter().find(|(version, _)| *version == config_version).map(|(_, digest)| *digest)
    }

    /// Changes after `config_version` with their content, oldest first, if all of them are still here.
    #[must_use]
    pub fn recent_since(&self, config_version: u64) -> Option<Vec<Batch>> {
        self.recent.lock().expect("no panic happens under this lock").since(config_version)
    }

    /// The oldest config version from which [`recent_since`](Self::recent_since) has everything.
    #[must_use]
    pub fn recent_floor(&self) -> u64 {
        self.recent.lock().expect("no panic happens under this lock").floor()
    }

    /// Follows (epoch, config version).
    #[must_use]
    pub fn versions(&self) -> watch::Receiver<(u64, u64)> {
        self.version.subscribe()
    }

    /// Says that the log holds something this build cannot carry out. Nothing is served from then on.
    pub fn poison(&self, reason: String) {
        if self.poison.set(reason).is_ok() {
            self.poisoned.notify_waiters();
            self.lent.notify_waiters();
        }
    }

    /// Why nothing may be served, if so.
    #[must_use]
    pub fn poison_reason(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// Resolves when the shelf is poisoned.
    pub async fn when_poisoned(&self) -> String {
        loop {
            let notified = self.poisoned.notified();
            if let Some(reason) = self.poison_reason() {
                return reason.to_owned();
            }
            notified.await;
        }
    }
}
