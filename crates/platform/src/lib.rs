//! The seams: every way in which Tidegate touches the machine it runs on, as traits with their std/tokio implementations.
//!
//! Clock, randomness, files, sockets and spawning come through here, so that the same product code runs inside the
//! deterministic simulation, where `tests/sim` supplies other implementations. Nobody calls the real ones past this crate.
//! It must hold no logic of its own. Start with [`Platform`], the bundle that is handed down from `main`.

pub mod apart;
pub mod causes;
pub mod clock;
pub mod lanes;
pub mod limits;
pub mod net;
pub mod random;
pub mod spawn;
pub mod tls;
pub mod vfs;

use std::sync::Arc;

pub use apart::Apart;
pub use causes::causes;
pub use clock::{BootTime, Clock, SystemClock};
pub use lanes::Lane;
pub use net::{Accepted, Io, Listener, Network, PeerIdentity, TcpNetwork};
pub use random::{OsRandom, Random, SeededRandom};
pub use spawn::{HomeSpawner, Spawner, TokioSpawner};
pub use tls::{ClientCertificates, ConnectTls, KeyPair, ListenTls, TlsError, TlsNetwork};
pub use vfs::{OpenMode, StdVfs, Vfs, VfsFile};

/// All seams of one process.
#[derive(Clone)]
pub struct Platform {
    /// Boot and wall clock.
    pub clock: Arc<dyn Clock>,
    /// Source of salts, ids, nonces and jitter.
    pub random: Arc<dyn Random>,
    /// Files.
    pub vfs: Arc<dyn Vfs>,
    /// Sockets.
    pub network: Arc<dyn Network>,
    /// Tasks and blocking work.
    pub spawner: Arc<dyn Spawner>,
}

impl Platform {
    /// The real machine: system clocks, OS randomness, files, TCP and tokio.
    #[must_use]
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(OsRandom),
            vfs: Arc::new(StdVfs),
            network: Arc::new(TcpNetwork),
            spawner: Arc::new(TokioSpawner),
        }
    }
}
