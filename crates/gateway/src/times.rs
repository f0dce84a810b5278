//! How long checks take, counted without a lock: a histogram whose buckets are found by an integer's length.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bound of the first bucket, in nanoseconds: 10 us.
const FIRST_NANOS: u64 = 10_000;
/// Buckets with a bound, each four times the one before: the last one's is 2.6 s.
const BOUNDED: usize = 10;

/// A histogram of durations. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// The last one takes what is beyond all bounds.
    buckets: [AtomicU64; BOUNDED + 1],
    nanos: AtomicU64,
}

fn bucket(nanos: u64) -> usize {
    // Steps of four are steps of two bits.
    let above = nanos.saturating_sub(1) / FIRST_NANOS;
    let bits = u64::BITS - above.leading_zeros();
    usize::try_from(bits.div_ceil(2)).map_or(BOUNDED, |at| at.min(BOUNDED))
}

impl Times {
    /// Counts one.
    pub(crate) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl EncodeMetric for Times {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.0.buckets.iter().map(|count| count.load(Ordering::Relaxed));
        let bounds = (0..BOUNDED as i32).map(|step| 1e-5 * 4_f64.powi(step)).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let sum = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
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
    fn a_duration_is_counted_where_its_bound_says() {
        let mut bound = FIRST_NANOS;
        for at in 0..BOUNDED {
            assert_eq!((bucket(bound), bucket(bound + 1)), (at, at + 1), "{bound}");
            bound *= 4;
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BOUNDED));
    }

    #[test]
    fn it_reads_as_a_histogram() {
        let times = Times::default();
        let mut registry = Registry::default();
        registry.register("t", "Time", times.clone());
        for micros in [5, 10, 11, 50_000, 9_000_000] {
            times.observe(Duration::from_micros(micros));
        }
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for line in
            ["t_sum 9.050026", "t_count 5", "t_bucket{le=\"0.00001\"} 2", "t_bucket{le=\"0.00004\"} 3", "t_bucket{le=\"+Inf\"} 5"]
        {
            assert!(text.contains(&format!("{line}\n")), "{line}: {text}");
        }
    }
}
