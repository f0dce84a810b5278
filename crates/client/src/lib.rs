//! The SDK: typed calls to a cluster, and decisions made locally from a fetched snapshot.
//!
//! It knows the public API and nothing behind it, and builds without the server. Start with [`Client`]; the `client`
//! module holds the one loop that decides where a call goes and what may be repeated. `examples/local_evaluation.rs`
//! shows how to decide without asking.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use tidegate_client::{Client, Consistency, Options};
//! use tidegate_model::{ObjectRef, ReleaseId};
//! use tidegate_platform::Platform;
//!
//! let platform = Platform::system();
//! let options = Options::new(&["http://127.0.0.1:7501", "http://127.0.0.1:7502"])?;
//! let client = Client::new(options, &platform, platform.network.clone());
//! client.wait_ready(Duration::from_secs(10)).await?;
//! let release = client.get(&ObjectRef::Release(ReleaseId::new("r5")?), Consistency::Linearizable).await?;
//! println!("{} at config version {}", release.value.version(), release.config_version);
//! # Ok(())
//! # }
//! ```

mod check;
mod client;
mod cluster;
mod error;
pub mod limits;
mod options;
mod pool;
mod read;
mod snapshot;
mod watch;
mod write;

pub use check::Checked;
pub use client::Client;
pub use cluster::Backup;
pub use error::{Attempt, Error, FieldViolation, Refusal};
pub use options::{Endpoint, Options, OptionsError, Token};
pub use read::{Consistency, Read, RolloutStatus};
pub use snapshot::LocalSnapshot;
pub use tidegate_eligibility as eligibility;
pub use tidegate_proto::{admin, device, storage};
pub use watch::{Changes, Filter, Place, Watch, WatchError};
pub use write::{Effect, Moved, ObjectOutcome, Run, Warning, Written};
