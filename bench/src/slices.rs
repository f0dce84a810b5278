//! Two systems side by side: short slices in turn, so that whatever else the machine does meets both, and the ratio of
//! each pair.

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::figures::{Times, ms};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Length of a slice.
    pub slice: Duration,
    /// Pairs of slices; the one that begins changes from pair to pair.
    pub pairs: usize,
}

/// What one system did in one slice.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Operations per second.
    pub rate: f64,
    /// How long each took.
    pub times: Times,
}

/// Runs `one` in a loop in each of the `clients` until the time is over. Only what is finished within it counts. An
/// error of any ends the slice.
pub async fn closed_loop<C, F>(
    clients: Vec<C>,
    slice: Duration,
    one: impl Fn(C) -> F + Clone + Send + 'static,
) -> anyhow::Result<(Slice, Vec<C>)>
where
    C: Send + 'static,
    F: Future<Output = anyhow::Result<C>> + Send,
{
    let began = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients {
        let one = one.clone();
        running.spawn(async move {
            let mut times = Times::default();
            loop {
                let sent = Instant::now();
                if sent.duration_since(began) >= slice {
                    return anyhow::Ok((client, times));
                }
                client = one(client).await?;
                let ended = Instant::now();
                if ended.duration_since(began) <= slice {
                    times.add(i64::try_from((ended - sent).as_micros()).unwrap_or(i64::MAX));
                }
            }
        });
    }
    let (mut back, mut all) = (Vec::new(), Times::default());
    while let Some(ended) = running.join_next().await {
        let (client, times) = ended??;
        back.push(client);
        all.extend(&times);
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of seconds of work are far below 2^52")]
    let rate = all.count() as f64 / slice.as_secs_f64();
    Ok((Slice { rate, times: all }, back))
}

/// One comparison: ours against a peer.
#[derive(Clone, Debug)]
pub struct Compared {
    /// What was done.
    pub what: String,
    /// The peer's name.
    pub peer: String,
    /// All slices of ours and of the peer.
    pub pairs: Vec<(Slice, Slice)>,
    /// The ratio of rates that is to be reached; none: the figure is for orientation.
    pub bar: Option<f64>,
}

impl Compared {
    /// The median of the pairs' ratios.
    pub fn ratio(&self) -> f64 {
        median(&self.ratios())
    }

    /// The ratios of all pairs, the lowest first.
    fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.pairs.iter().map(|(ours, theirs)| ours.rate / theirs.rate).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    /// From where to where the ratios of half of the pairs lie, those in the middle.
    fn middle(&self) -> String {
        let ratios = self.ratios();
        let at = |quarter: usize| ratios.get((ratios.len().saturating_sub(1) * quarter + 2) / 4).copied().unwrap_or(0.0);
        format!("{:.2} to {:.2}", at(1), at(3))
    }

    /// Whether the bar is met.
    pub fn is_met(&self) -> bool {
        self.bar.is_none_or(|bar| self.ratio() >= bar)
    }

    fn side(&self, pick: impl Fn(&(Slice, Slice)) -> &Slice) -> (f64, Times) {
        let mut rates: Vec<f64> = self.pairs.iter().map(|pair| pick(pair).rate).collect();
        rates.sort_by(f64::total_cmp);
        let mut times = Times::default();
        self.pairs.iter().for_each(|pair| times.extend(&pick(pair).times));
        (median(&rates), times)
    }

    /// One row: what, ours, peer, ratio, its range, bar, met.
    pub fn row(&self) -> Vec<String> {
        let side = |(rate, times): (f64, Times)| {
            format!("{rate:.0}/s (p50 {} p99 {} p99.9 {} ms)", ms(times.at(500)), ms(times.at(990)), ms(times.at(999)))
        };
        vec![
            self.what.clone(),
            side(self.side(|pair| &pair.0)),
            format!("{}: {}", self.peer, side(self.side(|pair| &pair.1))),
            format!("{:.2}", self.ratio()),
            self.middle(),
            self.bar.map_or_else(|| "-".to_owned(), |bar| format!("{bar:.2}")),
            match self.bar {
                None => "-",
                Some(_) if self.is_met() => "met",
                Some(_) => "NOT MET",
            }
            .to_owned(),
        ]
    }

    /// All of it.
    pub fn json(&self) -> Value {
        let side = |(rate, times): (f64, Times)| json!({"per_second": rate, "times": times.json()});
        json!({
            "what": self.what, "peer": self.peer, "ratio": self.ratio(), "bar": self.bar, "met": self.is_met(),
            "ours": side(self.side(|pair| &pair.0)), "theirs": side(self.side(|pair| &pair.1)),
            "ratios": self.pairs.iter().map(|(ours, theirs)| ours.rate / theirs.rate).collect::<Vec<_>>(),
        })
    }
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        length if length % 2 == 1 => sorted[length / 2],
        length => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
    }
}

/// Runs both in turn.
pub async fn in_turn<A, B>(
    plan: Plan,
    mut ours: impl FnMut() -> A,
    mut theirs: impl FnMut() -> B,
) -> anyhow::Result<Vec<(Slice, Slice)>>
where
    A: Future<Output = anyhow::Result<Slice>>,
    B: Future<Output = anyhow::Result<Slice>>,
{
    let mut pairs = Vec::new();
    for pair in 0..plan.pairs {
        pairs.push(if pair % 2 == 0 {
            let ours = ours().await?;
            (ours, theirs().await?)
        } else {
            let theirs = theirs().await?;
            (ours().await?, theirs)
        });
    }
    Ok(pairs)
}
