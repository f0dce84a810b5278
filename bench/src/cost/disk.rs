//! What a node has on its disk.

use std::path::{Path, PathBuf};

/// The newest snapshot below a node's data folder: the index of its last entry, which its name begins with, and its bytes.
pub fn newest_snapshot(data: &Path) -> Option<(u64, u64)> {
    let entries = std::fs::read_dir(snapshots(data)).ok()?;
    let look = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let index = name.strip_suffix(".snapshot")?.split('-').next()?.parse().ok()?;
        Some((index, entry.metadata().ok()?.len()))
    };
    entries.flatten().filter_map(look).max()
}

fn snapshots(data: &Path) -> PathBuf {
    data.join("group-0").join("snapshots")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_newest_snapshot_is_the_one_with_the_highest_index() {
        let data = tempfile::TempDir::new().unwrap();
        assert_eq!(newest_snapshot(data.path()), None);
        std::fs::create_dir_all(snapshots(data.path())).unwrap();
        for (name, bytes) in [("00012-00001-00001.snapshot", 40), ("00003-00001-00001.snapshot", 70), ("99-1-1.tmp", 9)] {
            std::fs::write(snapshots(data.path()).join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(newest_snapshot(data.path()), Some((12, 40)));
        assert_eq!(tidegate_harness::folder::bytes_of(data.path()), 119);
    }
}
