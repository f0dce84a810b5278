//! Entry points for fuzzers: arbitrary bytes in, no panic and no hang out.

use std::path::Path;
use std::sync::Arc;

use tidegate_platform::{OpenMode, Vfs};

use super::FaultVfs;
use crate::backup::{BackupEncoder, BackupHeader, BackupReader};
use crate::fault::Fault;
use crate::home::{ClusterId, Identity, StoreUuid};
use crate::limits::SEGMENT_BYTES_MIN;
use crate::log::{self, LogOptions, LogStore, forge};
use crate::snapshot::{SnapshotHeader, Snapshots};

const IDENTITY: Identity = Identity { cluster: ClusterId([1; 16]), node: 1, store: StoreUuid([2; 16]) };
const LOG: &str = "/log";
const SNAPSHOTS: &str = "/snapshots";
const BACKUP: &str = "/backup";

fn put(vfs: &FaultVfs, path: &Path, bytes: &[u8]) {
    let written = vfs.open(path, OpenMode::CreateNew).and_then(|file| file.write_at(0, bytes));
    written.expect("a disk in memory takes everything");
}

fn open_log(bytes: &[u8]) -> Result<usize, Fault> {
    let vfs = FaultVfs::new();
    vfs.create_dir_all(Path::new(LOG)).expect("a disk in memory takes everything");
    put(&vfs, &Path::new(LOG).join("00000000000000000001.log"), bytes);
    let (log, _writer) = log::open(Arc::new(vfs), Path::new(LOG), &IDENTITY, 0, &LogOptions::small())?;
    log.get(0..u64::MAX, u64::MAX).map(|records| records.len())
}

/// Opens a log whose one segment is `bytes`; returns how many entries it holds.
pub fn log_segment(bytes: &[u8]) -> Result<usize, Fault> {
    open_log(bytes)
}

/// Opens a log whose one segment holds records with fitting checksums and arbitrary content: each is a kind byte, a length
/// byte and that many bytes of `bytes`; the first body is the state record.
pub fn log_records(bytes: &[u8]) -> Result<usize, Fault> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some(([kind, len], after)) = rest.split_first_chunk::<2>() {
        let (body, after) = after.split_at(usize::from(*len).min(after.len()));
        records.push((*kind, body));
        rest = after;
    }
    open_log(&forge::segment(&IDENTITY, SEGMENT_BYTES_MIN, &records))
}

/// Reads a snapshot file that is `bytes` to its end; returns what it says about itself.
pub fn snapshot(bytes: &[u8]) -> Result<SnapshotHeader, Fault> {
    let vfs = FaultVfs::new();
    vfs.create_dir_all(Path::new(SNAPSHOTS)).expect("a disk in memory takes everything");
    put(&vfs, &Path::new(SNAPSHOTS).join("+none.snapshot"), bytes);
    let snapshots = Snapshots::open(Arc::new(vfs), Path::new(SNAPSHOTS), IDENTITY.cluster, 0)?;
    let meta = snapshots.latest().expect("an unreadable newest snapshot is an error");
    snapshots.read(&meta)?.verify()
}

/// The bytes of a small valid snapshot, to start from.
pub fn snapshot_seed() -> Result<Vec<u8>, Fault> {
    let snapshots = Snapshots::open(Arc::new(FaultVfs::new()), Path::new(SNAPSHOTS), IDENTITY.cluster, 0)?;
    let header = SnapshotHeader { epoch: 1, last: None, membership: bytes::Bytes::from_static(b"members") };
    let mut writer = snapshots.begin(&header)?;
    writer.record(b"one")?;
    writer.record(b"")?;
    let meta = writer.finish()?;
    snapshots.bytes(&meta)?.chunk(0, usize::MAX)
}

/// Reads a backup that is `bytes` to its end; returns what it says about itself, and its records.
pub fn backup(bytes: &[u8]) -> Result<(BackupHeader, Vec<Vec<u8>>), Fault> {
    let vfs = FaultVfs::new();
    put(&vfs, Path::new(BACKUP), bytes);
    let mut reader = BackupReader::open(&vfs, Path::new(BACKUP))?;
    let records = reader.by_ref().collect::<Result<_, _>>()?;
    Ok((reader.header().clone(), records))
}

/// The bytes of a backup with these records.
pub fn backup_of(header: &BackupHeader, records: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
    let mut encoder = BackupEncoder::begin(header)?;
    records.iter().try_for_each(|record| encoder.record(record))?;
    Ok(encoder.finish())
}

/// What a small backup says about itself, to start from.
#[must_use]
pub fn backup_header() -> BackupHeader {
    BackupHeader {
        group: 0,
        cluster: IDENTITY.cluster,
        epoch: 1,
        config_version: 7,
        applied_index: 9,
        taken_at_ms: 1_700_000_000_000,
        build: "0.1.0".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn arbitrary_records_are_replayed_or_refused(
            records in proptest::collection::vec((0u8..12, proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..90)), 0..12)
        ) {
            let mut bytes = Vec::new();
            for (kind, body) in records {
                bytes.extend([kind, u8::try_from(body.len()).unwrap()]);
                bytes.extend(body);
            }
            let _ = log_records(&bytes);
        }

        #[test]
        fn a_changed_snapshot_is_refused(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = snapshot_seed().unwrap();
            let at = at.index(bytes.len());
            let is_same = bytes[at] == byte;
            bytes[at] = byte;
            prop_assert_eq!(snapshot(&bytes).is_ok(), is_same);
        }

        #[test]
        fn arbitrary_files_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(log_segment(&bytes).is_err());
            prop_assert!(snapshot(&bytes).is_err());
            prop_assert!(backup(&bytes).is_err());
        }

        #[test]
        fn a_changed_backup_is_refused(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let whole = (backup_header(), vec![b"one".to_vec(), Vec::new()]);
            let mut bytes = backup_of(&whole.0, &whole.1).unwrap();
            prop_assert_eq!(&backup(&bytes).unwrap(), &whole);
            let at = at.index(bytes.len());
            let is_same = bytes[at] == byte;
            bytes[at] = byte;
            prop_assert_eq!(backup(&bytes).is_ok(), is_same);
        }
    }

    #[test]
    fn hostile_numbers_are_refused() {
        let state = crate::log::forge::empty_state();
        let mut start = vec![1, u8::try_from(state.len()).unwrap()];
        start.extend(&state);
        let with = |kind: u8, body: &[u8]| {
            let mut bytes = start.clone();
            bytes.extend([kind, u8::try_from(body.len()).unwrap()]);
            bytes.extend(body);
            log_records(&bytes)
        };
        assert_eq!(with(2, &[0; 24]).unwrap(), 1, "an entry of index 0");
        assert!(with(2, &[0xff; 24]).is_err(), "an entry of the last index");
        assert!(with(2, &[0; 23]).is_err(), "half an entry");
        assert_eq!(with(4, &[0; 25]).unwrap(), 0, "no committed index");
        assert!(with(4, &[2; 25]).is_err(), "a flag that is neither");
        assert!(with(1, &state).is_err(), "a second state record");
        assert!(with(99, &[]).is_err(), "a kind of a newer build");
        assert!(with(6, &[[1].as_slice(), &[0xff; 24]].concat()).is_ok(), "purged up to the last index");
    }
}
