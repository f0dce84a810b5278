//! Segments made ready ahead of need: reserved on disk, filled with zeros and synced, so that an append overwrites blocks
//! that exist and its sync has no file metadata to write, and so that a full disk is met here, in time, and not there.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_platform::{OpenMode, VfsFile};

use crate::fault::Fault;
use crate::files::Files;
use crate::limits::{ZERO_STEP_BYTES, ZERO_WRITE_BYTES};

/// A file ready to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
}

#[derive(Debug)]
struct Making {
    spare: Spare,
    zeroed: u32,
}

/// How a spare is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// In steps with a sync each, so that a group commit in between waits for one step only.
    Gentle,
    /// With one sync: somebody waits for it.
    AtOnce,
}

/// The spare segments of one log.
#[derive(Debug)]
pub(crate) struct Pool {
    files: Files,
    dir: PathBuf,
    segment_bytes: u32,
    target: usize,
    ready: VecDeque<Spare>,
    making: Option<Making>,
    next_number: u64,
    is_starved: bool,
}

const READY: &str = ".zero";
const UNFINISHED: &str = ".making";

impl Pool {
    /// The pool of the spares in `dir`: those ready are kept, unfinished ones removed.
    pub(crate) fn open(files: Files, dir: &Path, names: &[String], segment_bytes: u32, target: u32) -> Result<Self, Fault> {
        let mut pool = Self {
            files,
            dir: dir.to_owned(),
            segment_bytes,
            target: usize::try_from(target).unwrap_or(usize::MAX),
            ready: VecDeque::new(),
            making: None,
            next_number: 0,
            is_starved: false,
        };
        for name in names {
            let path = dir.join(name);
            if name.ends_with(UNFINISHED) {
                pool.files.remove(&path)?;
            } else if let Some(number) = name.strip_suffix(READY) {
                pool.next_number = pool.next_number.max(number.parse::<u64>().map_or(0, |n| n + 1));
                pool.keep_or_remove(path)?;
            }
        }
        Ok(pool)
    }

    fn keep_or_remove(&mut self, path: PathBuf) -> Result<(), Fault> {
        let len = self.files.vfs.len(&path).map_err(|e| Fault::io("measuring", &path, e))?;
        if len == u64::from(self.segment_bytes) && self.ready.len() < self.target {
            let file = self.files.open(&path, OpenMode::Write)?;
            self.ready.push_back(Spare { path, file });
            return Ok(());
        }
        self.files.remove(&path)
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether the last attempt to make a spare found no room.
    pub(crate) fn is_starved(&self) -> bool {
        self.is_starved
    }

    /// Lets the next step try again after the disk was full.
    pub(crate) fn forget_starvation(&mut self) {
        self.is_starved = false;
    }

    /// Takes a spare, made on the spot if none is ready; `Full` if there is no room to make one.
    pub(crate) fn take(&mut self) -> Result<Spare, Fault> {
        self.is_starved = false;
        while self.ready.is_empty() && !self.is_starved {
            self.step_towards(1, Pace::AtOnce)?;
        }
        self.ready.pop_front().ok_or_else(|| Fault::Full {
            path: self.dir.clone(),
            reason: format!("no segment of {} bytes can be made", self.segment_bytes),
        })
    }

    /// Does a small part of what is needed to have all spares ready; says whether there is more to do.
    pub(crate) fn step(&mut self) -> Result<bool, Fault> {
        self.step_towards(self.target, Pace::Gentle)
    }

    fn step_towards(&mut self, target: usize, pace: Pace) -> Result<bool, Fault> {
        if self.ready.len() >= target || self.is_starved {
            return Ok(false);
        }
        let making = match self.making.take() {
            Some(making) => making,
            None => match self.begin() {
                Ok(making) => making,
                Err(fault) => return self.starve_or_fail(fault),
            },
        };
        match self.zero_some(making, pace) {
            Ok(()) => Ok(self.ready.len() < target),
            Err(fault) => self.starve_or_fail(fault),
        }
    }

    fn begin(&mut self) -> Result<Making, Fault> {
        let path = self.dir.join(format!("{:020}{UNFINISHED}", self.next_number));
        self.next_number += 1;
        let file = self.files.create_anew(&path)?;
        let reserved = file.allocate(u64::from(self.segment_bytes)).map_err(|e| Fault::io("allocating", &path, e));
        let making = Making { spare: Spare { path, file }, zeroed: 0 };
        if let Err(fault) = reserved {
            // Frees whatever part of it the file system did reserve.
            self.files.remove(&making.spare.path)?;
            return Err(fault);
        }
        Ok(making)
    }

    fn zero_some(&mut self, mut making: Making, pace: Pace) -> Result<(), Fault> {
        let left = self.segment_bytes - making.zeroed;
        let step = match pace {
            Pace::Gentle => left.min(ZERO_STEP_BYTES),
            Pace::AtOnce => left,
        };
        let Spare { path, file } = &making.spare;
        let written = write_zeros(file.as_ref(), making.zeroed, step).map_err(|e| Fault::io("writing", path, e));
        if let Err(fault) = written.and_then(|()| file.sync_data().map_err(|e| Fault::io("syncing", path, e))) {
            if fault.is_full() {
                self.files.remove(path)?;
            }
            return Err(fault);
        }
        making.zeroed += step;
        if making.zeroed < self.segment_bytes {
            self.making = Some(making);
            return Ok(());
        }
        let ready = making.spare.path.with_extension(&READY[1..]);
        self.files.rename(&making.spare.path, &ready)?;
        self.files.sync_dir(&self.dir)?;
        self.ready.push_back(Spare { path: ready, file: making.spare.file });
        Ok(())
    }

    fn starve_or_fail(&mut self, fault: Fault) -> Result<bool, Fault> {
        if !fault.is_full() {
            return Err(fault);
        }
        self.is_starved = true;
        Ok(false)
    }

    /// Gives segments that are needed no more back: as spares while there are too few, else to the file system. `files`
    /// come oldest first, and are worked off in that order, so that a crash leaves no hole among those that remain.
    pub(crate) fn give_back(&mut self, segments: Vec<Spare>) -> Result<(), Fault> {
        if segments.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::new();
        for segment in segments {
            let fits = segment.file.len().is_ok_and(|len| len == u64::from(self.segment_bytes));
            if fits && self.ready.len() + kept.len() < self.target {
                let path = self.dir.join(format!("{:020}{READY}", self.next_number));
                self.next_number += 1;
                self.files.rename(&segment.path, &path)?;
                kept.push(Spare { path, file: segment.file });
            } else {
                self.files.remove(&segment.path)?;
            }
        }
        // Before one of them is written again: else a crash could bring the old name back over the new content.
        self.files.sync_dir(&self.dir)?;
        self.ready.extend(kept);
        self.is_starved = false;
        Ok(())
    }
}

/// In small pieces: the system keeps a file in memory in the pieces that it was first written in, and walks through the
/// whole piece for each batch that is later written into a part of it.
fn write_zeros(file: &dyn VfsFile, from: u32, count: u32) -> std::io::Result<()> {
    let zeros = [0; ZERO_WRITE_BYTES as usize];
    let mut written = 0;
    while written < count {
        let piece = (count - written).min(ZERO_WRITE_BYTES);
        file.write_at(u64::from(from + written), &zeros[..piece as usize])?;
        written += piece;
    }
    Ok(())
}
