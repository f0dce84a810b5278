//! The replicated application: the state machine and the compiled snapshot behind consensus' `Application`.
//!
//! Entries come in log order on one task. What they do is decided by `tidegate-machine`; this file carries their results
//! to the proposer, to readers ([`Shelf`]) and to the journal ([`BookWriter`]), and nothing else.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tidegate_consensus::{Application, InstallError};
use tidegate_distribution::{Batch, Roots};
use tidegate_eligibility::{Snapshot, Stamp};
use tidegate_machine::{Genesis, State};
use tidegate_model::{CatalogChange, Command, Object, ObjectRef, ProductId, Transition, Verb};
use tidegate_proto::types::v1 as types;

use crate::codec::{self, FrozenState};
use crate::journal::{BookWriter, Rows};
use crate::kinds::Kinds;
use crate::limits::PUBLISHED_AT_ONCE_MAX;
use crate::published::{Published, Shelf};
use crate::steering::Records;

/// State machine, compiler and what follows from them.
pub struct Tidegate {
    state: State,
    /// What the catalog hashed to when it was published last.
    roots: Roots,
    snapshot: Snapshot,
    shelf: Arc<Shelf>,
    books: BookWriter,
    records: Arc<Records>,
    cluster_id: u128,
    kinds: Kinds,
    /// Whether the answers lie on the shelf, where they would have to be copied to be written to.
    has_lent: bool,
    /// Changes since the last publication, in order.
    changes: Vec<CatalogChange>,
    /// The same, by config version.
    batches: Vec<Batch>,
    /// The products that they were in.
    touched: BTreeSet<Option<ProductId>>,
}

impl Tidegate {
    /// The state before the first entry, and the shelf that shows it.
    #[must_use]
    pub fn new(cluster_id: u128, epoch: u64, books: BookWriter, records: Arc<Records>) -> (Self, Arc<Shelf>) {
        let state = State::new(Genesis { version_base: 0, epoch, bare_signatures: false });
        let snapshot = compile_anew(&state);
        let shelf = Arc::new(Shelf::new(state.clone(), snapshot.clone()));
        let roots = Roots::of(state.catalog());
        let (changes, batches, touched) = (Vec::new(), Vec::new(), BTreeSet::new());
        let kinds = Kinds::of_this_build();
        let has_lent = true;
        let this = Self {
            state,
            roots,
            snapshot,
            shelf: Arc::clone(&shelf),
            books,
            records,
            cluster_id,
            kinds,
            has_lent,
            changes,
            batches,
            touched,
        };
        (this, shelf)
    }

    /// The same with the knowledge of another build.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn knowing(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// The state after the last entry, published or not.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The way to the books, for what is no entry of this log.
    pub(crate) fn books(&mut self) -> &mut BookWriter {
        &mut self.books
    }

    /// Nothing here may hold the state of before meanwhile: what is held has to be copied where it changes.
    fn carry_out(&mut self, index: u64, entry: &tidegate_model::Entry) -> types::Result {
        if std::mem::take(&mut self.has_lent) {
            self.shelf.take_back();
        }
        let applied = tidegate_machine::apply(&mut self.state, index, entry);
        let at = self.state.config_version();
        if !applied.changes.is_empty() {
            self.changes.extend(applied.changes.iter().cloned());
            let replaced = applied.replaced.iter().map(|replaced| &replaced.product);
            let changes = Arc::clone(&applied.changes);
            let batch = Batch::after(at, changes, replaced.clone(), self.state.catalog());
            self.touched.extend(replaced.chain(batch.products()).cloned());
            self.batches.push(batch);
            self.records.learn(&applied.changes, self.state.log_time());
        }
        if applied.result.is_ok() {
            self.clear(&entry.command);
        }
        let result = codec::result_out(&applied.result);
        self.books.write(Rows::of(applied, at, *self.state.settings()));
        result
    }
}

impl Tidegate {
    /// Shows the answers until the next entry; a table that is shared is not copied.
    fn lend(&mut self) {
        self.shelf.lend(self.state.applied_index(), self.state.requests().clone());
        self.has_lent = true;
    }

    /// Why this build must not go on with such a state: what it holds may have a meaning that only later builds know.
    fn reason_beyond(&self, state: &State) -> Option<String> {
        let (version, supported) = (state.settings().cluster_version, self.kinds.supported());
        (version > supported)
            .then(|| format!("the cluster is at cluster version {version}, this build supports up to {supported}"))
    }

    /// What operators have cleared, the evidence forgets, on every node.
    fn clear(&self, command: &Command) {
        match command {
            Command::Transition(Transition { release, verb: Verb::Clear { device }, .. }) => {
                if let Some(stored) = self.state.catalog().releases().get(release) {
                    self.records.clear(&stored.body.product, device, &stored.body.bundle);
                }
            }
            Command::Batch(commands) => commands.iter().for_each(|command| self.clear(command)),
            Command::Transition(_)
            | Command::Apply(_)
            | Command::Delete(_)
            | Command::Settings(_)
            | Command::Token(_)
            | Command::Steer(_) => {}
        }
    }
}

impl Application for Tidegate {
    type Frozen = FrozenState;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        if self.shelf.poison_reason().is_some() {
            return Bytes::new();
        }
        match codec::decode_entry(payload) {
            Ok(entry) if !self.kinds.understands(&entry.command) => {
                let supported = self.kinds.supported();
                self.shelf.poison(format!(
                    "log entry {index} cannot be carried out by this build: its command came after cluster version {supported}"
                ));
                Bytes::new()
            }
            Ok(entry) => {
                let result = self.carry_out(index, &entry);
                if let Some(reason) = self.reason_beyond(&self.state) {
                    self.shelf.poison(reason);
                    return Bytes::new();
                }
                result.encode_to_vec().into()
            }
            // Skipping it would make this node differ from the others: it stops, and nothing it has is served.
            Err(error) => {
                let source = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
                self.shelf.poison(format!("log entry {index} cannot be carried out by this build: {error}{source}"));
                Bytes::new()
            }
        }
    }

    fn is_publishing_long(&self) -> bool {
        // What everything in a product is judged by may have changed.
        let is_of_product = |change: &CatalogChange| {
            matches!(change, CatalogChange::Put(Object::Product(_)) | CatalogChange::Remove(ObjectRef::Product(_)))
        };
        self.changes.len() > PUBLISHED_AT_ONCE_MAX || self.changes.iter().any(is_of_product)
    }

    fn publish(&mut self, applied_index: u64) {
        if self.shelf.poison_reason().is_some() {
            return;
        }
        if applied_index > self.state.applied_index() {
            tidegate_machine::skip(&mut self.state, applied_index);
        }
        let changes = std::mem::take(&mut self.changes);
        self.roots.bring_to(self.state.catalog(), &std::mem::take(&mut self.touched));
        let stamp = stamp(&self.state);
        self.snapshot = tidegate_eligibility::compile(&self.snapshot, self.state.catalog(), &changes, stamp);
        let (state, snapshot, roots) = (self.state.without_answers(), self.snapshot.clone(), self.roots.clone());
        let mut batches = std::mem::take(&mut self.batches);
        if let Some(last) = batches.last_mut() {
            last.vouch(roots.clone());
        }
        self.shelf.publish(Published { state, snapshot, roots }, batches);
        self.lend();
        self.books.reached(applied_index);
    }

    fn freeze(&self) -> FrozenState {
        FrozenState::new(self.state.clone(), self.cluster_id)
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        let state = codec::read_state(records, self.cluster_id)?;
        if let Some(reason) = self.reason_beyond(&state) {
            self.shelf.poison(reason);
            return Ok(());
        }
        let snapshot = compile_anew(&state);
        self.books.jumped(state.applied_index());
        self.changes.clear();
        self.batches.clear();
        self.touched.clear();
        self.roots = Roots::of(state.catalog());
        let shown = state.without_answers();
        self.shelf.replace(Published { state: shown, snapshot: snapshot.clone(), roots: self.roots.clone() });
        self.state = state;
        self.snapshot = snapshot;
        self.lend();
        Ok(())
    }
}

fn stamp(state: &State) -> Stamp {
    Stamp { config_version: state.config_version(), epoch: state.epoch(), applied_index: state.applied_index() }
}

fn compile_anew(state: &State) -> Snapshot {
    let changes: Vec<CatalogChange> = state.catalog().objects().map(CatalogChange::Put).collect();
    tidegate_eligibility::compile(&Snapshot::empty(), state.catalog(), &changes, stamp(state))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt as _;
    use tidegate_model::{Entry, Principal, RequestId, Seed, SettingsChange, Timestamp};
    use tidegate_platform::TokioSpawner;
    use tidegate_store::Journal;
    use tidegate_store::journal::JournalBounds;

    use super::*;
    use crate::journal;

    fn application() -> (Tidegate, Arc<Shelf>) {
        let (writer, _books) = journal::open(Journal::in_memory(JournalBounds::initial()), &TokioSpawner);
        Tidegate::new(1, 1, writer, Arc::default())
    }

    fn payload(request_id: &str, command: Command) -> Bytes {
        codec::encode_entry(&Entry {
            proposed_at: Timestamp::from_secs(1_700_000_000),
            principal: Principal::new("anonymous").unwrap(),
            auth_epoch: 0,
            request_id: RequestId::new(request_id).unwrap(),
            seed: Seed([1; 32]),
            command,
        })
    }

    fn product(id: &str) -> Command {
        let product =
            types::Product { id: id.into(), version_scheme: types::VersionScheme::Semver.into(), ..types::Product::default() };
        let document = types::Document { expected_version: None, spec: Some(types::document::Spec::Product(product)) };
        Command::Apply(vec![document.try_into().unwrap()])
    }

    #[tokio::test]
    async fn only_what_may_compile_much_is_published_away_from_consensus() {
        let (mut application, _shelf) = application();
        assert!(!application.is_publishing_long());
        application.apply(2, &payload("a", product("os")));
        assert!(application.is_publishing_long(), "everything in a product is judged by it");
        application.publish(2);
        assert!(!application.is_publishing_long());
        application.apply(3, &payload("b", Command::Settings(SettingsChange::default())));
        assert!(!application.is_publishing_long());
        application.changes =
            vec![CatalogChange::Remove(ObjectRef::Hold(tidegate_model::HoldId::new("h").unwrap())); PUBLISHED_AT_ONCE_MAX + 1];
        assert!(application.is_publishing_long(), "many changes are many");
    }

    #[tokio::test]
    async fn readers_see_a_batch_when_it_is_published_and_not_before() {
        let (mut application, shelf) = application();
        application.apply(2, &payload("a", product("os")));
        application.apply(3, &payload("b", Command::Settings(SettingsChange::default())));
        assert_eq!(shelf.load().state.applied_index(), 0);
        assert!(shelf.load().snapshot.product("os").is_none());

        application.publish(4);
        let published = shelf.load();
        assert_eq!((published.state.applied_index(), published.state.config_version()), (4, 2));
        let stamp = published.snapshot.stamp();
        assert_eq!((stamp.applied_index, stamp.config_version), (4, 2));
        assert!(published.snapshot.product("os").is_some());
        assert_eq!(published.snapshot.digest(), published.state.catalog().digest());
        assert_eq!(shelf.digest_at(2), Some(published.snapshot.digest()));
        let batches = shelf.recent_since(0).unwrap();
        assert_eq!(batches.iter().map(|batch| batch.config_version).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn remembered_answers_are_shown_between_batches_to_those_who_wait() {
        let (mut application, shelf) = application();
        let (who, first) = (Principal::new("anonymous").unwrap(), RequestId::new("a").unwrap());
        application.apply(1, &payload("a", product("os")));
        // Within a batch they are not there; who waits for them has them at its end.
        let mut waiting = Box::pin(shelf.whole());
        assert!((&mut waiting).now_or_never().is_none());
        application.publish(1);
        let whole = waiting.await.unwrap();
        assert!(whole.state.requests().get(&who, &first).is_some());
        assert_eq!(whole.state.digest(), application.state().digest());
        // Others see how many there are, and hold none of them.
        let shown = shelf.load();
        assert_eq!((shown.state.requests().len(), shown.state.requests().iter().count()), (1, 0));
        assert_eq!(shown.state.digest(), application.state().digest());

        application.apply(2, &payload("b", product("app")));
        assert_eq!(whole.state.requests().len(), 1, "what was shown does not change");
        application.publish(2);
        assert_eq!(shelf.whole().await.unwrap().state.requests().iter().count(), 2);

        application.apply(3, &payload("c", product("other")));
        let mut waiting = Box::pin(shelf.whole());
        assert!((&mut waiting).now_or_never().is_none());
        shelf.poison("an entry of another build".to_owned());
        assert!(waiting.await.is_none(), "nobody waits for what will not come");
    }

    #[tokio::test]
    async fn an_entry_of_a_newer_build_stops_everything_and_is_not_skipped() {
        let (mut application, shelf) = application();
        application.apply(1, &payload("a", product("os")));
        application.publish(1);
        // A command that this build does not know is an empty one to it.
        let mut envelope =
            <tidegate_proto::storage::v1::EntryEnvelope as Message>::decode(&payload("b", product("b"))[..]).unwrap();
        envelope.command = Some(types::Command { op: None });
        assert!(application.apply(2, &envelope.encode_to_vec()).is_empty());
        assert!(application.apply(3, &payload("c", product("c"))).is_empty());
        application.publish(3);

        let reason = shelf.poison_reason().unwrap();
        assert!(reason.starts_with("log entry 2 cannot be carried out by this build: "), "{reason}");
        assert_eq!(shelf.when_poisoned().await, reason);
        assert_eq!(shelf.load().state.applied_index(), 1, "nothing after it was applied or shown");
        assert!(shelf.load().snapshot.product("c").is_none());
    }

    #[tokio::test]
    async fn a_build_older_than_the_cluster_stops_before_it_shows_anything() {
        let earlier = Kinds::of_another_build(0, |_| 0);
        let refused = "the cluster is at cluster version 1, this build supports up to 0";
        let (mut source, _) = application();
        source.apply(1, &payload("a", product("os")));
        source.publish(1);
        let mut records = Vec::new();
        tidegate_consensus::Frozen::write(&source.freeze(), &mut |record| {
            records.push(Ok(record.to_vec()));
            Ok(())
        })
        .unwrap();
        let (target, by_snapshot) = application();
        target.knowing(earlier).install(&mut records.into_iter()).unwrap();
        let (target, by_log) = application();
        let mut target = target.knowing(earlier);
        target.apply(1, &payload("a", product("os")));
        target.publish(1);
        for shelf in [by_snapshot, by_log] {
            assert_eq!(shelf.poison_reason().unwrap(), refused);
            assert!(shelf.load().snapshot.product("os").is_none());
        }

        let (target, shelf) = application();
        let mut target = target.knowing(Kinds::of_another_build(1, |_| 2));
        assert!(target.apply(7, &payload("a", product("os"))).is_empty());
        let reason = shelf.poison_reason().unwrap();
        assert_eq!(reason, "log entry 7 cannot be carried out by this build: its command came after cluster version 1");
    }

    #[tokio::test]
    async fn an_installed_state_replaces_everything_and_watchers_start_anew() {
        let (mut source, _) = application();
        source.apply(1, &payload("a", product("os")));
        source.apply(2, &payload("b", product("app")));
        source.publish(2);
        let mut records = Vec::new();
        let frozen = source.freeze();
        tidegate_consensus::Frozen::write(&frozen, &mut |record| {
            records.push(Ok(record.to_vec()));
            Ok(())
        })
        .unwrap();

        let (mut target, shelf) = application();
        target.apply(1, &payload("x", product("other")));
        target.publish(1);
        target.install(&mut records.into_iter()).unwrap();
        let published = shelf.load();
        assert_eq!(published.state.digest(), source.state.digest());
        assert_eq!(published.snapshot.digest(), source.snapshot.digest());
        assert!(published.snapshot.product("other").is_none());
        assert!(shelf.recent_since(1).is_none(), "what led here is not known");
        assert!(shelf.recent_since(2).unwrap().is_empty());

        let before = shelf.load().state.digest();
        target.install(&mut std::iter::once(Ok(vec![1, 2, 3]))).unwrap_err();
        assert_eq!(shelf.load().state.digest(), before, "all or nothing");
    }
}
