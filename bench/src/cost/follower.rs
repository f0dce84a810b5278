//! One edge as a process, with a tap on its way to its upstream.

use std::path::Path;
use std::time::{Duration, Instant};

use tidegate_harness::edge::Edge;
use tidegate_harness::http::Device;

use crate::cost::ready;
use crate::tap::{Passed, Tap};

const PATIENCE: Duration = Duration::from_secs(120);
/// An edge that proves its age so seldom that what passes is the catalog and nothing else.
const QUIET: [&str; 4] = ["--max-staleness", "3600s", "--probe", "1700s"];

/// A running edge; it ends with this value.
pub struct Follower {
    edge: Edge,
    tap: Tap,
    folder: std::path::PathBuf,
}

/// What it took an edge to become ready.
#[derive(Clone, Copy, Debug)]
pub struct Joined {
    /// From the start of the process to the first answer that it is ready.
    pub after: Duration,
    /// What passed meanwhile.
    pub passed: Passed,
}

impl Follower {
    /// Starts an edge of this upstream (`host:port`) with nothing on its disk, and waits until it is ready.
    pub async fn start(folder: &Path, name: &str, upstream: &str) -> anyhow::Result<(Self, Joined)> {
        Self::start_with(folder, name, upstream, &[]).await
    }

    /// The same, of an edge that says nothing by itself once it is ready.
    pub async fn start_quiet(folder: &Path, name: &str, upstream: &str) -> anyhow::Result<(Self, Joined)> {
        Self::start_with(folder, name, upstream, &QUIET).await
    }

    async fn start_with(folder: &Path, name: &str, upstream: &str, more: &[&str]) -> anyhow::Result<(Self, Joined)> {
        let tap = Tap::before(upstream).await?;
        let began = Instant::now();
        let edge = Edge::start_with(folder, name, &format!("http://{}", tap.address), &[], more);
        ready::at(&edge.device, PATIENCE).await?;
        let joined = Joined { after: began.elapsed(), passed: tap.passed() };
        Ok((Self { edge, tap, folder: folder.join(name) }, joined))
    }

    /// Stops it, which writes its disk copy, and starts it again from that.
    pub async fn again(&mut self) -> anyhow::Result<Joined> {
        let code = tokio::task::block_in_place(|| self.edge.stop());
        anyhow::ensure!(code == Some(0), "an edge that is asked to stop ends with {code:?}");
        let (before, began) = (self.tap.passed(), Instant::now());
        self.edge.run();
        ready::at(&self.edge.device, PATIENCE).await?;
        Ok(Joined { after: began.elapsed(), passed: self.tap.passed().since(before) })
    }

    /// Waits until it shows this config version; what has passed until then, since it was started first.
    pub async fn shows(&self, config_version: u64) -> anyhow::Result<Passed> {
        let mut device = Device::new(&self.edge.device);
        let shown = |answer: &serde_json::Value| answer["config_version"].as_u64() >= Some(config_version);
        ready::until(PATIENCE, async || {
            let answer = device.get("/v1/snapshot", Duration::from_secs(1)).await.ok();
            answer.is_some_and(|answer| shown(&answer.body))
        })
        .await?;
        Ok(self.tap.passed())
    }

    /// What has passed since it was started first.
    pub fn passed(&self) -> Passed {
        self.tap.passed()
    }

    /// Its process.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.edge.pid().ok_or_else(|| anyhow::anyhow!("the edge {} runs", self.edge.name))
    }

    /// Bytes of what it keeps on its disk.
    pub fn disk_bytes(&self) -> u64 {
        tidegate_harness::folder::bytes_of(&self.folder.join("data"))
    }
}
