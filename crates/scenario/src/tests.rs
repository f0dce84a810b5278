//! Every expectation of the repository's own files is one: turned into its opposite, the file fails at that step.

use std::path::Path;

use tidegate_manifest::Source;

use crate::answer::{AnswerField, Expectation, Value};
use crate::script::{Action, Expected, Scenario, Wish};
use crate::{load, run};

fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let load = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        load(&Source { name: path.display().to_string(), text }).unwrap()
    };
    paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).map(load).collect()
}

/// The same action expecting something that cannot come with what it expects now; `None` if it expects nothing.
fn opposite(action: &Action) -> Option<Action> {
    let impossible = || Expectation { fields: vec![(AnswerField::Node, Value::Nothing)], trace_has: Vec::new() };
    let mut action = action.clone();
    match &mut action {
        Action::Check { expected, .. } => match expected {
            Expected::Nothing => return None,
            Expected::Answer(expectation) => expectation.fields.push((AnswerField::Node, Value::Nothing)),
            Expected::Error(_) => *expected = Expected::Answer(impossible()),
        },
        Action::Fleet(fleet) => fleet.expected.offered = Some(u64::MAX),
        Action::Do { refused_with, .. } | Action::Apply { refused_with, .. } | Action::Events { refused_with, .. } => {
            *refused_with = match refused_with {
                Some(_) => None,
                None => Some("NOT_READY".to_owned()),
            }
        }
        Action::ExpectRollout(expected) => {
            for (_, wish) in &mut expected.fields {
                *wish = Wish::Text("something else".to_owned());
            }
        }
        Action::ExpectObject(expected) => expected.exists = !expected.exists,
        Action::Wait => return None,
    }
    Some(action)
}

#[test]
fn every_expectation_of_the_folder_can_fail() {
    let mut tried = 0;
    for scenario in scenarios() {
        // Large fleets cost time, and small ones go the same way.
        let devices: u64 =
            scenario.steps.iter().map(|step| if let Action::Fleet(fleet) = &step.action { fleet.count } else { 0 }).sum();
        if devices > 2_000 {
            continue;
        }
        for index in 0..scenario.steps.len() {
            let Some(action) = opposite(&scenario.steps[index].action) else { continue };
            let mut sabotaged = scenario.clone();
            sabotaged.steps[index].action = action;
            let failed_at = run(&sabotaged).failure.map(|failure| failure.step);
            assert_eq!(failed_at, Some(index + 1), "{}: step {} passes whatever it expects", scenario.source_name, index + 1);
            tried += 1;
        }
    }
    assert!(tried > 300, "only {tried} expectations were tried");
}
