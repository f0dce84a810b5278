//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Products that one follower may name. More are refused.
pub const PRODUCTS_MAX: usize = 64;
/// Changes with their content that are kept in memory for followers. Beyond it the oldest config versions go, and a
/// follower that asks for them gets the whole catalog instead.
pub const RECENT_CHANGES_MAX: usize = 50_000;
/// Of so many config versions in memory, one keeps what its catalog hashed to, and the newest does. A follower that is far
/// behind takes in what lies between on trust until then, and shows none of it before.
pub const ROOTS_EVERY: usize = 64;
/// Objects in one message of a snapshot.
pub const STREAM_OBJECTS_MAX: usize = 500;
/// Bytes of objects in one message of a snapshot, unless one object alone has more. Small, so that a stop that happens
/// while a snapshot is under way overtakes what is left of it.
pub const STREAM_BYTES_MAX: usize = 256 * 1024;
/// Messages buffered for one follower. Beyond it the sender waits, for [`STALL_MAX`] at most.
pub const FOLLOW_BUFFER_MAX: usize = 4;
/// How long a follower may leave its buffer full before its stream ends; it comes back when it can.
pub const STALL_MAX: Duration = Duration::from_secs(10);
/// Bytes of deltas ahead of which no stop list is sent: it would come hardly earlier than they.
pub const STOP_AHEAD_BYTES: usize = 16 * 1024;
/// Entries of one stop list, and entries that a follower keeps. Beyond it stops come with the catalog, as everything does.
pub const STOPS_MAX: usize = 10_000;
/// Longest wait for the first message of a follower. Then the call is refused.
pub const OPEN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Objects of one snapshot. One that announces more is refused.
pub const SNAPSHOT_OBJECTS_MAX: u64 = 10_000_000;
/// Changes taken in before a message with roots vouches for them. Beyond it the follower starts anew.
pub const UNVOUCHED_CHANGES_MAX: usize = 1_000_000;
/// Largest message that a follower reads. A larger one breaks its stream.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Probes under way on one stream. Beyond it no further one is sent until an answer comes.
pub const PROBES_MAX: usize = 16;
/// How long an upstream may say nothing although it was asked. Then the stream counts as broken.
pub const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Tenths of its own bound at which a follower leaves an upstream whose content is that old. A leader that hears nobody
/// costs 3.0 to 3.4 s, in which all upstreams are equally old; of the default bound this is 3.5 s.
pub const LAGGING_AGE_TENTHS: u32 = 7;
/// How long a follower stays with an upstream whose content is too old, once it has tried all of them in vain; it doubles
/// with every further tour of them, give or take a half. So short that a follower of a node that was cut off meets the
/// others within its bound after an election of four seconds.
pub const LAGGING_STAY_MIN: Duration = Duration::from_millis(200);
/// Longest such stay: followers of a cluster without a majority neither storm nor settle.
pub const LAGGING_STAY_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a connection to one upstream. Then the next one is tried.
pub const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// First pause after a stream broke; it doubles with every failure in a row, and all of it is jitter.
pub const BACK_OFF_MIN: Duration = Duration::from_millis(250);
/// Longest such pause.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How often an idle connection is asked whether it lives.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long it may take to answer; then the connection counts as lost.
pub const PING_WAIT_MAX: Duration = Duration::from_secs(3);

/// Checks that may wait for one probe. Beyond it the answer is "stale" at once.
pub const FRESHNESS_WAITERS_MAX: usize = 1_024;
/// Longest wait of a stale check for a probe. Then the answer is "stale".
pub const FRESHNESS_WAIT_MAX: Duration = Duration::from_millis(200);
/// How far wall and boot clock may move apart between two looks before freshness is dropped.
pub const CLOCK_STEP_MAX: Duration = Duration::from_millis(100);
/// How far a wall clock may be off the upstream's before the alarm goes up.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(2);
