//! A node on a disk of its own that fills up during load, and a cluster with many entries behind it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tidegate_client::{Client, Error, Run};
use tidegate_harness::cluster::Cluster;
use tidegate_harness::process::Build;
use tidegate_harness::{report, wait};
use tidegate_manifest::Source;
use tidegate_model::Document;
use tokio::task::JoinSet;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::load::{Asking, Load, device_document, judge_writes};

const PATIENCE: Duration = Duration::from_secs(60);

/// A small file system in memory, gone with this value.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounted at `folder`; `None` if this user may not mount anything.
    fn mount(folder: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("the test's folder can be written");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tidegate-test"]).arg(folder);
        let is_mounted = mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success());
        is_mounted.then(|| Self { folder: folder.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Takes all room that is left.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast()).expect("the disk is there");
        for size in [1 << 20, 1 << 12] {
            let zeros = vec![0; size];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node may still be about to close its files.
        std::process::Command::new("umount").arg("-l").arg(&self.folder).status().ok();
    }
}

/// Drafts whose notes use up log space.
fn large(number: u32) -> Vec<Document> {
    let notes = "n".repeat(4_000);
    let draft = |part: u32| {
        format!(
            "{{kind: bundle, id: x{number}-{part}, product: app, version: 2.{number}.{part}}}\n---\n{{kind: release, \
             id: x{number}-{part}, product: app, cohort: stable, bundle: x{number}-{part}, version: 2.{number}.{part}, \
             notes: {notes}}}\n---\n"
        )
    };
    let source = Source { name: "test".to_owned(), text: (0..12).map(draft).collect() };
    tidegate_manifest::parse(&[source]).expect("a manifest").into_iter().map(|located| located.value).collect()
}

/// Writes until the disk is said to be low; returns how many writes went through.
async fn until_low(client: &Client) -> u32 {
    for number in 0..2_000 {
        match client.apply(&large(number), &client.request_id(), Run::Commit).await {
            Ok(_) => {}
            Err(Error::Refused(refusal)) => {
                assert_eq!(refusal.code, "DISK_LOW", "{refusal}");
                return number;
            }
            Err(error) => panic!("write {number}: {error}"),
        }
    }
    panic!("the disk never filled up");
}

/// The leader's disk is full: what stops a rollout goes through, everything else is refused by name, checks go on, and with
/// room so does everything, without anybody's help.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_leader_lets_pauses_through_and_clears_by_itself() {
    let _one = ONE_AT_A_TIME.lock().await;
    let extra = "storage.segment_bytes = 1048576\nstorage.snapshot_entries = 100000";
    let mut cluster = Cluster::prepare(3, extra, Build::Product).await;
    let Some(disk) = SmallDisk::mount(&cluster.nodes[0].data(), 48) else {
        report::line("skipped: mounting a tmpfs is not permitted here");
        return;
    };
    cluster.launch().await;
    fleet::load(&cluster).await;
    if cluster.leader().await != 0 {
        cluster.run(&["cluster", "transfer-leader", "--to", "1"]).await;
    }
    let load = Load::start(&cluster, Asking::EachNode);
    load.written(Instant::now(), 5).await;
    disk.fill();
    let client = fleet::client(&cluster, &[0, 1, 2], Duration::from_secs(20));
    let written = until_low(&client).await;
    cluster.run(&["rollout", "pause", fleet::NEW, "--reason", "the disk is full"]).await;
    let status = cluster.device(0).get("/v1/status", PATIENCE).await.expect("every node answers").body;
    assert!(status.to_string().contains("the disk is nearly full"), "{status}");
    disk.empty();
    let emptied = Instant::now();
    wait::until("ordinary writes go on by themselves", PATIENCE, || async {
        client.apply(&device_document("after"), &client.request_id(), Run::Commit).await.ok()
    })
    .await;
    let took = emptied.elapsed();
    cluster.run(&["rollout", "resume", fleet::NEW]).await;
    load.written(Instant::now(), 5).await;
    let outcome = load.stop().await;
    report::line(format!("low after {written} large writes; cleared {} ms after there was room", took.as_millis()));
    for one in &outcome.seen {
        let heard = one.heard.as_deref().expect("every check is answered");
        assert!(heard == "OFFER_LATEST r1" || heard.starts_with("PAUSED"), "node index {}: {heard}", one.node);
    }
    for refused in &outcome.refused {
        assert!(refused.contains("DISK_LOW"), "{refused}");
    }
    judge_writes(&cluster, &[0, 1, 2], &outcome.acknowledged).await;
    fleet::agree(&cluster).await;
    drop(cluster);
}

/// How many entries lie behind the cluster; `TIDEGATE_TEST_ENTRIES=1000000` for the real thing.
fn entries() -> u64 {
    std::env::var("TIDEGATE_TEST_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000)
}

/// Bytes of everything below a folder.
fn bytes_of(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_of(&entry.path()),
        Ok(meta) => meta.len(),
        // Removed meanwhile.
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Rewrites a few devices over and over, many writes at a time.
async fn churn(cluster: &Cluster, count: u64) {
    let client = fleet::client(cluster, &[0, 1, 2], PATIENCE);
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let client = client.clone();
        writers.spawn(async move {
            for number in (writer..count).step_by(64) {
                let text = format!("{{kind: device, id: churn-{writer}, product: app, attributes: {{at: \"{number}\"}}}}");
                let source = Source { name: "test".to_owned(), text };
                let documents: Vec<_> =
                    tidegate_manifest::parse(&[source]).expect("a manifest").into_iter().map(|located| located.value).collect();
                client.apply(&documents, &client.request_id(), Run::Commit).await.expect("three of three nodes are there");
            }
        });
    }
    writers.join_all().await;
}

/// Log and snapshots are bounded by what is kept, not by what was written; a restart reads only that.
#[tokio::test(flavor = "multi_thread")]
async fn many_entries_behind_a_cluster_cost_neither_disk_nor_restart() {
    const LOG_MAX: u64 = 16 << 20;
    let _one = ONE_AT_A_TIME.lock().await;
    let extra = "storage.segment_bytes = 1048576\nstorage.snapshot_entries = 1000\nstorage.log_entries_kept = 500";
    let mut cluster = Cluster::start_with(3, extra).await;
    fleet::load(&cluster).await;
    let begun = Instant::now();
    churn(&cluster, entries()).await;
    let wrote = begun.elapsed();
    let status = cluster.status().await;
    assert!(status["applied_index"].as_u64() >= Some(entries()), "{status}");
    for node in &mut cluster.nodes {
        node.kill();
    }
    let sizes: Vec<u64> =
        cluster.nodes.iter().map(|node| bytes_of(&node.data()) - bytes_of(&node.data().join("journal"))).collect();
    assert!(sizes.iter().all(|size| *size <= LOG_MAX), "log and snapshots use {sizes:?} bytes, the bound is {LOG_MAX}");
    let restarted = Instant::now();
    cluster.launch().await;
    report::line(format!(
        "{} entries in {} ms; {} KiB of log and snapshots on each node; all ready {} ms after a restart",
        entries(),
        wrote.as_millis(),
        sizes.iter().max().unwrap_or(&0) / 1024,
        restarted.elapsed().as_millis()
    ));
    fleet::agree(&cluster).await;
}
