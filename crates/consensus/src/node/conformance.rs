//! openraft's own suite for storage, run on the adaptors over the real log and snapshot files.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tidegate_platform::{SystemClock, TokioSpawner};
use tidegate_store::testing::FaultVfs;
use tidegate_store::{ClusterId, Home, Identity, LogOptions, StoreUuid};

use super::log::{Pending, RaftLog};
use super::machine::Machine;
use super::snapshot::SnapshotFiles;
use super::tally::Tally;
use super::types::Types;
use crate::application::{Application, Frozen, InstallError};
use crate::runtime::Production;

/// Counts what it applies.
struct Counter(u64);

impl Application for Counter {
    type Frozen = Self;

    fn apply(&mut self, _index: u64, _payload: &[u8]) -> Bytes {
        self.0 += 1;
        Bytes::new()
    }

    fn is_publishing_long(&self) -> bool {
        self.0.is_multiple_of(2)
    }

    fn publish(&mut self, _applied_index: u64) {}

    fn freeze(&self) -> Self {
        Self(self.0)
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = std::io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        for record in records {
            let record = record.map_err(InstallError::Read)?;
            self.0 = u64::from_be_bytes(record.try_into().unwrap());
        }
        Ok(())
    }
}

impl Frozen for Counter {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        sink(&self.0.to_be_bytes())
    }
}

struct Builder;

impl StoreBuilder<Types<Production>, RaftLog, Machine<Counter>, Home> for Builder {
    async fn build(&self) -> Result<(Home, RaftLog, Machine<Counter>), StorageError<Types<Production>>> {
        let spawner = Arc::new(TokioSpawner);
        let mut home = Home::open(Arc::new(FaultVfs::new()), Path::new("/data")).unwrap();
        let options = LogOptions::small();
        let identity = Identity { cluster: ClusterId([1; 16]), node: 0, store: StoreUuid([2; 16]) };
        home.initialize(identity, 1, 0, &options).unwrap();
        let (log, writer) = home.open_log(0, &options).unwrap();
        writer.spawn(&*spawner, Box::new(|ended| ended.unwrap()));
        let log = RaftLog::new(log, Pending::new(Arc::new(SystemClock::new())));
        let files = SnapshotFiles::new(home.open_snapshots(0).unwrap(), spawner, 1);
        let (machine, _) = Machine::open(Counter(0), files, Arc::new(Tally::default())).await.unwrap();
        Ok((home, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_suite_passes_on_the_real_log_and_snapshots() {
    Suite::<_, _, _, Builder, _>::test_all(Builder).await.unwrap();
}
