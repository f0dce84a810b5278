//! What readers find after what was handed over, also when some of it went missing on the way.
#![allow(clippy::unwrap_used, reason = "tests")]

use tidegate_machine::{Genesis, State};
use tidegate_model::{
    Cohort, CohortId, Command, Delete, Document, Entry, Principal, ProductId, RequestId, Seed, SettingsChange, Spec, Timestamp,
};
use tidegate_platform::TokioSpawner;
use tidegate_store::journal::JournalBounds;

use super::*;

/// Entries for a state machine of its own, with the rows that they give.
struct Log {
    state: State,
    index: u64,
}

impl Log {
    fn new() -> Self {
        let genesis = Genesis { version_base: 0, epoch: 1, bare_signatures: false };
        Self { state: State::new(genesis), index: 0 }
    }

    fn rows(&mut self, command: Command) -> Rows {
        self.index += 1;
        let entry = Entry {
            proposed_at: Timestamp::from_secs(1_700_000_000),
            principal: Principal::new("anonymous").unwrap(),
            auth_epoch: 0,
            request_id: RequestId::new(&format!("q{}", self.index)).unwrap(),
            seed: Seed([7; 32]),
            command,
        };
        let applied = tidegate_machine::apply(&mut self.state, self.index, &entry);
        assert!(applied.result.is_ok(), "{:?}", applied.result);
        Rows::of(applied, self.state.config_version(), *self.state.settings())
    }
}

fn product() -> Document {
    let product = tidegate_proto::types::v1::Product {
        id: "os".to_owned(),
        version_scheme: tidegate_proto::types::v1::VersionScheme::Semver.into(),
        ..Default::default()
    };
    Document { spec: Spec::Product(product.try_into().unwrap()), expected_version: None }
}

fn cohort_ref() -> ObjectRef {
    ObjectRef::Cohort(ProductId::new("os").unwrap(), CohortId::new("stable").unwrap())
}

fn cohort(salt: u8) -> Document {
    let cohort = Cohort {
        id: CohortId::new("stable").unwrap(),
        product: ProductId::new("os").unwrap(),
        rules: Vec::new(),
        entry_release: None,
        follows: None,
        fixed_salt: Some(tidegate_model::Salt([salt; 16])),
    };
    Document { spec: Spec::Cohort(cohort), expected_version: None }
}

/// Product, three versions of a cohort, its end, and a new one of the same name.
fn entries() -> Vec<Rows> {
    let mut log = Log::new();
    let mut rows = vec![log.rows(Command::Apply(vec![product()]))];
    rows.extend((1..=3).map(|salt| log.rows(Command::Apply(vec![cohort(salt)]))));
    rows.push(log.rows(Command::Delete(Delete { object: cohort_ref(), expected_version: None })));
    rows.push(log.rows(Command::Apply(vec![cohort(9)])));
    rows
}

fn books(journal: Journal) -> (BookWriter, Books) {
    open(journal, &TokioSpawner)
}

const WAIT: Duration = Duration::from_secs(20);

fn versions(books: &Books) -> Vec<(u64, u64)> {
    books.history(&cohort_ref(), None, 100).unwrap().iter().map(|row| (row.index, row.version)).collect()
}

#[tokio::test]
async fn history_and_audit_are_newest_first_and_outlive_a_name() {
    let (mut writer, books) = books(Journal::in_memory(JournalBounds::initial()));
    for rows in entries() {
        writer.write(rows);
    }
    books.wait_for(6, WAIT).await.unwrap();
    assert_eq!(versions(&books), [(6, 1), (5, 3), (4, 3), (3, 2), (2, 1)]);
    assert_eq!(books.history(&cohort_ref(), Some(4), 1).unwrap()[0].index, 3);
    let audit: Vec<u64> = books.audit(None, 3).unwrap().iter().map(|row| row.index).collect();
    assert_eq!(audit, [6, 5, 4]);
    assert_eq!(books.audit(Some(2), 9).unwrap().len(), 1);
    assert_eq!(books.audit(Some(0), 9).unwrap().len(), 0);
}

#[tokio::test]
async fn the_cluster_says_how_many_versions_are_kept() {
    let (mut writer, books) = open_inline(Journal::in_memory(JournalBounds::initial()));
    let mut log = Log::new();
    let keep = |count| Command::Settings(SettingsChange { history_versions_max: Some(count), ..SettingsChange::default() });
    writer.write(log.rows(Command::Apply(vec![product()])));
    (1..=5).for_each(|salt| writer.write(log.rows(Command::Apply(vec![cohort(salt)]))));
    assert_eq!(versions(&books).len(), 5);
    writer.write(log.rows(keep(2)));
    assert_eq!(versions(&books).len(), 5, "an object loses versions when it changes");
    writer.write(log.rows(Command::Apply(vec![cohort(6)])));
    assert_eq!(versions(&books), [(8, 6), (6, 5)]);
    writer.write(log.rows(keep(3)));
    writer.write(log.rows(Command::Apply(vec![cohort(7)])));
    assert_eq!(versions(&books), [(10, 7), (8, 6), (6, 5)]);
}

#[tokio::test]
async fn a_replayed_log_changes_nothing() {
    let (mut writer, books) = books(Journal::in_memory(JournalBounds::initial()));
    for rows in entries() {
        writer.write(rows);
    }
    books.wait_for(6, WAIT).await.unwrap();
    // As after a restart: the log is applied again from its start.
    writer.last = 0;
    for rows in entries() {
        writer.write(rows);
    }
    writer.reached(7);
    books.wait_for(7, WAIT).await.unwrap();
    assert_eq!(books.audit(None, 100).unwrap().len(), 6);
    assert_eq!(versions(&books).len(), 5);
}

#[tokio::test]
async fn missing_rows_are_asked_for_and_taken_in_order() {
    let (mut full_writer, full) = books(Journal::in_memory(JournalBounds::initial()));
    for rows in entries() {
        full_writer.write(rows);
    }
    full.wait_for(6, WAIT).await.unwrap();

    // A snapshot brought this node to entry 4; it has the rows of what came after.
    let (mut writer, books) = books(Journal::in_memory(JournalBounds::initial()));
    writer.jumped(4);
    for rows in entries().split_off(4) {
        writer.write(rows);
    }
    let mut gaps = books.shared.gap.subscribe();
    let gap = tokio::time::timeout(WAIT, gaps.wait_for(Option::is_some)).await.unwrap().unwrap().unwrap();
    assert_eq!(gap, Gap { from: 1, to: 4 });
    assert_eq!(books.applied_to(), 0);

    assert!(books.hand.offer(Message::Page(full.rows(gap.from, gap.to).unwrap())).is_ok());
    books.wait_for(6, WAIT).await.unwrap();
    assert_eq!(versions(&books), versions(&full));
    assert_eq!(books.audit(None, 100).unwrap(), full.audit(None, 100).unwrap());
    assert!(books.shared.gap.borrow().is_none());
}

#[tokio::test]
async fn rows_that_nobody_has_are_given_up() {
    let (mut writer, books) = books(Journal::in_memory(JournalBounds::initial()));
    writer.jumped(4);
    for rows in entries().split_off(4) {
        writer.write(rows);
    }
    assert!(books.hand.offer(Message::GiveUp).is_ok());
    books.wait_for(6, WAIT).await.unwrap();
    assert_eq!(versions(&books), [(6, 1), (5, 3)]);
}

#[tokio::test]
async fn waiting_for_rows_ends() {
    let (_writer, books) = books(Journal::in_memory(JournalBounds::initial()));
    let refused = books.wait_for(1, Duration::from_millis(5)).await.unwrap_err();
    assert_eq!(refused.code(), "REBUILDING");
}
