//! Every bound of this crate, with what happens at it.

use std::time::Duration;

/// Longest configuration file. A longer one is a configuration error.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of tables in a configuration file. Deeper ones are a configuration error.
pub const CONFIG_DEPTH_MAX: usize = 8;
/// Most items of a list in the configuration. More are a configuration error.
pub const CONFIG_LIST_MAX: usize = 64;
/// Longest length of time in the configuration. A longer one is a configuration error.
pub const CONFIG_DURATION_MAX: Duration = Duration::from_secs(86_400);
/// Digests of past config versions that a node remembers for comparison. An older one cannot be compared.
pub const RECENT_DIGESTS_MAX: usize = 1_024;
/// Log entry layouts that this build reads. A newer one stops the node.
pub const ENTRY_FORMAT: u32 = 1;
/// Times that a write which was certainly not executed is offered again after a change of leader. Then `NO_LEADER`.
pub const WRITE_ATTEMPTS_MAX: usize = 16;
/// Pause before such another offer when no change of leadership is announced.
pub const WRITE_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for a leader before a write is refused with `NO_LEADER`; the write timeout holds as well.
pub const LEADER_WAIT_MAX: Duration = Duration::from_secs(5);
/// Longest wait until a node that forwarded a write shows its effect. Then it answers all the same.
pub const OWN_WRITE_WAIT_MAX: Duration = Duration::from_millis(500);
/// Longest wait for another node's answer about itself.
pub const PEER_QUESTION_MAX: Duration = Duration::from_secs(2);
/// Longest wait for a membership change.
pub const MEMBERSHIP_WAIT_MAX: Duration = Duration::from_secs(30);
/// Objects in one page of a list; a larger page size means this.
pub const PAGE_OBJECTS_MAX: usize = 1_000;
/// Bytes of objects in one page of a list; the rest follows in the next page.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest message that the admin listener reads; a larger one is refused.
pub const ADMIN_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Devices times instants of one fleet check; more are refused.
pub const FLEET_CHECKS_MAX: usize = 1_000_000;
/// Longest bearer token; a longer one is refused.
pub const TOKEN_BYTES_MAX: usize = 4_096;
/// Longest chain of refused members named in one status.
pub const MEMBERS_MAX: usize = 64;
/// Consensus groups are numbered; there is one today.
pub const GROUP: u32 = 0;
/// Steps of a trace in one answer; the rest is left out.
pub const TRACE_STEPS_MAX: usize = 2_048;
/// Messages buffered for one watcher; a watcher that does not read them in time hears `COMPACTED`.
pub const WATCH_BUFFER_MAX: usize = 256;
/// Changes in one message of a watch; more of one config version follow in the next message.
pub const WATCH_CHANGES_MAX: usize = 500;
/// Watchers and followers at once on one node; one more is refused as `BUSY`.
pub const WATCHERS_MAX: usize = 2_048;
/// How long a watcher may leave its buffer full before it is told to start anew.
pub const WATCH_STALL_MAX: Duration = Duration::from_secs(10);
/// Objects in one message of a stream of objects.
pub const STREAM_OBJECTS_MAX: usize = 500;
/// Bytes of objects in one message of a stream of objects.
pub const STREAM_BYTES_MAX: usize = 1024 * 1024;
/// Audit records that one page of a list looks at; a page may hold fewer than asked for.
pub const AUDIT_SCAN_MAX: usize = 20_000;
/// Entries whose rows wait to be written to the journal. Beyond it rows are dropped and fetched from another node later.
pub const JOURNAL_QUEUE_MAX: usize = 16_384;
/// Entries whose rows are written to the journal together.
pub const JOURNAL_BATCH_MAX: usize = 512;
/// How long rows wait for others to be written with. Whoever waits for them ends that wait.
pub const JOURNAL_LINGER: Duration = Duration::from_millis(50);
/// Entries whose rows are held back behind a gap. Beyond it the gap grows over them.
pub const JOURNAL_HELD_MAX: usize = 16_384;
/// Audit records that a tail may lag behind; then it hears `COMPACTED`.
pub const AUDIT_TAIL_MAX: usize = 1_024;
/// Entries in one page of rows between nodes.
pub const ROWS_PER_PAGE_MAX: usize = 500;
/// Pause before other nodes are asked again for missing rows.
pub const REFILL_PAUSE: Duration = Duration::from_millis(500);
/// Pause before a journal that broke is emptied and filled again.
pub const REBUILD_PAUSE: Duration = Duration::from_secs(1);
/// Times that all other nodes are asked for rows that none of them has, before the node goes on without them.
pub const REFILL_ROUNDS_MAX: usize = 20;
/// Versions of one object that are looked at; the journal keeps fewer.
pub const HISTORY_SCAN_MAX: usize = 10_000;
/// Backups that one node sends at a time, each with a thread and a state that it keeps alive; one more is refused as `BUSY`.
pub const BACKUPS_MAX: usize = 2;
/// Bytes of a backup in one message.
pub const BACKUP_CHUNK_BYTES: usize = 256 * 1024;
/// Messages of a backup made ahead of the reader. A reader that takes none of them for [`WATCH_STALL_MAX`] is cut off.
pub const BACKUP_CHUNKS_AHEAD: usize = 4;
/// Bytes read at a time when a journal is copied.
pub const COPY_BUFFER_BYTES: usize = 1024 * 1024;
/// Folders within folders of a journal that are copied; the embedded database has two. What lies deeper is left out.
pub const COPY_DEPTH_MAX: usize = 4;
/// Config versions that a watcher is given from the journal at a time.
pub const WATCH_CATCH_UP_MAX: usize = 100;
/// Interval at which a follower compares its digest with the leader's.
pub const VERIFY_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which gauges and the health service are brought up to date.
pub const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two attempts to reach the nodes named in `cluster.bootstrap`.
pub const BOOTSTRAP_PAUSE: Duration = Duration::from_millis(250);
/// How long recovery may take until it is said again that the node is still waiting.
pub const WAITING_NOTICE: Duration = Duration::from_secs(10);
/// Longest wait at shutdown for another node to lead. Then the others find out by themselves, within an election.
pub const HANDOVER_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a write may still wait for its outcome at shutdown, once leadership was handed over or could not be. Then the
/// answer is `UNKNOWN_OUTCOME`, and the caller asks another node.
pub const DRAIN_WRITE_MAX: Duration = Duration::from_secs(1);
/// Longest wait at shutdown for the threads of log and journal. Then the process ends without them.
pub const THREADS_WAIT_MAX: Duration = Duration::from_secs(5);
/// Idle time after which an admin connection is asked whether it lives, and how long it may take to answer.
pub const ADMIN_PING: Duration = Duration::from_secs(20);
/// Streams of one admin connection at one moment.
pub const ADMIN_STREAMS_MAX: u32 = 256;
/// Install events of one call. More are refused.
pub const EVENTS_MAX: usize = 500;
/// Bytes of a free text in an install event. A longer one refuses its call.
pub const EVENT_TEXT_BYTES_MAX: usize = 512;
/// Devices that checks have left behind and that are not sent yet. Beyond it they are noted with a later check.
pub const SIGHTINGS_QUEUE_MAX: usize = 8_192;
/// Sightings in one message to the other nodes; the rest follows with the next.
pub const SIGHTINGS_PER_BATCH_MAX: usize = 1_000;
/// Bytes of sightings in one such message, unless one alone has more; the rest follows with the next.
pub const SIGHTINGS_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Pause between two such messages.
pub const SIGHTINGS_INTERVAL: Duration = Duration::from_secs(1);
/// So many messages make a window, in which a device is noted once.
pub const SIGHTING_WINDOW_TICKS: u64 = 300;
/// Places for devices noted in this window. Two devices in one place are noted more often than once.
pub const SIGHTING_SLOTS: usize = 1 << 16;
/// The controller looks at what came in at most this often: a flood of events costs it one look, not one for each.
pub const STEER_SPACING: Duration = Duration::from_millis(50);
/// Rounds of the controller before it pauses: what is due converges in far fewer.
pub const STEER_ROUNDS_MAX: usize = 256;
/// Pause after a step that could not be done; it doubles up to the longest one.
pub const STEER_PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest such pause.
pub const STEER_PAUSE_MAX: Duration = Duration::from_secs(30);
/// The controller looks again after this time although nothing has happened: wall clocks are set.
pub const STEER_SLEEP_MAX: Duration = Duration::from_secs(60);
/// Changes of the catalog that are compiled on the thread of consensus: some 20 ms of work. More, and a change of a product, are
/// compiled on a thread of their own.
pub const PUBLISHED_AT_ONCE_MAX: usize = 2_048;
