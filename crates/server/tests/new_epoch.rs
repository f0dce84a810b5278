//! Backups under load, and clusters that go on in a new epoch: nothing acknowledged before a backup is missing from it,
//! config versions never come twice, and nobody of the old epoch is listened to.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use nodes::{Calls, config, free_port, product, ready, start, until};
use tidegate_model::CohortId;
use tidegate_platform::{Platform, StdVfs};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tidegate_server::backup::{self, BackupFile};
use tidegate_server::new_epoch::{self, NewEpochError};
use tidegate_server::{Config, Node};
use tokio::sync::watch;

/// Folders and ports of a cluster, whoever runs in them.
struct Places {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
}

impl Places {
    fn new(count: usize) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), ports: (0..count).map(|_| free_port()).collect() }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Settings of node `id` over the folder called `name`. Where devices and operators find it is advertised, as in a real
    /// cluster; nobody looks for it there.
    fn config(&self, id: u64, name: &str, epoch: u64) -> Config {
        let advertise = [("advertise.device", "127.0.0.1:7400"), ("advertise.admin", "127.0.0.1:7500")];
        self.config_with(id, name, epoch, &advertise)
    }

    fn config_with(&self, id: u64, name: &str, epoch: u64, more: &[(&str, &str)]) -> Config {
        let peers: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (peers, epoch) = (peers.join(","), epoch.to_string());
        let own = [("cluster.bootstrap", peers.as_str()), ("cluster.epoch", &epoch)];
        let more: Vec<(&str, &str)> = own.iter().chain(more).copied().collect();
        config(id, &self.data(name), self.ports[usize::try_from(id).unwrap() - 1], &more)
    }

    /// Starts all nodes in folders called `n1` and so on.
    async fn start(&self) -> (Vec<Node>, Calls) {
        let mut running = Vec::new();
        for id in 1..=self.ports.len() {
            running.push(start(self.config(id as u64, &format!("n{id}"), 1)).await);
        }
        for node in &running {
            ready(node).await;
        }
        let calls = Calls::to(&running[0]).await;
        (running, calls)
    }
}

async fn stop(running: Vec<Node>) {
    for node in running {
        node.shutdown().await;
    }
}

/// Fetches a backup as the command line does.
async fn fetch(calls: &Calls, path: &Path) {
    let mut stream = calls.cluster().backup(admin::BackupRequest {}).await.unwrap().into_inner();
    let mut file = BackupFile::begin(Arc::new(StdVfs), path).unwrap();
    while let Some(message) = stream.message().await.unwrap() {
        file.write(&message.chunk).unwrap();
    }
    file.finish().unwrap();
}

fn cohort(number: u32) -> types::document::Spec {
    types::document::Spec::Cohort(types::Cohort { id: format!("c{number}"), product: "os".into(), ..types::Cohort::default() })
}

async fn audit(node: &Node) -> Vec<String> {
    let through = node.context().shelf.load().state.applied_index();
    node.context().books.wait_for(through, nodes::DEADLINE).await.unwrap();
    node.context().books.audit(None, 1_000).unwrap().into_iter().map(|row| row.action).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_from_any_node_holds_every_write_acknowledged_before_it() {
    let places = Places::new(3);
    let (running, calls) = places.start().await;
    calls.apply(product(2), "").await.unwrap();

    // Somebody writes, one object after the other, and says how far they are.
    let acknowledged = Arc::new(AtomicU32::new(0));
    let (end, ended) = watch::channel(false);
    let (writer, told) = (calls.clone(), Arc::clone(&acknowledged));
    let writing = tokio::spawn(async move {
        for number in 1.. {
            if *ended.borrow() {
                break;
            }
            writer.apply(vec![cohort(number)], "").await.unwrap();
            told.store(number, Ordering::SeqCst);
        }
    });
    for (round, node) in running.iter().enumerate() {
        let at_least = acknowledged.load(Ordering::SeqCst) + 5;
        until("some writes", || acknowledged.load(Ordering::SeqCst) >= at_least).await;
        let before = acknowledged.load(Ordering::SeqCst);
        let path = places.data(&format!("backup-{round}"));
        fetch(&Calls::to(node).await, &path).await;
        let (header, state) = backup::read(&StdVfs, &path).unwrap();
        for number in 1..=before {
            let name = (tidegate_model::ProductId::new("os").unwrap(), CohortId::new(&format!("c{number}")).unwrap());
            assert!(state.catalog().cohorts().contains_key(&name), "write {number} of {before} is missing in round {round}");
        }
        assert_eq!(header.config_version, state.config_version());
    }
    end.send_replace(true);
    writing.await.unwrap();
    drop(calls);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_cluster_goes_on_above_the_old_one_which_stays_outside() {
    let places = Places::new(2);
    let (running, calls) = places.start().await;
    calls.apply(product(2), "first").await.unwrap();
    calls.publish("r1").await;
    let path = places.data("backup");
    fetch(&calls, &path).await;
    let kept = calls.status().await;
    // What comes after the backup is lost with the cluster.
    calls.apply(vec![cohort(1)], "").await.unwrap();
    let last = calls.status().await;
    assert!(last.config_version > kept.config_version);
    drop(calls);
    stop(running).await;

    let founded = new_epoch::restore(&places.config(1, "restored", 2), &Platform::system(), &path).unwrap();
    assert_eq!((founded.epoch_before, founded.epoch, founded.node), (1, 2, 1));
    let node = start(places.config(1, "restored", 2)).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let status = calls.status().await;
    assert_eq!((status.digest.as_str(), status.epoch), (kept.digest.as_str(), 2));
    assert!(status.config_version > last.config_version + (1 << 32), "{status:?}");
    assert_eq!(calls.check("r0").await.target_release.as_deref(), Some("r1"));
    // A request that was answered before the backup hears the same answer; a new one is above everything.
    calls.apply(product(2), "first").await.unwrap();
    assert_eq!(calls.status().await.config_version, status.config_version);
    assert!(calls.apply(vec![cohort(2)], "").await.unwrap().config_version > status.config_version);
    assert!(audit(&node).await.contains(&"restore as epoch 2".to_owned()));

    // The old second node comes back as it was: it asks to be elected, and nobody listens.
    let old = start(places.config(2, "n2", 1)).await;
    let handle = node.context().handle().unwrap().clone();
    until("a refused call of the old epoch", || handle.counters().peer_calls_refused > 0).await;
    let peer_addr = format!("127.0.0.1:{}", places.ports[1]);
    let refused = calls.cluster().join(admin::JoinRequest { peer_addr: peer_addr.clone() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    assert!(!old.context().is_ready());
    old.shutdown().await;
    // Nor does a new configuration make its folder one of the new epoch.
    let renamed = Node::start(places.config(2, "n2", 2), Platform::system()).await.err().unwrap();
    let chain = format!("{:?}", renamed);
    assert!(chain.contains("Epoch { folder") && chain.contains("found: 1, configured: 2"), "{chain}");

    // On an empty folder it may join, under its old id.
    let second = start(places.config(2, "fresh", 2)).await;
    calls.cluster().join(admin::JoinRequest { peer_addr }).await.unwrap();
    ready(&second).await;
    until("the same state", || {
        second.context().shelf.load().state.config_version() == node.context().shelf.load().state.config_version()
    })
    .await;
    assert_eq!(second.context().shelf.load().state.epoch(), 2);
    assert_eq!(audit(&second).await, audit(&node).await);
    let verified = calls.cluster().verify(admin::VerifyRequest {}).await.unwrap().into_inner();
    assert!(verified.agree && verified.nodes.len() == 2, "{verified:?}");
    drop(calls);
    stop(vec![second, node]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_left_becomes_a_cluster_and_the_others_stay_outside() {
    let places = Places::new(3);
    let (running, calls) = places.start().await;
    calls.apply(product(2), "").await.unwrap();
    calls.publish("r1").await;
    let last = calls.status().await;
    let node_3 = running[2].context();
    until("replication", || node_3.shelf.load().state.config_version() == last.config_version).await;
    let history = audit(&running[2]).await;
    let platform = Platform::system();
    let in_use = new_epoch::remains(&platform, &places.data("n3")).unwrap_err();
    assert!(in_use.to_string().contains("is locked by another process"), "{in_use}");
    drop(calls);
    stop(running).await;

    let remains = new_epoch::remains(&platform, &places.data("n3")).unwrap();
    assert_eq!((remains.node, remains.epoch, remains.config_version), (3, 1, last.config_version));
    assert_eq!(remains.left.members.len(), 3);
    let founded = new_epoch::recover(&places.config(3, "recovered", 2), &platform, &places.data("n3")).unwrap();
    assert_eq!((founded.config_version_before, founded.epoch), (last.config_version, 2));
    assert_eq!(new_epoch::remains(&platform, &places.data("n3")).unwrap(), remains, "what was read is as it was");

    let node = start(places.config(3, "recovered", 2)).await;
    ready(&node).await;
    let calls = Calls::to(&node).await;
    let status = calls.status().await;
    assert_eq!(status.digest, last.digest);
    assert!(status.config_version > last.config_version + (1 << 32));
    assert_eq!(calls.check("r0").await.target_release.as_deref(), Some("r1"));
    let expected: Vec<String> = std::iter::once("recover as epoch 2".to_owned()).chain(history).collect();
    assert_eq!(audit(&node).await, expected, "the audit goes on where it was");

    // Both others come back: two of three, a majority of the old cluster. They do not get at the new one.
    let olds = vec![start(places.config(1, "n1", 1)).await, start(places.config(2, "n2", 1)).await];
    let handle = node.context().handle().unwrap().clone();
    until("refused calls of the old epoch", || handle.counters().peer_calls_refused > 0).await;
    calls.apply(vec![cohort(1)], "").await.unwrap();
    assert_eq!(calls.status().await.members.len(), 1);
    stop(olds).await;

    // Two empty nodes of the new epoch are a majority of the nodes named for the first start. They do not begin anew.
    let fresh = vec![start(places.config(1, "f1", 2)).await, start(places.config(2, "f2", 2)).await];
    let peers = places.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let init = Calls::to(&fresh[0]).await.cluster().init(admin::InitRequest { peer_addrs: peers }).await.unwrap_err();
    assert!(init.message().contains("node 3 belongs to an initialized cluster"), "{init:?}");
    for port in &places.ports[..2] {
        calls.cluster().join(admin::JoinRequest { peer_addr: format!("127.0.0.1:{port}") }).await.unwrap();
    }
    for node in &fresh {
        ready(node).await;
        assert_eq!(node.context().shelf.load().state.epoch(), 2);
    }
    let verified = calls.cluster().verify(admin::VerifyRequest {}).await.unwrap().into_inner();
    assert!(verified.agree && verified.nodes.len() == 3, "{verified:?}");
    stop(fresh).await;
    drop(calls);
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_is_refused_before_anything_is_written() {
    let places = Places::new(1);
    let (running, calls) = places.start().await;
    calls.apply(product(1), "").await.unwrap();
    let path = places.data("backup");
    fetch(&calls, &path).await;
    drop(calls);
    stop(running).await;
    let platform = Platform::system();
    let refused = |config: &Config, path: &Path| new_epoch::restore(config, &platform, path).unwrap_err();

    let same_epoch = refused(&places.config(1, "a", 1), &path);
    assert!(matches!(same_epoch, NewEpochError::Epoch(_)), "{same_epoch}");
    let too_far = refused(&places.config(1, "a", u64::from(u32::MAX)), &path);
    assert!(matches!(too_far, NewEpochError::Epoch(_)), "{too_far}");
    let other = Config { cluster_id: 1, ..places.config(1, "a", 2) };
    assert!(matches!(refused(&other, &path), NewEpochError::OtherCluster { configured: 1, .. }));
    // The system would choose another port at each start, and the others are told one for good.
    let homeless = refused(&places.config_with(1, "a", 2, &[("advertise.admin", "127.0.0.1:7500")]), &path);
    assert!(matches!(homeless, NewEpochError::NoPort { .. }), "{homeless}");
    assert!(homeless.to_string().starts_with("listen.device is 127.0.0.1:0, must have a port"), "{homeless}");
    assert!(!places.data("a").exists());
    let not_empty = refused(&places.config(1, "n1", 2), &path);
    assert!(matches!(not_empty, NewEpochError::NotEmpty { .. }), "{not_empty}");
    let nothing = new_epoch::recover(&places.config(1, "a", 2), &platform, &places.data("nowhere")).unwrap_err();
    assert!(nothing.to_string().contains("holds no node's data"), "{nothing}");
    assert!(!places.data("nowhere").exists(), "looking does not make a folder");

    // A flipped bit, a cut: named with file and offset.
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 4;
    for (name, bytes) in [("flipped", &flipped[..]), ("cut", &whole[..whole.len() - 9])] {
        let damaged = places.data(name);
        std::fs::write(&damaged, bytes).unwrap();
        let error = refused(&places.config(1, "a", 2), &damaged).to_string();
        assert!(error.contains(name) && error.contains("is damaged at offset"), "{error}");
    }
    assert!(!places.data("a").exists());
}
