//! Documents that no real stream has shown yet: dead ends, barriers that are let out over time, entries that go and come.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

/// Time between two documents.
pub const INTERVAL_S: i64 = 4 * 86_400;

/// A stream of `count` documents, the same for the same seed. As in real streams only the newest release is throttled.
pub fn documents(seed: u64, count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    // Version and what is said about it; `None`: no entry for now.
    let mut releases: Vec<(String, Option<Value>)> = Vec::new();
    let mut start = 1_700_000_000i64;
    let mut texts = Vec::new();
    for number in 0..count {
        for (_, entry) in &mut releases {
            *entry = entry.take().and_then(|entry| settle(&mut random, entry));
        }
        if let Some(index) = (!releases.is_empty()).then(|| random.random_range(0..releases.len()))
            && releases[index].1.is_none()
            && random.random_bool(0.5)
        {
            releases[index].1 = Some(full());
        }
        releases.push((format!("1.{number}.0"), Some(newest(&mut random, start))));
        let list: Vec<Value> = releases
            .iter()
            .filter_map(|(version, entry)| entry.as_ref().map(|metadata| json!({"version": version, "metadata": metadata})))
            .collect();
        texts.push(
            json!({"stream": "synthetic", "metadata": {"last-modified": "2024-01-01T00:00:00Z"}, "releases": list}).to_string(),
        );
        start += INTERVAL_S;
    }
    texts
}

fn full() -> Value {
    json!({"rollout": {"start_percentage": 1.0}})
}

/// What is said about the newest release: a ramp of some kind, perhaps of a barrier.
fn newest(random: &mut StdRng, start: i64) -> Value {
    let from = [0.0, 0.1, 0.3][random.random_range(0..3)];
    let mut rollout = json!({"start_epoch": start + random.random_range(0..86_400), "start_percentage": from});
    if random.random_bool(0.8) {
        rollout["duration_minutes"] = json!(random.random_range(1..2_880));
    }
    let mut metadata = json!({ "rollout": rollout });
    if random.random_bool(0.3) {
        metadata["barrier"] = json!({"reason": "a stop-over"});
    }
    metadata
}

/// What is said about a release once it is not the newest any more.
fn settle(random: &mut StdRng, entry: Value) -> Option<Value> {
    let was_newest = entry["rollout"].get("start_epoch").is_some();
    if entry.get("deadend").is_some() {
        return Some(entry);
    }
    if entry.get("barrier").is_some() {
        // A barrier stays one; let out to everybody, or without rollout, which means the same.
        let barrier = entry["barrier"].clone();
        let is_bare = random.random_bool(0.5);
        return Some(if is_bare {
            json!({ "barrier": barrier })
        } else {
            json!({"barrier": barrier, "rollout": {"start_percentage": 1.0}})
        });
    }
    match random.random_range(0..10) {
        0 if was_newest => Some(json!({"deadend": {"reason": "cannot update itself"}})),
        0..=3 => None,
        _ => Some(full()),
    }
}
