//! The kill suite: a real process on the machine's files is killed with SIGKILL, again and again, and whatever it
//! acknowledged through a pipe must be there.
//!
//! The process is this test program itself, started with an environment variable. It and the judge draw the same
//! operations from the same seed, so only acknowledgements travel: one byte each.
//!
//! What a killed process wrote is in the page cache whatever it synced, so the files lie in memory where there is a file
//! system for that: the suite is about what is written in which order, and the power-loss suite about syncs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests print what they showed")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tidegate_platform::StdVfs;
use tidegate_store::testing::judge;
use tidegate_store::testing::model::Model;
use tidegate_store::testing::workload::{Step, Workload};
use tidegate_store::{ClusterId, Home, Identity, LogId, LogOptions, LogStore, Op, StoreUuid};

const CHILD: &str = "TIDEGATE_STORE_KILL_CHILD";
const SEED: &str = "TIDEGATE_STORE_KILL_SEED";
const IDENTITY: Identity = Identity { cluster: ClusterId([1; 16]), node: 1, store: StoreUuid([2; 16]) };
const STORES: u64 = 6;
const KILLS_PER_STORE: u64 = 52;
/// Acknowledges that the operation is durable.
const DURABLE: u8 = b'd';
/// Acknowledges that it will be with the next one.
const LAZY: u8 = b'l';

#[test]
fn nothing_acknowledged_is_lost_in_hundreds_of_killed_processes() {
    if let Some(dir) = std::env::var_os(CHILD) {
        let seed = std::env::var(SEED).unwrap().parse().unwrap();
        return child(&PathBuf::from(dir), seed);
    }
    let mut acknowledged = 0;
    for store in 0..STORES {
        let memory = Path::new("/dev/shm");
        let guard = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let dir = guard.path().join("node");
        Home::open(Arc::new(StdVfs), &dir).unwrap().initialize(IDENTITY, 1, 0, &LogOptions::small()).unwrap();
        let mut model = Model::default();
        for kill in 0..KILLS_PER_STORE {
            let seed = store * 1_000 + kill;
            let acks = killed_child(&dir, seed);
            acknowledged += acks.len();
            model = judged(&dir, seed, &model, &acks);
        }
    }
    let kills = STORES * KILLS_PER_STORE;
    println!("{kills} kills, {acknowledged} acknowledged operations");
    assert!(kills >= 300);
    assert!(acknowledged as u64 >= 100 * kills, "{acknowledged} acknowledged in {kills} lives");
}

/// Starts a child, kills it after some acknowledgements, and returns all that it gave.
fn killed_child(dir: &Path, seed: u64) -> Vec<u8> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--nocapture", "--exact", "nothing_acknowledged_is_lost_in_hundreds_of_killed_processes"])
        .env(CHILD, dir)
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let enough = 120 + usize::try_from(Workload::new(seed).below(150)).unwrap();
    let mut acks = vec![0; enough];
    pipe.read_exact(&mut acks).unwrap_or_else(|error| panic!("seed {seed}: the child ended by itself: {error}"));
    child.kill().unwrap();
    pipe.read_to_end(&mut acks).unwrap();
    child.wait().unwrap();
    let stray: Vec<u8> = acks.iter().copied().filter(|byte| ![DURABLE, LAZY].contains(byte)).collect();
    assert!(stray.is_empty(), "seed {seed}: the child said {}", String::from_utf8_lossy(&stray));
    acks
}

/// Draws the operations that the child drew, and judges what it left.
fn judged(dir: &Path, seed: u64, start: &Model, acks: &[u8]) -> Model {
    // What is submitted and not acknowledged fits into one batch of the child.
    let (mut model, mut workload, mut ops, mut snapshot) = (start.clone(), Workload::new(seed), Vec::new(), None);
    while ops.len() < acks.len() + 16 {
        let op = match workload.next(&model) {
            Step::Log(op) => op,
            Step::BuildSnapshot(upto) | Step::InstallSnapshot(upto) => {
                if ops.len() < acks.len() {
                    snapshot = Some(upto);
                }
                Op::Purge { upto }
            }
        };
        workload.below(3);
        model.apply(&op);
        ops.push(op);
    }
    let promised = acks.iter().rposition(|ack| *ack == DURABLE).map_or(0, |at| at + 1);
    let home = Home::open(Arc::new(StdVfs), dir).unwrap();
    let (log, _writer) = home.open_log(0, &LogOptions::small()).unwrap_or_else(|fault| panic!("seed {seed}: {fault}"));
    let model = judge::log(start, &ops, promised, &log).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    let snapshots = home.open_snapshots(0).unwrap();
    judge::snapshots(&snapshots, snapshot, model.purged).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    model
}

/// Writes until it is killed.
fn child(dir: &Path, seed: u64) {
    let home = Home::open(Arc::new(StdVfs), dir).unwrap();
    let (log, mut writer) = home.open_log(0, &LogOptions::small()).unwrap();
    let snapshots = home.open_snapshots(0).unwrap();
    let mut model = Model::read(&log).unwrap();
    let mut workload = Workload::new(seed);
    let mut waiting = 0;
    loop {
        let op = match workload.next(&model) {
            Step::Log(op) => op,
            Step::BuildSnapshot(last) | Step::InstallSnapshot(last) => {
                snapshot(&snapshots, last);
                Op::Purge { upto: last }
            }
        };
        let ack = if matches!(op, Op::SaveCommitted(_)) { LAZY } else { DURABLE };
        let done = move |result: Result<(), tidegate_store::Fault>| {
            if result.is_ok() {
                std::io::stderr().write_all(&[ack]).unwrap();
            }
        };
        model.apply(&op);
        log.submit(op, Box::new(done)).unwrap();
        waiting += 1;
        if workload.below(3) == 0 || waiting == 16 {
            writer.drive().unwrap();
            writer.idle().unwrap();
            waiting = 0;
        }
    }
}

fn snapshot(snapshots: &tidegate_store::Snapshots, last: LogId) {
    judge::build_snapshot(snapshots, last).unwrap();
}
