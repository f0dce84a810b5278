//! The checkout: where its root is and which files it has. Paths come sorted and with `/`, so that every output of
//! these tasks is the same on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", ".git", ".tidegate-dev", "node_modules"];

/// The root of the checkout that this program was built from.
#[must_use]
pub fn root() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).expect("crates/xtask lies two folders below the root").to_path_buf()
}

/// All files below `dir` that `keep` keeps, sorted; a folder that does not exist has none.
///
/// # Errors
/// A folder that cannot be read.
pub fn walk(dir: &Path, keep: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let entry = entry?;
            let path = entry.path();
            let is_skipped = SKIPPED.iter().any(|skipped| entry.file_name() == *skipped);
            if entry.file_type()?.is_dir() {
                if !is_skipped {
                    open.push(path);
                }
            } else if keep(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `path` as seen from `base`, with `/`.
#[must_use]
pub fn relative(base: &Path, path: &Path) -> String {
    let path = path.strip_prefix(base).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
