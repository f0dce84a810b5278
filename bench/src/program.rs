//! How large a program's file is, and how much of it is there to run.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The file, with whatever the profile leaves in it for stack traces.
    pub file: u64,
    /// What is loaded to run it, which is what stripping leaves but for a table of some kilobytes; `None` for a file that is no
    /// 64-bit ELF of a little-endian machine.
    pub loaded: Option<u64>,
}

/// Looks at a program.
pub fn size(path: &Path) -> anyhow::Result<Size> {
    let named = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(named)?;
    Ok(Size { file: file.metadata().with_context(named)?.len(), loaded: loaded(&file) })
}

/// Sections with room in memory (`SHF_ALLOC`) and bytes in the file (not `SHT_NOBITS`), by the table that the head points to.
fn loaded(file: &File) -> Option<u64> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    if head[..6] != *b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, length, count) = (u64_at(&head, 0x28)?, u16_at(&head, 0x3a)?, u16_at(&head, 0x3c)?);
    let mut sum = 0;
    for number in 0..u64::from(count) {
        let mut section = [0; 64];
        file.read_exact_at(&mut section, table + number * u64::from(length)).ok()?;
        let (is_in_file, is_loaded) = (u32_at(&section, 4)? != 8, u64_at(&section, 8)? & 2 != 0);
        if is_in_file && is_loaded {
            sum += u64_at(&section, 0x20)?;
        }
    }
    Some(sum)
}

fn u64_at(bytes: &[u8; 64], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8; 64], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8; 64], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_program_loads_a_part_of_its_file_and_a_text_nothing() {
        let own = size(&std::env::current_exe().unwrap()).unwrap();
        let loaded = own.loaded.unwrap();
        assert!(loaded > 100_000 && loaded < own.file, "{own:?}");
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert_eq!(size(&text).unwrap().loaded, None);
    }
}
