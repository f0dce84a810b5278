//! The catalog on its way out of the cluster: both ends of `tidegate.edge.v1`.
//!
//! Serving ([`serve`]) is the same code on a cluster node and on an edge: it knows its process only as an [`Origin`], which
//! has a published catalog, the newest changes and a proof of age. Following ([`follow`]) keeps a copy of what an origin
//! has: [`Replica`] decides alone what to make of each message, without I/O, and the loop around it connects, probes and
//! hands over. It must know neither consensus nor the gateway: what a node or an edge does with a catalog is theirs.
//!
//! Start with [`Replica`] for what is believed and what is not, with [`Freshness`] for how old a copy is at most.

pub mod batch;
pub mod ending;
pub mod fated;
pub mod follow;
pub mod freshness;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod history;
pub mod incoming;
pub mod limits;
pub mod origin;
mod patience;
pub mod replica;
pub mod roots;
pub mod scope;
pub mod serve;
pub mod stops;
mod upstream;
pub mod whole;

pub use batch::{Batch, Recent};
pub use ending::EndingLayer;
pub use fated::{Fated, FatedSender, fated};
pub use follow::{Event, Following, Sink};
pub use freshness::{Freshness, Proof};
pub use incoming::{AdminIo, accepted};
pub use origin::{Origin, Present, Refused};
pub use replica::{Held, Replica};
pub use roots::Roots;
pub use scope::Scope;
pub use serve::Snapshots;
pub use stops::{Stop, StopCode, Subject};
pub use upstream::{Broken, Upstreams};
pub use whole::Whole;
