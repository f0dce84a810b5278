//! A running node: [`Service`] owns its tasks, log and listener; everybody else holds a [`Handle`].

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use openraft::{Config, SnapshotPolicy};
use tidegate_platform::{Listener, Platform, causes};
use tidegate_store as store;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::application::Application;
use crate::ask::AskHandler;
use crate::freshness::Freshness;
use crate::freshness::probe::Probe;
use crate::freshness::sabotage::Faults;
use crate::freshness::wall::Walls;
use crate::handle::{Handle, Port};
use crate::limits;
use crate::node::core::{Core, Shared, Slots};
use crate::node::health::{self, Health};
use crate::node::log::{Pending, RaftLog};
use crate::node::machine::{Machine, Retired};
use crate::node::rounds::Rounds;
use crate::node::snapshot::SnapshotFiles;
use crate::node::tally::Tally;
use crate::node::types::Raft;
use crate::peer::api::{self, Api};
use crate::peer::install::Receiver;
use crate::peer::network::{Factory, Peers};
use crate::peer::route::{Gate, Identity};
use crate::peer::server;
use crate::roster::{Members, Roster};
use crate::runtime::{Production, Runtime};
use crate::settings::{Settings, SettingsError};
use crate::status::Member;

/// A node that runs until [`shutdown`](Service::shutdown) or a [`Fault`].
pub struct Service {
    handle: Handle,
    local_addr: SocketAddr,
    health: Arc<Health>,
    running: Box<dyn Running>,
    /// Becomes true when the log's driver has ended.
    log_ended: watch::Receiver<bool>,
    /// Holds the lock of the data folder, until the log is closed.
    home: store::Home,
}

/// What a service ends, whatever it runs with.
trait Running: Send + Sync + 'static {
    fn end(self: Box<Self>) -> futures_util::future::BoxFuture<'static, ()>;
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A rule between settings is broken.
    #[error("invalid settings")]
    Settings(#[from] SettingsError),
    /// The peer listener could not bind.
    #[error("cannot listen for peers at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The log or a snapshot cannot be used.
    #[error("cannot use the store in {folder}: {reason}")]
    Store {
        /// The data folder.
        folder: String,
        /// What is wrong, naming file and place.
        reason: String,
    },
    /// Bytes that the node has promised to keep are not what was written. What is left must not vote: a part of it would
    /// pass for all of it.
    #[error("the store in {folder} is damaged: {reason}")]
    Damaged {
        /// The data folder.
        folder: String,
        /// What is wrong, naming file and place.
        reason: String,
    },
    /// The folder was made in another epoch than the one that is configured.
    #[error("the store in {folder} is of epoch {found}, this node is configured for epoch {configured}")]
    Epoch {
        /// The data folder.
        folder: String,
        /// The folder's epoch.
        found: u64,
        /// The configured one.
        configured: u64,
    },
}

/// What made a node stop. It is logged once; the process has to end, for what is on disk is no longer certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The log or a snapshot file failed.
    #[error("storage failed: {reason}")]
    Storage {
        /// What failed, naming file and place.
        reason: String,
    },
    /// A log write took longer than [`DISK_STALL_MAX`](crate::limits::DISK_STALL_MAX).
    #[error("the disk did not finish a write for {stalled_ms} ms")]
    DiskStalled {
        /// How long the write had been waiting.
        stalled_ms: u64,
    },
    /// A task of the node panicked: a defect.
    #[error("a task of the node panicked")]
    Panicked,
    /// The peer listener ended.
    #[error("the peer listener failed: {reason}")]
    Listener {
        /// What the system said.
        reason: String,
    },
}

impl Service {
    /// Opens the store, starts consensus, the peer listener and the probe, on the production runtime.
    ///
    /// `platform.network` is the peers' network: decorate it with TLS beforehand. `asks` answers other nodes and is
    /// usually built before the node runs; give it the [`Handle`] afterwards.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start<A: Application>(
        settings: Settings,
        platform: Platform,
        application: A,
        asks: Arc<dyn AskHandler>,
    ) -> Result<Self, StartError> {
        Self::start_on::<Production, A>(settings, platform, application, asks).await
    }

    /// The same on a runtime of choice; the simulation uses [`Simulated`](crate::Simulated).
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    pub async fn start_on<Rt: Runtime, A: Application>(
        settings: Settings,
        platform: Platform,
        application: A,
        asks: Arc<dyn AskHandler>,
    ) -> Result<Self, StartError> {
        Startup { settings, platform, asks, faults: Faults::default() }.start::<Rt, A>(application).await
    }

    /// The same with deliberately broken freshness, for tests that prove they would notice.
    ///
    /// # Errors
    /// See [`StartError`]; nothing keeps running.
    #[cfg(feature = "testing")]
    pub async fn start_sabotaged<Rt: Runtime, A: Application>(
        settings: Settings,
        platform: Platform,
        application: A,
        asks: Arc<dyn AskHandler>,
        sabotage: Option<crate::freshness::Sabotage>,
    ) -> Result<Self, StartError> {
        Startup { settings, platform, asks, faults: Faults { chosen: sabotage } }.start::<Rt, A>(application).await
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where the peer listener is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Waits until the node cannot go on. The process has to end then, without waiting for anything on disk.
    pub async fn failed(&self) -> Fault {
        let mut faults = self.health.faults();
        match faults.wait_for(Option::is_some).await {
            Ok(fault) => fault.clone().unwrap_or(Fault::Panicked),
            Err(_) => Fault::Panicked,
        }
    }

    /// Stops: hands leadership over if it is here, refuses new calls, ends all tasks. What was acknowledged is durable
    /// already. Takes at most [`SHUTDOWN_MAX`](limits::SHUTDOWN_MAX).
    pub async fn shutdown(self) {
        let deadline = Instant::now() + limits::SHUTDOWN_MAX;
        if self.handle.leadership().borrow().is_here && !self.health.is_stopped() {
            // Without a successor this node leads until it is gone.
            let _ = self.handle.transfer_leader(None, Instant::now() + limits::HANDOVER_MAX).await;
        }
        self.health.stop();
        let mut log_ended = self.log_ended;
        let end = async {
            self.running.end().await;
            // Nobody else may open the folder while the log still tidies up. A driver that is gone has ended, too.
            let _ = log_ended.wait_for(|ended| *ended).await;
        };
        if tokio::time::timeout_at(deadline, end).await.is_err() {
            tracing::warn!("shutdown took too long, tasks abandoned");
        }
        drop(self.home);
    }
}

/// Everything that is known before a node runs.
struct Startup {
    settings: Settings,
    platform: Platform,
    asks: Arc<dyn AskHandler>,
    faults: Faults,
}

/// The opened store of one node.
struct Opened {
    home: store::Home,
    log: store::Log,
    writer: store::LogWriter,
    snapshots: store::Snapshots,
    store_uuid: u128,
}

impl Startup {
    fn folder(&self) -> String {
        self.settings.data_dir.display().to_string()
    }

    /// Damage is told apart wherever it lies in the chain of causes.
    fn store_error(&self, error: &(dyn std::error::Error + 'static)) -> StartError {
        let (folder, reason) = (self.folder(), causes(error));
        if is_damage(error) { StartError::Damaged { folder, reason } } else { StartError::Store { folder, reason } }
    }

    /// Opens the folder, makes it this node's if it is empty, and refuses somebody else's.
    fn open_store(&self) -> Result<Opened, StartError> {
        let s = &self.settings;
        let fail = |fault: store::Fault| self.store_error(&fault);
        let group = u64::from(s.group);
        let mut options = store::LogOptions::production();
        options.segment_bytes = u32::try_from(s.retention.segment_bytes).unwrap_or(u32::MAX);
        let cluster = store::ClusterId(s.cluster_id.to_be_bytes());
        let mut home = store::Home::open(Arc::clone(&self.platform.vfs), &s.data_dir).map_err(fail)?;
        if home.identity().is_none() {
            let mut uuid = [0; 16];
            self.platform.random.fill(&mut uuid);
            let identity = store::Identity { cluster, node: s.node, store: store::StoreUuid(uuid) };
            home.initialize(identity, s.epoch, group, &options).map_err(fail)?;
        }
        let identity = *home.identity().expect("it was just initialized if it had none");
        let expected = store::Identity { cluster, node: s.node, store: identity.store };
        identity.check(&s.data_dir.join("identity"), &expected).map_err(fail)?;
        if let Some(found) = home.epoch().filter(|epoch| *epoch != s.epoch) {
            return Err(StartError::Epoch { folder: self.folder(), found, configured: s.epoch });
        }
        let (log, writer) = home.open_log(group, &options).map_err(fail)?;
        let snapshots = home.open_snapshots(group).map_err(fail)?;
        Ok(Opened { home, log, writer, snapshots, store_uuid: u128::from_be_bytes(identity.store.0) })
    }

    /// Starts the log's driver; what it returns becomes true when the driver has ended.
    fn drive_log<Rt: Runtime>(&self, writer: store::LogWriter, health: &Arc<Health>) -> watch::Receiver<bool> {
        let health = Arc::clone(health);
        let (has_ended, log_ended) = watch::channel(false);
        let ended = move |result: Result<(), store::Fault>| {
            has_ended.send_replace(true);
            if let Err(fault) = result {
                health.fail(Fault::Storage { reason: fault.to_string() });
            }
        };
        if Rt::DRIVES_LOG_INLINE {
            self.platform.spawner.spawn("store-log", Box::pin(async move { ended(writer.run_inline().await) }));
        } else {
            writer.spawn(&*self.platform.spawner, Box::new(ended));
        }
        log_ended
    }

    async fn start<Rt: Runtime, A: Application>(self, application: A) -> Result<Service, StartError> {
        let random = Arc::clone(&self.platform.random);
        Rt::scope(|| random.u64(), self.start_in_scope::<Rt, A>(application)).await
    }

    async fn start_in_scope<Rt: Runtime, A: Application>(self, application: A) -> Result<Service, StartError> {
        self.settings.validate()?;
        let config = raft_config(&self.settings);
        let opened = self.open_store()?;
        let address = self.settings.listen;
        let listener = self.platform.network.listen(address).await.map_err(|source| StartError::Listen { address, source })?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let health = Arc::new(Health::new());
        let tally = Arc::new(Tally::default());
        let spawner = &self.platform.spawner;
        let files = SnapshotFiles::new(opened.snapshots.clone(), Arc::clone(spawner), self.settings.epoch);
        let log_ended = self.drive_log::<Rt>(opened.writer, &health);
        let opening = Machine::open(application, files.clone(), Arc::clone(&tally)).await;
        let (machine, published) = opening.map_err(|error| self.store_error(&error))?;
        let retired = machine.retired();
        let pending = Pending::new(Arc::clone(&self.platform.clock));
        let log = RaftLog::new(opened.log, pending.clone());
        let identity = self.identity(opened.store_uuid, local_addr);
        let peers = Peers::new(identity.clone(), Arc::clone(&self.platform.network), Arc::clone(spawner));
        let factory = Factory { peers: peers.clone() };
        let raft = Raft::<Rt, Machine<A>>::new(self.settings.node, Arc::new(config), factory, log.clone(), machine).await;
        let raft = raft.map_err(|fatal| self.store_error(&fatal))?;
        let core = self.core(raft, log, peers, identity, published, Arc::clone(&health), tally);
        let core = Arc::new(Core { retired, ..core });
        self.run(&core, listener, files, pending);
        let port: Arc<dyn Port> = Arc::new(Shared(Arc::clone(&core)));
        let handle = Handle { port, freshness: core.freshness.clone() };
        Ok(Service { handle, local_addr, health, running: Box::new(Shared(core)), log_ended, home: opened.home })
    }

    fn identity(&self, store_uuid: u128, local_addr: SocketAddr) -> Identity {
        let s = &self.settings;
        // An advertised address with port 0 takes the port that the system chose, for tests and `dev`.
        let peer_addr = match s.peer_addr.strip_suffix(":0") {
            Some(host) => format!("{host}:{}", local_addr.port()),
            None => s.peer_addr.clone(),
        };
        let me =
            Member { id: s.node, store_uuid, peer_addr, admin_addr: s.admin_addr.clone(), device_addr: s.device_addr.clone() };
        Identity { cluster_id: s.cluster_id, epoch: s.epoch, group: s.group, me }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a node, put together once")]
    fn core<Rt: Runtime, A: Application>(
        &self,
        raft: Raft<Rt, Machine<A>>,
        log: RaftLog,
        peers: Peers,
        identity: Identity,
        published: watch::Receiver<Option<u64>>,
        health: Arc<Health>,
        tally: Arc<Tally>,
    ) -> Core<Rt, A> {
        let platform = &self.platform;
        let roster = Roster::default();
        let members = {
            let metrics = raft.metrics();
            let metrics = openraft::async_runtime::watch::WatchReceiver::borrow_watched(&metrics);
            Members::of(metrics.membership_config.membership())
        };
        roster.store(members);
        Core {
            rounds: Arc::new(Rounds::new(raft.clone(), Arc::clone(&platform.spawner), Arc::clone(&tally), self.faults)),
            raft,
            log: ArcSwapOption::from_pointee(log),
            peers,
            walls: Arc::new(Walls::new(Arc::clone(&platform.clock), roster.clone(), identity.me.id)),
            gate: Arc::new(Gate::new(identity, roster.clone())),
            roster,
            retired: Retired::default(),
            freshness: Freshness::new(Arc::clone(&platform.clock), self.settings.max_staleness, self.faults),
            asks: Arc::clone(&self.asks),
            random: Arc::clone(&platform.random),
            published,
            health,
            tally,
            slots: Slots {
                proposals: Semaphore::new(limits::PROPOSALS_IN_FLIGHT_MAX),
                reads: Semaphore::new(limits::READS_IN_FLIGHT_MAX),
                asks: Semaphore::new(limits::ASKS_IN_FLIGHT_MAX),
            },
            election_max: self.settings.timing.election_max,
            supported_version: self.settings.supported_version,
        }
    }

    /// Starts the node's tasks.
    fn run<Rt: Runtime, A: Application>(
        &self,
        core: &Arc<Core<Rt, A>>,
        listener: Box<dyn Listener>,
        files: SnapshotFiles,
        pending: Pending,
    ) {
        let spawner = &self.platform.spawner;
        let api = Arc::new(Api {
            raft: core.raft.clone(),
            gate: Arc::clone(&core.gate),
            rounds: Arc::clone(&core.rounds),
            walls: Arc::clone(&core.walls),
            receiver: Arc::new(Receiver::new(files, Arc::clone(spawner))),
            asks: Arc::clone(&self.asks),
            ask_slots: api::ask_slots(),
            random: Arc::clone(&self.platform.random),
            supported_version: self.settings.supported_version,
        });
        let serving = server::serve(listener, api, Arc::clone(spawner), core.health.stopping());
        let health = Arc::clone(&core.health);
        let serve = async move {
            if let Err(error) = serving.await {
                health.fail(Fault::Listener { reason: error.to_string() });
            }
        };
        let probe = Probe {
            freshness: core.freshness.clone(),
            questions: Arc::new(Shared(Arc::clone(core))),
            random: Arc::clone(&self.platform.random),
            published: core.published.clone(),
            interval: self.settings.timing.probe,
            tally: Arc::clone(&core.tally),
        };
        spawner.spawn("peer-listener", Box::pin(serve));
        spawner.spawn("consensus-metrics", Box::pin(health::follow_metrics(Arc::clone(core))));
        spawner.spawn("disk-watch", Box::pin(health::watch_disk(Arc::clone(core), pending)));
        spawner.spawn("majority-watch", Box::pin(health::watch_majority(Arc::clone(core))));
        spawner.spawn("clock-watch", Box::pin(health::watch_clock(Arc::clone(core))));
        spawner.spawn("freshness-probe", Box::pin(recover_then_probe(Arc::clone(core), probe)));
    }
}

/// Nothing is fresh before everything that was durable here is applied again.
async fn recover_then_probe<Rt: Runtime, A: Application>(core: Arc<Core<Rt, A>>, probe: Probe) {
    let mut stop = core.health.stopping();
    let stopping = core.health.stopping();
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return,
        recovered = core.raft.wait_for_recovery(None) => {
            if recovered.is_err() {
                return;
            }
        }
    }
    probe.run(stopping).await;
}

impl<Rt: Runtime, A: Application> Running for Shared<Rt, A> {
    fn end(self: Box<Self>) -> futures_util::future::BoxFuture<'static, ()> {
        let random = Arc::clone(&self.0.random);
        Box::pin(Rt::scope(
            move || random.u64(),
            Box::pin(async move {
                if let Err(error) = self.0.raft.shutdown().await {
                    tracing::warn!(%error, "consensus did not end cleanly");
                }
                self.0.log.store(None);
            }),
        ))
    }
}

/// Whether the store says that bytes are not what was written, at any depth. An `io::Error` hides what it carries from
/// its chain of sources.
fn is_damage(error: &(dyn std::error::Error + 'static)) -> bool {
    let fault =
        |error: &(dyn std::error::Error + 'static)| error.downcast_ref::<store::Fault>().is_some_and(store::Fault::is_damage);
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        fault(error) || carried.is_some_and(|carried| fault(carried))
    })
}

fn raft_config(settings: &Settings) -> Config {
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (timing, retention) = (&settings.timing, &settings.retention);
    let config = Config {
        cluster_name: format!("{:032x}/{}", settings.cluster_id, settings.group),
        heartbeat_interval: ms(timing.heartbeat),
        election_timeout_min: ms(timing.election_min),
        election_timeout_max: ms(timing.election_max),
        quorum_loss_probe_interval: Some(ms(timing.quorum_loss_probe)),
        enable_pre_vote: Some(true),
        // A restarted leader asks for votes like everybody else.
        enable_leader_restore: Some(false),
        // Losing a part of the log is a fault, never something to go along with.
        allow_log_reversion: Some(false),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(retention.snapshot_entries),
        max_in_snapshot_log_to_keep: retention.log_entries_kept,
        replication_lag_threshold: retention.snapshot_entries.saturating_add(retention.log_entries_kept).saturating_mul(2),
        purge_batch_size: (retention.log_entries_kept / 8).max(1),
        // Bytes are bounded where the log is read; this only keeps the number sane.
        max_payload_entries: 4_096,
        install_snapshot_timeout: ms(limits::SNAPSHOT_INSTALL_MAX),
        api_channel_size: Some(limits::PROPOSALS_IN_FLIGHT_MAX as u64),
        ..Config::default()
    };
    config.validate().expect("Settings::validate is stricter")
}
