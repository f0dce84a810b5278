//! Segments made by hand, for fuzzers: checksums that fit around content that need not.

use super::frame;
use super::segment::Header;
#[cfg(test)]
use super::segment::StateRecord;
use crate::home::Identity;

/// A segment 1 of group 0 with these records: kind and body. Records that do not fit are left out.
pub(crate) fn segment(identity: &Identity, segment_bytes: u32, records: &[(u8, &[u8])]) -> Vec<u8> {
    let header = Header { identity: *identity, group: 0, segment_bytes, sequence: 1 };
    let (mut bytes, mut chain) = header.encode();
    for (kind, body) in records {
        let mut record = Vec::new();
        let next = frame::encode_raw(&mut record, header.seed(), *kind, 0, chain, &[body]);
        if bytes.len() + record.len() <= segment_bytes as usize {
            bytes.extend(record);
            chain = next;
        }
    }
    bytes.resize(segment_bytes as usize, 0);
    bytes
}

/// The body of the state record of an empty log.
#[cfg(test)]
pub(crate) fn empty_state() -> Vec<u8> {
    StateRecord::default().encode()
}
