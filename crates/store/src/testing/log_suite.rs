//! The conformance suite of [`LogStore`]: what every log must do, on disk or in memory. Fails by panic, naming the case.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::model::Model;
use super::workload::{Step, Workload};
use crate::fault::Fault;
use crate::log::{Done, LogId, LogRecord, LogState, LogStore, Op, Refused};

/// A running log and what drives it.
pub struct Running {
    /// The log.
    pub log: Arc<dyn LogStore>,
    /// Makes everything submitted durable and calls the callbacks.
    pub drive: Box<dyn FnMut() -> Result<(), Fault>>,
}

/// One log under test, which can be stopped and started.
pub trait Backend {
    /// Starts the log: empty the first time, and then with what was durable when it was stopped. The former [`Running`]
    /// is gone by then.
    fn start(&mut self) -> Running;
}

/// Runs every case on fresh logs from `new`.
pub fn run<B: Backend>(new: impl Fn() -> B) {
    entries_are_readable_when_submitted_and_acknowledged_when_driven(&mut new());
    operations_are_acknowledged_in_the_order_of_submission(&mut new());
    everything_driven_survives_a_restart(&mut new());
    entries_must_follow_one_another(&mut new());
    a_log_may_begin_anywhere_but_goes_on_after_a_purge(&mut new());
    truncation_removes_the_end_and_purged_entries_cannot_be_truncated(&mut new());
    a_purge_beyond_the_end_leaves_an_empty_log_that_goes_on_there(&mut new());
    an_older_purge_mark_changes_nothing(&mut new());
    reads_keep_to_the_byte_limit_and_return_at_least_one_entry(&mut new());
    a_vote_beyond_its_bound_is_refused(&mut new());
    random_operations_and_restarts_agree_with_the_model(&new);
}

/// Entry `index` of term 1 with a recognizable payload.
#[must_use]
pub fn record(index: u64) -> LogRecord {
    record_of(1, index)
}

fn record_of(term: u64, index: u64) -> LogRecord {
    LogRecord { id: LogId { term, node: 1, index }, payload: Bytes::from(format!("entry {term} {index}")) }
}

fn append(range: std::ops::Range<u64>) -> Op {
    Op::Append(range.map(record).collect())
}

fn nothing() -> Done {
    Box::new(|result| result.expect("the log is well"))
}

fn submit(running: &mut Running, op: Op) {
    running.log.submit(op, nothing()).expect("the operation is valid");
}

fn driven(running: &mut Running, op: Op) {
    submit(running, op);
    (running.drive)().expect("the log is well");
}

fn indexes(running: &Running, range: std::ops::Range<u64>) -> Vec<u64> {
    let records = running.log.get(range, u64::MAX).expect("the log is well");
    records.iter().for_each(|found| assert_eq!(found.payload, record_of(found.id.term, found.id.index).payload));
    records.iter().map(|found| found.id.index).collect()
}

fn entries_are_readable_when_submitted_and_acknowledged_when_driven(backend: &mut dyn Backend) {
    let mut running = backend.start();
    assert_eq!(running.log.state(), LogState::default(), "a new log is empty");
    let acks = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&acks);
    let done: Done = Box::new(move |result| {
        result.expect("the log is well");
        counter.fetch_add(1, Ordering::SeqCst);
    });
    running.log.submit(append(0..3), done).expect("the first entries follow nothing");
    assert_eq!(acks.load(Ordering::SeqCst), 0, "nothing is durable before the log is driven");
    assert_eq!(indexes(&running, 0..10), [0, 1, 2]);
    assert_eq!(running.log.state().last, Some(record(2).id));
    (running.drive)().expect("the log is well");
    assert_eq!(acks.load(Ordering::SeqCst), 1);
    assert_eq!(indexes(&running, 1..2), [1]);
}

fn operations_are_acknowledged_in_the_order_of_submission(backend: &mut dyn Backend) {
    let mut running = backend.start();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut expected = Vec::new();
    let ops = (0..50).flat_map(|i| [append(i..i + 1), Op::SaveVote(Bytes::from(format!("{i}"))), Op::SaveCommitted(None)]);
    for (number, op) in ops.enumerate() {
        let order = Arc::clone(&order);
        let done: Done = Box::new(move |result| {
            result.expect("the log is well");
            order.lock().expect("no panic happens under this lock").push(number);
        });
        running.log.submit(op, done).expect("the operation is valid");
        expected.push(number);
    }
    (running.drive)().expect("the log is well");
    assert_eq!(*order.lock().expect("no panic happens under this lock"), expected);
}

fn everything_driven_survives_a_restart(backend: &mut dyn Backend) {
    let mut running = backend.start();
    submit(&mut running, Op::SaveVote(Bytes::from_static(b"term 3 for node 1")));
    submit(&mut running, append(0..20));
    submit(&mut running, Op::SaveCommitted(Some(record(9).id)));
    submit(&mut running, Op::Truncate { from: 15 });
    driven(&mut running, Op::Purge { upto: record(4).id });
    let before = running.log.state();
    drop(running);
    let running = backend.start();
    assert_eq!(running.log.state(), before);
    assert_eq!(before.last, Some(record(14).id));
    assert_eq!(before.vote, Some(Bytes::from_static(b"term 3 for node 1")));
    assert_eq!(before.committed, Some(record(9).id));
    assert_eq!(indexes(&running, 0..100), (5..15).collect::<Vec<_>>());
}

fn entries_must_follow_one_another(backend: &mut dyn Backend) {
    let mut running = backend.start();
    driven(&mut running, append(0..3));
    for wrong in [append(2..3), append(4..5), Op::Append(vec![record(3), record(5)])] {
        let refused = running.log.submit(wrong, Box::new(|_| panic!("a refused operation is never acknowledged")));
        assert!(matches!(refused, Err(Refused::Gap { .. })), "{refused:?}");
    }
    driven(&mut running, append(3..4));
    assert_eq!(indexes(&running, 0..10), [0, 1, 2, 3]);
}

fn a_log_may_begin_anywhere_but_goes_on_after_a_purge(backend: &mut dyn Backend) {
    let mut running = backend.start();
    driven(&mut running, append(7..9));
    driven(&mut running, Op::Purge { upto: record(8).id });
    assert!(matches!(running.log.submit(append(10..11), nothing()), Err(Refused::Gap { expected: 9, found: 10 })));
    driven(&mut running, append(9..11));
    drop(running);
    assert_eq!(indexes(&backend.start(), 0..100), [9, 10]);
}

fn truncation_removes_the_end_and_purged_entries_cannot_be_truncated(backend: &mut dyn Backend) {
    let mut running = backend.start();
    driven(&mut running, append(0..10));
    driven(&mut running, Op::Truncate { from: 6 });
    driven(&mut running, Op::Truncate { from: 20 });
    assert_eq!(indexes(&running, 0..100), (0..6).collect::<Vec<_>>());
    driven(&mut running, Op::Append(vec![record_of(2, 6), record_of(2, 7)]));
    driven(&mut running, Op::Purge { upto: record(3).id });
    let refused = running.log.submit(Op::Truncate { from: 3 }, nothing());
    assert!(matches!(refused, Err(Refused::Purged { from: 3, purged: 3 })), "{refused:?}");
    drop(running);
    let mut running = backend.start();
    assert_eq!(indexes(&running, 0..100), [4, 5, 6, 7]);
    assert_eq!(running.log.state().last, Some(record_of(2, 7).id));
    driven(&mut running, Op::Truncate { from: 4 });
    assert_eq!(running.log.state().last, Some(record(3).id), "an empty log ends at its purge mark");
    drop(running);
    assert_eq!(backend.start().log.state().last, Some(record(3).id));
}

fn a_purge_beyond_the_end_leaves_an_empty_log_that_goes_on_there(backend: &mut dyn Backend) {
    let mut running = backend.start();
    driven(&mut running, append(0..5));
    let mark = LogId { term: 4, node: 3, index: 1_000 };
    driven(&mut running, Op::Purge { upto: mark });
    let state = running.log.state();
    assert_eq!((state.purged, state.last), (Some(mark), Some(mark)));
    assert!(indexes(&running, 0..2_000).is_empty());
    driven(&mut running, Op::Append(vec![record_of(4, 1_001)]));
    drop(running);
    assert_eq!(indexes(&backend.start(), 0..2_000), [1_001]);
}

fn an_older_purge_mark_changes_nothing(backend: &mut dyn Backend) {
    let mut running = backend.start();
    driven(&mut running, append(0..10));
    driven(&mut running, Op::Purge { upto: record(6).id });
    driven(&mut running, Op::Purge { upto: record(2).id });
    assert_eq!(running.log.state().purged, Some(record(6).id));
    drop(running);
    assert_eq!(backend.start().log.state().purged, Some(record(6).id));
}

fn reads_keep_to_the_byte_limit_and_return_at_least_one_entry(backend: &mut dyn Backend) {
    let mut running = backend.start();
    let payload = Bytes::from(vec![5; 100]);
    let records = (0..40).map(|index| LogRecord { payload: payload.clone(), ..record(index) });
    driven(&mut running, Op::Append(records.collect()));
    let count = |range, bytes| running.log.get(range, bytes).expect("the log is well").len();
    assert_eq!(count(0..40, 1_000), 10);
    assert_eq!(count(0..40, 1_050), 10);
    assert_eq!(count(0..40, 1), 1);
    assert_eq!(count(35..90, 1_000), 5);
    assert_eq!(count(40..90, 1_000), 0);
    assert_eq!(count(5..5, 1_000), 0);
}

fn a_vote_beyond_its_bound_is_refused(backend: &mut dyn Backend) {
    let mut running = backend.start();
    let refused = running.log.submit(Op::SaveVote(Bytes::from(vec![0; 257])), nothing());
    assert!(matches!(refused, Err(Refused::TooLarge { bytes: 257, max: 256, .. })), "{refused:?}");
    driven(&mut running, Op::SaveVote(Bytes::from(vec![0; 256])));
}

fn random_operations_and_restarts_agree_with_the_model<B: Backend>(new: &impl Fn() -> B) {
    for seed in 0..8 {
        let mut backend = new();
        let mut workload = Workload::new(seed);
        let mut model = Model::default();
        for restart in 0..10 {
            let mut running = backend.start();
            let agree = model.compare(running.log.as_ref());
            assert!(agree.is_ok(), "seed {seed}, restart {restart}: {agree:?}");
            for _ in 0..120 {
                let op = match workload.next(&model) {
                    Step::Log(op) => op,
                    Step::BuildSnapshot(upto) | Step::InstallSnapshot(upto) => Op::Purge { upto },
                };
                model.apply(&op);
                submit(&mut running, op);
                if workload.below(4) == 0 {
                    (running.drive)().expect("the log is well");
                }
            }
            (running.drive)().expect("the log is well");
            let agree = model.compare(running.log.as_ref());
            assert!(agree.is_ok(), "seed {seed}, life {restart}: {agree:?}");
        }
    }
}
