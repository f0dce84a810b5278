//! Reads a snapshot record by record, checking everything on the way.

use std::path::Path;
use std::sync::Arc;

use tidegate_platform::VfsFile;

use super::SnapshotHeader;
use super::format;
use crate::fault::Fault;
use crate::home::ClusterId;
use crate::records::{Records, Source};

/// The records of a snapshot, in order. The last item is an error if count or hash of the whole file do not fit, so what
/// is made of the records may be used only once the iterator has ended without one.
#[derive(Debug)]
pub struct SnapshotReader {
    header: SnapshotHeader,
    records: Records,
}

impl SnapshotReader {
    pub(crate) fn open(path: &Path, file: Arc<dyn VfsFile>, cluster: &ClusterId, group: u64) -> Result<Self, Fault> {
        let mut source = Source::open(path, file)?;
        let mut bytes = source.take(format::FIXED)?.to_vec();
        let rest = format::header_rest(path, &bytes)?;
        bytes.extend_from_slice(source.take(rest)?);
        let header = format::decode_header(path, &bytes, cluster, group)?;
        Ok(Self { header, records: Records::after(&bytes, source) })
    }

    /// What the snapshot says about itself.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// Reads everything to the end and says what is wrong, if anything.
    pub fn verify(mut self) -> Result<SnapshotHeader, Fault> {
        self.records.verify()?;
        Ok(self.header)
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<Vec<u8>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.records.next()
    }
}
