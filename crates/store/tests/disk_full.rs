//! A full disk is not an I/O error: it is foreseen, reported, survived, and over when there is room again.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::{OpenMode, Vfs, VfsFile};
use tidegate_store::log::LogStore;
use tidegate_store::testing::FaultVfs;
use tidegate_store::testing::model::Model;
use tidegate_store::{
    ClusterId, Fault, Home, Identity, Log, LogId, LogOptions, LogRecord, LogWriter, Op, SnapshotHeader, StoreUuid,
};

const IDENTITY: Identity = Identity { cluster: ClusterId([1; 16]), node: 2, store: StoreUuid([3; 16]) };

struct Node {
    vfs: FaultVfs,
    home: Home,
    log: Log,
    writer: LogWriter,
    model: Model,
}

impl Node {
    fn start(vfs: &FaultVfs, model: Model) -> Self {
        let mut home = Home::open(Arc::new(vfs.clone()), Path::new("/node")).unwrap();
        if home.identity().is_none() {
            home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
        }
        let (log, writer) = home.open_log(0, &LogOptions::small()).unwrap();
        model.compare(&log).unwrap();
        let mut node = Self { vfs: vfs.clone(), home, log, writer, model };
        while node.writer.idle().unwrap() {}
        node
    }

    fn drive(&mut self) -> Result<(), Fault> {
        self.writer.drive()?;
        while self.writer.idle()? {}
        Ok(())
    }

    fn submit(&mut self, op: Op) -> Result<(), Fault> {
        self.log.submit(op.clone(), Box::new(drop)).unwrap();
        self.drive()?;
        self.model.apply(&op);
        Ok(())
    }

    fn append(&mut self) -> Result<(), Fault> {
        let index = self.model.state().last.map_or(0, |last| last.index + 1);
        let id = LogId { term: 1, node: 1, index };
        self.submit(Op::Append(vec![LogRecord { id, payload: Bytes::from(vec![index.to_le_bytes()[0]; 500]) }]))
    }

    fn fill_disk(&self) -> Arc<dyn VfsFile> {
        let ballast = self.vfs.open(Path::new("/ballast"), OpenMode::CreateNew).unwrap();
        ballast.allocate(100_000).unwrap();
        self.vfs.set_capacity(Some(self.vfs.used()));
        ballast
    }
}

#[test]
fn the_low_mark_is_reported_before_anything_fails_and_clears_itself() {
    let mut node = Node::start(&FaultVfs::new(), Model::default());
    let ballast = node.fill_disk();
    assert!(!node.log.space().below_low_mark, "segments are ready: {:?}", node.log.space());
    let mut appended = 0;
    while !node.log.space().below_low_mark {
        node.append().unwrap();
        appended += 1;
        assert!(appended < 200, "the first rotation must show it");
    }
    // The reserve carries what may still be accepted: the emergency commands.
    for _ in 0..20 {
        node.append().unwrap();
    }
    node.submit(Op::SaveVote(Bytes::from_static(b"vote"))).unwrap();

    ballast.set_len(0).unwrap();
    // Asking makes the driver look again, so no write is needed for it to clear.
    node.log.space();
    node.drive().unwrap();
    assert!(!node.log.space().below_low_mark, "{:?}", node.log.space());
    assert_eq!(node.log.space().free_segments, 2);
}

#[test]
fn a_log_that_used_up_its_reserve_stops_whole_and_opens_again() {
    let vfs = FaultVfs::new();
    let mut node = Node::start(&vfs, Model::default());
    node.fill_disk();
    let fault = (0..500).find_map(|_| node.append().err()).unwrap();
    assert!(fault.is_full(), "{fault}");
    let model = node.model.clone();
    drop(node);
    // It opens although the disk is still full, with everything that was acknowledged.
    let after = vfs.crash(1);
    let mut node = Node::start(&after, model);
    assert!(node.log.space().below_low_mark);
    node.vfs.set_capacity(None);
    for _ in 0..50 {
        node.append().unwrap();
    }
    assert!(!node.log.space().below_low_mark);
}

#[test]
fn purging_gives_segments_back_even_on_a_full_disk() {
    let mut node = Node::start(&FaultVfs::new(), Model::default());
    node.fill_disk();
    while !node.log.space().below_low_mark {
        node.append().unwrap();
    }
    let upto = node.model.state().last.unwrap();
    node.submit(Op::Purge { upto }).unwrap();
    assert!(!node.log.space().below_low_mark, "{:?}", node.log.space());
    // For ever, as long as it is purged.
    for round in 0..300 {
        node.append().unwrap();
        if round % 10 == 0 {
            let upto = node.model.state().last.unwrap();
            node.submit(Op::Purge { upto }).unwrap();
        }
    }
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_nothing_and_harms_nothing() {
    let mut node = Node::start(&FaultVfs::new(), Model::default());
    let snapshots = node.home.open_snapshots(0).unwrap();
    let ballast = node.fill_disk();
    let header = SnapshotHeader { epoch: 1, last: Some(LogId { term: 1, node: 1, index: 5 }), membership: Bytes::new() };
    let build = |len| {
        let mut writer = snapshots.begin(&header)?;
        writer.record(&vec![1; len])?;
        writer.finish()
    };
    assert!(build(50_000).unwrap_err().is_full());
    let mut incoming = snapshots.begin_install().unwrap();
    assert!(incoming.write(0, &[1; 10]).unwrap_err().is_full());
    drop(incoming);
    assert!(snapshots.latest().is_none());
    assert!(!node.vfs.files().iter().any(|path| path.extension().is_some_and(|e| e == "tmp")));
    node.append().unwrap();
    ballast.set_len(0).unwrap();
    assert_eq!(build(50_000).unwrap().last, header.last);
}

#[test]
fn disk_use_stays_bounded_while_entries_come_and_go() {
    let mut node = Node::start(&FaultVfs::new(), Model::default());
    let mut most = 0;
    for round in 0..2_000 {
        node.append().unwrap();
        if round % 20 == 19 {
            let last = node.model.state().last.unwrap();
            node.submit(Op::Purge { upto: LogId { index: last.index - 10, ..last } }).unwrap();
        }
        most = most.max(node.vfs.used());
    }
    assert!(most < 6 * 16 * 1024, "{most} bytes for 30 entries of 500 bytes");
}
