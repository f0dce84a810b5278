//! Three nodes in one process over loopback: a small application, a network that can be cut, and waiting with deadlines.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod disks;
pub mod ledger;
pub mod wires;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tidegate_consensus::{
    AskHandler, AskRefused, Handle, Member, Priority, ProposeError, Proposed, Retention, Role, Service, Settings, Timing,
};
use tidegate_platform::Platform;
use tokio::time::Instant;

use self::disks::Disk;
use self::ledger::{Ledger, View};
use self::wires::Wires;

/// Answers an ask with the same bytes and this node's id in front.
pub struct Echo(pub u64);

impl AskHandler for Echo {
    fn handle(&self, from: u64, request: Bytes) -> BoxFuture<'static, Result<Bytes, AskRefused>> {
        let answer = format!("{} heard {from}: {}", self.0, String::from_utf8_lossy(&request));
        async move { Ok(Bytes::from(answer)) }.boxed()
    }
}

/// One node that may be down.
pub struct Node {
    pub id: u64,
    pub dir: PathBuf,
    pub view: View,
    pub service: Option<Service>,
    /// Kept over restarts, so that the recorded address stays true.
    pub port: u16,
}

impl Node {
    pub fn handle(&self) -> Handle {
        self.service.as_ref().expect("this node is up").handle()
    }
}

/// A cluster under test. Dropped, it leaves nothing running: services end with their runtime.
pub struct Cluster {
    pub nodes: BTreeMap<u64, Node>,
    pub wires: Wires,
    pub retention: Retention,
    /// Disks of nodes that have none of this machine's.
    pub disks: BTreeMap<u64, Disk>,
    /// How freshness is broken on nodes started from now on.
    #[cfg(feature = "testing")]
    pub sabotage: Option<tidegate_consensus::freshness::Sabotage>,
    _root: tempfile::TempDir,
    root: PathBuf,
}

pub fn in_secs(secs: u64) -> Instant {
    Instant::now() + Duration::from_secs(secs)
}

/// Polls until `condition` gives a value; panics with `what` after `secs`.
pub async fn eventually<T>(what: &str, secs: u64, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = in_secs(secs);
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {secs} s: {what}");
    }
}

pub fn settings(id: u64, dir: &Path, port: u16, retention: Retention) -> Settings {
    Settings {
        cluster_id: 0xc1,
        epoch: 1,
        group: 0,
        node: id,
        data_dir: dir.to_owned(),
        listen: format!("127.0.0.1:{port}").parse().unwrap(),
        peer_addr: format!("127.0.0.1:{port}"),
        admin_addr: format!("admin-{id}:1"),
        device_addr: format!("device-{id}:1"),
        supported_version: 1,
        max_staleness: Duration::from_secs(5),
        timing: Timing::production(),
        retention,
    }
}

impl Cluster {
    /// Nodes 1 to 3, started but not yet one cluster.
    pub async fn started(retention: Retention, disks: BTreeMap<u64, Disk>) -> Self {
        let mut cluster = Self::empty(retention, disks);
        for id in 1..=3 {
            cluster.add(id).await;
        }
        cluster
    }

    fn empty(retention: Retention, disks: BTreeMap<u64, Disk>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        Self {
            nodes: BTreeMap::new(),
            wires: Wires::default(),
            retention,
            disks,
            #[cfg(feature = "testing")]
            sabotage: None,
            root: temp.path().to_owned(),
            _root: temp,
        }
    }

    /// Nodes 1 to 3 with a leader, all with freshness broken in this way, or whole.
    #[cfg(feature = "testing")]
    pub async fn led_with(sabotage: Option<tidegate_consensus::freshness::Sabotage>) -> Self {
        let mut cluster = Self { sabotage, ..Self::empty(Retention::production(), BTreeMap::new()) };
        for id in 1..=3 {
            cluster.add(id).await;
        }
        cluster.unite().await;
        cluster
    }

    /// Nodes 1 to 3 with a leader.
    pub async fn led(retention: Retention) -> Self {
        Self::led_on(retention, BTreeMap::new()).await
    }

    /// The same on disks of the test's own.
    pub async fn led_on(retention: Retention, disks: BTreeMap<u64, Disk>) -> Self {
        let cluster = Self::started(retention, disks).await;
        cluster.unite().await;
        cluster
    }

    async fn unite(&self) {
        let mut members = Vec::new();
        for node in self.nodes.values() {
            members.push(self.discover(node.port).await);
        }
        self.nodes[&1].handle().initialize(members).await.unwrap();
        self.leader().await;
    }

    pub async fn discover(&self, port: u16) -> Member {
        let anyone = self.nodes.values().find(|node| node.service.is_some()).unwrap().handle();
        anyone.discover(&format!("127.0.0.1:{port}"), in_secs(5)).await.unwrap()
    }

    /// Starts a new node with an empty folder.
    pub async fn add(&mut self, id: u64) {
        let dir = self.root.join(format!("node-{id}"));
        let node = Node { id, dir, view: View::default(), service: None, port: 0 };
        self.nodes.insert(id, node);
        self.start(id).await;
    }

    /// Starts a node that is down.
    pub async fn start(&mut self, id: u64) {
        let network = self.wires.network(id);
        let retention = self.retention;
        let node = self.nodes.get_mut(&id).unwrap();
        let mut platform = Platform { network: Arc::new(network), ..Platform::system() };
        if let Some(disk) = self.disks.get(&id) {
            platform.vfs = Arc::new(disk.clone());
        }
        node.view = View::default();
        let settings = settings(id, &node.dir, node.port, retention);
        let (ledger, echo) = (Ledger::new(node.view.clone()), Arc::new(Echo(id)));
        #[cfg(feature = "testing")]
        let started =
            Service::start_sabotaged::<tidegate_consensus::Production, _>(settings, platform, ledger, echo, self.sabotage);
        #[cfg(not(feature = "testing"))]
        let started = Service::start(settings, platform, ledger, echo);
        let service = started.await.unwrap();
        node.port = service.local_addr().port();
        self.wires.name(id, node.port);
        node.service = Some(service);
    }

    pub async fn stop(&mut self, id: u64) {
        let service = self.nodes.get_mut(&id).unwrap().service.take().unwrap();
        service.shutdown().await;
    }

    pub fn handle(&self, id: u64) -> Handle {
        self.nodes[&id].handle()
    }

    fn up(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.service.is_some())
    }

    /// The node that leads by its own account and that of a majority.
    pub async fn leader(&self) -> u64 {
        let agreed = async || {
            let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
            for node in self.up() {
                let status = node.handle().status();
                if let Some(leader) = status.leader {
                    *counts.entry(leader).or_default() += 1;
                }
            }
            let (leader, votes) = counts.into_iter().max_by_key(|(_, votes)| *votes)?;
            let leads = self.up().any(|node| node.id == leader && node.handle().status().role == Role::Leader);
            (votes >= 2 && leads).then_some(leader)
        };
        eventually("a leader", 15, agreed).await
    }

    /// Proposes on whoever leads until it is acknowledged; a payload may then have been applied more than once.
    pub async fn propose(&self, payload: Bytes) -> Proposed {
        eventually("an acknowledged proposal", 20, async || {
            let leader = self.leader().await;
            match self.handle(leader).propose(payload.clone(), Priority::Ordinary, in_secs(5)).await {
                Ok(proposed) => Some(proposed),
                Err(ProposeError::NotLeader { .. } | ProposeError::UnknownOutcome | ProposeError::Stopped) => None,
                Err(error) => panic!("unexpected refusal: {error}"),
            }
        })
        .await
    }

    /// Waits until every node that is up has applied `index`.
    pub async fn applied_everywhere(&self, index: u64, secs: u64) {
        eventually(&format!("index {index} applied everywhere"), secs, async || {
            self.up().all(|node| node.handle().status().applied_index >= index).then_some(())
        })
        .await;
    }

    /// Asserts that all nodes that are up hold the same entries, in the same order.
    pub fn assert_equal_ledgers(&self) {
        let ledgers: Vec<_> = self.up().map(|node| (node.id, node.view.entries())).collect();
        let (first, entries) = &ledgers[0];
        for (other, others) in &ledgers[1..] {
            assert_eq!(entries.len(), others.len(), "ledgers of nodes {first} and {other}");
            assert!(entries == others, "ledgers of nodes {first} and {other} differ");
        }
    }
}
