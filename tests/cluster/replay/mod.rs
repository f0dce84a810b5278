//! Years of a real stream, replayed as writes to a real cluster, and every node's decisions compared with an independent
//! evaluation of the stream's own rules.

mod judge;
mod rules;
mod synthetic;

use std::collections::BTreeSet;
use std::path::Path;

use judge::Judge;
use rules::{Document, age};
use tidegate_harness::cluster::Cluster;

use tidegate_harness::report;

use crate::ONE_AT_A_TIME;

/// One line of the history: a document, and when it was committed.
#[derive(serde::Deserialize)]
struct Edit {
    committed_at: i64,
    document: Document,
}

fn history() -> Vec<(Edit, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fcos-stable-history.jsonl");
    let text = std::fs::read_to_string(path).expect("the history is part of the repository");
    text.lines()
        .map(|line| {
            let raw: serde_json::Value = serde_json::from_str(line).expect("the history is JSON lines");
            let document = raw["document"].to_string();
            (serde_json::from_value(raw).expect("an edit"), document)
        })
        .collect()
}

/// Imports a document through the command line, as an operator does.
async fn import(cluster: &Cluster, product: &str, document: &str) {
    let file = cluster.folder.path().join("document.json");
    std::fs::write(&file, document).expect("the test's folder can be written");
    let path = file.to_str().expect("temporary folders have plain names");
    cluster.run(&["import", "fcos", path, "--product", product, "--cohort", "stable"]).await;
}

/// Instants worth asking at, in Unix milliseconds: around the edit, until the next, and along each ramp.
fn instants(document: &Document, from_s: i64, until_s: i64) -> Vec<i64> {
    let mut seconds = BTreeSet::from([from_s, from_s + 60, until_s - 1, until_s + 86_400]);
    seconds.extend((1..=8).map(|part| from_s + (until_s - from_s) * part / 9));
    for rollout in document.releases.iter().filter_map(|entry| entry.metadata.rollout.as_ref()) {
        let (Some(start), Some(minutes)) = (rollout.start_epoch, rollout.duration_minutes) else { continue };
        let minutes = i64::try_from(minutes).expect("ramps are short");
        seconds.extend([start - 1, start, start + 59, start + 60, start + minutes * 60 - 1, start + minutes * 60]);
        seconds.extend((1..8).map(|part| start + minutes * part / 8 * 60 + part));
    }
    for hour in 1.. {
        if seconds.len() >= 20 {
            break;
        }
        seconds.insert(from_s + hour * 3_600);
    }
    seconds.into_iter().map(|second| second * 1_000).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_edit_of_a_real_stream_is_decided_as_its_own_rules_say() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    let edits = history();
    let mut judge = Judge::new(&cluster, "fcos", 200);
    for (number, (edit, text)) in edits.iter().enumerate() {
        let until = edits.get(number + 1).map_or(edit.committed_at + 14 * 86_400, |(next, _)| next.committed_at);
        import(&cluster, "fcos", text).await;
        judge.learn(&edit.document);
        judge.compare(number, &edit.document, &instants(&edit.document, edit.committed_at, until)).await;
    }
    report::line(judge.figure());
    assert_eq!(judge.edits, 204);
    assert_eq!(judge.differences, Vec::<String>::new());
    // One document, of April 2024, throttles two releases at once: the older one was still ramping when its successor
    // was announced. Tidegate limits the latest release only, so it offers the older one to nobody until the document
    // says that it is full. The difference is in the safe direction: where the stream's rules offer the older one,
    // Tidegate offers what is before it, or nothing.
    assert_eq!(judge.explained_edits.iter().copied().collect::<Vec<_>>(), [130]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_ends_and_rolling_barriers_are_decided_as_the_rules_say() {
    let _one = ONE_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3).await;
    let seed = 0x7469_6465;
    report::line(format!("seed {seed:#x}"));
    let mut judge = Judge::new(&cluster, "synthetic", 200);
    let mut at = 1_700_000_000;
    for (number, text) in synthetic::documents(seed, 40).into_iter().enumerate() {
        let document: Document = serde_json::from_str(&text).expect("generated documents are valid");
        import(&cluster, "synthetic", &text).await;
        judge.learn(&document);
        judge.compare(number, &document, &instants(&document, at, at + synthetic::INTERVAL_S)).await;
        at += synthetic::INTERVAL_S;
    }
    report::line(judge.figure());
    assert!(judge.dead_ends > 0 && judge.rolling_barriers > 0, "the documents show what they are for");
    assert_eq!(judge.differences, Vec::<String>::new());
    assert!(judge.explained_edits.is_empty());
}

#[test]
fn versions_are_ordered_by_their_numbers() {
    assert!(age("9.1") < age("10.0"));
}
