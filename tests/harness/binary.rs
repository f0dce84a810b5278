//! Finds the binaries that belong to this build.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Takes the binaries from this folder, where the caller has built them, instead of building anything.
///
/// # Panics
/// When binaries were asked for before.
pub fn use_folder(folder: PathBuf) {
    let is_first = FOLDER.set(folder).is_ok();
    assert!(is_first, "the folder of the binaries must be set before any is asked for");
}

/// Path of the product's binary, built in the same profile as the running test.
pub fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder().join("tidegate"))
}

/// Path of the node with something altered.
pub fn altered() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder().join("altered-node"))
}

/// The folder of this build's binaries. They are brought up to date by building all tests of the workspace, which is what
/// has just happened when the whole workspace is tested: any narrower build would choose other features and compile
/// half of the workspace again.
fn folder() -> &'static PathBuf {
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its own file");
        let folder = test.parent().and_then(|deps| deps.parent()).expect("tests are in target/PROFILE/deps").to_owned();
        let mut build = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        build.args(["test", "--quiet", "--locked", "--workspace", "--no-run"]);
        if folder.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(folder.parent().expect("the profile's folder is in the target folder"));
        // What the runner set for this test would look like a change of environment to some build scripts.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO") && name != "CARGO_HOME" {
                build.env_remove(name);
            }
        }
        build.env_remove("LD_LIBRARY_PATH");
        let status = build.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("cargo can be started");
        assert!(status.success(), "the workspace does not build");
        folder
    })
}
