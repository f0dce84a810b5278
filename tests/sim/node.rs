//! One simulated node: its disk and clock outlive its processes, each of which runs the real server without its listeners:
//! consensus, state machine, compiler, the ways of reads and writes, and what runs beside them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_consensus::freshness::Sabotage;
use tidegate_consensus::{Handle, Retention, Service, Simulated};
use tidegate_platform::{OsRandom, Platform, Random, SeededRandom};
use tidegate_server::application::Tidegate;
use tidegate_server::asks::Asks;
use tidegate_server::source::Source;
use tidegate_server::steering::Records;
use tidegate_server::{Config, Context, Fragment, journal, upkeep};
use tidegate_store::Journal;
use tidegate_store::journal::JournalBounds;
use tidegate_store::testing::FaultVfs;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::app::Observed;
use crate::door::{self, Door};
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
    context: Mutex<Option<Arc<Context>>>,
    hand_over: Notify,
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
            context: Mutex::new(None),
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
        let context = self.context.lock().expect("no panic happens under this lock");
        context.as_ref()?.handle().ok().cloned()
    }

    /// Whether the living process has found its digest to differ, or met an entry that it cannot carry out.
    pub fn is_unsound(&self) -> bool {
        let context = self.context.lock().expect("no panic happens under this lock");
        context.as_ref().is_some_and(|context| !context.is_sound())
    }

    /// Ends the process; with a power loss, unsynced bytes and names are lost too.
    pub fn die(&self, power_loss: Option<u64>) {
        let mut disk = self.disk.lock().expect("no panic happens under this lock");
        *disk = match power_loss {
            Some(seed) => disk.crash(seed),
            None => disk.kill(),
        };
        *self.context.lock().expect("no panic happens under this lock") = None;
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

    fn config(&self) -> Config {
        let mut fragment = Fragment::default();
        let (node, listen) = (self.id.to_string(), format!("0.0.0.0:{PEER_PORT}"));
        let advertised = format!("{}:{PEER_PORT}", self.name());
        let chosen = [
            ("node.id", node.as_str()),
            ("node.data_dir", "/data"),
            ("listen.peer", &listen),
            ("advertise.peer", &advertised),
            ("insecure", "true"),
            ("limits.write_timeout", "2500ms"),
            ("limits.read_timeout", "2500ms"),
        ];
        for (key, value) in chosen {
            fragment.set_flag(key, value).expect("the settings of a run exist");
        }
        let (mut config, _) = Config::load([fragment]).expect("the settings of a run are valid");
        // Smaller than a deployment may choose, so that a short run meets rotation, snapshots and purges.
        config.retention = Retention { snapshot_entries: 120, log_entries_kept: 60, segment_bytes: 128 * 1024 };
        config.cluster_id = u128::from(self.seed) + 1;
        config
    }

    /// One life of the process, until it fails or is ended from outside: what `server::Node` starts, except listeners.
    pub async fn live(self: Arc<Self>) {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let (platform, config) = (self.platform(life), self.config());
        self.world.began(self.id);
        // History and audit are lost with each process, and fetched again from the other nodes.
        let (writer, books) = journal::open_inline(Journal::in_memory(JournalBounds::initial()));
        let records = Arc::new(Records::new());
        let (inner, shelf) = Tidegate::new(config.cluster_id, config.epoch, writer, Arc::clone(&records));
        let world = Arc::clone(&self.world);
        let application = Observed { inner, shelf: Arc::clone(&shelf), node: self.id, world, applied_index: 0 };
        let settings = config.consensus_settings(String::new(), String::new());
        let context = Arc::new(Context::new(config, shelf, books, records, platform.clone()));
        let asks = Arc::new(Asks::new(&context));
        let started = Service::start_sabotaged::<Simulated, _>(settings, platform, application, asks, self.sabotage);
        let service = match started.await {
            Ok(service) => service,
            Err(error) => return self.failed(&format!("did not start: {}", with_causes(&error))),
        };
        let handle = service.handle();
        context.attach(handle.clone());
        context.set_open(true);
        upkeep::start(&context);
        *self.context.lock().expect("no panic happens under this lock") = Some(Arc::clone(&context));
        let spawner = &context.platform.spawner;
        spawner.spawn("watch", Box::pin(Arc::clone(&self).watch_leadership(handle.clone())));
        spawner.spawn("hand-over", Box::pin(Arc::clone(&self).hand_over_when_asked(handle.clone())));
        spawner.spawn("door", Box::pin(Arc::clone(&self).open_door(Arc::clone(&context))));
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

    async fn open_door(self: Arc<Self>, context: Arc<Context>) {
        let listening = context.platform.network.listen(([0, 0, 0, 0], door::PORT).into()).await;
        let mut listener = listening.expect("the port is free on a simulated host");
        let source = Arc::new(Source::new(Arc::clone(&context)));
        let door = Door { node: self.id, world: Arc::clone(&self.world), context: Arc::clone(&context), source };
        while let Ok(accepted) = listener.accept().await {
            context.platform.spawner.spawn("door", Box::pin(door.clone().serve(accepted.io)));
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
