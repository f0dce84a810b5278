//! What can be wrong with this node's disk. A [`Fault`] is never part of a replicated result: it stops the node, or, for
//! [`Fault::Full`] on a snapshot, only the attempt.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// This node's disk is unwell. Cloned to every operation that it hit.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The operating system failed an operation. Never retried: after a failed sync nothing is known about the bytes.
    #[error("{operation} {} failed: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// No space is left. Not an I/O error: what was there before is whole.
    #[error("no room for {}: {reason}", path.display())]
    Full {
        /// The file that could not grow, or the folder in which none could be made.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Bytes that were promised to be durable are not what was written.
    #[error("{} is damaged at offset {offset}: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Byte offset of the first bad record.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
    /// The file was written by a build whose format this one does not read.
    #[error("{} has format {found}, this build reads up to {supported}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Format number in the file.
        found: u32,
        /// Highest format number that this build reads.
        supported: u32,
    },
    /// The file belongs to another cluster, node, store or group.
    #[error("{} belongs to {field} {found}, this node is {field} {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Which part of the identity differs.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What this node is.
        expected: String,
    },
    /// Another process holds the folder.
    #[error("{} is locked by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder holds no store yet, or one already.
    #[error("{} holds {}", path.display(), if *is_initialized { "a store already" } else { "no store" })]
    Initialized {
        /// The folder.
        path: PathBuf,
        /// Whether it holds one.
        is_initialized: bool,
    },
    /// A file is there already and must not be overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A value is larger than its bound.
    #[error("{what} of {bytes} bytes exceeds {max}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Received bytes did not follow the bytes before them.
    #[error("chunk at offset {found} does not follow the {expected} bytes received")]
    ChunkOrder {
        /// Bytes received so far.
        expected: u64,
        /// Offset of the chunk.
        found: u64,
    },
    /// The driver of the log is gone.
    #[error("the log was closed")]
    Closed,
}

/// What is wrong with stored bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file does not begin as it must.
    #[error("bad header")]
    Header,
    /// A record's checksum does not fit, although a later record proves that it was durable.
    #[error("record {record} fails its checksum although it was durable")]
    Record {
        /// Number of the record in its file, from 0.
        record: u64,
    },
    /// An entry that is in the log cannot be read back.
    #[error("the record of entry {index} fails its checksum")]
    Entry {
        /// Its index.
        index: u64,
    },
    /// A record's checksum fits and its content cannot be read.
    #[error("record {record} cannot be read")]
    Content {
        /// Number of the record in its file, from 0.
        record: u64,
    },
    /// A record is of a kind that this build does not know.
    #[error("record {record} has unknown kind {kind}")]
    Kind {
        /// Number of the record in its file, from 0.
        record: u64,
        /// The kind found.
        kind: u8,
    },
    /// An entry does not follow the one before it.
    #[error("record {record} holds entry {found} where entry {expected} must follow")]
    Order {
        /// Number of the record in its file, from 0.
        record: u64,
        /// Index that had to come.
        expected: u64,
        /// Index that came.
        found: u64,
    },
    /// A file of the sequence is not there.
    #[error("segment {segment} is missing")]
    MissingSegment {
        /// Its sequence number.
        segment: u64,
    },
    /// Entries that were neither purged nor truncated are not there.
    #[error("entries {first} to {last} are missing")]
    MissingEntries {
        /// First missing index.
        first: u64,
        /// Last missing index.
        last: u64,
    },
    /// The file ends before its trailer.
    #[error("the file ends early")]
    Short,
    /// The trailer's count is not the number of records.
    #[error("trailer counts {expected} records, {found} are there")]
    Count {
        /// What the trailer says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// The trailer's hash is not the hash of the file.
    #[error("the hash of the whole file does not fit")]
    Hash,
}

impl Fault {
    /// Turns what the system said into a fault; "no space" is kept apart, and so is a limit on the size of files, which is
    /// the same to whoever has to write: what was there before is whole.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            return Self::Full { path: path.to_owned(), reason: source.to_string() };
        }
        Self::Io { operation, path: path.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), offset, damage }
    }

    /// Whether this says that stored bytes are not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether this says that the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}
