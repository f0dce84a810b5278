//! Many edges as connections of one process: each is the product's follower with a replica of its own, which it verifies
//! and compiles as an edge does. What an edge has beyond that, listeners and a disk copy, they have not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};
use tidegate_distribution::{Batch, Event, Following, Freshness, Held, Replica, Scope, Sink, Stop, Upstreams};
use tidegate_eligibility::{Snapshot, compile};
use tidegate_harness::cluster::Cluster;
use tidegate_model::CatalogChange;
use tidegate_platform::Platform;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::figures::{Times, ms};
use crate::freshness::BOUND;
use crate::freshness::wire::{CountedNetwork, Counters, Counts};

/// Interval of the probes, an edge's default.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// Interval of the samples.
const TICK: Duration = Duration::from_millis(50);

/// What one edge has shown, and since when.
type Shown = Arc<Mutex<Vec<(u64, Instant)>>>;

struct Follower {
    shown: Shown,
    freshness: Freshness,
}

/// Running edges; they end with it.
pub struct Crowd {
    followers: Vec<Follower>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
}

/// Takes in what a follower brings.
struct Mark {
    shown: Shown,
    snapshot: Snapshot,
}

impl Mark {
    fn show(&mut self, snapshot: Snapshot) {
        let config_version = snapshot.stamp().config_version;
        self.snapshot = snapshot;
        self.shown.lock().expect("no panic happens under this lock").push((config_version, Instant::now()));
    }
}

impl Sink for Mark {
    async fn replaced(&mut self, held: &Held) {
        self.show(Snapshot::of(&held.catalog, held.stamp));
    }

    fn advanced(&mut self, held: &Held, batches: Vec<Batch>) {
        let changes: Vec<CatalogChange> = batches.iter().flat_map(|batch| batch.changes.iter().cloned()).collect();
        self.show(compile(&self.snapshot, &held.catalog, &changes, held.stamp));
    }

    fn stopped(&mut self, _stops: Vec<Stop>) {}

    fn happened(&mut self, _event: Event<'_>) {}
}

impl Crowd {
    /// Attaches `count` edges, each of which knows all nodes.
    pub fn start(cluster: &Cluster, count: usize) -> Self {
        let platform = Platform::system();
        let counters = Arc::new(Counters::default());
        let addresses: Vec<String> = cluster.nodes.iter().map(|node| node.addresses.admin.clone()).collect();
        let (stop, _) = watch::channel(false);
        let followers = (0..count).map(|_| {
            let (shown, freshness) = (Shown::default(), Freshness::new(Arc::clone(&platform.clock)));
            let following = Following {
                upstreams: Upstreams {
                    network: Arc::new(CountedNetwork(Arc::clone(&counters))),
                    addresses: addresses.clone(),
                    authorization: None,
                },
                platform: platform.clone(),
                replica: Replica::new(Scope::of(BTreeSet::new()), None),
                freshness: freshness.clone(),
                sink: Mark { shown: Arc::clone(&shown), snapshot: Snapshot::empty() },
                probe_interval: PROBE_INTERVAL,
                max_staleness: BOUND,
            };
            tokio::spawn(following.run(stop.subscribe()));
            Follower { shown, freshness }
        });
        Self { followers: followers.collect(), counters, stop }
    }

    /// Forgets what was shown so far.
    pub fn forget(&self) {
        self.followers.iter().for_each(|follower| follower.shown.lock().expect("no panic happens under this lock").clear());
    }

    /// Waits until every edge has shown this config version; gives the microseconds from `since` until each had.
    pub async fn reached(&self, config_version: u64, since: Instant, patience: Duration) -> anyhow::Result<Times> {
        let mut ticks = tokio::time::interval(TICK);
        let mut times = Times::default();
        let mut missing: Vec<&Follower> = self.followers.iter().collect();
        while !missing.is_empty() {
            ticks.tick().await;
            missing.retain(|follower| {
                let shown = follower.shown.lock().expect("no panic happens under this lock");
                let first = shown.iter().find(|(version, _)| *version >= config_version);
                first.inspect(|(_, at)| times.add(signed_us(since, *at))).is_none()
            });
            if since.elapsed() > patience {
                bail!("{} edges have not reached config version {config_version} within {patience:?}", missing.len());
            }
        }
        Ok(times)
    }

    /// Waits for the first time until every edge can prove an age within the bound; counts from nothing.
    pub async fn all_fresh(&self, since: Instant, patience: Duration) -> anyhow::Result<Recovery> {
        let mut recovery = self.recovered(since, patience).await?;
        recovery.flow.total = self.counters.now();
        Ok(recovery)
    }

    /// Waits until every edge can prove an age within the bound, and notes what the network carried meanwhile.
    pub async fn recovered(&self, since: Instant, patience: Duration) -> anyhow::Result<Recovery> {
        let (mut recorder, mut times) = (self.record(), Times::default());
        let mut missing: Vec<&Follower> = self.followers.iter().collect();
        while !missing.is_empty() {
            recorder.tick().await;
            let now = Instant::now();
            missing.retain(|follower| {
                let is_fresh = follower.freshness.current_staleness().is_some_and(|age| age <= BOUND);
                if is_fresh {
                    times.add(signed_us(since, now));
                }
                !is_fresh
            });
            if since.elapsed() > patience {
                bail!("{} edges are not fresh within {patience:?}", missing.len());
            }
        }
        Ok(Recovery { times, flow: recorder.flow() })
    }

    /// What the network carries within this time.
    pub async fn rates(&self, duration: Duration) -> Flow {
        let mut recorder = self.record();
        while recorder.began.elapsed() < duration {
            recorder.tick().await;
        }
        recorder.flow()
    }

    /// Begins to note what the network carries.
    pub fn record(&self) -> Recorder<'_> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Recorder {
            crowd: self,
            ticks,
            began: Instant::now(),
            samples: vec![(Instant::now(), self.counters.now())],
            oldest: Duration::ZERO,
        }
    }

    /// Greatest age that an edge can prove now, as long as all can prove one.
    fn oldest(&self) -> Option<Duration> {
        self.followers
            .iter()
            .map(|follower| follower.freshness.current_staleness())
            .try_fold(Duration::ZERO, |oldest, age| age.map(|age| oldest.max(age)))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Notes what the network carries.
pub struct Recorder<'c> {
    crowd: &'c Crowd,
    ticks: tokio::time::Interval,
    began: Instant,
    samples: Vec<(Instant, Counts)>,
    oldest: Duration,
}

impl Recorder<'_> {
    /// Waits for the next sample and takes it.
    pub async fn tick(&mut self) {
        self.ticks.tick().await;
        self.samples.push((Instant::now(), self.crowd.counters.now()));
        self.oldest = self.oldest.max(self.crowd.oldest().unwrap_or(Duration::MAX));
    }

    /// All of it together.
    pub fn flow(&self) -> Flow {
        let total = |from: usize, to: usize| self.samples[to].1.since(self.samples[from].1);
        let mut flow = Flow {
            seconds: self.began.elapsed().as_secs_f64(),
            total: total(0, self.samples.len() - 1),
            peak: Counts::default(),
            oldest: self.oldest,
        };
        let mut from = 0;
        for to in 0..self.samples.len() {
            while self.samples[to].0 - self.samples[from].0 > Duration::from_secs(1) {
                from += 1;
            }
            let within = total(from, to);
            flow.peak = flow.peak.most(within);
        }
        flow
    }
}

/// What the network carried.
#[derive(Clone, Debug)]
pub struct Flow {
    pub seconds: f64,
    pub total: Counts,
    /// The most within one second, each for itself.
    pub peak: Counts,
    /// Greatest age that an edge could prove; the largest there is if one could prove none.
    pub oldest: Duration,
}

/// What it took until all edges were fresh.
pub struct Recovery {
    pub times: Times,
    pub flow: Flow,
}

impl Flow {
    /// This after another one, as one.
    pub fn after(mut self, before: Self) -> Self {
        self.seconds += before.seconds;
        self.total = self.total.plus(before.total);
        self.peak = self.peak.most(before.peak);
        self.oldest = self.oldest.max(before.oldest);
        self
    }

    /// Cells from the attempts on to the bytes.
    pub fn cells(&self) -> Vec<String> {
        let mb = |bytes: u64| format!("{}.{:02}", bytes / 1_000_000, bytes % 1_000_000 / 10_000);
        vec![
            self.total.attempts.to_string(),
            self.peak.attempts.to_string(),
            format!("{:.1}", self.seconds),
            mb(self.total.received),
            mb(self.peak.received),
        ]
    }

    /// The oldest age as a cell.
    pub fn oldest(&self) -> String {
        if self.oldest == Duration::MAX { "stale".to_owned() } else { self.oldest.as_millis().to_string() }
    }

    /// All of it.
    pub fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "connection_attempts": self.total.attempts,
            "connections": self.total.connections,
            "connection_attempts_most_in_1_s": self.peak.attempts,
            "bytes_received": self.total.received,
            "bytes_received_most_in_1_s": self.peak.received,
            "bytes_sent": self.total.sent,
            "oldest_age_ms": self.oldest(),
        })
    }
}

impl Recovery {
    /// One row of the table of restarts.
    pub fn row(&self, what: &str) -> Vec<String> {
        let times = [ms(self.times.at(500)), ms(self.times.at(990)), ms(self.times.max()), self.flow.oldest()];
        [vec![what.to_owned()], self.flow.cells(), times.to_vec()].concat()
    }

    /// All of it.
    pub fn json(&self) -> Value {
        json!({"fresh_again": self.times.json(), "network": self.flow.json()})
    }
}

/// Microseconds from one moment to another, negative if it came before.
pub fn signed_us(from: Instant, to: Instant) -> i64 {
    let us = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    to.checked_duration_since(from).map_or_else(|| -us(from.duration_since(to)), us)
}
