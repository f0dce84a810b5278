//! Every stored format, as frozen bytes under `tests/compat/store`: this build reads what the first one wrote, for ever,
//! and writes the same. A new format adds files and cases; none is ever changed or removed.
//!
//! The samples were written by the case itself, run with `TIDEGATE_FREEZE=1` when the format was new.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::{OpenMode, Vfs};
use tidegate_store::log::LogStore;
use tidegate_store::testing::FaultVfs;
use tidegate_store::{
    BackupEncoder, BackupHeader, BackupReader, ClusterId, Home, Identity, LogId, LogOptions, LogRecord, Op, SnapshotHeader,
    StoreUuid,
};

const IDENTITY: Identity =
    Identity { cluster: ClusterId(*b"frozen cluster 1"), node: 42, store: StoreUuid(*b"frozen store 001") };

fn sample_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/store").join(name)
}

/// The frozen bytes of that name; written now if the environment says so and they are not there.
fn sample(name: &str, written_by_this_build: &[u8]) -> Vec<u8> {
    let path = sample_path(name);
    if std::env::var_os("TIDEGATE_FREEZE").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, written_by_this_build).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(vfs: &FaultVfs, path: &str) -> Vec<u8> {
    let file = vfs.open(Path::new(path), OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

fn write(vfs: &FaultVfs, path: &str, bytes: &[u8]) {
    vfs.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    vfs.open(Path::new(path), OpenMode::CreateNew).unwrap().write_at(0, bytes).unwrap();
}

fn open(vfs: &FaultVfs) -> Home {
    Home::open(Arc::new(vfs.clone()), Path::new("/node")).unwrap()
}

fn record(term: u64, index: u64, payload: &'static [u8]) -> LogRecord {
    LogRecord { id: LogId { term, node: 42, index }, payload: Bytes::from_static(payload) }
}

fn operations() -> Vec<Op> {
    vec![
        Op::SaveVote(Bytes::from_static(b"vote of term 1")),
        Op::Append(vec![record(1, 0, b"first"), record(1, 1, b""), record(1, 2, b"third"), record(1, 3, b"fourth")]),
        Op::SaveCommitted(Some(record(1, 1, b"").id)),
        Op::Truncate { from: 3 },
        Op::SaveVote(Bytes::from_static(b"vote of term 2")),
        Op::Append(vec![record(2, 3, b"another fourth")]),
        Op::Purge { upto: record(1, 0, b"").id },
    ]
}

const SEGMENT: &str = "/node/group-0/log/00000000000000000001.log";
const SEGMENT_BYTES: usize = 16 * 1024;

#[test]
fn identity_of_format_2_and_log_of_format_1() {
    let vfs = FaultVfs::new();
    let mut home = open(&vfs);
    home.initialize(IDENTITY, 3, 0, &LogOptions::small()).unwrap();
    let (log, mut writer) = home.open_log(0, &LogOptions::small()).unwrap();
    for op in operations() {
        log.submit(op, Box::new(|result| result.unwrap())).unwrap();
        writer.drive().unwrap();
    }
    drop((log, writer, home));
    let (identity, mut segment) = (read(&vfs, "/node/identity"), read(&vfs, SEGMENT));
    // The zeros behind the records are not kept.
    segment.truncate(segment.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    let frozen_identity = sample("identity-v2.bin", &identity);
    let mut frozen_segment = sample("log-segment-v1.bin", &segment);
    assert_eq!(identity, frozen_identity, "this build writes the identity as it always was");
    assert_eq!(segment, frozen_segment, "this build writes the log as it always was");

    let vfs = FaultVfs::new();
    frozen_segment.resize(SEGMENT_BYTES, 0);
    write(&vfs, SEGMENT, &frozen_segment);
    write(&vfs, "/node/identity", &frozen_identity);
    let home = open(&vfs);
    assert_eq!((home.identity(), home.epoch()), (Some(&IDENTITY), Some(3)));
    let (log, _writer) = home.open_log(0, &LogOptions::small()).unwrap();
    let state = log.state();
    assert_eq!(state.vote, Some(Bytes::from_static(b"vote of term 2")));
    assert_eq!((state.purged, state.committed), (Some(record(1, 0, b"").id), Some(record(1, 1, b"").id)));
    let records = log.get(0..10, 1_000).unwrap();
    assert_eq!(records, [record(1, 1, b""), record(1, 2, b"third"), record(2, 3, b"another fourth")]);
}

/// Format 1 had no epoch: it is of the first one.
#[test]
fn identity_of_format_1() {
    let vfs = FaultVfs::new();
    write(&vfs, "/node/identity", &std::fs::read(sample_path("identity-v1.bin")).unwrap());
    let home = open(&vfs);
    assert_eq!((home.identity(), home.epoch()), (Some(&IDENTITY), Some(1)));
}

#[test]
fn backup_of_format_1() {
    let header = BackupHeader {
        group: 0,
        cluster: IDENTITY.cluster,
        epoch: 3,
        config_version: 4_294_967_300,
        applied_index: 77,
        taken_at_ms: 1_700_000_000_123,
        build: "0.1.0".to_owned(),
    };
    let records: [&[u8]; 3] = [b"one", b"", b"three"];
    let mut encoder = BackupEncoder::begin(&header).unwrap();
    let mut written = Vec::new();
    for record in records {
        encoder.record(record).unwrap();
        written.extend(encoder.take());
    }
    written.extend(encoder.finish());
    let frozen = sample("backup-v1.bin", &written);
    assert_eq!(written, frozen, "this build writes backups as they always were");

    let vfs = FaultVfs::new();
    write(&vfs, "/elsewhere/backup", &frozen);
    let reader = BackupReader::open(&vfs, Path::new("/elsewhere/backup")).unwrap();
    assert_eq!(*reader.header(), header);
    assert!(reader.map(|record| record.unwrap()).eq(records));
}

#[test]
fn snapshot_of_format_1() {
    let name = "00000000000000000077-00000000000000000005-00000000000000000042.snapshot";
    let header = SnapshotHeader {
        epoch: 3,
        last: Some(LogId { term: 5, node: 42, index: 77 }),
        membership: Bytes::from_static(b"members"),
    };
    let records: [&[u8]; 3] = [b"one", b"", b"three"];
    let fresh = |vfs: &FaultVfs| {
        let mut home = open(vfs);
        home.initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
        home.open_snapshots(0).unwrap()
    };
    let path = format!("/node/group-0/snapshots/{name}");

    let vfs = FaultVfs::new();
    let mut writer = fresh(&vfs).begin(&header).unwrap();
    records.iter().for_each(|record| writer.record(record).unwrap());
    writer.finish().unwrap();
    let written = read(&vfs, &path);
    let frozen = sample("snapshot-v1.bin", &written);
    assert_eq!(written, frozen, "this build writes snapshots as they always were");

    let vfs = FaultVfs::new();
    drop(fresh(&vfs));
    write(&vfs, &path, &frozen);
    let snapshots = open(&vfs).open_snapshots(0).unwrap();
    let meta = snapshots.latest().unwrap();
    let reader = snapshots.read(&meta).unwrap();
    assert_eq!(*reader.header(), header);
    assert!(reader.map(|record| record.unwrap()).eq(records));
}
