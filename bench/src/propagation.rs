//! How long a change takes to be everywhere, side by side: a pause acknowledged until every node refuses, and a put
//! acknowledged until watchers on all three members of etcd have its event. In turn, in one run.

use std::time::Instant;

use tidegate_harness::cluster::Cluster;

use crate::figures::{Times, ms};
use crate::freshness::{AtNodes, signed_us};
use crate::peers::etcd::{Changes, Etcd, Member};

/// Largest p99 in microseconds.
const BAR_US: i64 = 2_000;
/// Largest p99 as a multiple of etcd's.
const BAR_TIMES: i64 = 3;
const KEY: &[u8] = b"propagation";

/// Both sides.
pub struct Propagation {
    /// Per pause, until the last node refused.
    pub ours: Times,
    /// Per put, until the last watcher had its event.
    pub theirs: Times,
}

/// Changes and waits, in turns of ten.
pub async fn compare(rounds: usize, cluster: &Cluster, etcd: &Etcd) -> anyhow::Result<Propagation> {
    let mut found = Propagation { ours: Times::default(), theirs: Times::default() };
    let mut writer = Writer::connect(etcd).await?;
    for _ in 0..rounds.div_ceil(10) {
        let AtNodes { everywhere, .. } = crate::freshness::at_nodes(cluster, 10).await?;
        found.ours.extend(&everywhere);
        for _ in 0..10 {
            found.theirs.add(writer.round().await?);
        }
    }
    Ok(found)
}

/// A writer at the leader and a watcher at each member.
struct Writer {
    member: Member,
    watchers: Vec<Changes>,
    version: i64,
}

impl Writer {
    async fn connect(etcd: &Etcd) -> anyhow::Result<Self> {
        let mut watchers = Vec::new();
        for address in &etcd.addresses {
            watchers.push(Member::connect(address).await?.watch(KEY).await?);
        }
        Ok(Self { member: Member::connect(&etcd.leader().await?).await?, watchers, version: 0 })
    }

    /// One put; microseconds from its acknowledgement to the last watcher's event.
    async fn round(&mut self) -> anyhow::Result<i64> {
        let heard = self.watchers.iter_mut().map(|watcher| async { watcher.next().await.map(|_| Instant::now()) });
        let put = async {
            self.member.put_if(KEY, self.version, b"changed").await?;
            anyhow::Ok(Instant::now())
        };
        let (heard, acknowledged) = tokio::join!(futures_util::future::join_all(heard), put);
        self.version += 1;
        let acknowledged = acknowledged?;
        let mut last = i64::MIN;
        for at in heard {
            last = last.max(signed_us(acknowledged, at?));
        }
        Ok(last)
    }
}

impl Propagation {
    /// Rows: what, ours, peer, ratio, bar, met.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let (ours, theirs) = (self.ours.at(990).unwrap_or(i64::MAX), self.theirs.at(990).unwrap_or(0));
        let side = |times: &Times| format!("p50 {} p99 {} max {} ms", ms(times.at(500)), ms(times.at(990)), ms(times.max()));
        #[allow(clippy::cast_precision_loss, reason = "microseconds of a round are far below 2^52")]
        let ratio = format!("{:.2}", ours as f64 / theirs.max(1) as f64);
        let met = |is_met| if is_met { "met" } else { "NOT MET" }.to_owned();
        let what = "acknowledged to everywhere, p99";
        vec![
            vec![
                what.to_owned(),
                side(&self.ours),
                format!("etcd: {}", side(&self.theirs)),
                ratio,
                "-".to_owned(),
                format!("<= {BAR_TIMES}"),
                met(ours <= BAR_TIMES * theirs),
            ],
            vec![
                what.to_owned(),
                side(&self.ours),
                "2 ms".to_owned(),
                "-".to_owned(),
                "-".to_owned(),
                "<= 2 ms".to_owned(),
                met(ours <= BAR_US),
            ],
        ]
    }

    /// Whether both bars are met.
    pub fn is_met(&self) -> bool {
        let (ours, theirs) = (self.ours.at(990).unwrap_or(i64::MAX), self.theirs.at(990).unwrap_or(0));
        ours <= BAR_US && ours <= BAR_TIMES * theirs
    }
}
