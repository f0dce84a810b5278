//! What one change sends to an edge that has the catalog.

use anyhow::Context as _;
use serde_json::{Value, json};
use tidegate_client::{Client, Run};
use tidegate_model::{ReleaseId, Transition, Verb};

use crate::cost::follower::Follower;
use crate::cost::grown;
use crate::tap::Passed;

/// The kinds of changes, as tables and charts name them.
pub const KINDS: [&str; 4] = ["pause", "device record", "override", "release and rollout"];

/// Numbers of the objects that changes bring begin here: beyond those of any catalog, and all of as many digits, so that a
/// change has the same length wherever it is measured.
const BEYOND: usize = 10_000_000;

/// Bytes for one change of each of [`KINDS`], both directions, the mean of several.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// To the edge.
    pub down: [f64; 4],
    /// From the edge.
    pub up: [f64; 4],
}

impl Bytes {
    /// All of it.
    pub fn json(&self) -> Value {
        let of = |bytes: &[f64; 4]| KINDS.iter().zip(bytes).map(|(kind, bytes)| ((*kind).to_owned(), json!(bytes))).collect();
        json!({"to_edge": Value::Object(of(&self.down)), "from_edge": Value::Object(of(&self.up))})
    }
}

/// Makes every kind of change so often and counts what it sends. `first` numbers the objects, so that none comes twice.
pub async fn bytes(client: &Client, follower: &Follower, first: usize, rounds: usize) -> anyhow::Result<Bytes> {
    let mut sums = [Passed::default(); 4];
    let [pause, record, overriding, publication] = &mut sums;
    let mut counted = Counted { follower, before: follower.passed() };
    for number in (BEYOND + first..).take(rounds) {
        let id = format!("pub-{number}");
        let draft = grown::release(&id, 0, &format!("2.{number}.0"), "");
        counted.count(apply(client, grown::device(number)).await?, record).await?;
        counted.count(apply(client, grown::overriding(number)).await?, overriding).await?;
        apply(client, draft).await?;
        counted.count(turn(client, &id, Verb::Publish { supersede: false, insert_unphased: false }).await?, publication).await?;
        counted.count(turn(client, &id, Verb::Pause).await?, pause).await?;
        turn(client, &id, Verb::Resume { acknowledge: false }).await?;
        // Only one rollout of a channel is under way at a time, as an operator has it.
        counted.count(turn(client, &id, Verb::Complete).await?, &mut Passed::default()).await?;
    }
    #[allow(clippy::cast_precision_loss, reason = "bytes of a few changes")]
    let mean = |of: fn(&Passed) -> u64| sums.each_ref().map(|sum| of(sum) as f64 / rounds as f64);
    Ok(Bytes { down: mean(|sum| sum.down), up: mean(|sum| sum.up) })
}

struct Counted<'f> {
    follower: &'f Follower,
    before: Passed,
}

impl Counted<'_> {
    /// Waits until the edge shows this config version, and adds what passed since the last time.
    async fn count(&mut self, config_version: u64, sum: &mut Passed) -> anyhow::Result<()> {
        let now = self.follower.shows(config_version).await?;
        let passed = now.since(self.before);
        *sum = Passed { down: sum.down + passed.down, up: sum.up + passed.up };
        self.before = now;
        Ok(())
    }
}

async fn apply(client: &Client, text: String) -> anyhow::Result<u64> {
    let written = client.apply(&grown::documents(text)?, &client.request_id(), Run::Commit).await?;
    Ok(written.config_version)
}

async fn turn(client: &Client, release: &str, verb: Verb) -> anyhow::Result<u64> {
    let release = ReleaseId::new(release).context("a plain id")?;
    let transition = Transition { release, expected_version: None, reason: Some("measured".to_owned()), verb };
    Ok(client.transition(&transition, &client.request_id()).await?.written.config_version)
}
