//! `cargo xtask fix`: repairs what `verify` complains of and a program can repair.

use std::path::Path;

use anyhow::Result;

use crate::verify::cargo;
use crate::{codegen, docs};

/// Generates code and docs, applies what clippy offers, formats.
///
/// # Errors
/// A step that failed; the ones before it have taken effect.
pub fn run(root: &Path) -> Result<()> {
    codegen::write(root)?;
    docs::write(root)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged", "--quiet"];
    cargo(root, &clippy, &[])?;
    cargo(root, &["fmt", "--all"], &[])
}
