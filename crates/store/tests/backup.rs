//! Backup files: whole or not there, and damage is named.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_platform::{OpenMode, Vfs};
use tidegate_store::testing::FaultVfs;
use tidegate_store::{BackupEncoder, BackupFile, BackupHeader, BackupReader, ClusterId, Fault};

const FOLDER: &str = "/backups";
const RECORDS: [&[u8]; 4] = [b"first", b"", b"a third one", b"last"];

fn path() -> PathBuf {
    Path::new(FOLDER).join("today")
}

fn header() -> BackupHeader {
    BackupHeader {
        group: 0,
        cluster: ClusterId([7; 16]),
        epoch: 2,
        config_version: 31,
        applied_index: 40,
        taken_at_ms: 5,
        build: "test".to_owned(),
    }
}

/// The bytes of a backup in several pieces.
fn pieces() -> Vec<Vec<u8>> {
    let mut encoder = BackupEncoder::begin(&header()).unwrap();
    let mut pieces = Vec::new();
    for record in RECORDS {
        encoder.record(record).unwrap();
        assert!(encoder.ready_bytes() > 0);
        pieces.push(encoder.take());
    }
    pieces.push(encoder.finish());
    pieces
}

fn disk() -> FaultVfs {
    let vfs = FaultVfs::new();
    vfs.create_dir_all(Path::new(FOLDER)).unwrap();
    vfs
}

fn begin(vfs: &FaultVfs) -> Result<BackupFile, Fault> {
    BackupFile::begin(Arc::new(vfs.clone()), &path())
}

fn put(vfs: &FaultVfs, bytes: &[u8]) {
    vfs.open(&path(), OpenMode::CreateNew).unwrap().write_at(0, bytes).unwrap();
}

#[test]
fn a_backup_is_read_as_it_was_written_and_no_other_takes_its_place() {
    let vfs = disk();
    let mut file = begin(&vfs).unwrap();
    pieces().iter().for_each(|piece| file.write(piece).unwrap());
    assert_eq!(file.written(), pieces().concat().len() as u64);
    assert!(!vfs.exists(&path()).unwrap(), "it has no name before it is whole");
    assert_eq!(file.finish().unwrap(), header());

    let mut reader = BackupReader::open(&vfs, &path()).unwrap();
    assert_eq!(*reader.header(), header());
    assert!(reader.by_ref().map(|record| record.unwrap()).eq(RECORDS));
    assert_eq!(reader.read_count(), 4);
    assert!(matches!(begin(&vfs).unwrap_err(), Fault::Exists { .. }));
    assert_eq!(vfs.files(), [path()], "nothing is left over");
}

#[test]
fn what_did_not_come_whole_gets_no_name() {
    let whole = pieces().concat();
    for keep in [0, 3, 20, whole.len() / 2, whole.len() - 1] {
        let vfs = disk();
        let mut file = begin(&vfs).unwrap();
        file.write(&whole[..keep]).unwrap();
        let fault = file.finish().unwrap_err();
        assert!(fault.is_damage(), "{keep}: {fault}");
        assert_eq!(vfs.files(), Vec::<PathBuf>::new(), "{keep}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_named() {
    let whole = pieces().concat();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let vfs = disk();
        put(&vfs, &bytes);
        let result = BackupReader::open(&vfs, &path()).and_then(BackupReader::verify);
        let fault = result.expect_err("a flipped bit is never read as something else");
        // A flip in the format number cannot be told from a newer format.
        assert!(fault.is_damage() || matches!(fault, Fault::Format { .. }), "{at}: {fault}");
        assert!(fault.to_string().contains("/backups/today"), "{fault}");

        let vfs = disk();
        put(&vfs, &whole[..at]);
        let result = BackupReader::open(&vfs, &path()).and_then(BackupReader::verify);
        assert!(result.is_err_and(|fault| fault.is_damage()), "cut at {at}");
    }
    let vfs = disk();
    put(&vfs, &[whole, vec![0]].concat());
    let result = BackupReader::open(&vfs, &path()).and_then(BackupReader::verify);
    assert!(result.is_err_and(|fault| fault.is_damage()), "something behind the trailer");
}

#[test]
fn a_power_loss_leaves_the_whole_backup_or_none() {
    let vfs = disk();
    vfs.sync_dir(Path::new("/")).unwrap();
    let mut file = begin(&vfs).unwrap();
    pieces().iter().for_each(|piece| file.write(piece).unwrap());
    file.finish().unwrap();
    let vfs = vfs.crash(7);
    assert_eq!(BackupReader::open(&vfs, &path()).unwrap().verify().unwrap(), header());
}
