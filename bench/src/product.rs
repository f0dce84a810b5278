//! Builds the product in the profile of this program, and has the harness start that.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Builds `tidegate`, and with `altered` the node whose clock can be set; later clusters of the harness run these.
pub fn build(altered: bool) -> anyhow::Result<()> {
    let exe = std::env::current_exe().context("a program knows its own file")?;
    let folder = exe.parent().context("programs lie in target/PROFILE")?.to_owned();
    // Apart from each other: together they would be built with the features of both.
    cargo(&folder, &["-p", "tidegate", "--bin", "tidegate"])?;
    if altered {
        cargo(&folder, &["-p", "tidegate-tests", "--bin", "altered-node"])?;
    }
    tidegate_harness::binary::use_folder(folder);
    Ok(())
}

fn cargo(folder: &Path, what: &[&str]) -> anyhow::Result<()> {
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    build.args(["build", "--locked"]).args(what);
    if folder.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(folder.parent().context("the profile's folder is in the target folder")?);
    // What `cargo run` set for this program would look like a change of environment to some build scripts.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST") {
            build.env_remove(name);
        }
    }
    let status = build.status().context("cargo cannot be started")?;
    ensure!(status.success(), "the product does not build");
    Ok(())
}
