//! How every file of this crate begins: eight bytes that say what it is, then the format as u32.
//!
//! The format is judged before any checksum of what follows it: a newer format may have a longer header.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::fault::{Damage, Fault};
use crate::log::frame::BodyReader;

/// Bytes of the prelude.
pub(crate) const PRELUDE_BYTES: usize = 8 + 4;

/// Begins a header.
pub(crate) fn put(bytes: &mut Vec<u8>, magic: &[u8; 8], format: u32) {
    bytes.extend_from_slice(magic);
    bytes.extend_from_slice(&format.to_le_bytes());
}

/// Reads the prelude of `path` and returns its format, one of `formats`.
pub(crate) fn take(
    path: &Path,
    reader: &mut BodyReader<'_>,
    magic: &[u8; 8],
    formats: RangeInclusive<u32>,
) -> Result<u32, Fault> {
    let damaged = || Fault::damaged(path, 0, Damage::Header);
    if reader.bytes(magic.len()) != Some(magic) {
        return Err(damaged());
    }
    let found = reader.u32().ok_or_else(damaged)?;
    if !formats.contains(&found) {
        return Err(Fault::Format { path: path.to_owned(), found, supported: *formats.end() });
    }
    Ok(found)
}
