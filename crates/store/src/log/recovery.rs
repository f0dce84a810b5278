//! Reads a log folder back into a view: what was promised must be there, a tail that was never acknowledged is cut.
//!
//! Segments are read oldest first. A segment that has a successor ended where the successor's state record says, and
//! every record up to there must be intact. The newest may end in a torn tail, unless a record behind the first bad one
//! proves that it had been synced. Segments before a hole in the sequence are what a purge had not finished giving
//! back, if the ones behind the hole are complete without them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tidegate_platform::{OpenMode, VfsFile};

use super::frame::{self, BodyReader, Found, Kind, Walk};
use super::op::Op;
use super::pool::Spare;
use super::segment::{self, Header, StateRecord};
use super::view::{Place, View};
use crate::fault::{Damage, Fault};
use crate::files::Files;
use crate::limits::SEGMENT_BYTES_MAX;

/// A segment that is part of the log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) segment_bytes: u32,
    /// Highest index of an entry in it, whether or not that entry was truncated later.
    pub(crate) max_index: Option<u64>,
}

/// What a folder said.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) view: View,
    /// Oldest first; the last is the one to go on writing.
    pub(crate) segments: Vec<Segment>,
    /// Segments that a purge had not finished giving back, oldest first.
    pub(crate) leftovers: Vec<Spare>,
    /// Where the newest segment goes on.
    pub(crate) tail: Tail,
    /// How often the log was opened before.
    pub(crate) opens: u64,
}

/// The end of the newest segment.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Where the next record goes.
    pub(crate) offset: u32,
    /// Its chain value.
    pub(crate) chain: u32,
    /// The bytes before `offset` that no record proves to have been synced.
    pub(crate) unproven: Vec<u8>,
}

struct Loaded {
    path: PathBuf,
    file: Arc<dyn VfsFile>,
    bytes: Vec<u8>,
    header: Header,
    /// Chain value for the first record.
    chain: u32,
    state: StateRecord,
}

struct Replay {
    view: View,
    /// Entries that the first state record speaks of and whose records lay in segments that are gone: first, last.
    absent: Option<(u64, u64)>,
    opens: u64,
    max_index: Option<u64>,
}

/// Reads the log in `dir`, whose files are `names`.
pub(crate) fn recover(
    files: &Files,
    dir: &Path,
    names: &[String],
    expected: &Header,
    cache_bytes: usize,
) -> Result<Recovered, Fault> {
    let mut sequences: Vec<u64> = names.iter().filter_map(|name| segment::sequence_of(name)).collect();
    sequences.sort_unstable();
    let run_start = sequences.windows(2).rposition(|pair| pair[0] + 1 != pair[1]).map_or(0, |at| at + 1);
    let (before_hole, run) = sequences.split_at(run_start);
    let Some((first, last)) = run.first().zip(run.last()) else {
        return Err(Fault::damaged(dir, 0, Damage::MissingSegment { segment: 1 }));
    };

    let mut loaded = load(files, dir, *first, expected)?;
    let mut replay = Replay::begin(&loaded.state, cache_bytes);
    let mut segments = Vec::new();
    for sequence in first + 1..=*last {
        let next = load(files, dir, sequence, expected)?;
        replay.sealed(&loaded, &next.state)?;
        segments.push(replay.finish_segment(loaded));
        loaded = next;
    }
    let tail = replay.newest(&loaded)?;
    if let Some((first, last)) = replay.absent {
        let damage = match before_hole.last() {
            Some(below) => Damage::MissingSegment { segment: below + 1 },
            None => Damage::MissingEntries { first, last },
        };
        return Err(Fault::damaged(dir, 0, damage));
    }
    segments.push(replay.finish_segment(loaded));
    let leftovers = before_hole.iter().map(|sequence| {
        let path = segment::path_of(dir, *sequence);
        Ok(Spare { file: files.open(&path, OpenMode::Write)?, path })
    });
    let leftovers = leftovers.collect::<Result<_, Fault>>()?;
    Ok(Recovered { view: replay.view, segments, leftovers, tail, opens: replay.opens })
}

fn load(files: &Files, dir: &Path, sequence: u64, expected: &Header) -> Result<Loaded, Fault> {
    let path = segment::path_of(dir, sequence);
    let bytes = files.read_all(&path, u64::from(SEGMENT_BYTES_MAX))?;
    let (header, chain) = Header::decode(&path, &bytes)?;
    header.check(&path, &Header { sequence, ..*expected })?;
    if u64::from(header.segment_bytes) != bytes.len() as u64 {
        return Err(Fault::damaged(&path, bytes.len() as u64, Damage::Short));
    }
    let offset = u64::from(segment::RECORDS_START);
    let first = walk(&bytes, &header, chain).next();
    let first = first.ok_or_else(|| Fault::damaged(&path, offset, Damage::Record { record: 0 }))?;
    let state = (frame::known(first.kind, 0) == Ok(Kind::State)).then(|| StateRecord::decode(first.body)).flatten();
    let state = state.ok_or_else(|| Fault::damaged(&path, offset, Damage::Content { record: 0 }))?;
    let file = files.open(&path, OpenMode::Write)?;
    Ok(Loaded { path, file, bytes, header, chain, state })
}

fn walk<'b>(bytes: &'b [u8], header: &Header, chain: u32) -> Walk<'b> {
    Walk { bytes, seed: header.seed(), offset: segment::RECORDS_START as usize, chain }
}

fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).expect("segments are below 4 GiB")
}

impl Replay {
    fn begin(state: &StateRecord, cache_bytes: usize) -> Self {
        let mut view = View::new(cache_bytes);
        if let Some(upto) = state.purged {
            view.take(&Op::Purge { upto });
        }
        if let Some(vote) = &state.vote {
            view.take(&Op::SaveVote(Bytes::copy_from_slice(vote)));
        }
        view.take(&Op::SaveCommitted(state.committed));
        // A log that was never purged may begin at any index: 0 stands for "from the first", which `purge` moves.
        let first = state.purged.map_or(0, |purged| purged.index.saturating_add(1));
        let absent = state.last_index.filter(|last| *last >= first).map(|last| (first, last));
        Self { view, absent, opens: state.opens, max_index: None }
    }

    /// Replays a segment that has a successor: all of it must be there, up to where the successor says that it ended.
    fn sealed(&mut self, loaded: &Loaded, successor: &StateRecord) -> Result<(), Fault> {
        let end = successor.previous_end as usize;
        let mut walk = walk(&loaded.bytes, &loaded.header, loaded.chain);
        let mut record = 0;
        while walk.offset < end {
            let offset = walk.offset as u64;
            let found = walk.next().ok_or_else(|| Fault::damaged(&loaded.path, offset, Damage::Record { record }))?;
            self.apply(loaded, &found, record)?;
            record += 1;
        }
        if walk.offset != end || walk.chain != successor.previous_chain {
            return Err(Fault::damaged(&loaded.path, walk.offset as u64, Damage::Content { record }));
        }
        Ok(())
    }

    /// Replays the newest segment up to its end or its torn tail; returns where it goes on.
    fn newest(&mut self, loaded: &Loaded) -> Result<Tail, Fault> {
        let mut walk = walk(&loaded.bytes, &loaded.header, loaded.chain);
        let mut record = 0;
        let mut is_sealed = false;
        let mut proven = segment::RECORDS_START;
        for found in walk.by_ref() {
            self.apply(loaded, &found, record)?;
            record += 1;
            is_sealed = found.kind == Kind::Seal as u8;
            proven = proven.max(found.durable);
        }
        if is_sealed {
            let segment = loaded.header.sequence + 1;
            return Err(Fault::damaged(&loaded.path, walk.offset as u64, Damage::MissingSegment { segment }));
        }
        if frame::was_durable(&loaded.bytes, walk.seed, walk.offset) {
            return Err(Fault::damaged(&loaded.path, walk.offset as u64, Damage::Record { record }));
        }
        let unproven = loaded.bytes[walk.offset.min(proven as usize)..walk.offset].to_vec();
        Ok(Tail { offset: offset_u32(walk.offset), chain: walk.chain, unproven })
    }

    fn finish_segment(&mut self, loaded: Loaded) -> Segment {
        Segment {
            sequence: loaded.header.sequence,
            path: loaded.path,
            file: loaded.file,
            segment_bytes: loaded.header.segment_bytes,
            max_index: self.max_index.take(),
        }
    }

    fn apply(&mut self, loaded: &Loaded, found: &Found<'_>, record: u64) -> Result<(), Fault> {
        let damaged = |damage| Fault::damaged(&loaded.path, found.offset as u64, damage);
        let kind = frame::known(found.kind, record).map_err(damaged)?;
        let content = || damaged(Damage::Content { record });
        match kind {
            Kind::State if record == 0 => Ok(()),
            Kind::State => Err(content()),
            Kind::Mark | Kind::Seal => Ok(()),
            Kind::Entry => self.entry(loaded, found, record),
            Kind::Vote => self.take(&Op::SaveVote(Bytes::copy_from_slice(found.body))).ok_or_else(content),
            Kind::Committed => {
                let mut reader = BodyReader(found.body);
                let id = segment::get_id(&mut reader).and_then(|id| reader.end(id)).ok_or_else(content)?;
                self.take(&Op::SaveCommitted(id)).ok_or_else(content)
            }
            Kind::Truncate => {
                let mut reader = BodyReader(found.body);
                let from = reader.u64().and_then(|from| reader.end(from)).ok_or_else(content)?;
                self.take(&Op::Truncate { from }).ok_or_else(content)
            }
            Kind::Purge => {
                let mut reader = BodyReader(found.body);
                let upto = segment::get_id(&mut reader).and_then(|id| reader.end(id)).flatten().ok_or_else(content)?;
                self.take(&Op::Purge { upto }).ok_or_else(content)
            }
            Kind::Opened => {
                let mut reader = BodyReader(found.body);
                // The next life counts one more: a record that says there can be none was not written by us.
                let opens = reader.u64().and_then(|opens| reader.end(opens)).filter(|opens| *opens < u64::MAX);
                self.opens = opens.ok_or_else(content)?;
                Ok(())
            }
        }
    }

    /// Takes an operation, and what it does to the entries that are absent; `None` if it could never have been written.
    fn take(&mut self, op: &Op) -> Option<()> {
        self.view.check(op, usize::MAX).ok()?;
        self.view.take(op);
        if let Some((first, last)) = self.absent {
            let (first, last) = match op {
                Op::Truncate { from: 0 } => {
                    return {
                        self.absent = None;
                        Some(())
                    };
                }
                Op::Truncate { from } => (first, last.min(from - 1)),
                Op::Purge { upto } => (first.max(upto.index.saturating_add(1)), last),
                Op::Append(_) | Op::SaveVote(_) | Op::SaveCommitted(_) => (first, last),
            };
            self.absent = (first <= last).then_some((first, last));
        }
        Some(())
    }

    fn entry(&mut self, loaded: &Loaded, found: &Found<'_>, record: u64) -> Result<(), Fault> {
        let damaged = |damage| Fault::damaged(&loaded.path, found.offset as u64, damage);
        let (id, payload) = segment::entry_parts(found.body).ok_or_else(|| damaged(Damage::Content { record }))?;
        let expected = match self.absent {
            Some((_, last)) if self.view.is_empty() => Some(last.saturating_add(1)),
            _ => self.view.next(),
        };
        if id.index == u64::MAX {
            return Err(damaged(Damage::Content { record }));
        }
        if let Some(expected) = expected
            && expected != id.index
        {
            return Err(damaged(Damage::Order { record, expected, found: id.index }));
        }
        let place =
            Place { segment: loaded.header.sequence, offset: offset_u32(found.offset), payload_len: offset_u32(payload.len()) };
        self.view.push(id, Bytes::copy_from_slice(payload), Some(place));
        self.max_index = self.max_index.max(Some(id.index));
        Ok(())
    }
}
