//! The application in the form that openraft wants: applied in batches, each published before anybody is answered.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, RaftSnapshotBuilder};
use tokio::sync::watch;

use super::snapshot::{Snapshot, SnapshotData, SnapshotFiles};
use super::tally::Tally;
use super::types::{Answer, Entry, LogId, Membership, SnapshotMeta, StoredMembership, Types};
use crate::application::{Application, InstallError};
use crate::limits::APPLY_BATCH_ENTRIES_MAX;
use crate::runtime::Runtime;

/// The replicated application with what openraft wants to know about it.
pub(crate) struct Machine<A: Application> {
    /// Away only while something is done with it that takes long. The mutex is never locked: it makes the field shareable.
    application: Mutex<Option<A>>,
    applied: Option<LogId>,
    membership: StoredMembership,
    retired: Retired,
    files: SnapshotFiles,
    published: watch::Sender<Option<u64>>,
    tally: Arc<Tally>,
}

/// Ids of nodes that were members and are none any more, by the entries applied here. Clones show the same.
#[derive(Clone, Default)]
pub(crate) struct Retired(Arc<ArcSwap<BTreeSet<u64>>>);

impl Retired {
    pub(crate) fn contains(&self, node: u64) -> bool {
        self.0.load().contains(&node)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load().len()
    }

    /// Notes who left between two memberships. Whoever is back, by an older build, is a member.
    fn follow(&self, before: &Membership, after: &Membership) {
        let is_member = |id: &u64| after.nodes().any(|(member, _)| member == id);
        let left = before.nodes().map(|(id, _)| *id).filter(|id| !is_member(id));
        let retired: BTreeSet<u64> = self.0.load().iter().copied().chain(left).filter(|id| !is_member(id)).collect();
        self.0.store(Arc::new(retired));
    }
}

/// Why the state machine could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot read the newest snapshot")]
    Read(#[source] io::Error),
    #[error("cannot install the newest snapshot")]
    Install(#[source] InstallError),
}

impl<A: Application> Machine<A> {
    /// Loads the newest snapshot, if there is one, into `application`.
    pub(crate) async fn open(
        application: A,
        files: SnapshotFiles,
        tally: Arc<Tally>,
    ) -> Result<(Self, watch::Receiver<Option<u64>>), OpenError> {
        let (published, receiver) = watch::channel(None);
        let mut machine = Self {
            application: Mutex::new(Some(application)),
            applied: None,
            membership: StoredMembership::default(),
            retired: Retired::default(),
            files,
            published,
            tally,
        };
        if let Some((meta, data)) = machine.files.latest().await.map_err(OpenError::Read)? {
            machine.replace(&meta, data).await?;
        }
        Ok((machine, receiver))
    }

    /// Ids that may not be given again.
    pub(crate) fn retired(&self) -> Retired {
        self.retired.clone()
    }

    fn application(&mut self) -> &mut A {
        let slot = self.application.get_mut().expect("this mutex is never locked, so it cannot be poisoned");
        slot.as_mut().expect("openraft makes one call at a time, and installing puts the application back")
    }

    /// Makes everything applied visible, then answers those who wait for it.
    async fn publish(&mut self, answers: &mut Vec<(ApplyResponderOf, Bytes)>) -> io::Result<()> {
        let Some(index) = self.applied.map(|id| id.index) else { return Ok(()) };
        if self.application().is_publishing_long() {
            self.away("publish", move |application| application.publish(index)).await?;
        } else {
            self.application().publish(index);
        }
        self.published.send_replace(Some(index));
        self.tally.batches_published.one();
        for (answer, response) in answers.drain(..) {
            answer(response);
        }
        Ok(())
    }

    /// Does something with the application that takes long, off the async threads; it is back afterwards.
    async fn away<T: Send + 'static>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut A) -> T + Send + 'static,
    ) -> io::Result<T> {
        let slot = self.application.get_mut().expect("this mutex is never locked, so it cannot be poisoned");
        let mut application = slot.take().expect("openraft makes one call at a time");
        let work = move || {
            let done = work(&mut application);
            (application, done)
        };
        let (application, done) = self.files.blocking(name, work).await?;
        *self.application.get_mut().expect("this mutex is never locked, so it cannot be poisoned") = Some(application);
        Ok(done)
    }

    fn apply_one(&mut self, entry: &Entry) -> Bytes {
        let response = match &entry.payload {
            EntryPayload::Blank => Bytes::new(),
            EntryPayload::Normal(payload) => self.application().apply(entry.log_id.index, &payload.0),
            EntryPayload::Membership(membership) => {
                self.retired.follow(self.membership.membership(), membership);
                self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
                Bytes::new()
            }
        };
        self.applied = Some(entry.log_id);
        self.tally.entries_applied.one();
        response
    }

    /// Installs a snapshot into the application, off the async threads; the application is whole again afterwards.
    async fn replace(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> Result<(), OpenError> {
        let retired = data.retired().map_err(OpenError::Read)?;
        let install = move |application: &mut A| {
            let mut records = data.records();
            match &mut records {
                Ok(records) => application.install(records),
                Err(error) => Err(InstallError::Read(io::Error::new(error.kind(), error.to_string()))),
            }
        };
        let result = self.away("install-snapshot", install).await.map_err(OpenError::Read)?;
        result.map_err(OpenError::Install)?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.retired.0.store(Arc::new(retired));
        self.publish(&mut Vec::new()).await.map_err(OpenError::Read)
    }
}

/// Answers one proposer.
type ApplyResponderOf = Box<dyn FnOnce(Bytes) + Send>;

fn answer_through<Rt: Runtime>(responder: ApplyResponder<Types<Rt>>) -> ApplyResponderOf {
    Box::new(move |response| responder.send(Answer(response)))
}

/// A frozen state on its way into a snapshot file.
pub(crate) struct Builder<F> {
    frozen: Mutex<Option<F>>,
    meta: SnapshotMeta,
    retired: Arc<BTreeSet<u64>>,
    files: SnapshotFiles,
    tally: Arc<Tally>,
}

impl<Rt: Runtime, F: crate::application::Frozen> RaftSnapshotBuilder<Types<Rt>> for Builder<F> {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let frozen = self.frozen.get_mut().expect("this mutex is never locked, so it cannot be poisoned").take();
        let frozen = frozen.ok_or_else(|| io::Error::other("a snapshot is built once"))?;
        let snapshot = self.files.build(self.meta.clone(), Arc::clone(&self.retired), frozen).await?;
        self.tally.snapshots_built.one();
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}

impl<Rt: Runtime, A: Application> RaftStateMachine<Types<Rt>> for Machine<A> {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder<A::Frozen>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<Types<Rt>>, io::Error>> + Unpin + Send,
    {
        let mut answers = Vec::new();
        let mut unpublished = 0;
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let response = self.apply_one(&entry);
            if let Some(responder) = responder {
                answers.push((answer_through(responder), response));
            }
            unpublished += 1;
            if unpublished >= APPLY_BATCH_ENTRIES_MAX {
                self.publish(&mut answers).await?;
                unpublished = 0;
                // A node that catches up still has to answer the others.
                tokio::task::yield_now().await;
            }
        }
        self.publish(&mut answers).await
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        let frozen = self.application().freeze();
        let (files, tally, retired) = (self.files.clone(), Arc::clone(&self.tally), self.retired.0.load_full());
        Builder { frozen: Mutex::new(Some(frozen)), meta, retired, files, tally }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        let kept = self.files.keep(snapshot).await?;
        self.replace(meta, kept).await.map_err(io::Error::other)?;
        self.tally.snapshots_installed.one();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        let latest = self.files.latest().await?;
        Ok(latest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}
