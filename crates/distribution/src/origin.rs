//! What serving needs to know of the process around it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidegate_eligibility::Stamp;
use tidegate_model::Catalog;
use tidegate_platform::Spawner;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::Status;

use crate::batch::Batch;
use crate::roots::Roots;
use crate::scope::Scope;
use crate::stops::Stop;

/// The catalog at one stamp. A clone shares everything.
#[derive(Clone)]
pub struct Present {
    /// Which state it is.
    pub stamp: Stamp,
    /// All objects that the origin has.
    pub catalog: Catalog,
    /// What they hash to.
    pub roots: Roots,
}

/// Has a catalog to give: a node of the cluster, or an edge that follows one.
pub trait Origin: Send + Sync + 'static {
    /// The cluster that the catalog is of.
    fn cluster_id(&self) -> u128;

    /// What there is to follow here.
    fn scope(&self) -> &Scope;

    /// The newest catalog.
    ///
    /// # Errors
    /// Nothing may be shown to others now.
    fn present(&self) -> Result<Present, Refused>;

    /// The newest changes after `config_version`, oldest first, if all of them are in memory. Does not wait.
    fn recent(&self, config_version: u64) -> Option<Vec<Batch>>;

    /// The changes after `config_version`, oldest first, from wherever they are; none if there are none yet. May be a part:
    /// what follows is asked for again.
    ///
    /// # Errors
    /// [`Refused::Gone`] if they are no longer kept.
    fn since(&self, config_version: u64) -> impl Future<Output = Result<Vec<Batch>, Refused>> + Send;

    /// Follows (epoch, config version) of [`present`](Self::present).
    fn versions(&self) -> watch::Receiver<(u64, u64)>;

    /// Stops that this origin has heard of and does not hold yet; an edge passes on what it was told.
    fn stops(&self) -> watch::Receiver<Arc<[Stop]>>;

    /// Turns true when this process stops: streams end then, and those who follow go elsewhere.
    fn closing(&self) -> watch::Receiver<bool>;

    /// Proven age, now, of whatever [`present`](Self::present) gives after this call.
    fn staleness(&self) -> Option<Duration>;

    /// The time that decisions are made at here, in milliseconds since the Unix epoch.
    fn decision_time_ms(&self) -> i64;

    /// A place among those who follow, held until dropped.
    ///
    /// # Errors
    /// [`Refused::Busy`] if all are taken.
    fn slot(&self) -> Result<OwnedSemaphorePermit, Refused>;

    /// Starts tasks.
    fn spawner(&self) -> &dyn Spawner;

    /// What the caller is told.
    fn status(&self, refused: Refused) -> Status;
}

/// Why a follower is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing may be shown now.
    #[error("nothing is served here now")]
    NotReady,
    /// What is here is older than what the caller has.
    #[error("config version {here} of epoch {epoch} is older than what the caller has")]
    Behind {
        /// The epoch here.
        epoch: u64,
        /// The config version here.
        here: u64,
    },
    /// All places are taken.
    #[error("too many follow already")]
    Busy,
    /// The changes asked for are no longer kept, or the follower did not read in time: it comes back and starts anew.
    #[error("changes from {from} on are no longer kept, must be >= {floor}")]
    Gone {
        /// What was asked for.
        from: u64,
        /// The oldest config version to resume from.
        floor: u64,
    },
    /// A field of the request breaks a rule.
    #[error("{field}: {value:?} {rule}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// Another reason, with the stable code that belongs to it.
    #[error("{message}")]
    Other {
        /// The code.
        code: String,
        /// What happened.
        message: String,
    },
}
