//! What a cluster does with a member whose disk is full, and with one whose disk stalls.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tidegate_consensus::{Fault, Priority, ProposeError, Retention, Role};

use support::disks::Disk;
use support::{Cluster, eventually, in_secs};

/// Small segments, so that a few payloads use up the reserve; nothing is purged, which would make room.
const RETENTION: Retention = Retention { snapshot_entries: 1_000_000, log_entries_kept: 1_000_000, segment_bytes: 256 * 1024 };

async fn cluster() -> (Cluster, BTreeMap<u64, Disk>) {
    let disks: BTreeMap<u64, Disk> = (1..=3).map(|id| (id, Disk::default())).collect();
    (Cluster::led_on(RETENTION, disks.clone()).await, disks)
}

fn large(number: u8) -> Bytes {
    Bytes::from(vec![number; 60_000])
}

/// The leader's disk is full: ordinary proposals are refused by name, emergencies, reads and freshness go on, and with room
/// everything does, without anybody's help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_ordinary_proposals_only_and_recovers_by_itself() {
    let (cluster, disks) = cluster().await;
    let first = cluster.propose(large(0)).await;
    cluster.applied_everywhere(first.index, 10).await;
    let leader = cluster.leader().await;
    disks[&leader].fill();
    let handle = cluster.handle(leader);
    let refused =
        eventually("the low mark", 30, async || handle.propose(large(1), Priority::Ordinary, in_secs(5)).await.err()).await;
    assert_eq!(refused, ProposeError::DiskLow);
    assert!(handle.status().is_disk_low);

    let emergency = handle.propose(Bytes::from_static(b"pause"), Priority::Emergency, in_secs(5)).await.unwrap();
    cluster.applied_everywhere(emergency.index, 10).await;
    for node in cluster.nodes.values() {
        assert!(node.handle().read_index(in_secs(5)).await.unwrap() >= emergency.index, "reads go on");
        node.handle().freshness().ensure_fresh(Duration::from_secs(1)).await.unwrap();
    }
    assert_eq!(cluster.leader().await, leader, "a full disk costs nobody the leadership");

    disks[&leader].inner.set_capacity(None);
    eventually("room is noticed, without a write", 60, async || (!handle.status().is_disk_low).then_some(())).await;
    let proposed = handle.propose(large(2), Priority::Ordinary, in_secs(5)).await.unwrap();
    cluster.applied_everywhere(proposed.index, 10).await;
    cluster.assert_equal_ledgers();
}

/// A follower with a full disk holds nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_with_a_full_disk_holds_nobody_up() {
    let (cluster, disks) = cluster().await;
    let leader = cluster.leader().await;
    let full = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    disks[&full].fill();
    let mut last = 0;
    for number in 0..4 {
        last = cluster.handle(leader).propose(large(number), Priority::Ordinary, in_secs(5)).await.unwrap().index;
    }
    cluster.applied_everywhere(last, 10).await;
    cluster.assert_equal_ledgers();
}

/// The leader's disk stalls: leadership goes to a node whose disk works, and the stalled one gives up by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_disk_costs_the_leadership_and_then_the_node() {
    let (mut cluster, disks) = cluster().await;
    cluster.propose(Bytes::from_static(b"before")).await;
    let stalled = cluster.leader().await;
    disks[&stalled].stall();
    // Something that its disk does not finish.
    let written = cluster.handle(stalled).propose(Bytes::from_static(b"on its way"), Priority::Ordinary, in_secs(2)).await;
    assert!(matches!(written, Ok(_) | Err(ProposeError::UnknownOutcome)), "{written:?}");

    let next = eventually("another leader", 20, async || {
        let others = cluster.nodes.values().filter(|node| node.id != stalled);
        others.map(|node| node.handle().status()).find(|status| status.role == Role::Leader).map(|status| status.node)
    })
    .await;
    cluster.handle(next).propose(Bytes::from_static(b"after"), Priority::Ordinary, in_secs(5)).await.unwrap();

    let service = cluster.nodes.get_mut(&stalled).unwrap().service.take().unwrap();
    let fault = tokio::time::timeout(Duration::from_secs(30), service.failed()).await.unwrap();
    assert!(matches!(fault, Fault::DiskStalled { stalled_ms } if stalled_ms >= 10_000), "{fault}");
    // In production the process ends here; in this one its thread does, once the disk lets it.
    disks[&stalled].go_on();
    service.shutdown().await;
    let proposed = cluster.propose(Bytes::from_static(b"without it")).await;
    cluster.applied_everywhere(proposed.index, 10).await;
    cluster.assert_equal_ledgers();
}
