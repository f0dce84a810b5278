//! One suite for both tables, and what only the one on disk can suffer.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::table::Pair;
use super::*;
use crate::limits::{HISTORY_VERSIONS_MAX, JOURNAL_LOCK_TRIES, PACK_BYTES_MAX, ROW_PART_BYTES};

fn history(id: &str, version: u64, index: u64, body: &[u8]) -> Row {
    let key = RowKey::History { kind: "Release".to_owned(), id: id.to_owned(), version, index };
    Row { key, body: Bytes::copy_from_slice(body) }
}

fn audit(index: u64, seq: u64) -> Row {
    Row { key: RowKey::Audit { index, seq }, body: Bytes::from(format!("record {index} {seq}")) }
}

fn all_audit() -> Query {
    let rows = Rows::Audit { first: 0, last: u64::MAX };
    Query { rows, index_max: u64::MAX, order: Order::Ascending, limit: SCAN_ROWS_MAX }
}

fn versions_of(id: &str) -> Query {
    Query { rows: Rows::HistoryOf { kind: "Release".to_owned(), id: id.to_owned() }, ..all_audit() }
}

fn indexes(journal: &Journal, query: &Query) -> Vec<u64> {
    journal.scan(query).unwrap().iter().map(|row| row.key.index()).collect()
}

/// Runs `case` on a journal in memory and on one on disk.
fn on_both(case: impl Fn(&Journal)) {
    case(&Journal::in_memory(JournalBounds::initial()));
    let dir = tempfile::tempdir().unwrap();
    case(&Journal::open(&dir.path().join("journal"), JournalBounds::initial()).unwrap());
}

#[test]
fn rows_are_found_by_object_and_index_in_both_orders() {
    on_both(|journal| {
        assert_eq!(journal.applied_to(), None);
        for index in 1..=20 {
            let rows = [history(["a", "ab", "b"][index as usize % 3], index, index, b"body"), audit(index, 0), audit(index, 1)];
            journal.append(index, &rows).unwrap();
        }
        assert_eq!((journal.applied_to(), journal.audit_records(), journal.needs_rebuild()), (Some(20), 40, false));
        assert_eq!(indexes(journal, &versions_of("a")), [3, 6, 9, 12, 15, 18]);
        assert_eq!(indexes(journal, &Query { order: Order::Descending, limit: 2, ..versions_of("ab") }), [19, 16]);
        assert_eq!(indexes(journal, &Query { index_max: 9, ..versions_of("b") }), [2, 5, 8]);
        assert_eq!(indexes(journal, &Query { rows: Rows::Audit { first: 19, last: 19 }, ..all_audit() }), [19, 19]);
        assert!(journal.scan(&Query { limit: 0, ..all_audit() }).unwrap().is_empty());
    });
}

#[test]
fn pages_continue_where_the_one_before_ended() {
    let entries: Vec<_> = (1..=50).map(|index| (index, vec![audit(index, 0)])).collect();
    for together in [1, 3, 50] {
        on_both(|journal| {
            entries.chunks(together).for_each(|entries| journal.append_all(entries).unwrap());
            for order in [Order::Ascending, Order::Descending] {
                let (mut found, mut first, mut last) = (Vec::new(), 0, u64::MAX);
                loop {
                    let query = Query { rows: Rows::Audit { first, last }, order, limit: 7, ..all_audit() };
                    let page = indexes(journal, &query);
                    match (page.last(), order) {
                        (None, _) => break,
                        (Some(index), Order::Ascending) => first = index + 1,
                        (Some(index), Order::Descending) => last = index - 1,
                    }
                    found.extend(page);
                }
                if order == Order::Descending {
                    found.reverse();
                }
                assert_eq!(found, (1..=50).collect::<Vec<_>>(), "{together} together");
            }
        });
    }
}

/// A sequence that looks like none and is always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Entries with a record or two each and versions of few objects, small rows and large ones.
fn lives(dice: &mut Dice, count: u64) -> Vec<(u64, Vec<Row>)> {
    let mut versions = [0; 4];
    let mut entry = |index| {
        let at = usize::try_from(dice.below(4)).unwrap();
        versions[at] += 1;
        let len = [3, 200, 1_500, ROW_PART_BYTES + 1][[0, 0, 0, 0, 1, 1, 1, 2, 2, 3][dice.below(10) as usize]];
        let row = history(["a", "ab", "b", "c"][at], versions[at], index, &vec![index as u8; len]);
        (index, (0..1 + dice.below(2)).map(|seq| audit(index, seq)).chain([row]).collect())
    };
    (1..=count).map(&mut entry).collect()
}

#[test]
fn rows_that_share_values_are_found_and_forgotten_like_rows_that_do_not() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let (apart, shared) = (Journal::in_memory(JournalBounds::initial()), Journal::in_memory(JournalBounds::initial()));
        let entries = lives(&mut dice, 400);
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let count = (1 + dice.below(60) as usize).min(rest.len());
            let bounds = JournalBounds { history_versions: 5 + dice.below(40) };
            for journal in [&apart, &shared] {
                journal.set_bounds(bounds);
            }
            let (batch, later) = rest.split_at(count);
            shared.append_all(batch).unwrap();
            batch.iter().for_each(|(index, rows)| apart.append(*index, rows).unwrap());
            rest = later;
            if dice.below(4) == 0 {
                let purged = dice.below(batch[0].0);
                assert_eq!(shared.purge_audit(purged).unwrap(), apart.purge_audit(purged).unwrap(), "seed {seed}");
            }
            let (first, limit) = (dice.below(batch[0].0), 1 + dice.below(30) as usize);
            let audits = Rows::Audit { first, last: first + dice.below(80) };
            let objects = ["a", "ab", "b", "c"].map(|id| versions_of(id).rows);
            for rows in objects.into_iter().chain([audits, all_audit().rows]) {
                for order in [Order::Ascending, Order::Descending] {
                    let query = Query { rows: rows.clone(), index_max: batch[0].0 + dice.below(90), order, limit };
                    assert!(apart.scan(&query).unwrap() == shared.scan(&query).unwrap(), "seed {seed}: {query:?}");
                }
            }
        }
        assert_eq!(apart.audit_records(), shared.audit_records());
        let values = |journal: &Journal| lines(journal.table().unwrap().as_ref()).len();
        assert!(values(&shared) * 2 < values(&apart), "seed {seed}: {} and {} values", values(&shared), values(&apart));
    }
}

#[test]
fn versions_of_an_object_that_was_created_anew_lie_between_the_earlier_ones() {
    let entry = |(index, version)| (index, vec![history("again", version, index, b"")]);
    on_both(|journal| {
        journal.append_all(&[(1, 1), (2, 2), (3, 3), (4, 1), (5, 2)].map(entry)).unwrap();
        journal.append_all(&[(6, 3), (7, 4), (8, 1)].map(entry)).unwrap();
        assert_eq!(indexes(journal, &versions_of("again")), [1, 4, 8, 2, 5, 3, 6, 7]);
        let newest = Query { order: Order::Descending, limit: 3, ..versions_of("again") };
        assert_eq!(indexes(journal, &newest), [7, 6, 3]);
    });
}

#[test]
fn many_rows_without_content_are_several_packs() {
    on_both(|journal| {
        let empty = |seq| Row { key: RowKey::Audit { index: 1, seq }, body: Bytes::new() };
        journal.append(1, &(0..9_000).map(empty).collect::<Vec<_>>()).unwrap();
        assert_eq!(journal.scan(&all_audit()).unwrap(), (0..9_000).map(empty).collect::<Vec<_>>());
        let values = lines(journal.table().unwrap().as_ref());
        assert!(values.iter().all(|(_, value)| value.len() <= PACK_BYTES_MAX + 64) && values.len() < 100);
    });
}

#[test]
fn a_damaged_pack_is_noticed() {
    let journal = Journal::in_memory(JournalBounds::initial());
    journal.append_all(&(1..=9).map(|index| (index, vec![audit(index, 0)])).collect::<Vec<_>>()).unwrap();
    let table = journal.table().unwrap();
    let (key, mut value) = lines(table.as_ref()).into_iter().find(|(key, _)| key[0] == Space::Audit as u8).unwrap();
    *value.last_mut().unwrap() ^= 1;
    table.apply(&BTreeMap::from([(key, Some(value))])).unwrap();
    assert!(matches!(journal.scan(&all_audit()), Err(JournalError::NeedsRebuild)));
    assert!(journal.needs_rebuild());
}

#[test]
fn an_entry_appended_again_changes_nothing() {
    on_both(|journal| {
        journal.append(5, &[audit(5, 0)]).unwrap();
        journal.append(5, &[audit(5, 0), audit(5, 1)]).unwrap();
        journal.append(3, &[audit(3, 0)]).unwrap();
        assert_eq!(indexes(journal, &all_audit()), [5]);
        assert_eq!(journal.audit_records(), 1);
    });
}

#[test]
fn long_rows_come_back_whole_in_both_orders() {
    on_both(|journal| {
        let body = |len: usize| (0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>();
        let lens = [0, 1, ROW_PART_BYTES, ROW_PART_BYTES + 1, 5 * ROW_PART_BYTES + 17];
        for (index, len) in (1..).zip(lens) {
            journal.append(index, &[history("long", index, index, &body(len))]).unwrap();
        }
        for order in [Order::Ascending, Order::Descending] {
            let mut rows = journal.scan(&Query { order, ..versions_of("long") }).unwrap();
            if order == Order::Descending {
                rows.reverse();
            }
            assert!(rows.iter().map(|row| row.body.to_vec()).eq(lens.map(body)), "{order:?}");
        }
    });
}

#[test]
fn history_keeps_its_newest_versions_only() {
    on_both(|journal| {
        let total = HISTORY_VERSIONS_MAX as u64 + 30;
        for index in 1..=total {
            let body = vec![1; if index % 10 == 0 { ROW_PART_BYTES + 1 } else { 10 }];
            journal
                .append(index, &[history("busy", index, index, &body), history(&format!("quiet {index}"), 1, index, b"")])
                .unwrap();
        }
        assert_eq!(indexes(journal, &versions_of("busy")), (31..=total).collect::<Vec<_>>());
        assert_eq!(indexes(journal, &versions_of("quiet 1")), [1]);
    });
}

/// Entries that are appended together leave what they leave one by one, also where an object exceeds its bound within one
/// batch, and those appended before change nothing.
#[test]
fn entries_together_leave_what_they_leave_one_by_one() {
    let total = HISTORY_VERSIONS_MAX as u64 * 2 + 7;
    let rows = |index: u64| {
        let body = vec![1; if index.is_multiple_of(10) { ROW_PART_BYTES + 1 } else { 10 }];
        vec![history("busy", index, index, &body), history(&format!("quiet {}", index / 3), index, index, b""), audit(index, 0)]
    };
    let entries: Vec<_> = (1..=total).map(|index| (index, rows(index))).collect();
    on_both(|journal| {
        let singly = Journal::in_memory(JournalBounds::initial());
        entries.iter().for_each(|(index, rows)| singly.append(*index, rows).unwrap());
        journal.append_all(&entries[..3]).unwrap();
        journal.append_all(&entries).unwrap();
        assert_eq!((journal.applied_to(), journal.audit_records()), (Some(total), total));
        for object in ["busy", "quiet 0", "quiet 40"] {
            assert_eq!(indexes(journal, &versions_of(object)), indexes(&singly, &versions_of(object)), "{object}");
        }
    });
}

#[test]
fn a_changed_bound_holds_from_the_next_append_on() {
    on_both(|journal| {
        let append = |index| journal.append(index, &[history("busy", index, index, b"")]).unwrap();
        (1..=10).for_each(append);
        journal.set_bounds(JournalBounds { history_versions: 4 });
        assert_eq!(indexes(journal, &versions_of("busy")).len(), 10);
        append(11);
        assert_eq!(indexes(journal, &versions_of("busy")), [8, 9, 10, 11]);
        journal.set_bounds(JournalBounds { history_versions: 5 });
        append(12);
        assert_eq!(indexes(journal, &versions_of("busy")), [8, 9, 10, 11, 12]);
    });
}

/// What is kept in mind of an object changes no row: a journal that forgets it before each append holds the same.
#[test]
fn what_is_known_of_an_object_is_what_the_table_has() {
    let (knowing, forgetting) = (Journal::in_memory(JournalBounds::initial()), Journal::in_memory(JournalBounds::initial()));
    let mut number = 1_u64;
    for index in 1..=600 {
        // A fixed sequence that looks like none: few objects, one often, several versions at a time, bounds that move.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (which, count, parts) = (number >> 33, number >> 41 & 3, number >> 50 & 7);
        let id = if which.is_multiple_of(2) { "busy".to_owned() } else { format!("other {}", which % 5) };
        let body = vec![7; if parts == 0 { ROW_PART_BYTES + 1 } else { 3 }];
        let rows: Vec<Row> = (0..=count).map(|version| history(&id, index * 10 + version, index, &body)).collect();
        for journal in [&knowing, &forgetting] {
            journal.set_bounds(JournalBounds { history_versions: 20 + index / 100 * 15 % 40 });
            journal.append(index, &rows).unwrap();
        }
        forgetting.lock().known = Known::default();
    }
    for id in ["busy", "other 0", "other 1", "other 2", "other 3", "other 4"] {
        let found = knowing.scan(&versions_of(id)).unwrap();
        assert!(found.len() <= 60 && found == forgetting.scan(&versions_of(id)).unwrap(), "{id}: {}", found.len());
    }
    assert!(knowing.scan(&versions_of("busy")).unwrap().len() > 20);
}

#[test]
fn the_audit_is_purged_in_slices_from_the_oldest() {
    on_both(|journal| {
        let rows = |index| (0..1_000).map(|seq| audit(index, seq)).collect::<Vec<_>>();
        for index in 1..=10 {
            journal.append(index, &rows(index)).unwrap();
        }
        let first = journal.purge_audit(6).unwrap();
        assert_eq!(first, Purged { records: PURGE_SLICE_MAX as u64, is_done: false });
        assert_eq!(journal.purge_audit(6).unwrap(), Purged { records: 6_000 - PURGE_SLICE_MAX as u64, is_done: true });
        assert_eq!(journal.audit_records(), 4_000);
        assert_eq!(indexes(journal, &Query { limit: 1, ..all_audit() }), [7]);
    });
}

#[test]
fn rows_beyond_their_bounds_are_refused_and_nothing_is_stored() {
    on_both(|journal| {
        let long_name = history(&"x".repeat(ROW_TEXT_BYTES_MAX + 1), 1, 1, b"");
        assert!(matches!(journal.append(1, &[audit(1, 0), long_name]), Err(JournalError::TooLarge { .. })));
        let huge = history("x", 1, 1, &vec![0; ROW_BYTES_MAX + 1]);
        assert!(matches!(journal.append(1, &[huge]), Err(JournalError::TooLarge { .. })));
        assert_eq!(journal.applied_to(), None);
        assert!(!journal.needs_rebuild());
    });
}

#[test]
fn a_reset_journal_is_empty_until_it_is_rebuilt() {
    on_both(|journal| {
        journal.append(9, &[audit(9, 0)]).unwrap();
        journal.reset().unwrap();
        assert_eq!((journal.applied_to(), journal.audit_records(), journal.needs_rebuild()), (None, 0, true));
        journal.append(1, &[audit(1, 0)]).unwrap();
        assert!(journal.needs_rebuild(), "until somebody says that it is complete");
        journal.rebuilt().unwrap();
        assert!(!journal.needs_rebuild());
        assert_eq!(indexes(journal, &all_audit()), [1]);
    });
}

fn filled(dir: &Path) {
    let journal = Journal::open(dir, JournalBounds::initial()).unwrap();
    for index in 1..=300 {
        journal.append(index, &[history("object", index, index, &[7; 2_000]), audit(index, 0)]).unwrap();
    }
    journal.flush().unwrap();
}

#[test]
fn a_reopened_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    filled(&dir);
    let journal = Journal::open(&dir, JournalBounds::initial()).unwrap();
    assert_eq!((journal.applied_to(), journal.audit_records(), journal.needs_rebuild()), (Some(300), 300, false));
    journal.append(301, &[audit(301, 0)]).unwrap();
    assert_eq!(indexes(&journal, &Query { order: Order::Descending, limit: 1, ..all_audit() }), [301]);
}

#[test]
fn a_database_still_held_is_waited_for_and_never_moved_aside() {
    let guard = tempfile::tempdir().unwrap();
    let dir = guard.path().join("journal");
    filled(&dir);
    let held = std::fs::File::open(dir.join(DATABASE_FILE)).unwrap();
    held.lock().unwrap();
    let mut pauses = 0;
    let error = wait_until_free(&dir.join(DATABASE_FILE), || pauses += 1).unwrap_err();
    assert_eq!((error.kind(), pauses), (std::io::ErrorKind::ResourceBusy, JOURNAL_LOCK_TRIES));
    let mut held = Some(held);
    wait_until_free(&dir.join(DATABASE_FILE), || drop(held.take())).unwrap();
    assert!(held.is_none());
    let journal = Journal::open(&dir, JournalBounds::initial()).unwrap();
    assert_eq!((journal.applied_to(), journal.needs_rebuild()), (Some(300), false));
    assert!(!dir.with_extension("damaged").exists());
}

#[test]
fn a_damaged_folder_is_replaced_without_an_operator() {
    let mut replaced = 0;
    for case in 0..12u64 {
        let guard = tempfile::tempdir().unwrap();
        let dir = guard.path().join("journal");
        filled(&dir);
        damage(&dir, case);
        let journal = Journal::open(&dir, JournalBounds::initial()).unwrap();
        // Damage further in is met when it is read; a journal cut at its end is whole and only shorter.
        if !journal.needs_rebuild() && (journal.scan(&all_audit()).is_err() || journal.scan(&versions_of("object")).is_err()) {
            assert!(journal.needs_rebuild(), "case {case}: damage met while reading is remembered");
            journal.reset().unwrap();
        }
        if !journal.needs_rebuild() {
            let rows = journal.scan(&all_audit()).unwrap();
            let applied_to = journal.applied_to().unwrap_or(0);
            assert!(rows.iter().map(|row| row.key.index()).eq(1..=applied_to), "case {case}: rows are missing in the middle");
            assert!(rows.iter().all(|row| *row == audit(row.key.index(), 0)));
            assert_eq!(journal.resume(301).is_err(), applied_to < 300, "case {case}: forgotten rows at the end are noticed");
            if applied_to < 300 {
                journal.reset().unwrap();
            }
        }
        if journal.needs_rebuild() {
            replaced += 1;
            assert_eq!(journal.applied_to(), None);
            assert!(dir.with_extension("damaged").exists(), "what was damaged is kept aside");
            journal.append(1, &[audit(1, 0)]).unwrap();
            journal.rebuilt().unwrap();
            drop(journal);
            let journal = Journal::open(&dir, JournalBounds::initial()).unwrap();
            assert!(!journal.needs_rebuild());
            assert_eq!(indexes(&journal, &all_audit()), [1]);
        }
    }
    assert!(replaced >= 10, "only {replaced} of 12 kinds of damage were noticed");
}

/// Damages the files in `dir` in one of many ways.
fn damage(dir: &Path, case: u64) {
    for name in ["db", "conf"] {
        let path = dir.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let len = bytes.len();
        match (case, name) {
            (0, "db") => bytes.truncate(len / 2),
            (1, "db") => bytes.clear(),
            (2, "db") => bytes.fill(0),
            (3, "db") => bytes.fill(0xa5),
            (4, "conf") => bytes.clear(),
            (5, "conf") => bytes.iter_mut().for_each(|byte| *byte ^= 0x10),
            (case @ 6.., "db") => (0..len).step_by(97 + case as usize).for_each(|at| bytes[at] ^= 1 << (case % 8)),
            _ => continue,
        }
        std::fs::write(&path, bytes).unwrap();
    }
}

/// A table that fails on request.
#[derive(Debug)]
struct FailingTable {
    inner: MemTable,
    /// 0: works; 1: full; 2: broken.
    fails: Arc<AtomicU8>,
}

impl FailingTable {
    fn check(&self) -> Result<(), TableError> {
        match self.fails.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(TableError::Full),
            _ => Err(TableError::Broken(Arc::new(FailedCheck))),
        }
    }
}

impl Table for FailingTable {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, TableError> {
        self.check().and_then(|()| self.inner.get(key))
    }

    fn apply(&self, batch: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), TableError> {
        self.check().and_then(|()| self.inner.apply(batch))
    }

    fn scan(&self, range: &KeyRange, order: Order, see: &mut dyn FnMut(Pair) -> bool) -> Result<(), TableError> {
        self.check().and_then(|()| self.inner.scan(range, order, see))
    }

    fn flush(&self) -> Result<(), TableError> {
        self.check()
    }
}

#[test]
fn a_full_disk_marks_the_journal_to_be_rebuilt_and_nothing_more() {
    for failure in [1, 2] {
        let fails = Arc::new(AtomicU8::new(0));
        let table = FailingTable { inner: MemTable::default(), fails: Arc::clone(&fails) };
        let inner = Mutex::new(begin(Arc::new(table)).unwrap());
        let journal = Journal { history_versions: AtomicU64::new(JournalBounds::initial().history_versions), dir: None, inner };
        journal.append(1, &[audit(1, 0)]).unwrap();
        fails.store(failure, Ordering::SeqCst);
        assert!(matches!(journal.append(2, &[audit(2, 0)]), Err(JournalError::NeedsRebuild)));
        assert!(journal.needs_rebuild());
        fails.store(0, Ordering::SeqCst);
        assert!(matches!(journal.append(3, &[audit(3, 0)]), Err(JournalError::NeedsRebuild)), "no row may be skipped");
        assert_eq!(journal.applied_to(), Some(1));
        assert!(matches!(journal.scan(&all_audit()), Err(JournalError::NeedsRebuild)));
        journal.reset().unwrap();
        (1..=3).for_each(|index| journal.append(index, &[audit(index, 0)]).unwrap());
        journal.rebuilt().unwrap();
        assert_eq!(indexes(&journal, &all_audit()), [1, 2, 3]);
    }
}

/// Everything that a table holds.
fn lines(table: &dyn Table) -> Vec<Pair> {
    let mut lines = Vec::new();
    table
        .scan(&(vec![0], vec![u8::MAX]), Order::Ascending, &mut |pair| {
            lines.push(pair);
            true
        })
        .unwrap();
    lines
}

/// A table with these keys and values: one hexadecimal pair per line.
fn frozen(text: &str) -> MemTable {
    let unhex = |text: &str| (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
    let pairs = text.lines().map(|line| line.split_once(' ').unwrap());
    let table = MemTable::default();
    table.apply(&pairs.map(|(key, value)| (unhex(key), Some(unhex(value)))).collect()).unwrap();
    table
}

fn over(table: MemTable) -> Journal {
    let inner = Mutex::new(load(Arc::new(table)).unwrap());
    Journal { history_versions: AtomicU64::new(JournalBounds::initial().history_versions), dir: None, inner }
}

#[test]
fn a_journal_of_format_1_is_read_and_goes_on() {
    let rows =
        [history("an\0id", 3, 77, b"body of version 3"), Row { key: RowKey::Audit { index: 78, seq: 2 }, body: Bytes::new() }];
    let journal = over(frozen(include_str!("../../../../tests/compat/store/journal-rows-v1.txt")));
    assert_eq!((journal.applied_to(), journal.audit_records()), (Some(78), 1));
    assert_eq!(journal.scan(&versions_of("an\0id")).unwrap(), rows[..1]);
    assert_eq!(journal.scan(&all_audit()).unwrap(), rows[1..]);
    let more = |index| (index, vec![history("an\0id", index, index, b""), audit(index, 0)]);
    journal.append_all(&[more(79), more(80)]).unwrap();
    assert_eq!(indexes(&journal, &versions_of("an\0id")), [77, 79, 80]);
    assert_eq!(indexes(&journal, &all_audit()), [78, 79, 80]);
    let table = journal.table().unwrap();
    let mark = table.get(&meta_key(META_FORMAT)).unwrap().unwrap();
    assert_eq!(codec::decode::<NumberV1>(&mark).unwrap().number, 2, "an older build must not take the packs for damage");
}

#[test]
fn rows_of_format_2_are_written_and_read_as_they_always_were() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let frozen_text = include_str!("../../../../tests/compat/store/journal-rows-v2.txt");
    let (one, two) = (history("an\0id", 3, 77, b"body of version 3"), history("an\0id", 4, 78, b"and 4"));
    let journal = Journal::in_memory(JournalBounds::initial());
    journal.append_all(&[(77, vec![one.clone(), audit(77, 0)]), (78, vec![two.clone(), audit(78, 2)])]).unwrap();
    journal.append(79, &[history("other", 1, 79, b"alone")]).unwrap();
    let pairs = lines(journal.table().unwrap().as_ref());
    let written: String = pairs.iter().map(|(key, value)| format!("{} {}\n", hex(key), hex(value))).collect();
    assert_eq!(written, frozen_text);

    let journal = over(frozen(frozen_text));
    assert_eq!((journal.applied_to(), journal.audit_records()), (Some(79), 2));
    assert_eq!(journal.scan(&versions_of("an\0id")).unwrap(), [one, two]);
    assert_eq!(journal.scan(&all_audit()).unwrap(), [audit(77, 0), audit(78, 2)]);
    assert_eq!(indexes(&journal, &versions_of("other")), [79]);
}
