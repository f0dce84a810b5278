//! The write-ahead log of one Raft group: entries, vote and committed index in one sequence of records, because Raft's
//! promises about them are promises about their order.
//!
//! Start with [`open`], which returns the handle [`Log`] and the [`LogWriter`] that has to be driven. `segment` and
//! `frame` know the bytes, `recovery` reads them back, `view` is what readers see, `pool` keeps space in reserve.
//!
//! - A truncation is a record, so it happens at once or not at all, and nothing is removed from the middle of a file.
//! - A purge is a record too; segments are given back only after it is durable, oldest first, and what a crash left of
//!   that is finished at the next opening.
//! - A folder without segments is damage, never an empty log: a node that forgot its vote may vote twice.

mod active;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod forge;
pub(crate) mod frame;
mod memory;
mod op;
mod pool;
mod recovery;
mod segment;
mod shared;
mod view;
mod writer;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::Vfs;

use self::active::Active;
use self::frame::{Head, Kind};
use self::pool::Pool;
use self::recovery::Recovered;
use self::segment::{Header, StateRecord};
use self::shared::{OpenSegment, Shared};
use self::view::{Hit, Place};
use self::writer::{Full, Written, begin_segment};
use crate::fault::{Damage, Fault};
use crate::files::Files;
use crate::home::Identity;
use crate::limits;
#[cfg(any(test, feature = "testing"))]
use crate::sabotage::Sabotage;

pub use memory::MemLog;
pub use op::{Done, LogId, LogRecord, LogState, LogStore, Op, Refused, Space};
pub use writer::LogWriter;

/// How a log uses its disk and memory.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Size of the segments that it begins, in bytes; kept between `limits::SEGMENT_BYTES_MIN` and
    /// `limits::SEGMENT_BYTES_MAX`. The largest entry is about 5 KiB smaller.
    pub segment_bytes: u32,
    /// Segments kept ready.
    pub spare_segments: u32,
    /// With fewer ready than this and a full disk, [`Space::below_low_mark`] is set.
    pub low_mark_segments: u32,
    /// Bytes of recent entries kept in memory.
    pub cache_bytes: usize,
    pub(crate) build: crate::sabotage::Build,
}

impl LogOptions {
    /// What a production node uses.
    #[must_use]
    pub fn production() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES,
            spare_segments: limits::SPARE_SEGMENTS,
            low_mark_segments: limits::LOW_MARK_SEGMENTS,
            cache_bytes: limits::CACHE_BYTES,
            build: crate::sabotage::Build::default(),
        }
    }

    /// Small segments and little memory, so that a short test meets rotation, recycling and reads from disk.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn small() -> Self {
        Self {
            segment_bytes: limits::SEGMENT_BYTES_MIN,
            spare_segments: 2,
            low_mark_segments: 2,
            cache_bytes: 8 * 1024,
            build: crate::sabotage::Build::default(),
        }
    }

    /// The same, with one step of durability left out.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn broken(mut self, step: Sabotage) -> Self {
        self.build = crate::sabotage::Build::broken(step);
        self
    }

    fn segment_bytes(&self) -> u32 {
        // Multiples of eight, so that scans over records end where the file ends.
        self.segment_bytes.clamp(limits::SEGMENT_BYTES_MIN, limits::SEGMENT_BYTES_MAX) & !7
    }
}

/// The handle of a log on disk: cheap to clone, used by any number of readers and writers. When the last clone is dropped
/// the driver finishes the queue and ends.
#[derive(Clone, Debug)]
pub struct Log {
    guard: Arc<Guard>,
}

#[derive(Debug)]
struct Guard {
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Creates an empty log in the existing, empty folder `dir`. Durable when it returns.
pub fn create(vfs: Arc<dyn Vfs>, dir: &Path, identity: &Identity, group: u64, options: &LogOptions) -> Result<(), Fault> {
    let files = Files::new(vfs, options.build);
    let segment_bytes = options.segment_bytes();
    let mut pool = Pool::open(files.clone(), dir, &[], segment_bytes, 1)?;
    let header = Header { identity: *identity, group, segment_bytes, sequence: 1 };
    begin_segment(&files, dir, &header, &StateRecord::default(), pool.take()?)?;
    Ok(())
}

/// Opens the log in `dir`: reads it back, cuts a torn tail and finishes a purge that was cut short. Spare segments that
/// are missing are made by the driver when it is idle, so that a node starts at once.
///
/// `Damaged` names what was promised and is not there; `Foreign` a folder of somebody else; `Format` one of a newer
/// build. Nothing is changed in these cases.
pub fn open(
    vfs: Arc<dyn Vfs>,
    dir: &Path,
    identity: &Identity,
    group: u64,
    options: &LogOptions,
) -> Result<(Log, LogWriter), Fault> {
    let files = Files::new(vfs, options.build);
    // A process that was killed between renaming and syncing leaves names that look durable and are not.
    files.sync_dir(dir)?;
    let names = files.read_dir(dir)?;
    let segment_bytes = options.segment_bytes();
    let header = Header { identity: *identity, group, segment_bytes, sequence: 0 };
    let mut recovered = recovery::recover(&files, dir, &names, &header, options.cache_bytes)?;
    let pool = Pool::open(files.clone(), dir, &names, segment_bytes, options.spare_segments)?;
    let unproven = std::mem::take(&mut recovered.tail.unproven);
    let mut writer = assemble(files, dir, header, recovered, pool, options)?;
    writer.begin_life(&unproven)?;
    writer.give_back()?;
    writer.publish_space();
    let log = Log { guard: Arc::new(Guard { shared: Arc::clone(&writer.shared) }) };
    Ok((log, writer))
}

fn assemble(
    files: Files,
    dir: &Path,
    header: Header,
    recovered: Recovered,
    mut pool: Pool,
    options: &LogOptions,
) -> Result<LogWriter, Fault> {
    let Recovered { view, mut segments, leftovers, tail, opens } = recovered;
    pool.give_back(leftovers)?;
    let open: BTreeMap<u64, OpenSegment> = segments
        .iter()
        .map(|segment| (segment.sequence, OpenSegment { path: segment.path.clone(), file: Arc::clone(&segment.file) }))
        .collect();
    let newest = segments.pop().expect("recovery fails if there is no segment");
    let newest_header = Header { sequence: newest.sequence, ..header };
    let mut active = Active::resume(
        newest.sequence,
        newest.path,
        newest.file,
        newest.segment_bytes,
        newest_header.seed(),
        tail.offset,
        tail.chain,
    );
    active.max_index = newest.max_index;
    let state = view.state();
    let written = Written {
        purged: state.purged,
        last_index: (!view.is_empty()).then_some(state.last).flatten().map(|last| last.index),
        vote: state.vote.map(|vote| vote.to_vec()),
        committed: state.committed,
    };
    let full = segments.into_iter().map(|segment| Full {
        sequence: segment.sequence,
        spare: pool::Spare { path: segment.path, file: segment.file },
        max_index: segment.max_index,
    });
    let entry_bytes_max = active::entry_bytes_max(header.segment_bytes);
    let space = Space { free_segments: 0, below_low_mark: false, is_waiting: false };
    let shared = Arc::new(Shared::new(view, open, header.identity.store.0, space, entry_bytes_max));
    Ok(LogWriter {
        shared,
        files,
        dir: dir.to_owned(),
        header,
        active,
        full: full.collect(),
        pool,
        low_mark: options.low_mark_segments,
        written,
        opens,
        places: Vec::new(),
        when_full: writer::WhenFull::Fail,
    })
}

impl LogWriter {
    /// Makes what was read back durable, and says in the log that another life begins, so that nothing beyond the cut
    /// tail can ever be taken for its continuation.
    ///
    /// What was read may be in the page cache alone: the last process was killed before its sync, or its sync failed. In
    /// the latter case the system takes the pages for clean and another sync does nothing, so they are written again.
    fn begin_life(&mut self, unproven: &[u8]) -> Result<(), Fault> {
        self.active.rewrite(unproven)?;
        self.active.sync()?;
        self.opens += 1;
        self.put(Kind::Opened, &[&self.opens.to_le_bytes()])?;
        self.active.sync()
    }
}

impl Log {
    /// Waits for room in the queue, then does as [`LogStore::submit`].
    pub async fn submit_when_ready(&self, op: Op, done: Done) -> Result<(), Refused> {
        let room = self.shared().room(&op).await;
        self.shared().submit(op, done, room)
    }

    /// What stopped the log, if it has stopped.
    #[must_use]
    pub fn stopped(&self) -> Option<Fault> {
        self.shared().fault()
    }

    /// The largest entry payload that this log takes, in bytes.
    #[must_use]
    pub fn entry_bytes_max(&self) -> usize {
        self.shared().entry_bytes_max
    }

    fn shared(&self) -> &Shared {
        &self.guard.shared
    }

    /// Reads one entry from disk. `None` if its segment was given back meanwhile.
    fn read(&self, id: LogId, place: Place) -> Result<Option<LogRecord>, Fault> {
        let shared = self.shared();
        let Some(segment) = shared.lock().segments.get(&place.segment).cloned() else {
            return Ok(None);
        };
        let mut bytes = vec![0; frame::HEADER + segment::ENTRY_HEAD + place.payload_len as usize];
        let read = segment.file.read_at(u64::from(place.offset), &mut bytes);
        if let Some(record) = read.is_ok().then(|| Self::decode(&shared.store, place.segment, id, &bytes)).flatten() {
            return Ok(Some(record));
        }
        if !shared.lock().view.is_at(id, place) {
            return Ok(None);
        }
        read.map_err(|e| Fault::io("reading", &segment.path, e))?;
        Err(Fault::damaged(&segment.path, u64::from(place.offset), Damage::Entry { index: id.index }))
    }

    fn decode(store: &[u8; 16], sequence: u64, id: LogId, bytes: &[u8]) -> Option<LogRecord> {
        let seed = frame::seed(store, sequence);
        let head = Head::parse(bytes, seed).filter(|head| head.kind == Kind::Entry as u8)?;
        let (found, payload) = segment::entry_parts(head.body(bytes, seed)?)?;
        (found == id).then(|| LogRecord { id, payload: Bytes::copy_from_slice(payload) })
    }

    /// All of `hits`; `None` if one of them was purged meanwhile.
    fn resolve(&self, hits: Vec<Hit>) -> Result<Option<Vec<LogRecord>>, Fault> {
        let mut records = Vec::with_capacity(hits.len());
        for hit in hits {
            match hit {
                Hit::Memory(record) => records.push(record),
                Hit::Disk(id, place) => match self.read(id, place)? {
                    Some(record) => records.push(record),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(records))
    }
}

impl LogStore for Log {
    fn submit(&self, op: Op, done: Done) -> Result<(), Refused> {
        let room = self.shared().try_room(&op)?;
        self.shared().submit(op, done, room)
    }

    fn get(&self, range: Range<u64>, bytes_max: u64) -> Result<Vec<LogRecord>, Fault> {
        for _ in 0..limits::READ_ATTEMPTS_MAX {
            let hits = self.shared().lock().view.find(range.clone(), bytes_max);
            if let Some(records) = self.resolve(hits)? {
                return Ok(records);
            }
        }
        Ok(Vec::new())
    }

    fn state(&self) -> LogState {
        self.shared().lock().view.state()
    }

    fn space(&self) -> Space {
        let space = self.shared().lock().space;
        if space.below_low_mark {
            self.shared().look_again();
        }
        space
    }
}
