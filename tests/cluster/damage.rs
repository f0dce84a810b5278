//! Damage on disk, met by a node that starts: it names the file and the place, says where to read on, and does not run.

use std::path::{Path, PathBuf};

use tidegate_harness::binary;
use tidegate_harness::cluster::Cluster;
use tokio::process::Command;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;

/// Flips one bit of a file.
fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).expect("the file is there");
    bytes[offset] ^= 0x10;
    std::fs::write(path, bytes).expect("the test's folder can be written");
}

/// Starts the node of that configuration, which must end by itself; returns what it said.
async fn refused(config: &Path) -> String {
    let starting = Command::new(binary::path()).args(["serve", "--config"]).arg(config).kill_on_drop(true).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(30), starting).await.expect("it ends by itself");
    let output = output.expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files in a folder with that ending, sorted by name.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_named_at_start_and_nothing_runs() {
    let _one = ONE_AT_A_TIME.lock().await;
    let extra = "storage.snapshot_entries = 20\nstorage.log_entries_kept = 5";
    let mut cluster = Cluster::start_with(1, extra).await;
    fleet::load(&cluster).await;
    for _ in 0..15 {
        cluster.run(&["rollout", "disable", "r1"]).await;
        cluster.run(&["rollout", "enable", "r1"]).await;
    }
    cluster.nodes[0].stop();
    let folder = cluster.folder.path().join("node-1");
    let (config, data) = (folder.join("node.toml"), folder.join("data"));
    let (log, snapshots) = (data.join("group-0/log"), data.join("group-0/snapshots"));

    let segment = files(&log, "log").pop().expect("a log has a segment");
    let snapshot = files(&snapshots, "snapshot").pop().expect("a snapshot was made");
    let middle = usize::try_from(std::fs::metadata(&snapshot).expect("it is there").len() / 2).expect("it is small");
    for (path, offset) in
        [(segment.clone(), 10), (segment, 300), (snapshot.clone(), 40), (snapshot, middle), (data.join("identity"), 30)]
    {
        flip(&path, offset);
        let said = refused(&config).await;
        for part in
            [path.to_str().expect("temporary folders have plain names"), "at offset ", "STORE_DAMAGED", "docs/reference/errors/"]
        {
            assert!(said.contains(part), "{} at {offset}: no {part:?} in {said}", path.display());
        }
        flip(&path, offset);
    }
    // Whole again, it comes back.
    cluster.start_node(0);
    cluster.wait_ready().await;

    // A folder of the old epoch is not taken for one of the new.
    cluster.nodes[0].stop();
    let text = std::fs::read_to_string(&config).expect("the configuration is there");
    std::fs::write(&config, format!("{text}\ncluster.epoch = 2\n")).expect("the test's folder can be written");
    let said = refused(&config).await;
    assert!(said.contains("WRONG_EPOCH") && said.contains("is of epoch 1, this node is configured for epoch 2"), "{said}");
}
