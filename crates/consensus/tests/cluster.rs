//! Three real nodes over loopback: they elect, replicate, lose and regain members, and keep strangers out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use tidegate_consensus::{
    AskError, ChangeError, MemberKind, NotDelivered, Priority, ProposeError, Retention, Role, Target, limits,
};

use support::{Cluster, eventually, in_secs};

fn numbered(number: u64) -> Bytes {
    Bytes::from(format!("payload {number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_proposals_reach_every_node_in_one_order() {
    let cluster = Cluster::led(Retention::production()).await;
    let proposals = futures_util::future::join_all((0..1_000).map(|number| cluster.propose(numbered(number)))).await;
    let last = proposals.iter().map(|proposed| proposed.index).max().unwrap();
    cluster.applied_everywhere(last, 10).await;
    cluster.assert_equal_ledgers();
    let entries = cluster.nodes[&1].view.entries();
    for (number, proposed) in (0..).zip(&proposals) {
        assert!(entries.contains(&(proposed.index, numbered(number))), "proposal {number} is where it was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_reads_what_was_acknowledged_before() {
    let cluster = Cluster::led(Retention::production()).await;
    for number in 0..20 {
        let proposed = cluster.propose(numbered(number)).await;
        for node in cluster.nodes.values() {
            let index = node.handle().read_index(in_secs(5)).await.unwrap();
            assert!(index >= proposed.index, "node {} reads at {index}, acknowledged was {}", node.id, proposed.index);
            assert!(node.view.payloads().contains(&numbered(number)), "node {} published it", node.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_leader_is_replaced_and_rejoins() {
    let mut cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    let first = cluster.leader().await;
    cluster.stop(first).await;
    let second = cluster.leader().await;
    assert_ne!(first, second);
    let proposed = cluster.propose(numbered(2)).await;
    cluster.start(first).await;
    cluster.applied_everywhere(proposed.index, 15).await;
    cluster.assert_equal_ledgers();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_leader_takes_proposals_and_says_who_leads() {
    let cluster = Cluster::led(Retention::production()).await;
    let leader = cluster.leader().await;
    let follower = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    let error = cluster.handle(follower).propose(numbered(1), Priority::Ordinary, in_secs(5)).await.unwrap_err();
    assert_eq!(error, ProposeError::NotLeader { leader: Some(leader) });
    let large = Bytes::from(vec![0; limits::PAYLOAD_BYTES_MAX + 1]);
    let error = cluster.handle(leader).propose(large, Priority::Ordinary, in_secs(5)).await.unwrap_err();
    assert_eq!(error, ProposeError::TooLarge { bytes: limits::PAYLOAD_BYTES_MAX + 1, max: limits::PAYLOAD_BYTES_MAX });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_64_mib_catches_up() {
    let mut cluster = Cluster::led(Retention::production()).await;
    let leader = cluster.leader().await;
    let away = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.stop(away).await;
    let mut last = 0;
    for number in 0..128u8 {
        let payload = Bytes::from(vec![number; limits::PAYLOAD_BYTES_MAX]);
        last = cluster.propose(payload).await.index;
    }
    cluster.start(away).await;
    cluster.applied_everywhere(last, 60).await;
    cluster.assert_equal_ledgers();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_behind_the_purged_log_gets_a_snapshot() {
    let retention = Retention { snapshot_entries: 100, log_entries_kept: 50, segment_bytes: 1024 * 1024 };
    let mut cluster = Cluster::led(retention).await;
    let leader = cluster.leader().await;
    let away = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.stop(away).await;
    let mut last = 0;
    for number in 0..600 {
        last = cluster.propose(numbered(number)).await.index;
    }
    let leader = cluster.leader().await;
    eventually("the log is purged", 10, async || (cluster.handle(leader).status().purged_index > 200).then_some(())).await;
    cluster.start(away).await;
    cluster.applied_everywhere(last, 30).await;
    cluster.assert_equal_ledgers();
    assert!(cluster.handle(away).counters().snapshots_installed > 0, "it came by snapshot");
    // And the node starts again from what it installed.
    cluster.stop(away).await;
    cluster.start(away).await;
    cluster.applied_everywhere(last, 30).await;
    cluster.assert_equal_ledgers();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_term_of_an_isolated_node_does_not_grow() {
    let cluster = Cluster::led(Retention::production()).await;
    let leader = cluster.leader().await;
    let isolated = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    let term = cluster.handle(isolated).status().term;
    cluster.wires.cut(isolated);
    // Long enough for several campaigns; the others go on meanwhile.
    let (until, mut pace) = (in_secs(6), tokio::time::interval(Duration::from_millis(200)));
    while pace.tick().await < until {
        cluster.propose(numbered(1)).await;
    }
    assert_eq!(cluster.handle(isolated).status().term, term);
    cluster.wires.heal();
    let proposed = cluster.propose(numbered(2)).await;
    cluster.applied_everywhere(proposed.index, 15).await;
    assert_eq!(cluster.leader().await, leader, "coming back disturbed nobody");
    assert_eq!(cluster.handle(leader).status().term, term);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_leader_acknowledges_nothing_and_steps_down() {
    let cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    let old = cluster.leader().await;
    cluster.wires.cut(old);
    let error = cluster.handle(old).propose(numbered(2), Priority::Ordinary, in_secs(4)).await.unwrap_err();
    assert!(matches!(error, ProposeError::UnknownOutcome | ProposeError::NotLeader { .. }), "{error}");
    assert!(cluster.handle(old).read_index(in_secs(2)).await.is_err(), "the minority confirms no read");
    let new = eventually("a new leader", 10, async || {
        let others = cluster.nodes.values().filter(|node| node.id != old);
        others.map(|node| node.handle().status()).find(|status| status.role == Role::Leader).map(|status| status.node)
    })
    .await;
    let proposed = cluster.handle(new).propose(numbered(3), Priority::Ordinary, in_secs(5)).await.unwrap();
    cluster.wires.heal();
    cluster.applied_everywhere(proposed.index, 15).await;
    cluster.assert_equal_ledgers();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_left_alone_works_again_with_the_others() {
    let mut cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    let alone = cluster.leader().await;
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|id| *id != alone).collect();
    for other in &others {
        cluster.stop(*other).await;
    }
    // Long enough for it to ask each of them to lead in its place.
    let (until, mut pace) = (in_secs(6), tokio::time::interval(Duration::from_millis(200)));
    while pace.tick().await < until {
        let proposed = cluster.handle(alone).propose(numbered(2), Priority::Ordinary, in_secs(0)).await;
        assert!(proposed.is_err(), "nobody else has it");
    }
    for other in &others {
        cluster.start(*other).await;
    }
    let proposed = cluster.propose(numbered(3)).await;
    cluster.applied_everywhere(proposed.index, 15).await;
    cluster.assert_equal_ledgers();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_node_is_refused_under_its_old_id() {
    let mut cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    let leader = cluster.leader().await;
    let wiped = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    cluster.stop(wiped).await;
    std::fs::remove_dir_all(&cluster.nodes[&wiped].dir).unwrap();
    cluster.start(wiped).await;
    let proposed = cluster.propose(numbered(2)).await;
    eventually("calls are refused", 10, async || (cluster.handle(wiped).counters().peer_calls_refused > 3).then_some(())).await;
    let status = cluster.handle(wiped).status();
    assert!(status.applied_index < proposed.index && !status.is_member(), "it learnt nothing: {status:?}");
    let member = cluster.discover(cluster.nodes[&wiped].port).await;
    let error = cluster.handle(leader).add_learner(member, in_secs(5)).await.unwrap_err();
    assert_eq!(error, ChangeError::IdTaken { node: wiped });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_can_be_handed_over() {
    let cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    let leader = cluster.leader().await;
    let heir = cluster.nodes.keys().copied().find(|id| *id != leader).unwrap();
    assert_eq!(cluster.handle(leader).transfer_leader(Some(heir), in_secs(5)).await, Ok(heir));
    assert_eq!(cluster.leader().await, heir);
    cluster.propose(numbered(2)).await;
    let error = cluster.handle(leader).transfer_leader(None, in_secs(5)).await.unwrap_err();
    assert_eq!(error, ChangeError::NotLeader { leader: Some(heir) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_as_learner_and_is_promoted_when_caught_up() {
    let mut cluster = Cluster::led(Retention::production()).await;
    let proposed = cluster.propose(numbered(1)).await;
    cluster.add(4).await;
    let leader = cluster.handle(cluster.leader().await);
    assert_eq!(leader.promote(4, in_secs(5)).await, Err(ChangeError::NoMember { node: 4 }));
    let member = cluster.discover(cluster.nodes[&4].port).await;
    leader.add_learner(member.clone(), in_secs(5)).await.unwrap();
    leader.add_learner(member, in_secs(5)).await.unwrap();
    cluster.applied_everywhere(proposed.index, 15).await;
    let index = cluster.handle(4).read_index(in_secs(5)).await.unwrap();
    assert!(index >= proposed.index, "a learner reads too");
    leader.promote(4, in_secs(5)).await.unwrap();
    let line = leader.status().members.into_iter().find(|line| line.member.id == 4).unwrap();
    assert_eq!(line.kind, MemberKind::Voter);
    leader.remove(4, in_secs(5)).await.unwrap();
    assert_eq!(leader.status().members.len(), 3);
}

/// Also by a leader that knows of the removal from a snapshot alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_removed_node_is_never_given_again() {
    let mut cluster = Cluster::led(Retention { log_entries_kept: 0, ..Retention::production() }).await;
    cluster.add(4).await;
    let leader = cluster.handle(cluster.leader().await);
    let member = cluster.discover(cluster.nodes[&4].port).await;
    leader.add_learner(member.clone(), in_secs(5)).await.unwrap();
    leader.remove(4, in_secs(5)).await.unwrap();
    assert_eq!(leader.add_learner(member.clone(), in_secs(5)).await, Err(ChangeError::IdTaken { node: 4 }));

    cluster.stop(4).await;
    let proposed = cluster.propose(numbered(1)).await;
    cluster.applied_everywhere(proposed.index, 15).await;
    for id in 1..=3 {
        let handle = cluster.handle(id);
        handle.build_snapshot().await;
        eventually("a snapshot", 10, async || (handle.status().snapshot_index >= proposed.index).then_some(())).await;
    }
    for id in 1..=3 {
        cluster.stop(id).await;
        cluster.start(id).await;
        cluster.leader().await;
    }
    let leader = cluster.handle(cluster.leader().await);
    assert_eq!(leader.add_learner(member, in_secs(5)).await, Err(ChangeError::IdTaken { node: 4 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_healthy_majority_is_not_removed() {
    let mut cluster = Cluster::led(Retention::production()).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|id| *id != leader).collect();
    cluster.stop(others[0]).await;
    let refused = cluster.handle(leader).remove(others[1], in_secs(5)).await;
    assert_eq!(refused, Err(ChangeError::MajorityAtRisk { healthy: 1, needed: 2 }));
    assert_eq!(cluster.handle(leader).status().members.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_reach_leader_and_nodes_or_say_that_they_did_not() {
    let mut cluster = Cluster::led(Retention::production()).await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|id| *id != leader).collect();
    let asker = cluster.handle(others[0]);
    // Two of three may agree on a leader before the third has heard of it.
    eventually("the asker knows the leader", 10, async || (asker.status().leader == Some(leader)).then_some(())).await;
    let answer = asker.ask(Target::Leader, Bytes::from_static(b"hello"), in_secs(5)).await.unwrap();
    assert_eq!(answer, format!("{leader} heard {}: hello", others[0]));
    let here = asker.ask(Target::Node(others[0]), Bytes::from_static(b"me"), in_secs(5)).await.unwrap();
    assert_eq!(here, format!("{0} heard {0}: me", others[0]));
    let stranger = asker.ask(Target::Node(9), Bytes::new(), in_secs(5)).await.unwrap_err();
    assert_eq!(stranger, AskError::NotDelivered { reason: NotDelivered::NoMember { node: 9 } });
    cluster.stop(others[1]).await;
    let down = eventually("the connection is gone", 10, async || {
        match asker.ask(Target::Node(others[1]), Bytes::new(), in_secs(2)).await {
            Err(AskError::NotDelivered { reason }) => Some(reason),
            Ok(_) | Err(_) => None,
        }
    })
    .await;
    assert_eq!(down, NotDelivered::Unreachable { node: others[1] });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_becomes_fresh_and_a_cut_off_one_goes_stale() {
    let cluster = Cluster::led(Retention::production()).await;
    cluster.propose(numbered(1)).await;
    for node in cluster.nodes.values() {
        let freshness = node.handle().freshness().clone();
        let proof = eventually("a proof", 10, async || freshness.fresh()).await;
        assert!(node.view.applied_index() >= proof.applied_index, "the published snapshot covers the proof");
        freshness.ensure_fresh(Duration::from_secs(1)).await.unwrap();
    }
    let leader = cluster.leader().await;
    cluster.wires.cut(leader);
    let freshness = cluster.handle(leader).freshness().clone();
    eventually("the cut-off leader goes stale", 10, async || {
        (freshness.current_staleness().unwrap() > Duration::from_secs(2)).then_some(())
    })
    .await;
    assert!(freshness.ensure_fresh(Duration::from_secs(1)).await.is_err(), "and finds no fresher proof");
}
