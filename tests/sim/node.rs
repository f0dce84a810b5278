//! One simulated node: its disk and clock outlive its processes, each of which runs the real consensus service.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tidegate_consensus::freshness::Sabotage;
use tidegate_consensus::{
    Application, AskHandler, AskRefused, Frozen, Handle, InstallError, Retention, Service, Settings, Simulated, Timing,
};
use tidegate_platform::{OsRandom, Platform, Random, SeededRandom};
use tidegate_store::testing::FaultVfs;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::app::SimApp;
use crate::door::{self, Door, View};
use crate::seams::{Dice, SimClock, SimNetwork, SimSpawner, Skew};
use crate::trace::Kind;
use crate::world::World;

const PEER_PORT: u16 = 7000;

/// What outlives a process.
pub struct Node {
    pub id: u64,
    pub seed: u64,
    pub nodes: u64,
    pub world: Arc<World>,
    pub skew: Skew,
    pub leak: bool,
    pub sabotage: Option<Sabotage>,
    disk: Mutex<FaultVfs>,
    lives: AtomicU64,
    handle: Mutex<Option<Handle>>,
    hand_over: Notify,
}

/// Nobody asks in a run: clients have doors of their own.
struct NoAsks;

impl AskHandler for NoAsks {
    fn handle(&self, _from: u64, _request: Bytes) -> BoxFuture<'static, Result<Bytes, AskRefused>> {
        async { Err(AskRefused::Busy) }.boxed()
    }
}

impl Node {
    pub fn new(id: u64, nodes: u64, seed: u64, world: Arc<World>, leak: bool, sabotage: Option<Sabotage>) -> Self {
        let observer = Arc::clone(&world);
        let name = format!("node-{id}");
        let disk = FaultVfs::new().traced(Arc::new(move |op| {
            let text = format!("{} {} {} {} {:08x}", op.call, op.path.display(), op.offset, op.len, op.digest);
            observer.trace(Kind::File, &name, &text, &[]);
        }));
        Self {
            id,
            seed,
            nodes,
            world,
            skew: Skew::default(),
            leak,
            sabotage,
            disk: Mutex::new(disk),
            lives: AtomicU64::new(0),
            handle: Mutex::new(None),
            hand_over: Notify::new(),
        }
    }

    pub fn name(&self) -> String {
        format!("node-{}", self.id)
    }

    fn disk(&self) -> FaultVfs {
        self.disk.lock().expect("no panic happens under this lock").clone()
    }

    /// The handle of the living process.
    pub fn handle(&self) -> Option<Handle> {
        self.handle.lock().expect("no panic happens under this lock").clone()
    }

    /// Ends the process; with a power loss, unsynced bytes and names are lost too.
    pub fn die(&self, power_loss: Option<u64>) {
        let mut disk = self.disk.lock().expect("no panic happens under this lock");
        *disk = match power_loss {
            Some(seed) => disk.crash(seed),
            None => disk.kill(),
        };
        *self.handle.lock().expect("no panic happens under this lock") = None;
    }

    /// Cuts the power in the middle of one of the next file operations; [`die`](Self::die) has to follow.
    pub fn cut_power_after(&self, operations: u64) {
        self.disk().cut_power_after(operations);
    }

    pub fn is_off(&self) -> bool {
        self.disk().is_off()
    }

    /// Lets the living process hand leadership over, from a task of its own.
    pub fn ask_to_hand_over(&self) {
        self.hand_over.notify_one();
    }

    async fn hand_over_when_asked(self: Arc<Self>, handle: Handle) {
        loop {
            self.hand_over.notified().await;
            let outcome = handle.transfer_leader(None, Instant::now() + Duration::from_secs(2)).await;
            self.world.trace(Kind::Leader, &self.name(), &format!("handed over: {outcome:?}"), &[]);
        }
    }

    fn platform(&self, life: u64) -> Platform {
        let purpose = self.id * 1_000 + life;
        let random: Arc<dyn Random> =
            if self.leak { Arc::new(OsRandom) } else { Arc::new(SeededRandom::new(Dice::new(self.seed, purpose).u64())) };
        Platform {
            clock: Arc::new(SimClock { world: Arc::clone(&self.world), skew: Arc::clone(&self.skew) }),
            random,
            vfs: Arc::new(self.disk()),
            network: Arc::new(SimNetwork { world: Arc::clone(&self.world), node: self.name() }),
            spawner: Arc::new(SimSpawner { dice: Dice::new(self.seed, purpose + 500_000) }),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            cluster_id: u128::from(self.seed) + 1,
            epoch: 1,
            group: 0,
            node: self.id,
            data_dir: PathBuf::from("/data"),
            listen: ([0, 0, 0, 0], PEER_PORT).into(),
            peer_addr: format!("{}:{PEER_PORT}", self.name()),
            admin_addr: String::new(),
            device_addr: String::new(),
            supported_version: 1,
            max_staleness: Duration::from_secs(5),
            timing: Timing::production(),
            retention: Retention { snapshot_entries: 120, log_entries_kept: 60, segment_bytes: 128 * 1024 },
        }
    }

    /// One life of the process, until it fails or is ended from outside.
    pub async fn live<A: SimApp>(self: Arc<Self>) {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let platform = self.platform(life);
        let view = View::default();
        let application = Observed::<A> {
            inner: A::empty(),
            node: self.id,
            world: Arc::clone(&self.world),
            view: view.clone(),
            applied_index: 0,
        };
        let started = Service::start_sabotaged::<Simulated, _>(
            self.settings(),
            platform.clone(),
            application,
            Arc::new(NoAsks),
            self.sabotage,
        );
        let service = match started.await {
            Ok(service) => service,
            Err(error) => return self.failed(&format!("did not start: {}", with_causes(&error))),
        };
        let handle = service.handle();
        *self.handle.lock().expect("no panic happens under this lock") = Some(handle.clone());
        platform.spawner.spawn("watch", Box::pin(Arc::clone(&self).watch_leadership(handle.clone())));
        platform.spawner.spawn("hand-over", Box::pin(Arc::clone(&self).hand_over_when_asked(handle.clone())));
        platform.spawner.spawn("door", Box::pin(Arc::clone(&self).open_door::<A>(platform.clone(), handle.clone(), view)));
        if life == 0 && self.id == 1 {
            self.initialize(&handle).await;
        }
        let fault = service.failed().await;
        self.failed(&fault.to_string());
    }

    /// A process may fail only because its power went.
    fn failed(&self, reason: &str) {
        self.world.trace(Kind::Fault, &self.name(), reason, &[]);
        if !self.disk().is_off() {
            self.world.violated(format!("node {} {reason}", self.id));
        }
    }

    async fn initialize(&self, handle: &Handle) {
        let mut members = Vec::new();
        for id in 1..=self.nodes {
            let address = format!("node-{id}:{PEER_PORT}");
            let mut attempts = tokio::time::interval(Duration::from_millis(20));
            loop {
                attempts.tick().await;
                if let Ok(member) = handle.discover(&address, Instant::now() + Duration::from_secs(1)).await {
                    break members.push(member);
                }
            }
        }
        if let Err(error) = handle.initialize(members).await {
            self.world.violated(format!("the cluster was not initialized: {error}"));
        }
    }

    async fn watch_leadership(self: Arc<Self>, handle: Handle) {
        let mut leadership = handle.leadership();
        loop {
            let seen = *leadership.borrow_and_update();
            if seen.is_here {
                self.world.leads(self.id, seen.term);
            }
            if leadership.changed().await.is_err() {
                return;
            }
        }
    }

    async fn open_door<A: SimApp>(self: Arc<Self>, platform: Platform, handle: Handle, view: View) {
        let listening = platform.network.listen(([0, 0, 0, 0], door::PORT).into()).await;
        let mut listener = listening.expect("the port is free on a simulated host");
        let operation_of = A::operation_of;
        let door = Door { node: self.id, world: Arc::clone(&self.world), handle, view, operation_of };
        while let Ok(accepted) = listener.accept().await {
            platform.spawner.spawn("door", Box::pin(door.clone().serve(accepted.io)));
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// An application under observation.
struct Observed<A> {
    inner: A,
    node: u64,
    world: Arc<World>,
    view: View,
    applied_index: u64,
}

impl<A: SimApp> Application for Observed<A> {
    type Frozen = ObservedFrozen<A::Frozen>;

    fn apply(&mut self, index: u64, payload: &[u8]) -> Bytes {
        if index <= self.applied_index {
            self.world.violated(format!("node {} applied index {index} after {}", self.node, self.applied_index));
        }
        self.applied_index = index;
        let response = self.inner.apply(index, payload);
        self.world.applied(self.node, index, A::operation_of(payload), self.inner.digest());
        response
    }

    fn publish(&mut self, applied_index: u64) {
        self.inner.publish(applied_index);
        self.applied_index = applied_index;
        self.world.stands_at(self.node, applied_index, self.inner.digest());
        self.view.publish(applied_index, self.inner.digest());
    }

    fn freeze(&self) -> Self::Frozen {
        ObservedFrozen { inner: self.inner.freeze(), world: Arc::clone(&self.world) }
    }

    fn install(&mut self, records: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> Result<(), InstallError> {
        self.world.count(|tally| tally.snapshots_installed += 1);
        self.inner.install(records)
    }
}

struct ObservedFrozen<F> {
    inner: F,
    world: Arc<World>,
}

impl<F: Frozen> Frozen for ObservedFrozen<F> {
    fn write(&self, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.world.count(|tally| tally.snapshots_built += 1);
        self.inner.write(sink)
    }
}
