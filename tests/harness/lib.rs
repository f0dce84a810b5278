//! Harness for tests against the real binary: clusters of real processes on loopback, with a proxy of ours on every
//! directed link between two nodes, so that a test can cut one without privileges.
//!
//! It must not know the product's insides beyond its public client and configuration file. Start with
//! [`cluster::Cluster`].

pub mod binary;
pub mod cluster;
pub mod edge;
pub mod faults;
pub mod fleet;
pub mod folder;
pub mod http;
pub mod link;
pub mod load;
pub mod ports;
pub mod process;
pub mod report;
pub mod small_disk;
pub mod wait;
