//! Keys whose bytes sort as their values do: a tag byte per part, big-endian integers, escaped and terminated strings.
//!
//! A string's zero bytes become `00 ff` and it ends in `00 00`, so that `"a"` sorts before `"a\0"`, and that before `"b"`.
//! The tags are part of the format and never reused.

use crate::limits::ROW_TEXT_BYTES_MAX;

const TAG_NUMBER: u8 = 0x10;
const TAG_TEXT: u8 = 0x20;

/// First byte of every key: which space it lies in. Part of the format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    /// What the journal knows about itself.
    Meta = 1,
    /// Old versions of objects.
    History = 2,
    /// Who did what.
    Audit = 3,
    /// How many versions of an object there are.
    HistoryCount = 4,
}

/// Names one row. Sorted as declared: history by object and version, then the audit by log index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// One version of one object.
    History {
        /// Kind of the object.
        kind: String,
        /// Its id.
        id: String,
        /// Its version.
        version: u64,
        /// Index of the log entry that made that version.
        index: u64,
    },
    /// One audit record.
    Audit {
        /// Index of the log entry that it is about.
        index: u64,
        /// Its number among the records of that entry.
        seq: u64,
    },
}

impl RowKey {
    /// Index of the log entry that the row comes from.
    #[must_use]
    pub fn index(&self) -> u64 {
        match self {
            Self::History { index, .. } | Self::Audit { index, .. } => *index,
        }
    }

    /// What tells it from the other rows of its object, or of the audit; they sort by it.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        match self {
            Self::History { version, index, .. } => (*version, *index),
            Self::Audit { index, seq } => (*index, *seq),
        }
    }

    /// The key of another row of the same object, or of the audit.
    pub(crate) fn with_numbers(&self, numbers: (u64, u64)) -> Self {
        match self {
            Self::History { kind, id, .. } => {
                Self::History { kind: kind.clone(), id: id.clone(), version: numbers.0, index: numbers.1 }
            }
            Self::Audit { .. } => Self::Audit { index: numbers.0, seq: numbers.1 },
        }
    }

    /// Longest text in it, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::History { kind, id, .. } => kind.len().max(id.len()),
            Self::Audit { .. } => 0,
        }
    }

    /// Bytes of the key of one part of the row.
    pub(crate) fn encode(&self, part: u64) -> Vec<u8> {
        match self {
            Self::History { kind, id, version, index } => {
                KeyWriter::new(Space::History).text(kind).text(id).number(*version).number(*index).number(part).bytes()
            }
            Self::Audit { index, seq } => KeyWriter::new(Space::Audit).number(*index).number(*seq).number(part).bytes(),
        }
    }

    /// Row and part that a key names; `None` if it names neither history nor audit.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(Self, u64)> {
        let (space, rest) = bytes.split_first()?;
        let mut reader = KeyReader(rest);
        let key = match *space {
            space if space == Space::History as u8 => {
                Self::History { kind: reader.text()?, id: reader.text()?, version: reader.number()?, index: reader.number()? }
            }
            space if space == Space::Audit as u8 => Self::Audit { index: reader.number()?, seq: reader.number()? },
            _ => return None,
        };
        let part = reader.number()?;
        reader.0.is_empty().then_some((key, part))
    }
}

/// Builds a key part by part.
#[derive(Debug)]
pub(crate) struct KeyWriter(Vec<u8>);

impl KeyWriter {
    pub(crate) fn new(space: Space) -> Self {
        Self(vec![space as u8])
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.push(TAG_NUMBER);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.push(TAG_TEXT);
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 0]);
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

struct KeyReader<'b>(&'b [u8]);

impl KeyReader<'_> {
    fn tag(&mut self, tag: u8) -> Option<()> {
        let (found, rest) = self.0.split_first()?;
        self.0 = rest;
        (*found == tag).then_some(())
    }

    fn number(&mut self) -> Option<u64> {
        self.tag(TAG_NUMBER)?;
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*number))
    }

    fn text(&mut self) -> Option<String> {
        self.tag(TAG_TEXT)?;
        let mut text = Vec::new();
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if *byte == 0 {
                let (escape, rest) = self.0.split_first()?;
                self.0 = rest;
                match *escape {
                    0 => break,
                    0xff => {}
                    _ => return None,
                }
            }
            text.push(*byte);
            if text.len() > ROW_TEXT_BYTES_MAX {
                return None;
            }
        }
        String::from_utf8(text).ok()
    }
}

/// The first key that does not begin with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return end;
        }
        end.pop();
    }
    end
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        // Few letters, so that equal prefixes and zero bytes meet.
        proptest::collection::vec(prop_oneof![Just('\0'), Just('a'), Just('b'), Just('\u{ff}'), Just('\u{10ffff}')], 0..6)
            .prop_map(|chars| chars.into_iter().collect())
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0u64..4, Just(u64::MAX), any::<u64>()]
    }

    fn key() -> impl Strategy<Value = RowKey> {
        prop_oneof![
            (text(), text(), number(), number()).prop_map(|(kind, id, version, index)| RowKey::History {
                kind,
                id,
                version,
                index
            }),
            (number(), number()).prop_map(|(index, seq)| RowKey::Audit { index, seq }),
        ]
    }

    proptest! {
        #[test]
        fn bytes_sort_as_values_do(a in key(), b in key(), part_a in 0u64..3, part_b in 0u64..3) {
            let by_value = (&a, part_a).cmp(&(&b, part_b));
            prop_assert_eq!(a.encode(part_a).cmp(&b.encode(part_b)), by_value);
        }

        #[test]
        fn a_key_reads_back(key in key(), part in number()) {
            let bytes = key.encode(part);
            prop_assert_eq!(RowKey::decode(&bytes), Some((key, part)));
            prop_assert_eq!(RowKey::decode(&bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn any_bytes_decode_or_not_but_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some((key, part)) = RowKey::decode(&bytes) {
                prop_assert_eq!(key.encode(part), bytes);
            }
        }

        #[test]
        fn a_prefix_ends_before_the_first_key_without_it(prefix in proptest::collection::vec(any::<u8>(), 1..4), more in any::<u8>()) {
            let end = after_prefix(&prefix);
            let mut longer = prefix.clone();
            longer.push(more);
            if !end.is_empty() {
                prop_assert!(longer < end && prefix < end && !end.starts_with(&prefix));
            }
        }
    }
}
