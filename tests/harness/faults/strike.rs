//! How each fault is made, and healed.

use std::time::Instant;

use anyhow::bail;
use rustix::process::Signal;
use tidegate_client::{Error, Run};

use super::{Fault, PATIENCE, Role, Scene, Way};
use crate::{fleet, small_disk, wait};

/// Size of the disk that can be filled: room for the log of a run, not for much more.
pub(super) const SMALL_DISK_MIB: u32 = 48;
/// A log that uses it up quickly.
pub(super) const SMALL_LOG: &str = "storage.segment_bytes = 1048576\nstorage.snapshot_entries = 100000\n";
/// The node on the small disk.
const SMALL_DISK_NODE: usize = 0;
/// Writes that use up the log of a full disk, and some more.
const LARGE_WRITES: u32 = 100;

const HOUR_MS: i64 = 3_600_000;

impl Scene {
    /// The nodes that it will happen to. The one with the small disk is given the role that is asked for.
    pub(super) async fn affected(&self, fault: Fault) -> Vec<usize> {
        let Some(role) = fault.role() else { return vec![0, 1, 2] };
        let leader = self.cluster.leader().await;
        if matches!(fault, Fault::FullDisk(_)) {
            let wanted = if role == Role::Leader { SMALL_DISK_NODE } else { (SMALL_DISK_NODE + 1) % 3 };
            if leader != wanted {
                let id = self.cluster.nodes[wanted].id.to_string();
                self.cluster.run(&["cluster", "transfer-leader", "--to", &id]).await;
            }
            return vec![SMALL_DISK_NODE];
        }
        match role {
            Role::Leader => vec![leader],
            Role::Follower => vec![(leader + 1) % 3],
        }
    }

    pub(super) async fn strike(&mut self, fault: Fault, affected: &[usize]) -> anyhow::Result<()> {
        let victim = affected[0];
        let id = self.cluster.nodes[victim].id;
        let others: Vec<u64> = self.cluster.nodes.iter().map(|node| node.id).filter(|other| *other != id).collect();
        match fault {
            Fault::Kill(_) | Fault::KillAll => affected.iter().for_each(|node| self.cluster.nodes[*node].kill()),
            Fault::Cut(_) => self.cluster.links.isolate(id, others),
            Fault::CutOneWay(_, Way::In) => others.iter().for_each(|other| self.cluster.links.cut((*other, id))),
            Fault::CutOneWay(_, Way::Out) => others.iter().for_each(|other| self.cluster.links.cut((id, *other))),
            Fault::Stop(_) => {
                let node = &self.cluster.nodes[victim];
                node.signal(Signal::STOP);
                wait::until("every thread is stopped", PATIENCE, || async { node.is_stopped().then_some(()) }).await;
            }
            Fault::Clock(_, hours) => self.cluster.nodes[victim].set_clock(hours * HOUR_MS),
            Fault::FullDisk(role) => return self.use_up_disk(role).await,
            Fault::StalledDisk(_) => self.cluster.nodes[victim].set_disk_stalled(true),
        }
        Ok(())
    }

    /// Ends the fault; returns when it did.
    pub(super) async fn heal(&mut self, fault: Fault, affected: &[usize]) -> Instant {
        let victim = affected[0];
        if let Fault::StalledDisk(_) = fault {
            self.cluster.nodes[victim].ended(PATIENCE).await;
        }
        let healed = Instant::now();
        match fault {
            Fault::Kill(_) | Fault::KillAll | Fault::StalledDisk(_) => {
                affected.iter().for_each(|node| self.cluster.start_node(*node));
            }
            Fault::Cut(_) | Fault::CutOneWay(..) => self.cluster.links.heal(),
            Fault::Stop(_) => self.cluster.nodes[victim].signal(Signal::CONT),
            Fault::Clock(..) => self.cluster.nodes[victim].set_clock(0),
            Fault::FullDisk(_) => self.disk.as_ref().expect("the scene was set for this fault").empty(),
        }
        healed
    }

    /// Takes all room, and writes until the log has no ready segments left either.
    async fn use_up_disk(&self, role: Role) -> anyhow::Result<()> {
        self.disk.as_ref().expect("the scene was set for this fault").fill();
        let client = fleet::client(&self.cluster, &[0, 1, 2], PATIENCE);
        for number in 0..LARGE_WRITES {
            match client.apply(&small_disk::large(number), &client.request_id(), Run::Commit).await {
                Ok(_) => {}
                Err(Error::Refused(refusal)) if refusal.code == "DISK_LOW" && role == Role::Leader => return Ok(()),
                Err(error) => bail!("large write {number}: {error}"),
            }
        }
        if role == Role::Leader { bail!("the leader never said that its disk is low") } else { Ok(()) }
    }
}
