//! Distributions of measured times.

use serde_json::{Value, json};

/// Times of one kind, in microseconds; negative: before the moment that they are measured from.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<i64>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, us: i64) {
        self.0.push(us);
    }

    /// Adds all of another kind.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value that at least `permille` of a thousand do not exceed (nearest rank); `None` without any.
    pub fn at(&self, permille: usize) -> Option<i64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
        sorted.get(rank - 1).copied()
    }

    /// The largest.
    pub fn max(&self) -> Option<i64> {
        self.0.iter().max().copied()
    }

    /// Count, p50, p99 and the largest, in milliseconds.
    pub fn json(&self) -> Value {
        json!({"count": self.count(), "p50_ms": ms(self.at(500)), "p99_ms": ms(self.at(990)), "max_ms": ms(self.max())})
    }
}

/// Microseconds as milliseconds with three digits, or a dash.
pub fn ms(us: Option<i64>) -> String {
    us.map_or_else(
        || "-".to_owned(),
        |us| format!("{}{}.{:03}", if us < 0 { "-" } else { "" }, us.abs() / 1_000, us.abs() % 1_000),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_nearest_ranks_and_nothing_has_none() {
        let mut times = Times::default();
        assert_eq!((times.at(500), times.max()), (None, None));
        (1..=200).rev().for_each(|us| times.add(us * 1_000));
        assert_eq!((times.at(500), times.at(990), times.at(1_000)), (Some(100_000), Some(198_000), Some(200_000)));
        assert_eq!((ms(Some(-1_250)), ms(Some(7)), ms(None)), ("-1.250".to_owned(), "0.007".to_owned(), "-".to_owned()));
    }
}
