//! Counts of answered checks, kept by each thread for itself and added up when somebody looks: processors that count in one
//! place wait for each other with every check.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use tidegate_eligibility::Reason;

use crate::metrics::{Answered, Transport};
use crate::times;

/// Rows of counts. More threads than these share one, which is slower and as right.
const ROWS: usize = 16;

/// What the threads have counted. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<[Row; ROWS]>);

/// The counts of one thread, on cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
struct Row {
    decided: [[AtomicU64; Reason::ALL.len()]; Transport::ALL.len()],
    buckets: [AtomicU64; times::BUCKETS],
    nanos: AtomicU64,
}

impl Default for Row {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            decided: std::array::from_fn(|_| zeros()),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
        }
    }
}

/// The row of this thread.
fn row() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<Option<usize>> = const { Cell::new(None) });
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let row = NEXT.fetch_add(1, Ordering::Relaxed) % ROWS;
            own.set(Some(row));
            row
        })
    })
}

impl Tally {
    /// Counts a decision and how long it took.
    pub(crate) fn decided(&self, transport: Transport, reason: Reason, took: Duration) {
        self.0[row()].decided[transport as usize][reason as usize].fetch_add(1, Ordering::Relaxed);
        self.took(took);
    }

    /// Counts how long something took.
    pub(crate) fn took(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let row = &self.0[row()];
        row.buckets[times::bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        row.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn sum(&self, count: impl Fn(&Row) -> &AtomicU64) -> u64 {
        self.0.iter().map(|row| count(row).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// Writes a counter for each transport and reason that was counted.
    pub(crate) fn encode_decided(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        for transport in Transport::ALL {
            for reason in Reason::ALL {
                let count = self.sum(|row| &row.decided[transport as usize][*reason as usize]);
                if count > 0 {
                    let labels = Answered { transport, reason: reason.as_str() };
                    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
        }
        Ok(())
    }
}

/// How long checks took, as a histogram over a [`Tally`].
#[derive(Debug)]
pub(crate) struct TookOf(pub(crate) Tally);

impl EncodeMetric for TookOf {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = (0..times::BUCKETS).map(|at| self.0.sum(|row| &row.buckets[at]));
        let buckets: Vec<(f64, u64)> = times::bounds().zip(counts).collect();
        let sum = Duration::from_nanos(self.0.sum(|row| &row.nanos)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, buckets.iter().map(|(_, count)| count).sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn it_reads_as_a_histogram_whoever_counted() {
        let tally = Tally::default();
        let mut registry = Registry::default();
        registry.register("t", "Time", TookOf(tally.clone()));
        std::thread::scope(|scope| {
            for micros in [5, 10, 11, 50_000, 9_000_000] {
                let tally = &tally;
                scope.spawn(move || tally.took(Duration::from_micros(micros)));
            }
        });
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for line in
            ["t_sum 9.050026", "t_count 5", "t_bucket{le=\"0.00001\"} 2", "t_bucket{le=\"0.00004\"} 3", "t_bucket{le=\"+Inf\"} 5"]
        {
            assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn more_threads_than_rows_lose_nothing() {
        let tally = Tally::default();
        std::thread::scope(|scope| {
            for _ in 0..3 * ROWS {
                scope.spawn(|| (0..100).for_each(|_| tally.decided(Transport::Grpc, Reason::Paused, Duration::ZERO)));
            }
        });
        let counted = tally.sum(|row| &row.decided[Transport::Grpc as usize][Reason::Paused as usize]);
        assert_eq!((counted, tally.sum(|row| &row.buckets[0])), (300 * ROWS as u64, 300 * ROWS as u64));
    }
}
