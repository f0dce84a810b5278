//! Streams that never were: dead ends, rolling barriers, versions that go and come back.

use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_model::Timestamp;

use super::cluster::Cluster;
use super::rules::Rules;

const WRITTEN_AT: i64 = 1_750_000_000;

/// What a document says of one version.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    Full,
    Barrier,
    FullBarrier,
    DeadEnd,
    Ramp { percent: u8, start: i64, minutes: u64, is_barrier: bool },
    Share { percent: u8, is_barrier: bool },
    FullFrom { start: i64 },
}

fn says() -> impl Strategy<Value = Says> {
    prop_oneof![
        3 => Just(Says::Nothing),
        4 => Just(Says::Full),
        1 => Just(Says::Barrier),
        1 => Just(Says::FullBarrier),
        1 => Just(Says::DeadEnd),
        2 => (0..100_u8, -10..10_i64, 1..1_000_u64, any::<bool>()).prop_map(|(percent, hours, minutes, is_barrier)| Says::Ramp {
            percent,
            start: WRITTEN_AT + hours * 3_600,
            minutes,
            is_barrier,
        }),
        1 => (0..=100_u8, any::<bool>()).prop_map(|(percent, is_barrier)| Says::Share { percent, is_barrier }),
        1 => (-10..10_i64).prop_map(|hours| Says::FullFrom { start: WRITTEN_AT + hours * 3_600 }),
    ]
}

fn metadata(says: Says) -> Option<Value> {
    let rollout = |rollout: Value, is_barrier| {
        if is_barrier { json!({"rollout": rollout, "barrier": {"reason": "why"}}) } else { json!({"rollout": rollout}) }
    };
    Some(match says {
        Says::Nothing => return None,
        Says::Full => json!({"rollout": {"start_percentage": 1.0}}),
        Says::Barrier => json!({"barrier": {"reason": "https://x/1"}}),
        Says::FullBarrier => rollout(json!({"start_percentage": 1.0}), true),
        Says::DeadEnd => json!({"deadend": {"reason": "stuck"}}),
        Says::Ramp { percent, start, minutes, is_barrier } => {
            let share = f64::from(percent) / 100.0;
            rollout(json!({"start_epoch": start, "start_percentage": share, "duration_minutes": minutes}), is_barrier)
        }
        Says::Share { percent, is_barrier } => {
            rollout(json!({"start_epoch": WRITTEN_AT, "start_percentage": f64::from(percent) / 100.0}), is_barrier)
        }
        Says::FullFrom { start } => json!({"rollout": {"start_epoch": start, "start_percentage": 1.0}}),
    })
}

fn document(entries: &[Says]) -> Value {
    let releases: Vec<_> = entries
        .iter()
        .enumerate()
        .filter_map(|(i, says)| Some(json!({"version": format!("4{}.2026.{i}.0", i / 4), "metadata": metadata(*says)?})))
        .collect();
    let written_at = "2025-06-15T15:06:40Z";
    json!({"stream": "synthetic", "metadata": {"last-modified": written_at}, "releases": releases})
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any sequence of documents is followed exactly, but for what is throttled without being the newest: that is held
    /// back, with a warning.
    #[test]
    fn any_stream_is_followed_exactly(edits in proptest::collection::vec(proptest::collection::vec(says(), 8), 1..7)) {
        let devices: Vec<String> = (0..6).map(|number| format!("node-{number}")).collect();
        let mut cluster = Cluster::new();
        for (i, edit) in edits.iter().enumerate() {
            let document = document(edit);
            let at = Timestamp::from_secs(WRITTEN_AT + i64::try_from(i).expect("few"));
            let plan = cluster.import(&document, at).map_err(TestCaseError::fail)?;
            let mut rules = Rules::of(&document);
            let hidden = rules.hide_older_throttled(i128::from(WRITTEN_AT) * 1_000);
            prop_assert!(plan.warnings.len() <= hidden.len(), "{:?}", plan.warnings);
            for minutes in [-700, -1, 0, 1, 60, 500, 1_700] {
                let now = Timestamp::from_secs(WRITTEN_AT + 60 * minutes);
                // Older ramps are judged by the time of the document; the past of a document is not replayed.
                if minutes >= 0 {
                    cluster.compare(&rules, now, &devices).map_err(TestCaseError::fail)?;
                }
            }
        }
    }
}
