//! `tidegate test` from outside: what it prints, what it writes, how it exits.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tidegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate")).arg("test").args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn test_that(reason: &str) -> String {
    format!(
        "name: \"checks & answers\"\nstart: \"2026-01-01T00:00:00Z\"\nobjects:\n  - {{kind: product, id: os, default_cohort: stable, \
         allow_unregistered: true}}\n  - {{kind: cohort, id: stable, product: os}}\nsteps:\n  - check: {{device: d1}}\n    expect: \
         {{eligible: false, reason: {reason}}}\n"
    )
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be made");
    std::fs::write(&path, content).expect("the file can be written");
    path
}

#[test]
fn the_repository_passes_quickly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let output = tidegate(&[folder.to_str().expect("the path is text")]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    let last = printed.lines().last().unwrap_or_default();
    let seconds = last.rsplit(' ').nth(1).and_then(|seconds| seconds.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds < 10.0), "{last}");
    assert!(last.contains(" 0 failed"), "{last}");
}

#[test]
fn a_wrong_expectation_is_told_and_exits_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = write(folder.path(), "good.yaml", &test_that("NO_RELEASES"));
    write(folder.path(), "deep/bad.yaml", &test_that("UP_TO_DATE"));
    write(folder.path(), "manifest.yaml", "kind: product\nid: os\n");
    let junit = folder.path().join("report.xml");
    let output = tidegate(&[folder.path().to_str().expect("text"), "--junit", junit.to_str().expect("text")]);
    let (printed, noted) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{printed}{noted}");
    for part in
        ["deep/bad.yaml", "step 1: check device d1", "expected: eligible: false, reason: UP_TO_DATE", "NO_RELEASES", "trace:"]
    {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
    assert!(printed.contains("2 tests, 2 steps: 1 passed, 1 failed, in "), "{printed}");
    assert!(!printed.contains("good.yaml"), "what passes is only counted: {printed}");
    assert!(noted.contains("1 files beside them are manifests"), "{noted}");
    let report = std::fs::read_to_string(&junit).expect("the report is written");
    assert!(report.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{report}");
    assert!(report.contains("name=\"checks &amp; answers\""), "{report}");

    let output = tidegate(&["--verbose", good.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("check device d1: NO_RELEASES"), "{}", text(&output.stdout));
}

#[test]
fn what_is_no_test_exits_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let slip = write(folder.path(), "slip.yaml", &test_that("NO_RELEASES").replace("steps:", "stesp:"));
    let output = tidegate(&[slip.to_str().expect("text")]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(printed.contains("slip.yaml:6:1: stesp: \"stesp\" is no field; did you mean steps?"), "{printed}");
    for missing in ["nothing-there.yaml", "empty"] {
        std::fs::create_dir_all(folder.path().join("empty")).expect("a folder");
        let output = tidegate(&[folder.path().join(missing).to_str().expect("text")]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    }
    assert_eq!(tidegate(&[]).status.code(), Some(2), "a test needs files");
}
