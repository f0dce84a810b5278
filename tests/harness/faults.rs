//! Every fault of one member, or of all of them, while the cluster is under load and a rollout is paused: how it is made and
//! healed, and what devices, an edge and writers saw of it.
//!
//! Nothing is judged here: a test asserts over the [`Figures`], a benchmark prints them. The observer's clock is one, that of
//! its own process. Start with [`Scene::run`].

mod figures;
mod strike;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tidegate_model::{ReleaseId, Transition, Verb};
use tokio::sync::Mutex;

pub use self::figures::{Figures, Side};
use crate::cluster::Cluster;
use crate::edge::Edge;
use crate::http::Device;
use crate::load::Load;
use crate::process::Build;
use crate::small_disk::SmallDisk;
use crate::{fleet, wait};

/// `freshness.max_staleness` of the nodes and `--max-staleness` of the edge: no offer that is asked for later than this after
/// a pause was acknowledged.
pub const BOUND: Duration = Duration::from_secs(5);

/// How long it is listened beyond the bound.
const BEYOND: Duration = Duration::from_millis(1_500);
/// Longest wait for anything to become right by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what has become right is looked at.
const AFTERWARDS: Duration = Duration::from_millis(700);

/// Which member it happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one that leads at that moment.
    Leader,
    /// One that does not.
    Follower,
}

/// Which half of the traffic between a member and the others is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the others send to it.
    In,
    /// What it sends to the others.
    Out,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; started again at the end.
    Kill(Role),
    /// The network between it and the others is lost: it is the minority.
    Cut(Role),
    /// Half of that.
    CutOneWay(Role, Way),
    /// SIGSTOP, and SIGCONT at the end.
    Stop(Role),
    /// Its wall clock is set by so many hours, and back at the end.
    Clock(Role, i64),
    /// No room is left on its disk, and its log is used up.
    FullDisk(Role),
    /// Its disk does not answer any more. It has to end by itself; started again at the end, with a disk that answers.
    StalledDisk(Role),
    /// All nodes are killed at once, just after the pause was acknowledged, and started again at the end.
    KillAll,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Kill(Role::Leader),
        Self::Kill(Role::Follower),
        Self::Cut(Role::Leader),
        Self::Cut(Role::Follower),
        Self::CutOneWay(Role::Leader, Way::In),
        Self::CutOneWay(Role::Leader, Way::Out),
        Self::CutOneWay(Role::Follower, Way::In),
        Self::CutOneWay(Role::Follower, Way::Out),
        Self::Stop(Role::Leader),
        Self::Stop(Role::Follower),
        Self::Clock(Role::Leader, 1),
        Self::Clock(Role::Leader, -1),
        Self::Clock(Role::Follower, 1),
        Self::Clock(Role::Follower, -1),
        Self::FullDisk(Role::Leader),
        Self::FullDisk(Role::Follower),
        Self::StalledDisk(Role::Leader),
        Self::StalledDisk(Role::Follower),
        Self::KillAll,
    ];

    /// Whom it happens to.
    fn role(self) -> Option<Role> {
        match self {
            Self::Kill(role)
            | Self::Cut(role)
            | Self::CutOneWay(role, _)
            | Self::Stop(role)
            | Self::Clock(role, _)
            | Self::FullDisk(role)
            | Self::StalledDisk(role) => Some(role),
            Self::KillAll => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Kill(_) => "kill -9".to_owned(),
            Self::Cut(_) => "cut off".to_owned(),
            Self::CutOneWay(_, Way::In) => "hears nobody".to_owned(),
            Self::CutOneWay(_, Way::Out) => "is not heard".to_owned(),
            Self::Stop(_) => "SIGSTOP".to_owned(),
            Self::Clock(_, hours) => format!("clock {hours:+} h"),
            Self::FullDisk(_) => "disk full".to_owned(),
            Self::StalledDisk(_) => "disk stalls".to_owned(),
            Self::KillAll => "kill -9".to_owned(),
        };
        let who = match self.role() {
            Some(Role::Leader) => "leader",
            Some(Role::Follower) => "follower",
            None => "all nodes",
        };
        write!(f, "{who}: {what}")
    }
}

/// Why a fault cannot be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped(pub &'static str);

/// A cluster of three with an edge of all of them, on which faults are made.
pub struct Scene {
    /// The nodes.
    pub cluster: Cluster,
    /// The edge; before each fault it is attached to a node that will be affected.
    pub edge: Edge,
    disk: Option<SmallDisk>,
}

impl Scene {
    /// Starts what these faults need, with the fleet of [`fleet`] on it.
    ///
    /// # Errors
    /// [`Skipped`] if this machine or user cannot make one of them.
    pub async fn set(faults: &[Fault]) -> Result<Self, Skipped> {
        let needs_commands = faults.iter().any(|fault| matches!(fault, Fault::Clock(..) | Fault::StalledDisk(_)));
        let needs_disk = faults.iter().any(|fault| matches!(fault, Fault::FullDisk(_)));
        let build = if needs_commands { Build::Commanded } else { Build::Product };
        let mut extra = format!("freshness.max_staleness = \"{}ms\"\n", BOUND.as_millis());
        if needs_disk {
            extra.push_str(strike::SMALL_LOG);
        }
        let mut cluster = Cluster::prepare(3, &extra, build).await;
        let disk = needs_disk.then(|| SmallDisk::mount(&cluster.nodes[0].data(), strike::SMALL_DISK_MIB));
        if disk.as_ref().is_some_and(Option::is_none) {
            return Err(Skipped("a small disk needs the right to mount a tmpfs"));
        }
        cluster.launch().await;
        fleet::load(&cluster).await;
        let edge = Edge::start(cluster.folder.path(), "edge-1", &cluster.endpoints(), &[]);
        Ok(Self { cluster, edge, disk: disk.flatten() })
    }

    /// Makes the fault under load, has the rollout paused while it lasts (at least `lasting`, and longer than the bound after
    /// the pause was acknowledged), heals it, waits until everything is right again and resumes the rollout.
    ///
    /// # Errors
    /// When the run shows nothing: not everybody offers before it, or nobody acknowledges the pause.
    pub async fn run(&mut self, fault: Fault, lasting: Duration) -> anyhow::Result<Figures> {
        let affected = self.affected(fault).await;
        let healthy: Vec<usize> = (0..3).filter(|node| !affected.contains(node)).collect();
        self.edge.attach(&self.cluster.nodes[affected[0]].addresses.admin).await;
        if !self.everywhere("OFFER_LATEST").await {
            bail!("{fault}: not everybody offers before it");
        }
        let load = Load::around(&self.cluster, &self.edge, &healthy, &affected);
        load.written(Instant::now(), 20).await;

        let asked: &[usize] = if healthy.is_empty() { &affected } else { &healthy };
        let (begun, acknowledged) = if fault == Fault::KillAll {
            let acknowledged = self.transition(asked, Verb::Pause).await?;
            self.strike(fault, &affected).await?;
            (Instant::now(), acknowledged)
        } else {
            self.strike(fault, &affected).await?;
            (Instant::now(), self.transition(asked, Verb::Pause).await?)
        };
        let until = (begun + lasting).max(acknowledged + BOUND + BEYOND);
        tokio::time::sleep_until(until.into()).await;

        let healed = self.heal(fault, &affected).await;
        let is_paused = self.everywhere("PAUSED").await;
        // What goes wrong again after it was right is seen by the load.
        tokio::time::sleep_until((Instant::now() + AFTERWARDS).into()).await;
        let ended = Instant::now();
        self.transition(&[0, 1, 2], Verb::Resume { acknowledge: true }).await?;
        let is_recovered = is_paused && self.everywhere("OFFER_LATEST").await;
        let outcome = load.stop().await;
        let times = figures::Times { begun, acknowledged, healed, ended };
        let mut figures = Figures::of(fault, affected, &outcome, times);
        figures.is_recovered = is_recovered;
        figures.agree =
            wait::within(PATIENCE, || async { (self.cluster.try_run(&["cluster", "verify"]).await.0 == Some(0)).then_some(()) })
                .await
                .is_some();
        for node in 0..3 {
            figures.writes_lost += crate::load::lost_writes(&self.cluster, node, &outcome.acknowledged).await.len();
        }
        Ok(figures)
    }

    /// Pauses or resumes the rollout through these nodes; returns when it was acknowledged.
    async fn transition(&self, nodes: &[usize], verb: Verb) -> anyhow::Result<Instant> {
        let client = fleet::client(&self.cluster, nodes, PATIENCE);
        let release = ReleaseId::new(fleet::NEW).expect("a plain id");
        let transition = Transition { release, expected_version: None, reason: Some("a fault is tried".to_owned()), verb };
        client.transition(&transition, &client.request_id()).await.context("the rollout can be paused and resumed")?;
        Ok(Instant::now())
    }

    /// Whether all nodes and the edge say this, in the end.
    async fn everywhere(&self, wanted: &str) -> bool {
        let nodes = self.cluster.nodes.iter().map(|node| &node.addresses.device);
        for address in nodes.chain([&self.edge.device]) {
            let device = Mutex::new(Device::new(address));
            let said = wait::within(PATIENCE, || async {
                let answer = device.lock().await.check(&fleet::request("dev-1"), Duration::from_secs(1)).await.ok()?;
                (answer.body["reason"] == wanted).then_some(())
            })
            .await;
            if said.is_none() {
                return false;
            }
        }
        true
    }
}
