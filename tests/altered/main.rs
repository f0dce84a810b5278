//! The product's node with something altered, for tests that the product itself cannot serve: its freshness broken on
//! purpose, to prove that an oracle would notice; a wall clock and a disk that a test commands; the knowledge of an older or
//! newer build.
//!
//! Takes the configuration file and, after it, `--sabotage NAME` and `--supports VERSION`. Lines of standard input set the
//! clock (`clock MS`, ahead of the machine's) and the disk (`disk stall`, `disk go`); its end stops the node.

mod stall;

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, bail};
use tidegate_consensus::freshness::Sabotage;
use tidegate_model::Command;
use tidegate_platform::{BootTime, Clock, Platform, SystemClock};
use tidegate_server::node::Alterations;
use tidegate_server::{Config, Fragment, Kinds, Node, logging};

use crate::stall::StallingVfs;

/// The machine's clocks, the wall clock moved.
#[derive(Default)]
struct SetClock {
    ahead_ms: AtomicI64,
}

impl Clock for SetClock {
    fn boot(&self) -> BootTime {
        SystemClock::new().boot()
    }

    fn wall_ms(&self) -> i64 {
        SystemClock::new().wall_ms() + self.ahead_ms.load(Ordering::Relaxed)
    }
}

/// As if deletion had come with version 2.
fn version_needed(command: &Command) -> u32 {
    if matches!(command, Command::Delete(_)) { 2 } else { 1 }
}

fn sabotage(name: &str) -> anyhow::Result<Sabotage> {
    Ok(match name {
        "clock-first" => Sabotage::ClockReadFirst,
        "reused-start" => Sabotage::ReusedStart,
        "no-quorum-round" => Sabotage::NoQuorumRound,
        "never-expires" => Sabotage::NeverExpires,
        _ => bail!("there is no sabotage {name}"),
    })
}

fn alterations(mut words: impl Iterator<Item = String>) -> anyhow::Result<Alterations> {
    let mut altered = Alterations::none();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--sabotage" => altered.sabotage = Some(sabotage(&value)?),
            "--supports" => altered.kinds = Kinds::of_another_build(value.parse()?, version_needed),
            _ => bail!("there is no argument {word}"),
        }
    }
    Ok(altered)
}

/// Follows standard input until it ends.
fn obey(clock: &SetClock, disk: &StallingVfs) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let Some(word) = line.strip_prefix("disk ") {
            disk.set_stalled(word == "stall");
        } else if let Some(ahead_ms) = line.strip_prefix("clock ").and_then(|text| text.parse().ok()) {
            clock.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        }
    }
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run());
    // As the product: a thread that hangs at the disk does not keep the process.
    runtime.shutdown_background();
    outcome
}

async fn run() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let path = words.next().context("the configuration file is missing")?;
    let altered = alterations(words)?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let file = Fragment::from_toml(&path, &text).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let (config, _) = Config::load([file])?;
    logging::start(&config);
    let clock = Arc::new(SetClock::default());
    let disk = StallingVfs::default();
    let (files, commanded) = (Arc::new(disk.clone()), disk);
    let platform = Platform { clock: Arc::clone(&clock) as Arc<dyn Clock>, vfs: files, ..Platform::system() };
    let mut node = Node::start_altered(config, platform, altered).await?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        obey(&clock, &commanded);
        ended.send(()).ok();
    });
    tokio::select! {
        failure = node.failed() => bail!(failure),
        _ = end => node.shutdown().await,
    }
    Ok(())
}
