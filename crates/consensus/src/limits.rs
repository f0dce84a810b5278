//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Largest payload of one proposal. Beyond it the proposal is refused with `TooLarge`, so that one entry always fits a
/// peer message.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;

/// Bytes of entries in one replication message; a single larger entry travels alone. At the bound the rest follows in
/// the next message.
pub const REPLICATION_BYTES_MAX: u64 = 1024 * 1024;

/// Largest peer message, requests and answers. Larger ones are refused by the transport.
pub const PEER_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest request or answer of an `ask`. A larger request is not delivered; a larger answer is replaced by a refusal.
pub const ASK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Former members whose ids are remembered, so that they are never given again. At the bound no member can be removed.
pub const RETIRED_MAX: usize = 10_000;

/// Proposals under way on one node. Beyond it they are refused as `Busy`.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4_096;

/// Asks under way from one node, and served at the same time by one node. Beyond it they are refused as `Busy`.
pub const ASKS_IN_FLIGHT_MAX: usize = 1_024;

/// Read barriers waiting on one node. Beyond it they are refused as `Busy`.
pub const READS_IN_FLIGHT_MAX: usize = 4_096;

/// Checks that may wait for one freshness probe. Beyond it the answer is "stale" at once.
pub const FRESHNESS_WAITERS_MAX: usize = 1_024;

/// Longest wait of a stale check for the probe under way; then the answer is "stale".
pub const FRESHNESS_WAIT_MAX: Duration = Duration::from_millis(200);

/// If the last probe failed more recently than this, a stale check is answered at once.
pub const FRESHNESS_FAILURE_MEMORY: Duration = Duration::from_secs(1);

/// How far wall and boot clock may drift apart between two looks before freshness is dropped.
pub const CLOCK_STEP_MAX: Duration = Duration::from_millis(100);

/// How far a wall clock may be off the others' before the alarm goes up and, on the leader, proposals are refused.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(2);

/// Pause between two looks of a leader at the alarm of its own clock. So long, and the hand-over, nobody stamps entries
/// after the leader's clock was set.
pub const CLOCK_WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Pause between two looks of a leader at whether a majority still answers it.
pub const MAJORITY_WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Age at which another node's reported clock no longer counts.
pub const CLOCK_REPORT_AGE_MAX: Duration = Duration::from_secs(10);

/// Largest record of a snapshot. A longer one makes building the snapshot fail, which stops the node: an application
/// that writes such records is broken.
pub const SNAPSHOT_RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one piece of a snapshot in transfer.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 * 1024;

/// Longest pause between two pieces of a snapshot in transfer; then the transfer is given up and begins anew.
pub const SNAPSHOT_STALL_MAX: Duration = Duration::from_secs(10);

/// Replication messages that a follower has not answered yet. Beyond it the leader waits.
pub const APPENDS_IN_FLIGHT_MAX: usize = 16;

/// A leader whose log takes longer than this for one write hands leadership on.
pub const DISK_SLOW_MAX: Duration = Duration::from_secs(3);

/// A node whose log takes longer than this for one write stops with a fault, unless the log waits for room on a full disk.
pub const DISK_STALL_MAX: Duration = Duration::from_secs(10);

/// Longest wait for the quorum round of a read barrier or probe; then it failed.
pub const READ_ROUND_MAX: Duration = Duration::from_millis(500);

/// Connections that the peer listener serves at once. Beyond it new ones are closed.
pub const PEER_CONNECTIONS_MAX: usize = 256;

/// Longest wait for a connection to a peer.
pub const PEER_CONNECT_MAX: Duration = Duration::from_secs(2);

/// Longest wait for tasks to end in a shutdown; then they are abandoned.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// Calls in a row without an answer after which a link connects anew.
pub const LINK_MISSES_MAX: u32 = 3;

/// Interval of pings on a peer connection.
pub const LINK_PING: Duration = Duration::from_millis(1_000);

/// Longest wait for the answer to a ping; then the connection is closed.
pub const LINK_PING_TIMEOUT: Duration = Duration::from_millis(2_000);

/// Calls and streams under way on one peer connection. Beyond it the other side waits.
pub const PEER_STREAMS_MAX: u32 = 2_048;

/// Bytes that a peer may send on a connection before it is read. Beyond it the sender waits.
pub const PEER_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Longest silence of a replication stream with requests unanswered; then the stream is begun anew.
pub const APPEND_STALL_MAX: Duration = Duration::from_secs(2);

/// Entries applied between two publications. At the bound what was applied is published and answered, then it goes on.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 1_024;

/// Entries that a learner may lack when it is promoted.
pub const PROMOTE_LAG_MAX: u64 = 256;

/// Longest life of one freshness question; then it failed.
pub const PROBE_QUESTION_MAX: Duration = Duration::from_millis(800);

/// Longest life of one snapshot transfer, installation included; then it is given up and begun anew.
pub const SNAPSHOT_INSTALL_MAX: Duration = Duration::from_secs(3_600);

/// Longest wait for a successor in a shutdown; then the others find out by themselves.
pub const HANDOVER_MAX: Duration = Duration::from_secs(2);
