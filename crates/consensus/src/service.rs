//! A running node: [`Service`] owns its tasks, log and listener; everybody else holds a [`Handle`].

use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_platform::Platform;

use crate::application::Application;
use crate::ask::AskHandler;
use crate::handle::Handle;
use crate::runtime::{Production, Runtime};
use crate::settings::{Settings, SettingsError};

/// A node that runs until [`shutdown`](Service::shutdown) or a [`Fault`].
pub struct Service {
    handle: Handle,
    local_addr: SocketAddr,
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
    pub async fn start_on<R: Runtime, A: Application>(
        settings: Settings,
        _platform: Platform,
        _application: A,
        _asks: Arc<dyn AskHandler>,
    ) -> Result<Self, StartError> {
        settings.validate()?;
        Err(StartError::Store { folder: settings.data_dir.display().to_string(), reason: "not built yet".to_owned() })
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

    /// Waits until the node cannot go on.
    pub async fn failed(&mut self) -> Fault {
        std::future::pending().await
    }

    /// Stops: hands leadership over if it is here, refuses new calls, ends all tasks and syncs the log.
    pub async fn shutdown(self) {}
}
