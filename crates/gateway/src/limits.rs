//! Every bound of this crate, and what happens at it.

use std::time::Duration;

/// Largest body of a check, JSON or gRPC, in bytes; the JSON reader holds the same bound. A longer one is refused with 413 before it is parsed, as soon as its
/// announced or received length is beyond it.
pub const BODY_BYTES_MAX: usize = tidegate_manifest::limits::CHECK_BYTES_MAX;
/// Deepest nesting of a JSON body; a deeper one is refused with `INVALID_REQUEST`, wherever the depth is.
pub const BODY_DEPTH_MAX: usize = 16;
/// Longest time for a body to arrive once its head is there; then 408 and the connection ends.
pub const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest query string of a `GET`, in bytes; a longer one is refused with 414.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Checks that wait at one moment, for their body or for a probe; any more are shed with 503 and `Retry-After`, before their
/// body is read.
pub const CHECKS_IN_FLIGHT_MAX: usize = 4_096;
/// Open connections; one more is closed as soon as it is accepted.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Longest time from the first byte of a request's head to its last, and for a new connection to show its protocol, and
/// for an idle HTTP/1.1 connection to ask again; then the connection ends.
pub const HEAD_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often connections are looked at for that. An end by [`HEAD_WAIT_MAX`] comes up to this late.
pub const SEATS_LOOK: Duration = Duration::from_millis(500);
/// Read buffer of an HTTP/1.1 connection and so its longest head, in bytes; a longer one is refused with 431.
pub const HTTP1_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of one request; more are refused with 431.
pub const HTTP1_HEADERS_MAX: usize = 64;
/// Streams of one HTTP/2 connection at one moment; the client waits for the next.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Header list of one HTTP/2 request, in bytes; a longer one is refused with 431.
pub const HTTP2_HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// Streams that a client may reset before they were taken up; one more ends the connection (rapid reset).
pub const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Streams that this side may reset for protocol errors; one more ends the connection.
pub const HTTP2_LOCAL_RESETS_MAX: usize = 256;
/// Answer bytes buffered per HTTP/2 stream; more waits for the client to read.
pub const HTTP2_SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How often a silent HTTP/2 connection is asked whether it lives.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to answer; then the connection ends.
pub const HTTP2_PING_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long running requests may take to finish once the process drains; then their connections are cut.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Rollouts shown on the dashboard, newest first; older ones are left out and counted.
pub const OVERVIEW_ROLLOUTS_MAX: usize = 200;
/// How long an overview is shown before it is made anew: it walks through all releases, so nobody may ask for one per
/// request.
pub const OVERVIEW_AGE_MAX: Duration = Duration::from_secs(1);
/// Lines of a trace that an answer carries; the rest is left out.
pub const TRACE_LINES_MAX: usize = 2_048;
/// Middle of the time after which a refused client (stale, behind, shed) is asked to come back, in milliseconds.
pub const RETRY_SOON_MS: u64 = 2_000;
