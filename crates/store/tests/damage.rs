//! Damage at rest: a flipped bit in what was durable is named, or lies where nothing is; it is never read as something
//! else. A missing file, a foreign one and one of a newer build are told apart.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::{OpenMode, Vfs};
use tidegate_store::log::{self, LogStore, MemLog};
use tidegate_store::testing::model::Model;
use tidegate_store::testing::workload::{Step, Workload};
use tidegate_store::testing::{FaultVfs, fuzzing};
use tidegate_store::{ClusterId, Damage, Fault, Home, Identity, LogId, LogOptions, Op, SnapshotHeader, Snapshots, StoreUuid};

const IDENTITY: Identity = Identity { cluster: ClusterId([1; 16]), node: 2, store: StoreUuid([3; 16]) };
const LOG: &str = "/node/group-0/log";

fn vfs_of(vfs: &FaultVfs) -> Arc<dyn Vfs> {
    Arc::new(vfs.clone())
}

/// A store with several segments, at rest, and what its log holds.
fn store() -> (FaultVfs, Model) {
    let vfs = FaultVfs::new();
    let mut home = Home::open(vfs_of(&vfs), Path::new("/node")).unwrap();
    home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
    let (log, mut writer) = home.open_log(0, &LogOptions::small()).unwrap();
    let mut workload = Workload::new(4);
    let mut model = Model::default();
    for _ in 0..200 {
        if let Step::Log(op) = workload.next(&model) {
            model.apply(&op);
            log.submit(op, Box::new(|result| result.unwrap())).unwrap();
            writer.drive().unwrap();
        }
    }
    // The last operation is one with a sync, so that everything is durable.
    let op = Op::SaveVote(Bytes::from_static(b"last"));
    model.apply(&op);
    log.submit(op, Box::new(|result| result.unwrap())).unwrap();
    writer.drive().unwrap();
    assert!(segments(&vfs).len() >= 3, "several segments are needed");
    (vfs, model)
}

fn segments(vfs: &FaultVfs) -> Vec<PathBuf> {
    vfs.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).collect()
}

fn open_log(vfs: &FaultVfs) -> Result<tidegate_store::Log, Fault> {
    log::open(vfs_of(vfs), Path::new(LOG), &IDENTITY, 0, &LogOptions::small()).map(|(log, _)| log)
}

#[test]
fn every_flipped_bit_of_the_log_is_named_or_changes_nothing() {
    let (vfs, model) = store();
    let mut named = 0;
    let mut harmless = 0;
    for path in segments(&vfs) {
        let len = vfs.len(&path).unwrap();
        for offset in (0..len).step_by(13) {
            // A process that ends without a trace; the disk stays as it was written.
            let copy = vfs_copy(&vfs);
            copy.flip(&path, offset, 1 << (offset % 8)).unwrap();
            match open_log(&copy) {
                Ok(log) => {
                    harmless += 1;
                    assert!(model.equals(&log), "{} at {offset} was read as something else", path.display());
                }
                Err(fault) => {
                    named += 1;
                    let text = fault.to_string();
                    assert!(text.contains(path.to_str().unwrap()) && text.contains("offset"), "{text}");
                }
            }
        }
    }
    assert!(named > 1_500, "{named} named, {harmless} harmless");
}

/// The same bytes on another disk.
fn vfs_copy(vfs: &FaultVfs) -> FaultVfs {
    let copy = FaultVfs::new();
    for path in vfs.files() {
        let mut bytes = vec![0; usize::try_from(vfs.len(&path).unwrap()).unwrap()];
        vfs.open(&path, OpenMode::Read).unwrap().read_at(0, &mut bytes).unwrap();
        copy.create_dir_all(path.parent().unwrap()).unwrap();
        copy.open(&path, OpenMode::CreateNew).unwrap().write_at(0, &bytes).unwrap();
    }
    copy
}

/// Found by fuzzing: a record that fits its checksum and says that the log was opened as often as can be counted.
#[test]
fn a_log_that_cannot_be_opened_once_more_is_damage() {
    let bytes = include_bytes!("../../../fuzz/seeds/log_record/opens-max.bin");
    assert!(matches!(fuzzing::log_records(bytes), Err(Fault::Damaged { .. })));
}

#[test]
fn a_flipped_bit_met_while_reading_names_the_entry() {
    let (vfs, model) = store();
    let mut options = LogOptions::small();
    options.cache_bytes = 0;
    let (log, _writer) = log::open(vfs_of(&vfs), Path::new(LOG), &IDENTITY, 0, &options).unwrap();
    assert!(model.equals(&log));
    for path in segments(&vfs) {
        for offset in (128..vfs.len(&path).unwrap()).step_by(64) {
            vfs.flip(&path, offset, 0x10).unwrap();
        }
    }
    let fault = model.entries.keys().find_map(|index| log.get(*index..index + 1, 1_000).err()).unwrap();
    assert!(matches!(fault, Fault::Damaged { damage: Damage::Entry { .. }, .. }), "{fault}");
}

#[test]
fn a_missing_segment_is_named_wherever_it_is_missing() {
    let (vfs, model) = store();
    let first = model.entries.keys().next().copied().unwrap();
    let paths = segments(&vfs);
    for (at, path) in paths.iter().enumerate() {
        let copy = vfs_copy(&vfs);
        copy.remove_file(path).unwrap();
        let fault = open_log(&copy).unwrap_err();
        let Fault::Damaged { damage, .. } = &fault else { panic!("{fault}") };
        match damage {
            Damage::MissingSegment { segment } => assert!(path.to_str().unwrap().ends_with(&format!("{segment:020}.log"))),
            Damage::MissingEntries { first: missing, .. } => assert_eq!((at, *missing), (0, first), "{fault}"),
            other => panic!("{other}"),
        }
    }
    let copy = vfs_copy(&vfs);
    paths.iter().for_each(|path| copy.remove_file(path).unwrap());
    assert!(open_log(&copy).unwrap_err().is_damage(), "a log without segments is never an empty log");
}

#[test]
fn a_foreign_folder_is_refused_and_says_what_differs() {
    let (vfs, _) = store();
    let open = |identity, group| log::open(vfs_of(&vfs), Path::new(LOG), &identity, group, &LogOptions::small()).unwrap_err();
    for (fault, field) in [
        (open(Identity { cluster: ClusterId([9; 16]), ..IDENTITY }, 0), "cluster"),
        (open(Identity { node: 7, ..IDENTITY }, 0), "node"),
        (open(Identity { store: StoreUuid([9; 16]), ..IDENTITY }, 0), "store"),
        (open(IDENTITY, 1), "group"),
    ] {
        let Fault::Foreign { field: found, .. } = &fault else { panic!("{fault}") };
        assert_eq!(*found, field);
    }
}

#[test]
fn every_flipped_bit_of_the_identity_is_named() {
    let (vfs, _) = store();
    let path = Path::new("/node/identity");
    for bit in 0..vfs.len(path).unwrap() * 8 {
        let copy = vfs_copy(&vfs);
        copy.flip(path, bit / 8, 1 << (bit % 8)).unwrap();
        let fault = Home::open(vfs_of(&copy), Path::new("/node")).unwrap_err();
        assert!(fault.to_string().contains("/node/identity"), "{fault}");
    }
}

#[test]
fn a_home_is_locked_initialized_once_and_knows_itself_again() {
    let vfs = FaultVfs::new();
    let mut home = Home::open(vfs_of(&vfs), Path::new("/a/b/node")).unwrap();
    assert_eq!(home.identity(), None);
    assert!(matches!(home.open_log(0, &LogOptions::small()), Err(Fault::Initialized { is_initialized: false, .. })));
    home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
    let again = home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap_err();
    assert_eq!(again.to_string(), "/a/b/node holds a store already");
    assert!(matches!(Home::open(vfs_of(&vfs), Path::new("/a/b/node")), Err(Fault::Locked { .. })));
    drop(home);
    let home = Home::open(vfs_of(&vfs), Path::new("/a/b/node")).unwrap();
    assert_eq!(home.identity(), Some(&IDENTITY));
    assert!(home.open_snapshots(0).unwrap().latest().is_none());
}

#[test]
fn an_initialization_cut_short_anywhere_starts_over() {
    for cut in 1..60 {
        let vfs = FaultVfs::new();
        vfs.cut_power_after(cut);
        let first =
            Home::open(vfs_of(&vfs), Path::new("/node")).and_then(|mut h| h.initialize(IDENTITY, 1, 0, &LogOptions::small()));
        let after = vfs.crash(cut);
        let mut home = Home::open(vfs_of(&after), Path::new("/node")).unwrap();
        if home.identity().is_none() {
            assert!(first.is_err(), "cut {cut}: an identity that was promised is there");
            home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
        }
        home.open_log(0, &LogOptions::small()).unwrap();
    }
}

/// A folder that is made with something in it has all of that as soon as it has an identity.
#[test]
fn a_filled_initialization_cut_short_anywhere_is_whole_or_starts_over() {
    let last = LogId { term: 1, node: 0, index: 40 };
    let fill = |home: &mut Home| {
        home.initialize_with::<Fault>(IDENTITY, 5, 0, &LogOptions::small(), |snapshots, log, writer| {
            let header = SnapshotHeader { epoch: 5, last: Some(last), membership: Bytes::from_static(b"alone") };
            let mut snapshot = snapshots.begin(&header)?;
            snapshot.record(b"state")?;
            snapshot.finish()?;
            for op in [Op::Purge { upto: last }, Op::SaveVote(Bytes::from_static(b"vote"))] {
                log.submit(op, Box::new(drop)).unwrap();
            }
            writer.drive().map(drop)
        })
    };
    let mut whole = 0;
    for cut in 1..90 {
        let vfs = FaultVfs::new();
        vfs.cut_power_after(cut);
        let first = Home::open(vfs_of(&vfs), Path::new("/node")).and_then(|mut home| fill(&mut home));
        let after = vfs.crash(cut);
        let mut home = Home::open(vfs_of(&after), Path::new("/node")).unwrap();
        if home.identity().is_none() {
            assert!(first.is_err(), "cut {cut}: an identity that was promised is there");
            fill(&mut home).unwrap();
        } else {
            whole += 1;
        }
        assert_eq!(home.epoch(), Some(5));
        let latest = home.open_snapshots(0).unwrap().latest().unwrap();
        assert_eq!((latest.epoch, latest.last), (5, Some(last)), "cut {cut}");
        let (log, _writer) = home.open_log(0, &LogOptions::small()).unwrap();
        let state = log.state();
        assert_eq!((state.purged, state.vote), (Some(last), Some(Bytes::from_static(b"vote"))), "cut {cut}");
    }
    assert!(whole > 0, "some cuts come after the end");
}

fn snapshot(snapshots: &Snapshots, index: u64) {
    let last = LogId { term: 3, node: 1, index };
    let header = SnapshotHeader { epoch: 2, last: Some(last), membership: Bytes::from_static(b"members") };
    let mut writer = snapshots.begin(&header).unwrap();
    for record in 0..5u8 {
        writer.record(&vec![record; usize::from(record) * 100]).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_named() {
    let vfs = FaultVfs::new();
    let dir = Path::new("/snapshots");
    let open = |vfs: &FaultVfs| Snapshots::open(vfs_of(vfs), dir, IDENTITY.cluster, 0);
    snapshot(&open(&vfs).unwrap(), 70);
    let path = vfs.files().pop().unwrap();
    for offset in 0..vfs.len(&path).unwrap() {
        let copy = vfs_copy(&vfs);
        copy.flip(&path, offset, 1 << (offset % 8)).unwrap();
        let verified = open(&copy).and_then(|snapshots| snapshots.verify(&snapshots.latest().unwrap()));
        let text = verified.unwrap_err().to_string();
        assert!(text.contains(path.to_str().unwrap()), "offset {offset}: {text}");
    }
    // Cut anywhere, it is named too.
    for len in 0..vfs.len(&path).unwrap() {
        let copy = vfs_copy(&vfs);
        copy.open(&path, OpenMode::Write).unwrap().set_len(len).unwrap();
        let verified = open(&copy).and_then(|snapshots| snapshots.verify(&snapshots.latest().unwrap()));
        assert!(verified.unwrap_err().is_damage(), "length {len}");
    }
}

#[test]
fn an_unreadable_old_snapshot_is_left_out_and_an_unreadable_newest_one_is_named() {
    let vfs = FaultVfs::new();
    let dir = Path::new("/snapshots");
    let open = |vfs: &FaultVfs| Snapshots::open(vfs_of(vfs), dir, IDENTITY.cluster, 0);
    let snapshots = open(&vfs).unwrap();
    [70, 80, 90].into_iter().for_each(|index| snapshot(&snapshots, index));
    let indexes: Vec<_> = snapshots.list().iter().map(|meta| meta.last.unwrap().index).collect();
    assert_eq!(indexes, [90, 80], "the newest and the one before it are kept");
    let paths: Vec<_> = snapshots.list().iter().map(|meta| meta.path().to_owned()).collect();
    let copy = vfs_copy(&vfs);
    copy.flip(&paths[1], 20, 1).unwrap();
    assert_eq!(open(&copy).unwrap().list().len(), 1);
    let copy = vfs_copy(&vfs);
    copy.flip(&paths[0], 20, 1).unwrap();
    let fault = open(&copy).unwrap_err();
    assert!(fault.to_string().contains("00000000000000000090"), "{fault}");
}

#[test]
fn the_twin_refuses_like_the_log() {
    let twin = MemLog::new();
    let record = |index| tidegate_store::LogRecord { id: LogId { term: 1, node: 1, index }, payload: Bytes::new() };
    twin.submit(Op::Append(vec![record(4)]), Box::new(drop)).unwrap();
    assert!(twin.submit(Op::Append(vec![record(6)]), Box::new(drop)).is_err());
    twin.forget_waiting();
    assert_eq!(twin.drive(), 0);
}
