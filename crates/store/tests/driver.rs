//! The log as it runs: driven by a thread or by a task, with bounds, ends and faults.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_platform::TokioSpawner;
use tidegate_store::log::LogStore;
use tidegate_store::testing::FaultVfs;
use tidegate_store::testing::log_suite::record;
use tidegate_store::{ClusterId, Done, Fault, Home, Identity, Log, LogOptions, LogWriter, Op, Refused, StoreUuid, limits};

const IDENTITY: Identity = Identity { cluster: ClusterId([1; 16]), node: 2, store: StoreUuid([3; 16]) };
/// Longer than anything here takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn open(vfs: &FaultVfs) -> (Home, Log, LogWriter) {
    let mut home = Home::open(Arc::new(vfs.clone()), Path::new("/node")).unwrap();
    if home.identity().is_none() {
        home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
    }
    let (log, writer) = home.open_log(0, &LogOptions::small()).unwrap();
    (home, log, writer)
}

fn append(index: u64) -> Op {
    Op::Append(vec![record(index)])
}

fn counting(counter: &Arc<AtomicU64>) -> Done {
    let counter = Arc::clone(counter);
    Box::new(move |result| {
        result.unwrap();
        counter.fetch_add(1, Ordering::SeqCst);
    })
}

#[tokio::test]
async fn a_thread_drives_the_log_until_the_last_handle_is_gone() {
    let (_home, log, writer) = open(&FaultVfs::new());
    let (ended, end) = mpsc::channel();
    writer.spawn(&TokioSpawner, Box::new(move |result| ended.send(result).unwrap()));
    let count = Arc::new(AtomicU64::new(0));
    let total = 3 * limits::QUEUE_OPS_MAX as u64;
    for index in 0..total {
        log.submit_when_ready(append(index), counting(&count)).await.unwrap();
    }
    let reader = log.clone();
    drop(log);
    assert_eq!(reader.get(0..total, u64::MAX).unwrap().len() as u64, total);
    drop(reader);
    end.recv_timeout(DEADLINE).expect("the driver ends when no handle is left").unwrap();
    assert_eq!(count.load(Ordering::SeqCst), total, "the queue is worked off first");
}

/// Appends until the thread that drives the log waits for room; returns how many were taken.
fn append_until_it_waits(log: &Log, mut done: impl FnMut() -> Done) -> u64 {
    let (mut total, deadline) = (0, Instant::now() + DEADLINE);
    while !log.space().is_waiting {
        match log.submit(append(total), done()) {
            Ok(()) => total += 1,
            Err(refused) => assert!(matches!(refused, Refused::Busy), "{refused}"),
        }
        assert!(Instant::now() < deadline, "it never waited");
    }
    total
}

#[test]
fn a_thread_without_room_waits_and_goes_on_when_there_is_some() {
    let vfs = FaultVfs::new();
    let (_home, log, writer) = open(&vfs);
    vfs.set_capacity(Some(vfs.used()));
    let driver = std::thread::spawn(move || writer.run());
    let count = Arc::new(AtomicU64::new(0));
    let total = append_until_it_waits(&log, || counting(&count));
    assert!(log.space().below_low_mark);
    assert!(count.load(Ordering::SeqCst) < total, "nothing is said to be durable that has no place yet");
    vfs.set_capacity(None);
    let deadline = Instant::now() + DEADLINE;
    while count.load(Ordering::SeqCst) < total || log.space().is_waiting {
        assert!(Instant::now() < deadline, "{:?}", log.space());
        std::thread::yield_now();
    }
    drop(log);
    driver.join().unwrap().unwrap();
}

#[test]
fn a_thread_that_waits_for_room_ends_when_nobody_is_left_to_wait_for_it() {
    let vfs = FaultVfs::new();
    let (_home, log, writer) = open(&vfs);
    vfs.set_capacity(Some(vfs.used()));
    let driver = std::thread::spawn(move || writer.run());
    append_until_it_waits(&log, || Box::new(drop));
    drop(log);
    let fault = driver.join().unwrap().unwrap_err();
    assert!(fault.is_full(), "{fault}");
}

#[tokio::test]
async fn a_task_drives_the_log_inline() {
    let vfs = FaultVfs::new();
    let (_home, log, writer) = open(&vfs);
    let driver = tokio::spawn(writer.run_inline());
    let (acked, ack) = tokio::sync::oneshot::channel();
    log.submit(append(0), Box::new(|result| acked.send(result).unwrap())).unwrap();
    tokio::time::timeout(DEADLINE, ack).await.unwrap().unwrap().unwrap();
    drop(log);
    tokio::time::timeout(DEADLINE, driver).await.unwrap().unwrap().unwrap();
}

#[test]
fn a_full_queue_refuses_and_a_driven_one_takes_again() {
    let (_home, log, mut writer) = open(&FaultVfs::new());
    let count = Arc::new(AtomicU64::new(0));
    for index in 0..limits::QUEUE_OPS_MAX as u64 {
        log.submit(append(index), counting(&count)).unwrap();
    }
    let next = limits::QUEUE_OPS_MAX as u64;
    assert!(matches!(log.submit(append(next), counting(&count)), Err(Refused::Busy)));
    assert_eq!(log.state().last.unwrap().index, next - 1, "nothing of a refused operation is seen");
    writer.drive().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), limits::DRIVE_OPS_MAX as u64, "one batch, one sync");
    log.submit(append(next), counting(&count)).unwrap();
    while writer.drive().unwrap() > 0 {}
    assert_eq!(count.load(Ordering::SeqCst), next + 1);
}

#[test]
fn one_sync_covers_a_batch() {
    let syncs = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&syncs);
    let vfs = FaultVfs::new().traced(Arc::new(move |op| {
        counter.fetch_add(u64::from(op.call == "sync_data"), Ordering::SeqCst);
    }));
    let (_home, log, mut writer) = open(&vfs);
    let count = Arc::new(AtomicU64::new(0));
    let before = syncs.load(Ordering::SeqCst);
    for index in 0..40 {
        log.submit(append(index), counting(&count)).unwrap();
    }
    log.submit(Op::SaveVote(Bytes::from_static(b"v")), counting(&count)).unwrap();
    writer.drive().unwrap();
    assert_eq!((count.load(Ordering::SeqCst), syncs.load(Ordering::SeqCst) - before), (41, 1));
    log.submit(Op::SaveCommitted(Some(record(3).id)), counting(&count)).unwrap();
    writer.drive().unwrap();
    assert_eq!(syncs.load(Ordering::SeqCst) - before, 1, "a committed index alone costs no sync");
}

#[test]
fn a_committed_index_is_written_with_what_comes_next() {
    let (_home, log, writer) = open(&FaultVfs::new());
    let driver = std::thread::spawn(move || writer.run());
    let (sender, results) = mpsc::channel();
    let done = |name: &'static str| -> Done {
        let sender = sender.clone();
        Box::new(move |result| sender.send((name, result.is_ok())).unwrap())
    };
    log.submit(append(0), done("entry")).unwrap();
    assert_eq!(results.recv().unwrap(), ("entry", true));
    log.submit(Op::SaveCommitted(Some(record(0).id)), done("committed")).unwrap();
    assert_eq!(log.state().committed, Some(record(0).id), "seen at once");
    log.submit(append(1), done("next")).unwrap();
    assert_eq!([results.recv().unwrap(), results.recv().unwrap()], [("committed", true), ("next", true)]);
    log.submit(Op::SaveCommitted(Some(record(1).id)), done("last")).unwrap();
    drop(log);
    assert_eq!(results.recv().unwrap(), ("last", true), "the queue is written out at the end");
    driver.join().unwrap().unwrap();
}

#[test]
fn a_failed_sync_stops_the_log_for_good() {
    let vfs = FaultVfs::new();
    let (home, log, mut writer) = open(&vfs);
    let (sender, results) = mpsc::channel();
    let done = |name: &'static str| -> Done {
        let sender = sender.clone();
        Box::new(move |result| sender.send((name, result.is_ok())).unwrap())
    };
    log.submit(append(0), done("first")).unwrap();
    writer.drive().unwrap();
    vfs.fail_sync_after(1);
    log.submit(append(1), done("second")).unwrap();
    log.submit(append(2), done("third")).unwrap();
    let fault = writer.drive().unwrap_err();
    assert!(matches!(fault, Fault::Io { operation: "syncing", .. }), "{fault}");
    assert!(matches!(log.submit(append(3), done("never")), Err(Refused::Stopped(Fault::Io { .. }))));
    assert!(matches!(log.stopped(), Some(Fault::Io { .. })));
    assert!(writer.drive().is_err(), "and it is not tried again");
    assert_eq!(results.try_iter().collect::<Vec<_>>(), [("first", true), ("second", false), ("third", false)]);
    drop((home, log, writer));
    let (_home, log, _writer) = open(&vfs.crash(3));
    assert!(!log.get(0..10, u64::MAX).unwrap().is_empty(), "what was acknowledged before is there");
}

#[test]
fn a_driver_that_disappears_leaves_nobody_waiting() {
    let (_home, log, writer) = open(&FaultVfs::new());
    let (sender, results) = mpsc::channel();
    log.submit(append(0), Box::new(move |result| sender.send(result).unwrap())).unwrap();
    drop(writer);
    assert!(matches!(results.try_recv().unwrap(), Err(Fault::Closed)));
    assert!(matches!(log.submit(append(1), Box::new(drop)), Err(Refused::Stopped(Fault::Closed))));
}

#[test]
fn readers_on_other_threads_see_whole_ranges_while_the_log_is_purged() {
    let vfs = FaultVfs::new();
    let (home, log, writer) = open(&vfs);
    drop((log, writer));
    let mut options = LogOptions::small();
    options.cache_bytes = 0;
    let (log, mut writer) = home.open_log(0, &options).unwrap();
    let reader = log.clone();
    let (stop, stopped) = mpsc::channel::<()>();
    let reading = std::thread::spawn(move || {
        let mut reads = 0u64;
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let records = reader.get(0..u64::MAX, 5_000).unwrap();
            assert!(records.windows(2).all(|pair| pair[0].id.index + 1 == pair[1].id.index));
            records.iter().for_each(|found| assert_eq!(*found, record(found.id.index)));
            reads += 1;
        }
        reads
    });
    let count = Arc::new(AtomicU64::new(0));
    for index in 0..6_000 {
        log.submit(append(index), counting(&count)).unwrap();
        if index % 50 == 49 {
            log.submit(Op::Purge { upto: record(index - 30).id }, counting(&count)).unwrap();
        }
        writer.drive().unwrap();
    }
    stop.send(()).unwrap();
    assert!(reading.join().unwrap() > 0);
}
