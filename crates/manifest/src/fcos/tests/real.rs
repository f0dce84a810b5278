//! The whole history of a real stream.

use serde_json::Value;
use tidegate_model::{Span, Timestamp};

use super::cluster::Cluster;
use super::rules::Rules;

const HISTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/fcos-stable-history.jsonl");

/// Every document of six years: the second import of each plans nothing, salts never change, and at instants on and
/// around each ramp every version's devices hear what the stream's own rules say, whatever they tell of themselves.
#[test]
fn the_real_history_is_followed_exactly() {
    let text = std::fs::read_to_string(HISTORY).expect("the history is part of the repository");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let devices: Vec<String> = (0..8).map(|number| format!("node-{number}")).collect();
    let mut cluster = Cluster::new();
    let (mut compared, mut hidden) = (0, Vec::new());
    for (i, line) in lines.iter().enumerate() {
        let at = Timestamp::from_secs(line["committed_at"].as_i64().expect("seconds"));
        let salts = cluster.salts();
        let plan = cluster.import(&line["document"], at).unwrap_or_else(|error| panic!("line {}: {error}", i + 1));
        let salts_after = cluster.salts();
        assert!(salts.iter().all(|(id, salt)| salts_after.get(id) == Some(salt)), "line {}: a salt has changed", i + 1);
        let mut rules = Rules::of(&line["document"]);
        let hidden_here = rules.hide_older_throttled(i128::from(at.as_millis()));
        assert_eq!(plan.warnings.len(), hidden_here.len(), "line {}: {:?}", i + 1, plan.warnings);
        hidden.extend(hidden_here);
        for now in instants(&line["document"], at) {
            compared += cluster.compare(&rules, now, &devices).unwrap_or_else(|error| panic!("line {}: {error}", i + 1));
        }
    }
    assert_eq!(hidden, [vec![39, 20_240_322, 3, 0]], "the one document with two throttled releases at once");
    assert!(compared > 1_000_000, "{compared} comparisons");
}

/// The time of the edit, and whole minutes of its newest ramp: before, at its beginning, within, at its end, after.
fn instants(document: &Value, at: Timestamp) -> Vec<Timestamp> {
    let mut instants = vec![at];
    for release in document["releases"].as_array().expect("a list") {
        let rollout = &release["metadata"]["rollout"];
        let (Some(start), Some(minutes)) = (rollout["start_epoch"].as_i64(), rollout["duration_minutes"].as_u64()) else {
            continue;
        };
        let start = Timestamp::from_secs(start);
        instants.push(Timestamp::from_millis(start.as_millis() - 60_000));
        for percent in [0, 13, 50, 88, 100, 150] {
            instants.push(start.plus(Span::from_secs(minutes * percent / 100 * 60)));
        }
    }
    instants
}
