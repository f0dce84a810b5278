//! Reads manifest files, folders of them, and standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use tidegate_manifest::Source;
use tidegate_manifest::limits::MANIFEST_BYTES_MAX;

use crate::exit::{Failure, Outcome};

/// All sources behind the paths of `-f`: files as they are, folders by the names of their `.yaml`, `.yml` and `.json`
/// files (not of folders within), `-` as standard input.
pub fn sources(paths: &[impl AsRef<Path>]) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        let path = path.as_ref();
        if path.is_dir() {
            for file in folder(path)? {
                sources.push(read(&file)?);
            }
        } else {
            sources.push(read(path)?);
        }
    }
    if sources.is_empty() {
        return Err(Failure::usage("no .yaml, .yml or .json file there"));
    }
    Ok(sources)
}

/// One file, or standard input for `-`.
pub fn read(path: &Path) -> Outcome<Source> {
    let name = path.display().to_string();
    let limit = u64::try_from(MANIFEST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let result = if name == "-" {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    result.with_context(|| format!("cannot read {name}")).map_err(|error| Failure::Usage(format!("{error:#}")))?;
    if bytes.len() > MANIFEST_BYTES_MAX {
        return Err(Failure::usage(format!("{name}: file must be at most {MANIFEST_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{name}: byte {at} is not UTF-8"))
    })?;
    Ok(Source { name, text })
}

fn folder(path: &Path) -> Outcome<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|ext| ["yaml", "yml", "json"].iter().any(|e| ext == *e)))
        .collect();
    files.sort();
    Ok(files)
}
