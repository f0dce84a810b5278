//! Every bound of this crate, and what happens at it.

use std::time::Duration;

/// Longest wait for a connection to one endpoint; then the next one is tried.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Longest wait for one attempt of a call; then the call goes on at the next endpoint (a write with the same request
/// id), so that one node that hangs does not use up the whole deadline.
pub const ATTEMPT_WAIT_MAX: Duration = Duration::from_secs(4);
/// Rounds over all endpoints that one call makes, whatever time is left; then it fails with what was learnt.
pub const ROUNDS_MAX: u32 = 16;
/// First pause between two rounds; each following one is twice as long, all with full jitter.
pub const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// Longest pause between two rounds.
pub const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Endpoints of one client; more are refused when it is made.
pub const ENDPOINTS_MAX: usize = 64;
/// Largest message taken from a server, in bytes; a longer one fails the call.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How often an idle connection is asked whether it lives.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long it may take to answer; then the connection counts as lost.
pub const PING_WAIT_MAX: Duration = Duration::from_secs(5);
/// Changes of one config version that a watch gathers before handing them out; more ends the watch with an error.
pub const WATCH_CHANGES_MAX: usize = 1_000_000;
/// Reconnects in a row without hearing anything after which a watch gives up.
pub const WATCH_RECONNECTS_MAX: u32 = 30;
/// Objects in one fetched snapshot; more fails the fetch.
pub const SNAPSHOT_OBJECTS_MAX: u64 = 10_000_000;
/// Objects that one page of a list asks for.
pub const PAGE_OBJECTS: u32 = 500;
/// Pages of one list; more fails the call.
pub const PAGES_MAX: usize = 20_000;
/// Pause between two looks of `wait_ready`.
pub const READY_PAUSE: Duration = Duration::from_millis(100);
