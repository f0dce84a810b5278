//! Consensus: replicates an [`Application`] over a few nodes with Raft, and proves how fresh each node's copy is.
//!
//! It must not know what the replicated bytes mean, nor axum, nor any word of the admin API. Openraft appears in no public
//! signature. Start with [`Handle`] (what a running node offers) and [`Service::start`] (how it comes to run); then
//! `node` (the glue), `peer` (the transport) and [`freshness`] (the staleness promise).

pub mod application;
pub mod ask;
mod codec;
pub mod freshness;
pub mod handle;
pub mod limits;
mod node;
pub mod offline;
mod peer;
mod roster;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod status;

pub use application::{Application, Frozen, InstallError};
pub use ask::{AskError, AskHandler, AskRefused, NotDelivered, Target};
pub use freshness::{Fresh, Freshness, Stale};
pub use handle::{ChangeError, DiscoverError, Handle, Priority, ProposeError, Proposed, ReadError};
pub use runtime::{Production, Runtime, Simulated};
pub use service::{Fault, Service, StartError};
pub use settings::{Retention, Settings, SettingsError, Timing};
pub use status::{ClockAlarm, Counters, Leadership, Member, MemberKind, MemberStatus, Role, Status};
