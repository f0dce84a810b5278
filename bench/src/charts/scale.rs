//! Axes: from values to places on the paper, and the values that are written beside them.

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Equal differences are equally far apart; begins at zero.
    Linear,
    /// Equal ratios are equally far apart; values must be above zero.
    Log,
}

/// One axis over the values that it has to hold.
#[derive(Clone, Debug)]
pub struct Scale {
    kind: Kind,
    from: f64,
    to: f64,
    /// Values with a line and a number.
    pub ticks: Vec<f64>,
}

/// Steps between the ticks of a linear axis, at least.
const LINEAR_STEPS: f64 = 4.0;
/// Decades from which on only powers of ten are named on a logarithmic axis.
const DECADES_ONLY: f64 = 2.5;
/// A value may lie beyond the last tick by this factor, which is less than a dot is wide.
const WITHIN: f64 = 1.001;

impl Scale {
    /// An axis that holds all these values, from a tick to a tick.
    pub fn over(kind: Kind, values: impl Iterator<Item = f64> + Clone) -> Self {
        let (least, most) = (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max));
        let ticks = match kind {
            Kind::Linear => linear(most.max(f64::MIN_POSITIVE)),
            Kind::Log => log(least, most),
        };
        let (from, to) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
        Self { kind, from, to, ticks }
    }

    /// Place of a value: 0 at the beginning of the axis, 1 at its end.
    pub fn place(&self, value: f64) -> f64 {
        match self.kind {
            Kind::Linear => (value - self.from) / (self.to - self.from),
            Kind::Log => (value / self.from).log10() / (self.to / self.from).log10(),
        }
    }
}

/// From zero in steps of 1, 2 or 5 times a power of ten, up to the first that is not below `most`.
fn linear(most: f64) -> Vec<f64> {
    let rough = most / LINEAR_STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|one| one * power).find(|step| *step <= rough).unwrap_or(power);
    let mut ticks = vec![0.0];
    for number in 1_u32.. {
        let tick = step * f64::from(number);
        ticks.push(tick);
        if tick >= most {
            break;
        }
    }
    ticks
}

/// Powers of ten around the values; over few decades 2 and 5 times them as well.
fn log(least: f64, most: f64) -> Vec<f64> {
    let factors: &[f64] = if (most / least).log10() > DECADES_ONLY { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut all = Vec::new();
    let mut power = 10_f64.powf(least.log10().floor());
    // A power of ten is not always hit exactly.
    while power <= most * 10.01 {
        all.extend(factors.iter().map(|factor| factor * power));
        power *= 10.0;
    }
    let first = all.iter().rposition(|tick| *tick <= least * WITHIN).unwrap_or(0);
    let last = all.iter().position(|tick| *tick >= most / WITHIN).unwrap_or(all.len() - 1).max(first + 1);
    all.into_iter().skip(first).take(last - first + 1).collect()
}

/// A number as people read it: thousands apart, no more digits than it has.
pub fn number(value: f64) -> String {
    if value.abs() < 1.0 && value != 0.0 {
        let text = format!("{value:.3}");
        return text.trim_end_matches('0').to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let check = |kind, values: &[f64], ticks: &[f64]| {
            let scale = Scale::over(kind, values.iter().copied());
            let named = |ticks: &[f64]| ticks.iter().map(|tick| number(*tick)).collect::<Vec<_>>();
            assert_eq!(named(&scale.ticks), named(ticks), "{values:?}");
            assert!(values.iter().all(|value| (-0.001..=1.001).contains(&scale.place(*value))), "{values:?}");
        };
        check(Kind::Linear, &[150_158.0, 13.0], &[0.0, 20e3, 40e3, 60e3, 80e3, 100e3, 120e3, 140e3, 160e3]);
        check(Kind::Linear, &[0.9], &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(Kind::Log, &[12.0, 100_000.0], &[10.0, 100.0, 1e3, 1e4, 1e5]);
        check(Kind::Log, &[19.0, 100_019.0], &[10.0, 100.0, 1e3, 1e4, 1e5]);
        check(Kind::Log, &[1.0, 64.0, 256.0], &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
        check(Kind::Log, &[0.101, 5_000.0], &[0.1, 1.0, 10.0, 100.0, 1e3, 1e4]);
        check(Kind::Log, &[7.0], &[5.0, 10.0]);
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        let texts = [0.0, 0.05, 1.0, 999.0, 1_000.0, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "0.05", "1", "999", "1,000", "1,234,567"]);
    }
}
