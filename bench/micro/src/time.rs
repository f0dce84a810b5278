//! Time per decision, in slices that take turns, so that a noisy moment of the machine hits all classes alike.

use std::hint::black_box;
use std::time::Instant;

use tidegate_eligibility::{Request, Snapshot, decide};

use crate::asks::Asks;
use crate::objects::NOW;

/// Nanoseconds of one thing done over and over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nanos {
    /// Of the quickest slice: what the code costs on a quiet machine.
    pub least: f64,
    /// Of the slice in the middle.
    pub median: f64,
    /// Nine of ten slices took no longer.
    pub p90: f64,
}

impl Nanos {
    /// Sums up slices, of which there must be one at least.
    #[must_use]
    pub fn of(mut slices: Vec<f64>) -> Self {
        slices.sort_by(f64::total_cmp);
        let at = |share: usize| slices[(slices.len() - 1) * share / 100];
        Self { least: at(0), median: at(50), p90: at(90) }
    }
}

/// What each class costs per decision, and all of them in turn.
#[derive(Clone, Debug)]
pub struct Times {
    /// Class by class, in the order in which the requests came.
    pub classes: Vec<Nanos>,
    /// One request of each class after the other.
    pub mixed: Nanos,
}

/// Takes `slices` slices of every class; a slice asks all requests of its class once.
#[must_use]
pub fn measure(snapshot: &Snapshot, asks: &[Asks], slices: usize) -> Times {
    let mut classes = vec![Vec::with_capacity(slices); asks.len()];
    let mut mixed = Vec::with_capacity(slices);
    with_all(asks, &mut Vec::new(), &mut |all: &[&[Request<'_>]]| {
        let in_turn: Vec<Request<'_>> =
            (0..all.first().map_or(0, |first| first.len())).flat_map(|i| all.iter().map(move |requests| requests[i])).collect();
        // The first round warms up and does not count.
        for round in 0..=slices {
            for (times, requests) in classes.iter_mut().zip(all) {
                let slice = slice(snapshot, requests);
                if round > 0 {
                    times.push(slice);
                }
            }
            let slice = slice(snapshot, &in_turn);
            if round > 0 {
                mixed.push(slice);
            }
        }
    });
    Times { classes: classes.into_iter().map(Nanos::of).collect(), mixed: Nanos::of(mixed) }
}

/// Borrows the requests of all classes at once.
fn with_all<'a>(asks: &'a [Asks], borrowed: &mut Vec<&[Request<'_>]>, read: &mut dyn FnMut(&[&[Request<'_>]])) {
    match asks.split_first() {
        None => read(borrowed),
        Some((first, rest)) => first.with(|requests| {
            let mut longer: Vec<&[Request<'_>]> = borrowed.clone();
            longer.push(requests);
            with_all(rest, &mut longer, read);
        }),
    }
}

fn slice(snapshot: &Snapshot, requests: &[Request<'_>]) -> f64 {
    let began = Instant::now();
    for request in requests {
        black_box(decide(snapshot, black_box(request), NOW));
    }
    let elapsed = u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX);
    let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
    f64::from(elapsed) / f64::from(count)
}

/// Allocations of one round of decisions; the bar is none.
#[must_use]
pub fn allocations(snapshot: &Snapshot, asks: &Asks) -> u64 {
    asks.with(|requests| {
        let counted = allocation_counter::measure(|| {
            for request in requests {
                black_box(decide(snapshot, black_box(request), NOW));
            }
        });
        counted.count_total
    })
}
