//! A small fixed set of simulated runs, each in two processes; `cargo xtask sim` does the same for as many as wanted.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

/// Seeds run on every `cargo test`. A seed that ever failed is added here.
const SEEDS: [u64; 4] = [1, 2, 3, 43];

fn run(seed: u64, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(["--seed", &seed.to_string(), "--json"]).args(more);
    command.env("RUST_BACKTRACE", "0").output().unwrap()
}

fn report(seed: u64, more: &[&str]) -> Value {
    let output = run(seed, more);
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("seed {seed} gave no report ({error}): {said}"))
}

/// Runs the same seed in two processes at a time.
fn twice(seed: u64, first: &[&str], second: &[&str]) -> (Value, Value) {
    thread::scope(|scope| {
        let other = scope.spawn(|| report(seed, second));
        (report(seed, first), other.join().unwrap())
    })
}

/// P-01, P-03, P-05, P-07, P-41, and that the runs can be repeated: both processes report the same, trace included.
#[test]
fn fixed_seeds_keep_every_law_and_repeat_exactly() {
    for seed in SEEDS {
        let (first, second) = twice(seed, &[], &[]);
        assert_eq!(first["ok"], true, "seed {seed}: {first}");
        assert_eq!(first, second, "seed {seed} differs between two processes");
        assert!(first["simulated_s"].as_f64().unwrap() >= 30.0 && first["writes"].as_u64().unwrap() >= 100, "{first}");
        assert!(first["steered"].as_u64().unwrap() >= 1 && first["offers"].as_u64().unwrap() >= 1, "{first}");
        assert!(first["crashes"].as_u64().unwrap() >= 1 && first["partitions"].as_u64().unwrap() >= 1, "{first}");
    }
}

/// A single unseeded draw somewhere shows in the trace.
#[test]
fn an_unseeded_random_source_is_noticed() {
    let (whole, leaky) = twice(SEEDS[0], &[], &["--leak"]);
    assert_ne!(whole["trace_hash"], leaky["trace_hash"]);
    let (leaky, again) = twice(SEEDS[0], &["--leak"], &["--leak"]);
    assert_ne!(leaky["trace_hash"], again["trace_hash"]);
}

/// P-41: the oracle objects to builds that read the clock first, never expire, or ask no majority. The one that counts a
/// late answer for a later question needs an answer delayed longer than a question lives; it is caught where time can be
/// held still, in the tests of freshness.
#[test]
fn the_oracle_catches_broken_freshness() {
    for (sabotage, seeds) in [("clock-first", 1..3), ("never-expires", 1..3), ("no-quorum-round", 9..14)] {
        let caught = seeds.clone().any(|seed| {
            let report = report(seed, &["--sabotage", sabotage]);
            report["error"].as_str().is_some_and(|error| error.contains("claimed"))
        });
        assert!(caught, "{sabotage} was not caught by any of the seeds {seeds:?}");
    }
}
