//! Every bound of reading bytes, and what happens at it.

/// Longest log entry, in bytes; a longer one is refused before it is proposed, and is not read.
pub const ENTRY_BYTES_MAX: usize = 512 * 1024;

/// Longest record of a snapshot, in bytes; a longer one is not read. The largest object is a release whose roster holds
/// 100,000 keys of 256 bytes.
pub const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Levels of messages within messages that a reader follows (`prost`'s own bound); deeper ones are refused as
/// undecodable. Our deepest message, a batch of applies with policies, has ten.
pub const DEPTH_MAX: usize = 100;

/// Bytes of a record's encoding in one piece of a snapshot file; a longer one is cut into parts. Below the file's own
/// bound of 1 MiB per piece.
pub const PART_BYTES_MAX: usize = 512 * 1024;
