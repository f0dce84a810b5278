//! The guides run as they are written: every command of every `console` block, in order, in an empty folder beside a clean
//! `tidegate dev`, and what they print is what the guide says. `console` says how that is written.

use std::path::Path;

use crate::ONE_AT_A_TIME;
use crate::console;
use crate::dev::{PORT_OFFSET, start, stop};

const GUIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide");

/// True for a command that changes nothing, and may be asked again.
fn only_looks(command: &str) -> bool {
    ["check", "get", "rollout status", "audit", "device", "diff", "history", "export", "cluster status"]
        .iter()
        .any(|verb| command.starts_with(&format!("tidegate {verb}")))
}

async fn follow(name: &str) {
    let _one = ONE_AT_A_TIME.lock().await;
    let text = std::fs::read_to_string(Path::new(GUIDES).join(name)).expect("the guide is part of the repository");
    let steps = console::steps(&text);
    assert!(steps.len() > 5, "{name} has commands");
    let folder = tempfile::TempDir::new().expect("there is a temporary folder");
    let (mut child, _) = start(folder.path()).await;
    let endpoints: Vec<String> = (1..=3).map(|node| format!("http://127.0.0.1:{}", 7_500 + PORT_OFFSET + node)).collect();
    let variables = [("TIDEGATE_ENDPOINT", endpoints.join(","))];
    for step in &steps {
        console::run(&format!("docs/guide/{name}"), step, folder.path(), &variables, only_looks).await;
    }
    stop(&mut child).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_os_release_in_stages() {
    follow("os-release-in-stages.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_click_packages() {
    follow("staged-click-packages.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sparkle_appcast() {
    follow("sparkle-appcast.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_by_fault_domain() {
    follow("services-by-fault-domain.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cohorts_and_release_graphs() {
    follow("cohorts-and-release-graphs.md").await;
}

#[test]
fn every_guide_is_in_the_index_and_has_a_test() {
    let index = std::fs::read_to_string(Path::new(GUIDES).join("README.md")).expect("there is an index");
    let this = include_str!("guide.rs");
    for entry in std::fs::read_dir(GUIDES).expect("there are guides") {
        let name = entry.expect("the folder can be read").file_name().to_string_lossy().into_owned();
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "{name} is not in the index");
            assert!(this.contains(&format!("follow(\"{name}\")")), "{name} has no test");
        }
    }
}
