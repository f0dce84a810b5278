//! Every log under the one conformance suite: on the machine's files, on files in memory, and the twin in memory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_platform::{StdVfs, Vfs};
use tidegate_store::log::MemLog;
use tidegate_store::testing::FaultVfs;
use tidegate_store::testing::log_suite::{self, Backend, Running};
use tidegate_store::{ClusterId, Home, Identity, LogOptions, LogStore, StoreUuid};

const IDENTITY: Identity = Identity { cluster: ClusterId([7; 16]), node: 3, store: StoreUuid([8; 16]) };

struct OnDisk {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    options: LogOptions,
    _guard: Option<tempfile::TempDir>,
}

impl Backend for OnDisk {
    fn start(&mut self) -> Running {
        let mut home = Home::open(Arc::clone(&self.vfs), &self.dir).unwrap();
        if home.identity().is_none() {
            home.initialize(IDENTITY, 1, 0, &self.options).unwrap();
        }
        let (log, mut writer) = home.open_log(0, &self.options).unwrap();
        let drive = Box::new(move || {
            while writer.drive()? > 0 {}
            Ok(())
        });
        Running { log: Arc::new(log), drive }
    }
}

struct InMemory(Arc<MemLog>);

impl Backend for InMemory {
    fn start(&mut self) -> Running {
        let log = Arc::clone(&self.0);
        let drive = Box::new(move || {
            log.drive();
            Ok(())
        });
        let log: Arc<dyn LogStore> = Arc::clone(&self.0) as _;
        Running { log, drive }
    }
}

#[test]
fn the_log_on_the_machines_files_conforms() {
    log_suite::run(|| {
        let guard = tempfile::tempdir().unwrap();
        OnDisk { vfs: Arc::new(StdVfs), dir: guard.path().join("node"), options: LogOptions::small(), _guard: Some(guard) }
    });
}

#[test]
fn the_log_on_files_in_memory_conforms() {
    let new = |options: LogOptions| {
        move || OnDisk {
            vfs: Arc::new(FaultVfs::new()),
            dir: Path::new("/node").to_owned(),
            options: options.clone(),
            _guard: None,
        }
    };
    log_suite::run(new(LogOptions::small()));
    // With no memory for payloads, every read of an entry that is written goes to disk.
    let mut uncached = LogOptions::small();
    uncached.cache_bytes = 0;
    log_suite::run(new(uncached));
}

#[test]
fn the_twin_in_memory_conforms() {
    log_suite::run(|| InMemory(Arc::new(MemLog::new())));
}
