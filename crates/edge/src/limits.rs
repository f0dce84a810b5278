//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Upstreams of one edge. More are a configuration error.
pub const UPSTREAMS_MAX: usize = 64;
/// Products of one edge. More are a configuration error; an edge of all products names none.
pub const PRODUCTS_MAX: usize = 64;
/// Longest name of an edge. A longer one is a configuration error.
pub const NAME_BYTES_MAX: usize = 64;
/// Edges and programs that follow one edge at once. One more is refused as `BUSY`.
pub const FOLLOWERS_MAX: usize = 2_048;
/// Admin connections at once. More wait to be accepted.
pub const ADMIN_CONNECTIONS_MAX: usize = 4_096;
/// Streams of one admin connection at one moment.
pub const ADMIN_STREAMS_MAX: u32 = 256;
/// Idle time after which an admin connection is asked whether it lives, and how long it may take to answer.
pub const ADMIN_PING: Duration = Duration::from_secs(20);
/// Shortest time between two writes of the disk copy. Changes in between go into the next one; a stop of the process
/// writes what is left.
pub const COPY_INTERVAL: Duration = Duration::from_secs(2);
/// Largest disk copy. A larger one is not read, and the catalog is pulled in full.
pub const COPY_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// Largest record of a disk copy. A larger one means damage.
pub const COPY_RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes written to a disk copy at a time.
pub const COPY_WRITE_BYTES: usize = 1024 * 1024;
/// Interval at which gauges and the health service are brought up to date.
pub const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// Oldest a snapshot may be allowed to be. A longer bound is a configuration error.
pub const STALENESS_MAX: Duration = Duration::from_secs(3_600);
/// Shortest interval between two probes. A shorter one is a configuration error.
pub const PROBE_MIN: Duration = Duration::from_millis(20);
