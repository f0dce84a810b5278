//! The crash rig: lives of a store that end in a power loss, a killed process or a failed sync, and the question after
//! each whether anything that was acknowledged is missing, anything that never was has appeared, or it does not open.
//!
//! `judge` holds the questions.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tidegate_platform::Vfs;

use super::model::Model;
use super::workload::{Step, Workload};
use super::{FaultVfs, judge};
use crate::fault::Fault;
use crate::home::{ClusterId, Home, Identity, StoreUuid};
use crate::log::{self, Log, LogId, LogOptions, LogStore, LogWriter, Op, Refused};
use crate::sabotage::Sabotage;
use crate::snapshot::Snapshots;

const HOME: &str = "/node";
const LOG: &str = "/node/group-0/log";
const SNAPSHOTS: &str = "/node/group-0/snapshots";
const GROUP: u64 = 0;
/// A life that no fault ended ends by itself.
const STEPS_PER_LIFE: u64 = 1_500;

/// What many lives showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Power losses.
    pub power_losses: u64,
    /// Killed processes, the machine going on.
    pub kills: u64,
    /// Failed syncs, each followed by one of the above.
    pub failed_syncs: u64,
    /// Operations acknowledged as durable, votes and appends and the rest.
    pub acknowledged: u64,
    /// Snapshots built or installed.
    pub snapshots: u64,
}

/// A broken promise, with what is needed to see it again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("seed {seed}, life {life}: {what}")]
pub struct Violation {
    /// Seed of the run.
    pub seed: u64,
    /// Number of the life after which it showed, from 0.
    pub life: u64,
    /// What is wrong.
    pub what: String,
}

/// Runs `lives` lives of one store; `broken` leaves out a step.
pub fn run(seed: u64, lives: u64, broken: Option<Sabotage>) -> Result<Report, Violation> {
    let identity = Identity { cluster: ClusterId([1; 16]), node: 1, store: StoreUuid([2; 16]) };
    let mut options = LogOptions::small();
    if let Some(step) = broken {
        options = options.broken(step);
    }
    let vfs = FaultVfs::new();
    let violation = |life, what: String| Violation { seed, life, what };
    let created = Home::open(Arc::new(vfs.clone()), Path::new(HOME))
        .and_then(|mut home| home.initialize(identity, 1, GROUP, &LogOptions::small()));
    created.map_err(|fault| violation(0, format!("the store cannot be created: {fault}")))?;

    let mut rig = Rig {
        vfs,
        identity,
        options,
        broken,
        workload: Workload::new(seed),
        start: Model::default(),
        ops: Vec::new(),
        acks: Acks::default(),
        snapshot: None,
        report: Report::default(),
    };
    for life in 0..lives {
        rig.life().map_err(|what| violation(life, what))?;
    }
    rig.open().map_err(|what| violation(lives, what))?;
    Ok(rig.report)
}

/// Acknowledgements of one life, counted by callbacks.
#[derive(Clone, Debug, Default)]
struct Acks {
    /// Operations acknowledged, in order.
    count: Arc<AtomicUsize>,
    /// Operations whose durability these prove.
    durable: Arc<AtomicUsize>,
    out_of_order: Arc<Mutex<Option<String>>>,
}

struct Rig {
    vfs: FaultVfs,
    identity: Identity,
    options: LogOptions,
    broken: Option<Sabotage>,
    workload: Workload,
    /// Where the log stood when the life began.
    start: Model,
    /// What was submitted in it.
    ops: Vec<Op>,
    acks: Acks,
    /// The newest snapshot acknowledged.
    snapshot: Option<LogId>,
    report: Report,
}

/// How a life ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    PowerLoss,
    Kill,
    /// And then one of the others.
    FailedSync,
}

struct Open {
    log: Log,
    writer: LogWriter,
    snapshots: Snapshots,
    model: Model,
}

/// The bytes of a snapshot that another node built.
fn foreign_bytes(cluster: ClusterId, last: LogId) -> Result<Vec<u8>, Fault> {
    let vfs: Arc<dyn Vfs> = Arc::new(FaultVfs::new());
    let snapshots = Snapshots::open(vfs, Path::new("/peer"), cluster, GROUP)?;
    judge::build_snapshot(&snapshots, last)?;
    let meta = snapshots.latest().expect("it was just built");
    let bytes = snapshots.bytes(&meta)?;
    bytes.chunk(0, usize::MAX)
}

impl Rig {
    fn life(&mut self) -> Result<(), String> {
        let mut open = self.open()?;
        let end = self.arm();
        let ends_with_failed_sync = end == End::FailedSync;
        let mut steps = if end == End::Kill { 1 + self.workload.below(400) } else { STEPS_PER_LIFE };
        let ended = loop {
            steps -= 1;
            if steps == 0 {
                break None;
            }
            if let Err(fault) = self.step(&mut open) {
                break Some(fault);
            }
        };
        self.check_end(ended, ends_with_failed_sync)?;
        self.report.acknowledged += self.acks.count.load(Ordering::Relaxed) as u64;
        // The files are dropped with the process; the power goes first.
        let is_kill = end == End::Kill || ends_with_failed_sync && self.workload.below(2) == 0;
        let seed = self.workload.seed();
        self.vfs = if is_kill {
            self.report.kills += 1;
            self.vfs.kill()
        } else {
            self.report.power_losses += 1;
            self.vfs.crash(seed)
        };
        drop(open);
        Ok(())
    }

    /// Chooses how the life ends.
    fn arm(&mut self) -> End {
        match self.workload.below(12) {
            0 => {
                self.report.failed_syncs += 1;
                self.vfs.fail_sync_after(1 + self.workload.below(120));
                End::FailedSync
            }
            1 | 2 => End::Kill,
            _ => {
                self.vfs.cut_power_after(1 + self.workload.below(600));
                End::PowerLoss
            }
        }
    }

    fn check_end(&self, ended: Option<Fault>, ends_with_failed_sync: bool) -> Result<(), String> {
        if let Some(problem) = self.acks.out_of_order.lock().expect("no panic happens under this lock").clone() {
            return Err(problem);
        }
        match ended {
            Some(fault) if !self.vfs.is_off() && !ends_with_failed_sync => Err(format!("failed without a cause: {fault}")),
            _ => Ok(()),
        }
    }

    fn step(&mut self, open: &mut Open) -> Result<(), Fault> {
        match self.workload.next(&open.model) {
            Step::Log(op) => self.submit(open, op)?,
            Step::BuildSnapshot(last) => {
                judge::build_snapshot(&open.snapshots, last)?;
                self.snapshot_done(open, last)?;
            }
            Step::InstallSnapshot(last) => {
                let bytes = foreign_bytes(self.identity.cluster, last)?;
                let mut incoming = open.snapshots.begin_install()?;
                for chunk in bytes.chunks(1_000) {
                    incoming.write(incoming.received(), chunk)?;
                }
                incoming.finish()?;
                self.submit(open, Op::SaveCommitted(Some(last)))?;
                self.snapshot_done(open, last)?;
            }
        }
        if self.workload.below(3) == 0 {
            open.writer.drive()?;
            open.writer.idle()?;
        }
        Ok(())
    }

    fn snapshot_done(&mut self, open: &mut Open, last: LogId) -> Result<(), Fault> {
        self.snapshot = Some(last);
        self.report.snapshots += 1;
        self.submit(open, Op::Purge { upto: last })
    }

    fn submit(&mut self, open: &mut Open, op: Op) -> Result<(), Fault> {
        let number = self.ops.len();
        let proves = !matches!(op, Op::SaveCommitted(_));
        let acks = self.acks.clone();
        let done = Box::new(move |result: Result<(), Fault>| {
            if result.is_err() {
                return;
            }
            let before = acks.count.fetch_add(1, Ordering::Relaxed);
            if before != number {
                let problem = format!("operation {number} was acknowledged as number {before}");
                *acks.out_of_order.lock().expect("no panic happens under this lock") = Some(problem);
            }
            if proves {
                acks.durable.store(number + 1, Ordering::Relaxed);
            }
        });
        self.ops.push(op.clone());
        open.model.apply(&op);
        open.log.submit(op, done).map_err(|refused| match refused {
            Refused::Stopped(fault) => fault,
            other => unreachable!("the workload respects every bound: {other}"),
        })
    }

    /// Opens the store after a life and judges what it finds.
    fn open(&mut self) -> Result<Open, String> {
        let vfs: Arc<dyn Vfs> = Arc::new(self.vfs.clone());
        let home = Home::open(Arc::clone(&vfs), Path::new(HOME)).map_err(|fault| format!("home does not open: {fault}"))?;
        if home.identity() != Some(&self.identity) {
            return Err("the identity is lost".to_owned());
        }
        let (log, writer) = log::open(Arc::clone(&vfs), Path::new(LOG), &self.identity, GROUP, &self.options)
            .map_err(|fault| format!("the log does not open: {fault}"))?;
        let snapshots = match self.broken {
            Some(step) => Snapshots::open_broken(vfs, Path::new(SNAPSHOTS), self.identity.cluster, GROUP, step),
            None => Snapshots::open(vfs, Path::new(SNAPSHOTS), self.identity.cluster, GROUP),
        };
        let snapshots = snapshots.map_err(|fault| format!("the snapshots do not open: {fault}"))?;
        let promised = self.acks.durable.load(Ordering::Relaxed);
        let model = judge::log(&self.start, &self.ops, promised, &log)?;
        judge::snapshots(&snapshots, self.snapshot, model.purged)?;
        self.start = model.clone();
        self.ops.clear();
        self.acks = Acks::default();
        Ok(Open { log, writer, snapshots, model })
    }
}
