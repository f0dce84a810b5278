//! The buckets that times of checks are counted in, found by an integer's length.

/// Upper bound of the first bucket, in nanoseconds: 10 us.
const FIRST_NANOS: u64 = 10_000;
/// Buckets with a bound, each four times the one before: the last one's is 2.6 s.
const BOUNDED: usize = 10;
/// All buckets: the last one takes what is beyond all bounds.
pub(crate) const BUCKETS: usize = BOUNDED + 1;

/// The bucket of a time.
pub(crate) fn bucket(nanos: u64) -> usize {
    // Steps of four are steps of two bits.
    let above = nanos.saturating_sub(1) / FIRST_NANOS;
    let bits = u64::BITS - above.leading_zeros();
    usize::try_from(bits.div_ceil(2)).map_or(BOUNDED, |at| at.min(BOUNDED))
}

/// Upper bounds of all buckets, in seconds.
pub(crate) fn bounds() -> impl Iterator<Item = f64> {
    (0..BOUNDED as i32).map(|step| 1e-5 * 4_f64.powi(step)).chain([f64::INFINITY])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_where_its_bound_says() {
        let mut bound = FIRST_NANOS;
        for at in 0..BOUNDED {
            assert_eq!((bucket(bound), bucket(bound + 1)), (at, at + 1), "{bound}");
            bound *= 4;
        }
        assert_eq!((bucket(0), bucket(1), bucket(u64::MAX)), (0, 0, BOUNDED));
        assert_eq!(bounds().count(), BUCKETS);
    }
}
