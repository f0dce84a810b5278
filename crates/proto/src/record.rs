//! Records of a snapshot as bytes: `tidegate.storage.v1.StateRecord`, cut into parts where one is too long for the file.
//!
//! What the records mean, and in which order they make a state, is for the server to say.

use prost::Message as _;
use prost::bytes::Bytes;
use thiserror::Error;

use crate::limits;
use crate::storage::v1::state_record::Kind;
use crate::storage::v1::{Part, StateRecord};

/// Bytes that are no record, or records that do not follow one another.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// More bytes than a record may have.
    #[error("record of more than {max} bytes")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// Not a protobuf message, or one nested too deeply.
    #[error("record cannot be decoded")]
    Undecodable(#[source] prost::DecodeError),
    /// A kind of record that this build does not know: the writer may be newer.
    #[error("record of a kind that this build does not know")]
    UnknownKind,
    /// Another record, or the end, while parts of one were still to come.
    #[error("a record in parts breaks off after {bytes} bytes")]
    BrokenOff {
        /// Bytes that had come.
        bytes: usize,
    },
    /// A part within a record that came in parts.
    #[error("a record in parts holds a part")]
    NestedPart,
}

/// Writes one record, in parts if it is long. `sink` takes pieces of little more than
/// [`limits::PART_BYTES_MAX`] bytes.
///
/// # Errors
/// Those of `sink`, passed on unchanged.
pub fn write_record<E>(record: &StateRecord, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let bytes = Bytes::from(record.encode_to_vec());
    if bytes.len() <= limits::PART_BYTES_MAX {
        return sink(&bytes);
    }
    let mut start = 0;
    while start < bytes.len() {
        let end = bytes.len().min(start + limits::PART_BYTES_MAX);
        let part = Part { bytes: bytes.slice(start..end), is_last: end == bytes.len() };
        sink(&StateRecord { kind: Some(Kind::Part(part)) }.encode_to_vec())?;
        start = end;
    }
    Ok(())
}

/// Reads what [`write_record`] wrote.
#[derive(Debug, Default)]
pub struct RecordReader {
    // Bytes of a record in parts; empty between records, because no part is empty.
    parts: Vec<u8>,
}

impl RecordReader {
    /// A reader between records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; answers a record once it is complete. The record's kind is known and is never a part.
    ///
    /// # Errors
    /// [`RecordError`]; the reader is of no use afterwards.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Kind>, RecordError> {
        match decode(bytes)? {
            Kind::Part(part) => {
                if self.parts.len() + part.bytes.len() > limits::RECORD_BYTES_MAX {
                    return Err(RecordError::TooLong { max: limits::RECORD_BYTES_MAX });
                }
                self.parts.extend_from_slice(&part.bytes);
                if !part.is_last {
                    return Ok(None);
                }
                match decode(&std::mem::take(&mut self.parts))? {
                    Kind::Part(_) => Err(RecordError::NestedPart),
                    kind => Ok(Some(kind)),
                }
            }
            _ if !self.parts.is_empty() => Err(RecordError::BrokenOff { bytes: self.parts.len() }),
            kind => Ok(Some(kind)),
        }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// [`RecordError::BrokenOff`] in the middle of a record.
    pub fn finish(self) -> Result<(), RecordError> {
        if self.parts.is_empty() { Ok(()) } else { Err(RecordError::BrokenOff { bytes: self.parts.len() }) }
    }
}

fn decode(bytes: &[u8]) -> Result<Kind, RecordError> {
    if bytes.len() > limits::RECORD_BYTES_MAX {
        return Err(RecordError::TooLong { max: limits::RECORD_BYTES_MAX });
    }
    StateRecord::decode(bytes).map_err(RecordError::Undecodable)?.kind.ok_or(RecordError::UnknownKind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::storage::v1::Token;

    fn token(name_bytes: usize) -> Kind {
        Kind::Token(Token { name: "n".repeat(name_bytes), version: 7, ..Token::default() })
    }

    fn written(kind: &Kind) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let record = StateRecord { kind: Some(kind.clone()) };
        write_record(&record, |piece| {
            pieces.push(piece.to_vec());
            Ok::<_, ()>(())
        })
        .unwrap();
        pieces
    }

    #[test]
    fn long_records_travel_in_parts() {
        for (bytes, pieces) in [(1, 1), (limits::PART_BYTES_MAX, 2), (3 * limits::PART_BYTES_MAX, 4)] {
            let kind = token(bytes);
            let written = written(&kind);
            assert_eq!(written.len(), pieces);
            assert!(written.iter().all(|piece| piece.len() < limits::PART_BYTES_MAX + 64));
            let mut reader = RecordReader::new();
            let (last, before) = written.split_last().unwrap();
            assert!(before.iter().all(|piece| reader.read(piece).unwrap().is_none()));
            assert_eq!(reader.read(last).unwrap(), Some(kind));
            reader.finish().unwrap();
        }
    }

    #[test]
    fn a_record_that_breaks_off_is_noticed() {
        let pieces = written(&token(2 * limits::PART_BYTES_MAX));
        let mut reader = RecordReader::new();
        reader.read(&pieces[0]).unwrap();
        assert_eq!(reader.read(&written(&token(1))[0]), Err(RecordError::BrokenOff { bytes: limits::PART_BYTES_MAX }));
        assert_eq!(reader.finish(), Err(RecordError::BrokenOff { bytes: limits::PART_BYTES_MAX }));
    }

    #[test]
    fn unknown_and_endless_records_are_refused() {
        assert_eq!(RecordReader::new().read(&[]), Err(RecordError::UnknownKind));
        // Field 15, one byte: a kind of record from the future.
        assert_eq!(RecordReader::new().read(&[0x7a, 0x01, 0x00]), Err(RecordError::UnknownKind));
        let part = Part { bytes: vec![0; 1024 * 1024].into(), is_last: false };
        let piece = StateRecord { kind: Some(Kind::Part(part)) }.encode_to_vec();
        let mut reader = RecordReader::new();
        let refused = (0..=limits::RECORD_BYTES_MAX / 1024 / 1024).map(|_| reader.read(&piece)).find(Result::is_err);
        assert_eq!(refused, Some(Err(RecordError::TooLong { max: limits::RECORD_BYTES_MAX })));
    }
}
