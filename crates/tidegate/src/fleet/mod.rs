//! What a change would do to a fleet: every device asks twice, before and after, and answers are counted.
//!
//! Nothing is written: the catalog is fetched, the change is applied to a copy of it here, by the same state machine, after
//! the cluster has judged it in a dry run of its own. [`tally`] is a pure function over the two snapshots, [`devices`]
//! reads who asks.

pub mod devices;
pub mod tally;

/// Most devices of one comparison. Beyond it: the command fails, nothing is printed.
pub const DEVICES_MAX: u64 = 10_000_000;
/// Longest line of a list of devices, in bytes. Beyond it: the command fails.
pub const LINE_BYTES_MAX: usize = 128 * 1024;
/// Devices between two lines of progress.
pub const PROGRESS_DEVICES: u64 = 250_000;
