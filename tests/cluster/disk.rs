//! A node on a disk of its own that fills up during load, and a cluster with many entries behind it.

use std::time::{Duration, Instant};

use tidegate_client::Run;
use tidegate_harness::cluster::Cluster;
use tidegate_harness::process::Build;
use tidegate_harness::small_disk::{SmallDisk, until_low};
use tidegate_harness::{report, wait};
use tidegate_manifest::Source;
use tokio::task::JoinSet;

use crate::ONE_AT_A_TIME;
use tidegate_harness::fleet;
use tidegate_harness::folder::bytes_of;
use tidegate_harness::load::{Asking, Load, device_document, judge_writes};

const PATIENCE: Duration = Duration::from_secs(60);

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

/// How many entries lie behind the cluster; `TIDEGATE_TEST_ENTRIES=990000` for the real thing, just below the number of requests
/// that a cluster answers in one day.
fn entries() -> u64 {
    std::env::var("TIDEGATE_TEST_ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000)
}

/// Bytes of one answer in a snapshot, and of the part of the log that is kept for it.
const ANSWER_BYTES_MAX: u64 = 256;
/// Bytes of one record of the audit in a journal, with the space that its tree leaves between records.
const RECORD_BYTES_MAX: u64 = 2_048;
/// Writes under way at once.
const WRITERS: u64 = 96;
const WRITERS_STEP: usize = 96;

/// Rewrites a few devices over and over, many writes at a time, each an entry of its own, through all nodes.
async fn churn(cluster: &Cluster, numbers: std::ops::Range<u64>) {
    let clients = [0, 1, 2].map(|first| fleet::client(cluster, &[first, (first + 1) % 3, (first + 2) % 3], PATIENCE));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = clients[usize::try_from(writer % 3).expect("below three")].clone();
        let numbers = numbers.clone();
        writers.spawn(async move {
            for number in numbers.skip(usize::try_from(writer).expect("a small number")).step_by(WRITERS_STEP) {
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

/// Bytes of log and snapshots, and of the journal, of the node that has most of each.
fn sizes(cluster: &Cluster) -> (u64, u64) {
    let journals = cluster.nodes.iter().map(|node| bytes_of(&node.data().join("journal")));
    let logs = cluster.nodes.iter().map(|node| bytes_of(&node.data().join("group-0")));
    (logs.max().unwrap_or_default(), journals.max().unwrap_or_default())
}

/// Log and snapshots are bounded by what is kept, not by what was written; a restart reads only that. What is kept besides the
/// catalog are the answers to requests, for a day of log time and a million at most: here they are all of one day. The journal
/// is bounded by the records that the audit keeps, here a fifth of what is written.
#[tokio::test(flavor = "multi_thread")]
async fn many_entries_behind_a_cluster_cost_neither_disk_nor_restart() {
    let log_max = (16 << 20) + 2 * entries() * ANSWER_BYTES_MAX;
    let records = (entries() / 5).max(1_000);
    let journal_max = (32 << 20) + 2 * records * RECORD_BYTES_MAX;
    let _one = ONE_AT_A_TIME.lock().await;
    let between = (entries() / 20).max(1_000);
    let extra = format!(
        "storage.segment_bytes = 1048576\nstorage.snapshot_entries = {between}\nstorage.log_entries_kept = {}",
        between / 2
    );
    let mut cluster = Cluster::start_with(3, &extra).await;
    fleet::load(&cluster).await;
    cluster.run(&["cluster", "settings", &format!("audit_records_max={records}")]).await;
    let mut written = 0;
    for upto in [entries() / 10, entries() * 3 / 10, entries() * 6 / 10, entries()] {
        let begun = Instant::now();
        churn(&cluster, written..upto).await;
        let (log, journal) = sizes(&cluster);
        report::line(format!(
            "{upto} entries, the last {} at {} a second; on each node log and snapshots {} KiB, journal {} KiB",
            upto - written,
            u128::from(upto - written) * 1_000 / begun.elapsed().as_millis().max(1),
            log / 1024,
            journal / 1024
        ));
        written = upto;
    }
    let status = cluster.status().await;
    assert!(status["applied_index"].as_u64() >= Some(entries()), "{status}");
    for node in &mut cluster.nodes {
        node.kill();
    }
    let (log, journal) = sizes(&cluster);
    assert!(log <= log_max, "log and snapshots use {log} bytes, the bound is {log_max}");
    assert!(journal <= journal_max, "the journal with {records} records uses {journal} bytes, the bound is {journal_max}");
    let restarted = Instant::now();
    cluster.launch().await;
    let ready = restarted.elapsed();
    fleet::agree(&cluster).await;
    report::line(format!(
        "all killed and started again: ready after {} ms, agreed after {} ms",
        ready.as_millis(),
        restarted.elapsed().as_millis()
    ));
}
