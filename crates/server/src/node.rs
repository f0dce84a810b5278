//! One running node: the order in which its parts start and stop.
//!
//! Start: journal, application, listeners bound, consensus (log recovered, peers served), then operators and devices are
//! served, then the cluster is initialised if this node is told to. Stop: closed for traffic, leadership handed over,
//! running calls finished, log and journal flushed. Reads and checks are refused until the log is recovered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tidegate_consensus::{Fault, Service, Settings, StartError};
#[cfg(feature = "testing")]
use tidegate_consensus::{Production, freshness::Sabotage};
use tidegate_gateway::{Gateway, gateway::Bounds};
use tidegate_platform::net::NetFuture;
use tidegate_platform::tls::{ClientCertificates, ConnectTls, KeyPair, ListenTls, TlsError, TlsNetwork};
use tidegate_platform::{Apart, HomeSpawner, Listener, Network, OpenMode, Platform, Spawner, VfsFile};
use tidegate_store::journal::JournalBounds;
use tidegate_store::{Journal, JournalError};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic_health::ServingStatus;

use crate::application::Tidegate;
use crate::asks::Asks;
use crate::config::{Config, TlsFiles};
use crate::context::Context;
use crate::kinds::Kinds;
use crate::limits::{
    BOOTSTRAP_PAUSE, DRAIN_WRITE_MAX, HANDOVER_WAIT_MAX, PEER_QUESTION_MAX, REFRESH_INTERVAL, THREADS_WAIT_MAX, WAITING_NOTICE,
};
use crate::metrics::Metrics;
use crate::source::Source;
use crate::steering::Records;
use crate::threads::Tracked;
use crate::{journal, listen, upkeep};

/// A node that serves until [`Node::shutdown`] or a [`Failure`].
pub struct Node {
    context: Arc<Context>,
    service: Service,
    /// The thread of consensus: log, peers and the application have it for themselves.
    consensus: Apart,
    device_addr: SocketAddr,
    admin_addr: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Arc<Tracked>,
    /// The first thing that went wrong in a part of the node.
    failed: watch::Receiver<Option<Failure>>,
    /// Held: one process per folder. Consensus locks its own part; the journal's database must not be touched by a
    /// second process either.
    _lock: Arc<dyn VfsFile>,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// A certificate cannot be used.
    #[error("cannot use the certificates of the {listener} listener")]
    Tls {
        /// Which listener.
        listener: &'static str,
        /// What is wrong with them.
        #[source]
        source: Box<TlsError>,
    },
    /// An address cannot be bound.
    #[error("cannot listen at {address} for {listener}")]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("cannot use the data folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the data folder.
    #[error("the data folder {} is in use by another process", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The system gives no thread for consensus.
    #[error("cannot start the thread of consensus")]
    Thread(#[source] std::io::Error),
    /// Not even an empty journal can be opened.
    #[error("cannot open the journal")]
    Journal(#[from] JournalError),
    /// Consensus did not start.
    #[error("cannot start consensus")]
    Consensus(#[from] StartError),
}

/// What made a running node stop. The process has to end with an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Consensus cannot go on.
    #[error(transparent)]
    Consensus(#[from] Fault),
    /// The log holds something that this build cannot carry out.
    #[error("{reason}")]
    NotUnderstood {
        /// What, naming the entry.
        reason: String,
    },
    /// A listener failed for good.
    #[error("the {listener} listener failed: {reason}")]
    Listener {
        /// Which listener.
        listener: &'static str,
        /// What the system said.
        reason: String,
    },
}

/// The networks of the three listeners, with TLS where it is configured.
struct Networks {
    device: Arc<dyn Network>,
    admin: Arc<dyn Network>,
    peer: Arc<dyn Network>,
}

impl Networks {
    fn new(config: &Config, platform: &Platform) -> Result<Self, StartFailure> {
        let listen = |files: &TlsFiles, protocols: &[&str]| ListenTls {
            identity: KeyPair { certificate: files.cert.clone(), key: files.key.clone() },
            clients: match (&files.ca, files.is_client_required) {
                (None, _) => ClientCertificates::Ignored,
                (Some(authority), false) => ClientCertificates::Optional { authority: authority.clone() },
                (Some(authority), true) => ClientCertificates::Required { authority: authority.clone() },
            },
            protocols: protocols.iter().map(|&name| name.to_owned()).collect(),
        };
        let decorate = |name: &'static str, files: Option<&TlsFiles>, protocols: &[&str], is_client: bool| {
            let Some(files) = files else { return Ok(Arc::clone(&platform.network)) };
            let connect = files.ca.clone().filter(|_| is_client).map(|authority| ConnectTls {
                authority,
                identity: Some(KeyPair { certificate: files.cert.clone(), key: files.key.clone() }),
                protocols: vec!["h2".to_owned()],
            });
            let inner = Arc::clone(&platform.network);
            let (vfs, clock) = (Arc::clone(&platform.vfs), Arc::clone(&platform.clock));
            let network = TlsNetwork::new(inner, vfs, clock, Some(listen(files, protocols)), connect);
            network
                .map(|network| Arc::new(network) as Arc<dyn Network>)
                .map_err(|error| StartFailure::Tls { listener: name, source: Box::new(error) })
        };
        Ok(Self {
            device: decorate("device", config.tls.device.as_ref(), &["h2", "http/1.1"], false)?,
            admin: decorate("admin", config.tls.admin.as_ref(), &["h2"], false)?,
            peer: decorate("peer", config.tls.peer.as_ref(), &["h2"], true)?,
        })
    }
}

async fn bind(
    listener: &'static str,
    address: SocketAddr,
    bound: NetFuture<'_, Box<dyn Listener>>,
) -> Result<(Box<dyn Listener>, SocketAddr), StartFailure> {
    let failed = |source| StartFailure::Listen { listener, address, source };
    let bound = bound.await.map_err(failed)?;
    let local = bound.local_addr().map_err(failed)?;
    Ok((bound, local))
}

/// Takes the data folder for this process.
fn lock(config: &Config, platform: &Platform) -> Result<Arc<dyn VfsFile>, StartFailure> {
    let folder = &config.data_dir;
    let failed = |source| StartFailure::Folder { folder: folder.clone(), source };
    platform.vfs.create_dir_all(folder).map_err(failed)?;
    let path = folder.join("server.lock");
    let mode = if platform.vfs.exists(&path).map_err(failed)? { OpenMode::Write } else { OpenMode::CreateNew };
    let file = platform.vfs.open(&path, mode).map_err(failed)?;
    if file.try_lock().map_err(failed)? { Ok(file) } else { Err(StartFailure::InUse { folder: folder.clone() }) }
}

/// How a node differs from the product: not at all, in every real build.
#[derive(Clone, Copy)]
pub struct Alterations {
    /// Freshness broken on purpose.
    #[cfg(feature = "testing")]
    pub sabotage: Option<Sabotage>,
    /// What the node knows of commands.
    pub kinds: Kinds,
}

impl Alterations {
    /// The product as it is.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            #[cfg(feature = "testing")]
            sabotage: None,
            kinds: Kinds::of_this_build(),
        }
    }

    async fn start_consensus(
        self,
        settings: Settings,
        peers: Platform,
        application: Tidegate,
        asks: Arc<Asks>,
    ) -> Result<Service, StartError> {
        #[cfg(feature = "testing")]
        {
            let application = application.knowing(self.kinds);
            Service::start_sabotaged::<Production, _>(settings, peers, application, asks, self.sabotage).await
        }
        #[cfg(not(feature = "testing"))]
        Service::start(settings, peers, application, asks).await
    }
}

impl Node {
    /// Starts a node on this machine's files, with its journal in the data folder.
    ///
    /// # Errors
    /// See [`StartFailure`]; nothing keeps running.
    pub async fn start(config: Config, platform: Platform) -> Result<Self, StartFailure> {
        Self::start_as(config, platform, Alterations::none()).await
    }

    /// The same of a build that differs from the product, for tests: broken on purpose, or older or newer than this one.
    ///
    /// # Errors
    /// See [`StartFailure`]; nothing keeps running.
    #[cfg(feature = "testing")]
    pub async fn start_altered(config: Config, platform: Platform, altered: Alterations) -> Result<Self, StartFailure> {
        Self::start_as(config, platform, altered).await
    }

    async fn start_as(config: Config, platform: Platform, altered: Alterations) -> Result<Self, StartFailure> {
        let lock = lock(&config, &platform)?;
        let journal = Journal::open(&config.data_dir.join("journal"), JournalBounds::initial())?;
        Self::start_with(config, platform, journal, lock, altered).await
    }

    async fn start_with(
        config: Config,
        platform: Platform,
        journal: Journal,
        lock: Arc<dyn VfsFile>,
        altered: Alterations,
    ) -> Result<Self, StartFailure> {
        let threads = Arc::new(Tracked::new(Arc::clone(&platform.spawner)));
        let platform = Platform { spawner: Arc::clone(&threads) as Arc<dyn Spawner>, ..platform };
        let networks = Networks::new(&config, &platform)?;
        let at = &config.listen;
        let (device, device_addr) = bind("device", at.device, networks.device.listen_for_many(at.device)).await?;
        let (admin, admin_addr) = bind("admin", at.admin, networks.admin.listen(at.admin)).await?;

        let (writer, books) = journal::open(journal, platform.spawner.as_ref());
        let records = Arc::new(Records::new());
        let (application, shelf) = Tidegate::new(config.cluster_id, config.epoch, writer, Arc::clone(&records));
        let mut context = Context::new(config, shelf, books, records, platform.clone());
        context.kinds = altered.kinds;
        let context = Arc::new(context);

        let told = |set: &Option<String>, bound: SocketAddr| set.clone().unwrap_or_else(|| bound.to_string());
        let advertise = &context.config.advertise;
        let (admin_told, device_told) = (told(&advertise.admin, admin_addr), told(&advertise.device, device_addr));
        let settings = context.config.consensus_settings(admin_told, device_told);
        let settings = Settings { supported_version: altered.kinds.supported(), ..settings };
        let peers = Platform { network: networks.peer, ..platform.clone() };
        let asks = Arc::new(Asks::new(&context).at_home(Arc::new(HomeSpawner::here())));
        let consensus = Apart::start("consensus").map_err(StartFailure::Thread)?;
        let service = consensus.run(altered.start_consensus(settings, peers, application, asks)).await?;
        context.attach(service.handle());
        context.set_open(true);

        let (stop, stopping) = watch::channel(false);
        let (fail, failed) = watch::channel(None);
        let node = Self { context, service, consensus, device_addr, admin_addr, stop, threads, failed, _lock: lock };
        node.serve(device, admin, &stopping, &fail);
        node.spawn_upkeep(&fail);
        tracing::info!(
            node = node.context.config.node,
            device = %device_addr,
            admin = %admin_addr,
            peer = %node.service.local_addr(),
            "node started"
        );
        Ok(node)
    }

    /// Starts the two listeners that are not consensus'.
    fn serve(
        &self,
        device: Box<dyn Listener>,
        admin: Box<dyn Listener>,
        stopping: &watch::Receiver<bool>,
        fail: &watch::Sender<Option<Failure>>,
    ) {
        let context = Arc::clone(&self.context);
        let platform = &context.platform;
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let gateway_metrics = tidegate_gateway::Metrics::register(&mut registry);
        let limits = context.config.limits;
        let bounds = Bounds { checks_in_flight_max: limits.device_in_flight, connections_max: limits.device_connections };
        let source = Source::new(Arc::clone(&context));
        let gateway = Arc::new(Gateway::new(source, platform, gateway_metrics, Arc::new(registry), bounds));

        let (stop, report, spawner) = (stopping.clone(), fail.clone(), Arc::clone(&platform.spawner));
        let task = async move {
            if let Err(error) = tidegate_gateway::serve(device, gateway, spawner, stop).await {
                let failure = Failure::Listener { listener: "device", reason: error.to_string() };
                report.send_replace(Some(failure));
            }
        };
        platform.spawner.spawn("device listener", Box::pin(task));

        let (reporter, health) = tonic_health::server::health_reporter();
        let (stop, report) = (stopping.clone(), fail.clone());
        let (serving, admin_metrics) = (Arc::clone(&context), metrics.clone());
        let task = async move {
            if let Err(error) = listen::serve(admin, serving, admin_metrics, health, stop).await {
                report.send_replace(Some(Failure::Listener { listener: "admin", reason: error.to_string() }));
            }
        };
        platform.spawner.spawn("admin listener", Box::pin(task));

        let weak = Arc::downgrade(&context);
        let task = async move {
            while let Some(context) = weak.upgrade() {
                metrics.refresh(&context);
                let status = if context.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
                reporter.set_service_status("", status).await;
                drop(context);
                tokio::time::sleep(REFRESH_INTERVAL).await;
            }
        };
        platform.spawner.spawn("refresh", Box::pin(task));
    }

    /// Starts what runs beside the listeners.
    fn spawn_upkeep(&self, fail: &watch::Sender<Option<Failure>>) {
        upkeep::start(&self.context);
        let spawner = &self.context.platform.spawner;
        let (shelf, report) = (Arc::clone(&self.context.shelf), fail.clone());
        let task = async move {
            let reason = shelf.when_poisoned().await;
            report.send_replace(Some(Failure::NotUnderstood { reason }));
        };
        spawner.spawn("log watch", Box::pin(task));
        let context = Arc::clone(&self.context);
        let stopping = self.stop.subscribe();
        spawner.spawn("bootstrap", Box::pin(bootstrap(context, stopping)));
    }

    /// What calls of this node share.
    #[must_use]
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Where devices are served.
    #[must_use]
    pub fn device_addr(&self) -> SocketAddr {
        self.device_addr
    }

    /// Where operators are served.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Where other nodes are served.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.service.local_addr()
    }

    /// Waits until the node cannot go on.
    pub async fn failed(&mut self) -> Failure {
        let parts = async {
            match self.failed.wait_for(Option::is_some).await {
                Ok(failure) => failure.clone(),
                // Every part has ended without a failure: there is nothing to report.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            fault = self.service.failed() => Failure::Consensus(fault),
            failure = parts => failure.expect("the wait ended because there is one"),
        }
    }

    /// Stops in order: closed for traffic, leadership handed over, running calls finished (no longer than the drain time),
    /// log and journal flushed. Streams without an end end as soon as leadership is handed over; writes have their answer
    /// [`DRAIN_WRITE_MAX`] later.
    pub async fn shutdown(self) {
        let drain = self.context.config.limits.drain;
        let deadline = Instant::now() + drain;
        self.context.set_open(false);
        self.hand_over(deadline.min(Instant::now() + HANDOVER_WAIT_MAX)).await;
        self.context.answer_until(deadline.min(Instant::now() + DRAIN_WRITE_MAX));
        self.stop.send_replace(true);
        // The listeners hold a receiver each; when both are done, only those of this node's own tasks are left.
        if tokio::time::timeout_at(deadline, self.stop.closed()).await.is_err() {
            tracing::warn!(?drain, "some calls outlived the drain");
        }
        self.service.shutdown().await;
        drop(self.consensus);
        // Log and journal are closed by their threads once nobody can reach them any more.
        drop(self.context);
        if !self.threads.ended(THREADS_WAIT_MAX).await {
            tracing::warn!("threads of log or journal outlived the shutdown");
        }
        tracing::info!("node stopped");
    }

    /// Hands leadership over, if it is here and there is anybody.
    async fn hand_over(&self, deadline: Instant) {
        let Ok(handle) = self.context.handle() else { return };
        if !handle.leadership().borrow().is_here || handle.status().members.len() < 2 {
            return;
        }
        match handle.transfer_leader(None, deadline).await {
            Ok(leader) => tracing::info!(leader, "leadership handed over"),
            Err(error) => tracing::warn!(%error, "leadership could not be handed over"),
        }
    }
}

/// Starts the cluster if this node is the first one named, and says what it waits for otherwise.
async fn bootstrap(context: Arc<Context>, mut stopping: watch::Receiver<bool>) {
    let weak = Arc::downgrade(&context);
    drop(context);
    let mut notice_at = Instant::now();
    loop {
        let Some(context) = weak.upgrade() else { return };
        let Ok(handle) = context.handle() else { return };
        if handle.status().is_member() {
            return;
        }
        let peers = &context.config.bootstrap;
        let is_first = peers.first() == Some(&context.config.peer_addr());
        if is_first && all_answer(&context, peers).await {
            match context.initialize(peers).await {
                Ok(_) => return,
                Err(refusal) => tracing::warn!(code = refusal.code(), "the cluster could not be initialized yet"),
            }
        }
        if Instant::now() >= notice_at {
            notice_at = Instant::now() + WAITING_NOTICE;
            let waits_for = match (peers.is_empty(), is_first) {
                (true, _) => "`cluster init` or `cluster join`",
                (false, true) => "the other nodes of cluster.bootstrap",
                (false, false) => "the first node of cluster.bootstrap",
            };
            tracing::info!(waits_for, "this node is in no cluster yet");
        }
        drop(context);
        tokio::select! {
            () = tokio::time::sleep(BOOTSTRAP_PAUSE) => {}
            _ = stopping.wait_for(|is_stopping| *is_stopping) => return,
        }
    }
}

async fn all_answer(context: &Context, peers: &[String]) -> bool {
    let Ok(handle) = context.handle() else { return false };
    for peer in peers {
        if handle.discover(peer, Instant::now() + PEER_QUESTION_MAX).await.is_err() {
            return false;
        }
    }
    true
}
