//! What devices talk to: update checks over HTTP and gRPC, readiness, metrics and the dashboard.
//!
//! It asks a [`SnapshotSource`] for the snapshot, has `tidegate-eligibility` decide, and only **then** reads how old the
//! snapshot was: that order is this crate's one invariant, kept in the `desk` module. It writes nothing, anywhere, and must not
//! know consensus, storage or the admin vocabulary: the server and the edges implement the source, each in its own way.
//! Start with [`gateway::Gateway`], which answers one request, and [`serve::serve`], which feeds it from a listener.

pub mod body;
pub mod gateway;
pub mod limits;
pub mod metrics;
pub mod serve;
pub mod source;
pub mod status;

mod answer;
mod asked;
mod desk;
mod grpc;
mod http_check;
mod jitter;
mod overview;
mod pages;
mod preface;
mod problem;
mod seats;
mod tally;
mod times;

pub use body::Body;
pub use gateway::Gateway;
pub use metrics::Metrics;
pub use serve::serve;
pub use source::{SnapshotSource, SnapshotView, Stop};
pub use status::{Member, Status};
