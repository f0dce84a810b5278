//! The edge: a process outside the cluster that follows the catalog and answers devices from it.
//!
//! It decides with the same code as a node, on a copy whose age it proves through whoever it follows; what it cannot prove
//! it does not offer. Edges may follow edges: the ages add up. It takes no writes, keeps nothing but the last good catalog
//! (`copy`), and must not know consensus or the state machine.
//!
//! Start with [`Edge::start`]; `shelf` holds what is followed, `source` shows it to devices, `origin` to edges below.

pub mod config;
pub mod copy;
pub mod edge;
pub mod limits;

mod admin;
mod metrics;
mod origin;
mod shelf;
mod sink;
mod source;

pub use config::{Config, Problem, TlsFiles};
pub use copy::{Copy, CopyError};
pub use edge::{Edge, Failure, StartFailure};
