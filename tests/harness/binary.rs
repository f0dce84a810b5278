//! Finds the `tidegate` binary that belongs to this build.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Path of the product's binary, built in the same profile as the running test.
pub fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("tidegate", "tidegate"))
}

/// Path of the deliberately broken node.
pub fn broken() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| built("tidegate-tests", "broken-node"))
}

/// Cargo has built it already when the whole workspace is tested; asking again costs nothing then.
fn built(package: &str, binary: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("tests are in target/PROFILE/deps");
    let path = folder.join(binary);
    let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    build.args(["build", "--locked", "--package", package, "--bin", binary]);
    if folder.file_name().is_some_and(|name| name == "release") {
        build.arg("--release");
    }
    build.arg("--target-dir").arg(folder.parent().expect("the profile's folder is in the target folder"));
    let status = build.status().expect("cargo can be started");
    assert!(status.success(), "{binary} does not build");
    path
}
