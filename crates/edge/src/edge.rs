//! One edge from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use prometheus_client::registry::Registry;
use tidegate_distribution::{Following, Freshness, Replica, Scope, Upstreams};
use tidegate_eligibility::Snapshot;
use tidegate_gateway::Gateway;
use tidegate_gateway::gateway::Bounds;
use tidegate_platform::net::NetFuture;
use tidegate_platform::{
    ClientCertificates, KeyPair, ListenTls, Listener, Network, OpenMode, Platform, TlsError, TlsNetwork, VfsFile,
};
use tokio::sync::{Semaphore, oneshot, watch};
use tonic_health::ServingStatus;

use crate::admin;
use crate::config::{Config, Problem, TlsFiles};
use crate::copy::{Copy, CopyError};
use crate::limits::{COPY_INTERVAL, FOLLOWERS_MAX, REFRESH_INTERVAL};
use crate::metrics::Metrics;
use crate::shelf::Shelf;
use crate::sink::Keeper;
use crate::source::Source;

/// What all parts of one edge share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) scope: Scope,
    pub(crate) platform: Platform,
    pub(crate) shelf: Shelf,
    pub(crate) freshness: Freshness,
    pub(crate) followers: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    is_open: AtomicBool,
    is_connected: AtomicBool,
    /// Why an upstream is not believed, until one proves an age.
    refusal: Mutex<Option<String>>,
}

impl Shared {
    /// Whether this edge wants traffic.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Whether it would answer a check now.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_open() && self.freshness.current_staleness().is_some_and(|age| age <= self.config.max_staleness)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn set_connected(&self, is_connected: bool) {
        self.is_connected.store(is_connected, Ordering::Relaxed);
    }

    pub(crate) fn set_refusal(&self, refusal: Option<String>) {
        *self.refusal.lock().expect("no panic happens under this lock") = refusal;
    }

    /// What somebody should act on, one line each.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let refusal = self.refusal.lock().expect("no panic happens under this lock").clone();
        let refused = refusal.map(|refusal| format!("what an upstream sent is not believed: {refusal}"));
        let clock =
            self.freshness.clock_alarm_ms().map(|ahead_ms| format!("the wall clock is {ahead_ms} ms ahead of the upstream's"));
        let lonely = (!self.is_connected()).then(|| "no upstream is followed now".to_owned());
        [refused, clock, lonely].into_iter().flatten().collect()
    }
}

/// A running edge.
pub struct Edge {
    shared: Arc<Shared>,
    device_addr: SocketAddr,
    admin_addr: SocketAddr,
    stop: watch::Sender<bool>,
    failed: watch::Receiver<Option<Failure>>,
    _lock: Arc<dyn VfsFile>,
}

/// Why an edge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFailure {
    /// Settings break rules; all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<Problem>),
    /// Certificates of a listener cannot be used.
    #[error("TLS of the {listener} listener cannot be set up")]
    Tls {
        /// Which listener.
        listener: &'static str,
        /// Why.
        source: Box<TlsError>,
    },
    /// An address cannot be bound.
    #[error("the {listener} listener cannot be bound to {address}")]
    Listen {
        /// Which listener.
        listener: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The disk copy cannot be read, nor set aside.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The folder cannot be locked.
    #[error("folder {folder} cannot be locked")]
    Lock {
        /// The folder.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("folder {folder} is in use by another process")]
    InUse {
        /// The folder.
        folder: String,
    },
}

/// Why an edge cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the {listener} listener failed: {reason}")]
pub struct Failure {
    /// Which listener.
    pub listener: &'static str,
    /// What the system said.
    pub reason: String,
}

impl Edge {
    /// Starts an edge: its disk copy first, then the listeners, then the follower. `upstream` is the network on which
    /// upstreams are reached; it speaks TLS if they do.
    ///
    /// # Errors
    /// See [`StartFailure`]; nothing keeps running.
    pub async fn start(config: Config, platform: Platform, upstream: Arc<dyn Network>) -> Result<Self, StartFailure> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(StartFailure::Config(problems));
        }
        let copy = Copy::open(Arc::clone(&platform.vfs), &config.data_dir)?;
        let lock = lock(&config, &platform)?;
        let for_devices = network(&platform, "device", config.tls_device.as_ref(), &["h2", "http/1.1"])?;
        let for_admin = network(&platform, "admin", config.tls_admin.as_ref(), &["h2"])?;
        let (device, device_addr) =
            bind("device", config.listen_device, for_devices.listen_for_many(config.listen_device)).await?;
        let (admin, admin_addr) = bind("admin", config.listen_admin, for_admin.listen(config.listen_admin)).await?;
        let scope = Scope::of(config.products.clone());
        let (replica, unusable) = copy.load(&scope)?;
        if let Some(error) = unusable {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, cause, "the disk copy is set aside, the catalog is pulled in full");
        }
        let mut registry = Registry::default();
        let shared = Arc::new(Shared {
            scope,
            shelf: Shelf::new(),
            freshness: Freshness::new(Arc::clone(&platform.clock)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            metrics: Metrics::register(&mut registry),
            is_open: AtomicBool::new(true),
            is_connected: AtomicBool::new(false),
            refusal: Mutex::new(None),
            config,
            platform,
        });
        if let Some(held) = replica.held() {
            tracing::info!(config_version = held.stamp.config_version, objects = held.catalog.len(), "disk copy read");
            shared.shelf.replace(held.clone(), Snapshot::of(&held.catalog, held.stamp));
        }
        let (stop, _) = watch::channel(false);
        let (fail, failed) = watch::channel(None);
        let edge = Self { shared, device_addr, admin_addr, stop, failed, _lock: lock };
        edge.serve(device, admin, registry, &fail);
        edge.follow(replica, copy, upstream);
        tracing::info!(name = edge.shared.config.name, device = %device_addr, admin = %admin_addr, "edge started");
        Ok(edge)
    }

    /// Starts the listeners and what keeps their figures.
    fn serve(
        &self,
        device: Box<dyn Listener>,
        admin: Box<dyn Listener>,
        mut registry: Registry,
        fail: &watch::Sender<Option<Failure>>,
    ) {
        let shared = Arc::clone(&self.shared);
        let platform = &shared.platform;
        let gateway_metrics = tidegate_gateway::Metrics::register(&mut registry);
        let source = Source(Arc::clone(&shared));
        let gateway = Arc::new(Gateway::new(source, platform, gateway_metrics, Arc::new(registry), Bounds::default()));
        let (stop, report, spawner) = (self.stop.subscribe(), fail.clone(), Arc::clone(&platform.spawner));
        let task = async move {
            if let Err(error) = tidegate_gateway::serve(device, gateway, spawner, stop).await {
                report.send_replace(Some(Failure { listener: "device", reason: error.to_string() }));
            }
        };
        platform.spawner.spawn("device listener", Box::pin(task));

        let (reporter, health) = tonic_health::server::health_reporter();
        let (stop, report, serving) = (self.stop.subscribe(), fail.clone(), Arc::clone(&shared));
        let task = async move {
            if let Err(error) = admin::serve(admin, serving, health, stop).await {
                report.send_replace(Some(Failure { listener: "admin", reason: error.to_string() }));
            }
        };
        platform.spawner.spawn("admin listener", Box::pin(task));

        let weak = Arc::downgrade(&shared);
        let task = async move {
            while let Some(shared) = weak.upgrade() {
                shared.metrics.refresh(&shared);
                let status = if shared.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
                reporter.set_service_status("", status).await;
                drop(shared);
                tokio::time::sleep(REFRESH_INTERVAL).await;
            }
        };
        platform.spawner.spawn("refresh", Box::pin(task));
    }

    /// Starts the follower and the writer of the disk copy.
    fn follow(&self, replica: Replica, copy: Copy, upstream: Arc<dyn Network>) {
        let shared = &self.shared;
        // Before anything is followed: what was read from the disk need not be written, all else must be.
        let versions = shared.shelf.versions();
        let written = *versions.borrow();
        let authorization = shared.config.authorization.as_ref().and_then(|text| text.parse().ok());
        let following = Following {
            upstreams: Upstreams { network: upstream, addresses: shared.config.upstreams.clone(), authorization },
            platform: shared.platform.clone(),
            replica,
            freshness: shared.freshness.clone(),
            sink: Keeper(Arc::clone(shared)),
            probe_interval: shared.config.probe_interval,
            max_staleness: shared.config.max_staleness,
        };
        shared.platform.spawner.spawn("follow", Box::pin(following.run(self.stop.subscribe())));
        let (kept, stop) = (Arc::clone(shared), self.stop.subscribe());
        shared.platform.spawner.spawn("disk copy", Box::pin(keep_copy(kept, copy, (versions, written), stop)));
    }

    /// Where devices are served.
    #[must_use]
    pub fn device_addr(&self) -> SocketAddr {
        self.device_addr
    }

    /// Where edges below are served.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Waits until the edge cannot go on.
    pub async fn failed(&mut self) -> Failure {
        match self.failed.wait_for(Option::is_some).await {
            Ok(failure) => failure.clone().expect("the wait ended because there is one"),
            // Every part has ended without a failure: there is nothing to report.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops in order: closed for traffic, running calls finished (no longer than the drain time), the last catalog on the
    /// disk.
    pub async fn shutdown(self) {
        let drain = self.shared.config.drain;
        self.shared.is_open.store(false, Ordering::Release);
        self.stop.send_replace(true);
        // Every task that has to end holds a receiver.
        if tokio::time::timeout(drain, self.stop.closed()).await.is_err() {
            tracing::warn!(?drain, "some calls outlived the drain");
        }
        tracing::info!("edge stopped");
    }
}

/// Writes the disk copy after changes, not more often than [`COPY_INTERVAL`], and once more at the stop.
async fn keep_copy(
    shared: Arc<Shared>,
    copy: Copy,
    (mut versions, mut written): (watch::Receiver<(u64, u64)>, (u64, u64)),
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let is_stopping = tokio::select! {
            biased;
            _ = stop.wait_for(|is_stopping| *is_stopping) => true,
            changed = versions.changed() => changed.is_err(),
        };
        let current = *versions.borrow_and_update();
        if written != current
            && let Some(shown) = shared.shelf.load()
        {
            let (done, result) = oneshot::channel();
            let (copy, kept) = (copy.clone(), Arc::clone(&shared));
            let work = move || {
                // The task that waits is only gone with the whole runtime.
                let _is_wanted = done.send(copy.write(&shown.held, &kept.scope)).is_ok();
            };
            shared.platform.spawner.spawn_blocking("disk copy", Box::new(work));
            match result.await {
                Ok(Ok(())) => {
                    shared.metrics.copies.inc();
                    written = current;
                }
                Ok(Err(error)) => {
                    shared.metrics.copies_failed.inc();
                    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::error!(%error, cause, "the disk copy could not be written; the one before is still there");
                }
                Err(_) => return,
            }
        }
        if is_stopping {
            return;
        }
        tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => {}
            () = tokio::time::sleep(COPY_INTERVAL) => {}
        }
    }
}

/// Takes the data folder for this process.
fn lock(config: &Config, platform: &Platform) -> Result<Arc<dyn VfsFile>, StartFailure> {
    let folder = config.data_dir.display().to_string();
    let failed = |source| StartFailure::Lock { folder: folder.clone(), source };
    let path = config.data_dir.join("edge.lock");
    let mode = if platform.vfs.exists(&path).map_err(failed)? { OpenMode::Write } else { OpenMode::CreateNew };
    let file = platform.vfs.open(&path, mode).map_err(failed)?;
    if file.try_lock().map_err(failed)? { Ok(file) } else { Err(StartFailure::InUse { folder }) }
}

/// The platform's network, with TLS if there are files for it.
fn network(
    platform: &Platform,
    listener: &'static str,
    tls: Option<&TlsFiles>,
    protocols: &[&str],
) -> Result<Arc<dyn Network>, StartFailure> {
    Ok(match tls {
        None => Arc::clone(&platform.network),
        Some(files) => {
            let settings = ListenTls {
                identity: KeyPair { certificate: files.cert.clone(), key: files.key.clone() },
                clients: match &files.client_ca {
                    None => ClientCertificates::Ignored,
                    Some(authority) => ClientCertificates::Required { authority: authority.clone() },
                },
                protocols: protocols.iter().map(|&name| name.to_owned()).collect(),
            };
            let (inner, vfs, clock) = (Arc::clone(&platform.network), Arc::clone(&platform.vfs), Arc::clone(&platform.clock));
            let network = TlsNetwork::new(inner, vfs, clock, Some(settings), None);
            Arc::new(network.map_err(|error| StartFailure::Tls { listener, source: Box::new(error) })?)
        }
    })
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
