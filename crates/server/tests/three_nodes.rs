//! Three nodes in one process: forwarding, joining, leaving, comparing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod nodes;

use nodes::{Calls, config, free_port, product, ready, start, until};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tidegate_server::Node;

struct Cluster {
    nodes: Vec<Node>,
    calls: Vec<Calls>,
    _folders: Vec<tempfile::TempDir>,
}

impl Cluster {
    async fn start(count: u64, more: &[(&str, &str)]) -> Self {
        let folders: Vec<_> = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let peers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let peers = peers.join(",");
        let mut nodes = Vec::new();
        for ((id, folder), port) in (1..).zip(&folders).zip(&ports) {
            let more = [&[("cluster.bootstrap", peers.as_str())], more].concat();
            nodes.push(start(config(id, folder.path(), *port, &more)).await);
        }
        let mut calls = Vec::new();
        for node in &nodes {
            ready(node).await;
            calls.push(Calls::to(node).await);
        }
        Self { nodes, calls, _folders: folders }
    }

    async fn leader(&self) -> usize {
        let mut leader = None;
        until("a leader", || {
            leader = self.nodes.iter().position(|node| node.context().handle().unwrap().leadership().borrow().is_here);
            leader.is_some()
        })
        .await;
        leader.unwrap()
    }

    async fn stop(self) {
        drop(self.calls);
        for node in self.nodes {
            node.shutdown().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_node_takes_any_call() {
    let cluster = Cluster::start(3, &[]).await;
    let leader = cluster.leader().await;
    let follower = &cluster.calls[(leader + 1) % 3];
    let other = &cluster.calls[(leader + 2) % 3];

    let applied = follower.apply(product(2), "forwarded").await.unwrap();
    // P-06: the same id at another node, also the leader, answers the same.
    assert_eq!(cluster.calls[leader].apply(product(2), "forwarded").await.unwrap(), applied);
    // Linearizable by default, at any node.
    let reference = types::ObjectRef { kind: Some(types::object_ref::Kind::Release("r1".into())) };
    let request = admin::GetObjectRequest { object: Some(reference), consistency: 0 };
    let read = other.objects().get_object(request).await.unwrap().into_inner();
    assert!(read.config_version >= applied.config_version);
    let published = other.transition("r1", types::transition::Verb::Publish(types::Publish::default())).await.unwrap();
    assert_eq!(published.state(), types::RolloutState::Active, "the node that was asked shows the effect");
    let refused = follower.transition("r1", types::transition::Verb::Resume(types::Resume::default())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);

    let version = cluster.calls[leader].status().await.config_version;
    for (node, calls) in cluster.nodes.iter().zip(&cluster.calls) {
        until("replication", || node.context().shelf.load().state.config_version() == version).await;
        assert_eq!(calls.check("r0").await.target_release.as_deref(), Some("r1"));
    }
    let verified = follower.cluster().verify(admin::VerifyRequest {}).await.unwrap().into_inner();
    assert!(verified.agree && verified.nodes.len() == 3, "{verified:?}");

    // Membership goes through any node too.
    let to = u64::try_from((leader + 1) % 3 + 1).unwrap();
    let request = admin::TransferLeaderRequest { to: Some(to) };
    let transferred = other.cluster().transfer_leader(request).await.unwrap().into_inner();
    assert_eq!(transferred.leader, to);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_by_snapshot_with_its_history_and_leaves() {
    let more = [("storage.snapshot_entries", "10"), ("storage.log_entries_kept", "0")];
    let cluster = Cluster::start(1, &more).await;
    cluster.calls[0].apply(product(2), "").await.unwrap();
    cluster.calls[0].publish("r1").await;
    for _ in 0..15 {
        cluster.calls[0].transition("r1", types::transition::Verb::Disable(types::Unit {})).await.unwrap();
        cluster.calls[0].transition("r1", types::transition::Verb::Enable(types::Unit {})).await.unwrap();
    }
    let first = cluster.nodes[0].context();
    until("a purged log", || first.handle().unwrap().status().purged_index > 10).await;

    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let node = start(config(2, folder.path(), port, &more)).await;
    let joined = cluster.calls[0].cluster().join(admin::JoinRequest { peer_addr: format!("127.0.0.1:{port}") }).await.unwrap();
    assert_eq!(joined.into_inner().member.unwrap().id, 2);
    ready(&node).await;
    let calls = Calls::to(&node).await;
    assert_eq!(calls.status().await.digest, cluster.calls[0].status().await.digest);
    assert!(node.context().handle().unwrap().counters().snapshots_installed > 0, "the log was purged");
    assert_eq!(calls.check("r0").await.target_release.as_deref(), Some("r1"));

    // The rows before the snapshot come from the other node.
    let through = first.shelf.load().state.applied_index();
    node.context().books.wait_for(through, nodes::DEADLINE).await.unwrap();
    first.books.wait_for(through, nodes::DEADLINE).await.unwrap();
    assert_eq!(node.context().books.audit(None, 1_000).unwrap(), first.books.audit(None, 1_000).unwrap());
    let release = tidegate_model::ObjectRef::Release(tidegate_model::ReleaseId::new("r1").unwrap());
    let history = node.context().books.history(&release, None, 1_000).unwrap();
    assert_eq!(history, first.books.history(&release, None, 1_000).unwrap());
    assert!(history.len() >= 32, "{}", history.len());

    // Two voters: taking one out while it is healthy is possible, a stranger cannot be taken out.
    let gone = calls.cluster().remove(admin::RemoveRequest { node: 9 }).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::FailedPrecondition);
    cluster.calls[0].cluster().remove(admin::RemoveRequest { node: 2 }).await.unwrap();
    until("one member", || first.handle().unwrap().status().members.len() == 1).await;
    drop(calls);
    node.shutdown().await;
    cluster.stop().await;
}
