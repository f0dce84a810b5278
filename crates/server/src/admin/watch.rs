//! Changes as they happen: complete, in order, resumable from any node.
//!
//! The newest changes lie in memory with their content; older ones are named by the replicated change table, and their
//! content is in the history. What is in neither is `COMPACTED`: a watcher never sees a hole, nor content of another
//! config version.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_distribution::{Batch, Fated, FatedSender, fated};
use tidegate_model::{CatalogChange, ObjectKind, ProductId};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::convert::object_kind;
use tonic::{Request, Response, Status};

use super::{Desk, id};
use crate::codec;
use crate::context::Context;
use crate::limits::{JOURNAL_LINGER, WATCH_BUFFER_MAX, WATCH_CATCH_UP_MAX, WATCH_CHANGES_MAX};
use crate::pages::product_of;
use crate::published::Published;
use crate::refusal::Door;

/// Changes as they happen.
#[derive(Clone)]
pub struct Watches(pub Desk);

#[tonic::async_trait]
impl admin::watch_service_server::WatchService for Watches {
    type WatchStream = Fated<admin::WatchResponse>;

    async fn watch(&self, request: Request<admin::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let wanted = Wanted::new(&request)?;
        let slot = self.0.0.watcher_slot()?;
        let published = self.0.0.published()?;
        let epoch = published.state.epoch();
        if request.epoch != 0 && request.epoch != epoch {
            let floor = published.state.config_version();
            return Err(Door::Compacted { from: request.from_config_version, floor }.into());
        }
        let from = match request.from_config_version {
            0 => published.state.config_version(),
            from => from,
        };
        let (sender, stream) = fated(WATCH_BUFFER_MAX);
        let context = Arc::clone(&self.0.0);
        let task = async move {
            let _slot = slot;
            let mut follower = Follower { context, epoch, at: from };
            if let Err(door) = follow(&mut follower, &wanted, &sender).await {
                sender.end(door.into());
            }
        };
        self.0.0.platform.spawner.spawn("watch", Box::pin(task));
        Ok(Response::new(stream))
    }
}

/// Which changes a watcher wants.
struct Wanted {
    kinds: BTreeSet<ObjectKind>,
    product: Option<ProductId>,
}

impl Wanted {
    fn new(request: &admin::WatchRequest) -> Result<Self, Door> {
        let kinds = request.kinds.iter().map(|kind| object_kind(*kind)).collect::<Result<_, _>>();
        let product = request.product.as_deref().map(|text| id("product", text, ProductId::new)).transpose()?;
        Ok(Self { kinds: kinds.map_err(codec::malformed)?, product })
    }

    /// Of a removed object the product may no longer be known: then it is passed on rather than missed.
    fn admits(&self, published: &Published, change: &CatalogChange) -> bool {
        let reference = change.reference();
        let is_kind = self.kinds.is_empty() || self.kinds.contains(&reference.kind());
        let product = product_of(published.state.catalog(), &reference);
        is_kind && (self.product.is_none() || product.is_none() || product == self.product)
    }
}

async fn follow(follower: &mut Follower, wanted: &Wanted, sender: &FatedSender<admin::WatchResponse>) -> Result<(), Door> {
    let epoch = follower.epoch;
    let begin = admin::WatchResponse { epoch, config_version: follower.at, ..admin::WatchResponse::default() };
    if !sender.send(begin).await {
        return Err(follower.too_slow());
    }
    loop {
        let batches = tokio::select! {
            () = sender.closed() => return Ok(()),
            batches = follower.next() => batches?,
        };
        for batch in batches {
            let published = follower.context.shelf.load();
            let changes: Vec<_> =
                batch.changes.iter().filter(|change| wanted.admits(&published, change)).map(Into::into).collect();
            let count = changes.len().div_ceil(WATCH_CHANGES_MAX);
            for (number, part) in changes.chunks(WATCH_CHANGES_MAX).enumerate() {
                let is_partial = number + 1 < count;
                let config_version = batch.config_version;
                let message = admin::WatchResponse { epoch, config_version, changes: part.to_vec(), is_partial };
                if !sender.send(message).await {
                    return Err(follower.too_slow());
                }
            }
        }
    }
}

/// Follows the changes of this node from a config version on.
struct Follower {
    context: Arc<Context>,
    epoch: u64,
    /// Everything up to here has been given out.
    at: u64,
}

impl Follower {
    /// Waits for changes after the last ones given out; never empty.
    ///
    /// # Errors
    /// They are no longer kept, or the node serves no more.
    async fn next(&mut self) -> Result<Vec<Batch>, Door> {
        let mut versions = self.context.shelf.versions();
        loop {
            let (epoch, config_version) = *versions.borrow_and_update();
            if epoch != self.epoch || !self.context.is_sound() {
                return Err(Door::Compacted { from: self.at, floor: config_version });
            }
            let batches = self.context.changes_since(self.at).await?;
            if let Some(last) = batches.last() {
                self.at = last.config_version;
                return Ok(batches);
            }
            if versions.changed().await.is_err() {
                return Err(Door::NotReady);
            }
        }
    }

    fn too_slow(&self) -> Door {
        Door::Compacted { from: self.at, floor: self.context.shelf.load().state.config_version() }
    }
}

impl Context {
    /// Changes after `from`, oldest first: all of them if they are in memory, else the next ones out of the history.
    ///
    /// # Errors
    /// They are no longer kept, or cannot be read.
    pub(crate) async fn changes_since(&self, from: u64) -> Result<Vec<Batch>, Door> {
        match self.shelf.recent_since(from) {
            Some(batches) => Ok(batches),
            None => self.older_changes(from).await,
        }
    }

    /// The next changes that are older than what lies in memory, with their content from the history.
    async fn older_changes(&self, from: u64) -> Result<Vec<Batch>, Door> {
        let published = self.shelf.load();
        let floor = self.shelf.recent_floor();
        let books = self.books.clone();
        // Rows are written a little later than entries are applied. Where they are missing for longer, the answer says so.
        let _is_written = books.wait_for(published.state.applied_index(), JOURNAL_LINGER * 4).await.is_ok();
        let read = move || {
            let compacted = || Door::Compacted { from, floor };
            let rows = published.state.changes().since(from);
            let rows = rows.map_err(|error| Door::Compacted { from, floor: error.floor })?;
            let mut batches = Vec::new();
            for (config_version, names) in rows.take(WATCH_CATCH_UP_MAX).take_while(|(version, _)| *version <= floor) {
                let mut changes = Vec::with_capacity(names.len());
                for name in names.iter() {
                    let versions = books.history(name, None, crate::limits::HISTORY_SCAN_MAX)?;
                    let row = versions.into_iter().find(|row| row.config_version == config_version);
                    let change = row.and_then(|row| row.change).ok_or_else(compacted)?;
                    changes.push(CatalogChange::try_from(change).map_err(|_| Door::Journal)?);
                }
                batches.push(Batch::bare(config_version, changes.into()));
            }
            // Nothing named between here and the floor: nothing changed, and memory has the rest.
            if batches.is_empty() {
                batches.push(Batch::bare(floor, Arc::new([])));
            }
            Ok(batches)
        };
        self.blocking("watch catch-up", read).await?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tidegate_eligibility::Snapshot;
    use tidegate_machine::{Genesis, State};
    use tidegate_model::ObjectRef;
    use tidegate_platform::{Platform, TokioSpawner};
    use tidegate_store::Journal;
    use tidegate_store::journal::JournalBounds;
    use tokio::time::Instant;
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::config::{Config, Fragment};
    use crate::journal;
    use crate::published::Shelf;

    fn context() -> Arc<Context> {
        let mut fragment = Fragment::default();
        for (key, value) in [("node.id", "1"), ("node.data_dir", "unused")] {
            fragment.set_flag(key, value).unwrap();
        }
        let (config, _) = Config::load([fragment]).unwrap();
        let (_, books) = journal::open(Journal::in_memory(JournalBounds::initial()), &TokioSpawner);
        let state = State::new(Genesis { version_base: 0, epoch: 1, bare_signatures: false });
        let shelf = Arc::new(Shelf::new(state, Snapshot::empty()));
        Arc::new(Context::new(config, shelf, books, Arc::default(), Platform::system()))
    }

    fn publish(context: &Context, config_versions: std::ops::Range<u64>) {
        let change = CatalogChange::Remove(ObjectRef::Product(ProductId::new("os").unwrap()));
        let batch = |config_version| Batch::bare(config_version, Arc::new([change.clone()]));
        let published = Published::clone(&context.shelf.load());
        context.shelf.publish(published, config_versions.map(batch).collect());
    }

    /// A watcher that does not read costs a buffer and some seconds, then it is told to start anew; whoever publishes never
    /// waits for it.
    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_does_not_read_is_told_to_start_anew() {
        const BUFFER: usize = 4;
        let context = context();
        publish(&context, 1..20);
        let (sender, mut stream) = fated::<admin::WatchResponse>(BUFFER);
        let mut follower = Follower { context: Arc::clone(&context), epoch: 1, at: 0 };
        let wanted = Wanted { kinds: BTreeSet::new(), product: None };
        let begun = Instant::now();
        let door = follow(&mut follower, &wanted, &sender).await.unwrap_err();
        assert_eq!(begun.elapsed(), tidegate_distribution::limits::STALL_MAX);
        assert_eq!(door.code(), "COMPACTED");
        sender.end(door.into());
        drop(sender);
        let mut versions = Vec::new();
        let end = loop {
            match stream.next().await.unwrap() {
                Ok(message) => versions.push(message.config_version),
                Err(status) => break status,
            }
        };
        assert_eq!(versions, [0, 1, 2, 3], "what was in the buffer comes first, without a hole");
        assert_eq!(end.code(), tonic::Code::OutOfRange);
        assert!(stream.next().await.is_none());
    }
}
