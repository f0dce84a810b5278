//! Every bound of this crate, and what happens at it.

use std::time::Duration;

/// Size of one log segment, in bytes. A full one is sealed and the next begun; it is the unit in which space is
/// reserved and given back.
pub const SEGMENT_BYTES: u32 = 16 * 1024 * 1024;

/// Smallest segment that options may ask for, in bytes: room for the header, the state record and a few entries.
/// Smaller ones are raised to it.
pub const SEGMENT_BYTES_MIN: u32 = 16 * 1024;

/// Largest segment that options may ask for, in bytes: a segment is read into memory as a whole at start. Larger ones
/// are lowered to it.
pub const SEGMENT_BYTES_MAX: u32 = 256 * 1024 * 1024;

/// Ready segments that the log keeps ahead of its needs. They are the reserve that pause, withdraw, delete and
/// membership commands live on once the disk is full.
pub const SPARE_SEGMENTS: u32 = 3;

/// With fewer ready segments than this, and no way to make another, the log reports the low mark and the layers above
/// accept emergency commands only.
pub const LOW_MARK_SEGMENTS: u32 = 3;

/// Bytes at the end of a segment that entries may not use, so that a log that is full can still be opened and sealed.
pub const SEGMENT_TAIL_ROOM: u32 = 4096;

/// Pause between two looks of a log that has used up its segments and waits for room on the disk.
pub const ROOM_PAUSE: Duration = Duration::from_millis(250);

/// Zeros written per step while a spare segment is made, in bytes. Larger steps delay the next group commit.
pub const ZERO_STEP_BYTES: u32 = 256 * 1024;

/// Zeros written with one call, in bytes: a page of memory.
pub const ZERO_WRITE_BYTES: u32 = 4096;

/// Operations that may wait for the log's driver. At the bound `submit` refuses with `Busy` and `submit_when_ready` waits.
pub const QUEUE_OPS_MAX: usize = 4096;

/// Operations that a committed index may find waiting without waking the driver. With more, it wakes it as others do.
pub const COMMITTED_QUEUED_MAX: usize = 64;

/// Bytes that may wait for the log's driver, in units of [`QUEUE_BYTES_UNIT`]: 64 MiB. At the bound as above. A single
/// larger operation is counted as this many, so that it passes alone.
pub const QUEUE_BYTES_UNITS_MAX: usize = 64 * 1024;

/// Granularity of the byte bound of the queue.
pub const QUEUE_BYTES_UNIT: usize = 1024;

/// Operations written before one sync. More wait for the next.
pub const DRIVE_OPS_MAX: usize = 1024;

/// Bytes written before one sync. The operation that crosses it is the last of its batch.
pub const DRIVE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of recent entries served from memory. Older ones are read from disk.
pub const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of an encoded vote. A larger one is refused as too large.
pub const VOTE_BYTES_MAX: usize = 256;

/// Entries that one read returns at most, whatever the byte limit says.
pub const READ_ENTRIES_MAX: usize = 65_536;

/// How often a read starts over because a purge took the entries it was reading. Then it finds none.
pub const READ_ATTEMPTS_MAX: usize = 16;

/// Bytes of one snapshot record. A larger one is refused by the writer, and taken for damage by the reader.
pub const SNAPSHOT_RECORD_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// Bytes of the membership in a snapshot header. As above.
pub const SNAPSHOT_MEMBERSHIP_BYTES_MAX: u32 = 1024 * 1024;

/// Bytes of the name of the build in a backup's header. A longer one is refused by the writer, and taken for damage by the
/// reader.
pub const BACKUP_BUILD_BYTES_MAX: usize = 256;

/// Bytes buffered while a snapshot is written or read; one system call each.
pub const SNAPSHOT_BUFFER_BYTES: usize = 256 * 1024;

/// Snapshots kept: the newest verified one and the one before it. Older ones are removed.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Bytes of one snapshot received from a peer, 64 GiB. A longer one is refused and its bytes are dropped.
pub const SNAPSHOT_INCOMING_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;

/// Bytes of one stored value in the journal: the embedded database wants values under 64 KiB, so a longer row is kept
/// in parts of this size.
pub const ROW_PART_BYTES: usize = 48 * 1024;

/// Bytes of a journal row that may share a stored value with others. A longer one has its own.
pub const PACKED_ROW_BYTES_MAX: usize = 1024;

/// Bytes of the rows that share a stored value, with what tells them apart. One more row, and the next value begins.
pub const PACK_BYTES_MAX: usize = 8 * 1024;

/// Bytes of one journal row, all parts together. A larger one is refused.
pub const ROW_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a text field in a journal key. A longer one is refused.
pub const ROW_TEXT_BYTES_MAX: usize = 1024;

/// Rows that one call may append. More are refused.
pub const ROWS_PER_APPEND_MAX: usize = 65_536;

/// Rows that go into one batch of the embedded database, if entries can be told apart that finely: larger batches cost more
/// for each row, for the tables that hold them are too large to be kept and used again.
pub const ROWS_PER_BATCH_MAX: usize = 1024;

/// Rows that one query returns at most, whatever it asked for.
pub const SCAN_ROWS_MAX: usize = 10_000;

/// Rows that the check at opening reads from each end of the journal. Damage further in is found when it is read.
pub const CHECK_ROWS_MAX: usize = 10_000;

/// Versions of one object in the history. The oldest is removed with the append that exceeds it.
pub const HISTORY_VERSIONS_MAX: usize = 100;

/// Records in the audit. The oldest are removed by `Journal::purge`, in slices.
pub const AUDIT_RECORDS_MAX: u64 = 1_000_000;

/// Records that one purge step removes. More wait for the next step.
pub const PURGE_SLICE_MAX: usize = 4096;

/// Objects whose number of versions the journal keeps in mind. One more, and all are looked up anew.
pub const OBJECTS_KNOWN_MAX: usize = 1024;

/// Of each of them, the oldest versions whose keys it keeps in mind. Then it looks for the next ones.
pub const OLDEST_KNOWN_MAX: u64 = 32;

/// Memory that the embedded database may use for its cache, in bytes (its default would be 1 GiB).
pub const JOURNAL_CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// How often the lock of the embedded database is tried, [`JOURNAL_LOCK_PAUSE`] apart, before its folder counts as unusable.
pub const JOURNAL_LOCK_TRIES: u32 = 500;

/// Pause between two tries.
pub const JOURNAL_LOCK_PAUSE: Duration = Duration::from_millis(10);
