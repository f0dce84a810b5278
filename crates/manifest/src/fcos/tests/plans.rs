//! What plans look like, and what documents are refused.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use tidegate_model::{CohortId, Command, Document, ProductId, Timestamp, Transition, Verb};

use super::super::{Known, import};
use super::cluster::Cluster;
use crate::print;

const AT: Timestamp = Timestamp::from_secs(1_610_000_000);

fn stream(releases: &Value) -> Value {
    json!({"stream": "stable", "metadata": {"last-modified": "2021-01-07T06:13:20Z"}, "releases": releases})
}

fn full(version: &str) -> Value {
    json!({"version": version, "metadata": {"rollout": {"start_percentage": 1.0}}})
}

fn ramp(version: &str) -> Value {
    json!({"version": version, "metadata": {"rollout": {"start_epoch": 1_610_000_400, "start_percentage": 0.05, "duration_minutes": 2880}}})
}

fn barrier(version: &str) -> Value {
    json!({"version": version, "metadata": {"barrier": {"reason": "https://x/646"}}})
}

fn dead_end(version: &str) -> Value {
    json!({"version": version, "metadata": {"deadend": {"reason": "https://x/215"}}})
}

/// Imports the documents one after the other; shows the last plan.
fn check(documents: &[Value], expected: &Expect) {
    let mut cluster = Cluster::new();
    let mut shown = String::new();
    for releases in documents {
        let plan = cluster.import(&stream(releases), AT).expect("the import is taken");
        shown = plan.summary.iter().map(|line| format!("{line}\n")).collect();
        plan.warnings.iter().for_each(|line| shown += &format!("warning: {line}\n"));
    }
    expected.assert_eq(&shown);
}

fn show(command: &Command) -> String {
    match command {
        Command::Apply(documents) => {
            let values: Vec<_> = documents.iter().map(|document: &Document| print::document(document)).collect();
            print::to_yaml(&values)
        }
        Command::Transition(Transition { release, reason, verb: Verb::Complete, .. }) => {
            format!("complete {release}: {}\n", reason.as_deref().unwrap_or_default())
        }
        Command::Transition(Transition { release, verb: Verb::Publish { .. }, .. }) => format!("publish {release}\n"),
        other => format!("{other:?}\n"),
    }
}

#[test]
fn a_first_import_in_full() {
    let plan = Cluster::new().plan(&stream(&json!([barrier("33.1"), full("33.3"), ramp("33.4")]))).expect("a plan");
    expect![[r#"
        kind: product
        id: fcos
        version_scheme: dotted
        allow_unregistered: true
        default_cohort: stable
        ---
        kind: cohort
        id: stable
        product: fcos
        ---
        kind: bundle
        id: "33.1"
        product: fcos
        version: "33.1"
        ---
        kind: bundle
        id: "33.3"
        product: fcos
        version: "33.3"
        ---
        kind: bundle
        id: "33.4"
        product: fcos
        version: "33.4"
        ---
        kind: release
        id: "33.1"
        product: fcos
        cohort: stable
        bundle: "33.1"
        version: "33.1"
        version_requirement: "<33.1"
        required: true
        notes: "https://x/646"
        next: "33.3"
        adopt: completed
        ---
        kind: release
        id: "33.3"
        product: fcos
        cohort: stable
        bundle: "33.3"
        version: "33.3"
        version_requirement: "<33.3"
        adopt: completed
        ---
        kind: release
        id: "33.4"
        product: fcos
        cohort: stable
        bundle: "33.4"
        version: "33.4"
        version_requirement: "<33.4"
        published_at: "2021-01-07T06:20:00Z"
        previous: ["33.3"]
        ---
        kind: policy
        release: "33.4"
        stages:
          - name: all
            exposure:
              ramp:
                linear:
                  from: 5
                  duration: 2d
        ===
        publish 33.4
    "#]]
    .assert_eq(&plan.commands.iter().map(show).collect::<Vec<_>>().join("===\n"));
}

#[test]
fn an_edit_changes_only_what_changed() {
    check(
        &[json!([full("33.3"), ramp("33.4")]), json!([full("33.4"), ramp("33.5")])],
        &expect![[r#"
            33.3: is not offered
            complete 33.4: the stream offers it to everybody
            new release 33.5: offered, from 5 % to everybody in 2d
        "#]],
    );
    let later = json!({"version": "33.4", "metadata": {"rollout": {"start_epoch": 1_610_003_600, "start_percentage": 0.1, "duration_minutes": 60}}});
    check(
        &[json!([full("33.3"), ramp("33.4")]), json!([full("33.3"), later])],
        &expect![[r#"
        33.4: from 10 % to everybody in 1h
        33.4: starts at 2021-01-07T07:13:20Z
    "#]],
    );
    check(
        &[json!([full("33.3"), ramp("33.4")]), json!([full("33.3")])],
        &expect![[r#"
            33.4: is not offered
        "#]],
    );
    check(
        &[json!([full("33.3"), ramp("33.4")]), json!([full("33.3")]), json!([full("33.3"), ramp("33.4")])],
        &expect![[r#"
            33.4: is offered
        "#]],
    );
    check(
        &[json!([full("33.1"), full("33.5")]), json!([full("33.1"), barrier("33.3"), full("33.5")])],
        &expect![[r#"
        new release 33.3: barrier
    "#]],
    );
}

#[test]
fn a_version_that_ramps_again_gets_another_attempt() {
    let dropped = [json!([full("33.3"), ramp("33.4")]), json!([full("33.4"), ramp("33.5")]), json!([full("33.3"), ramp("33.4")])];
    check(
        &dropped,
        &expect![[r#"
            33.3: is offered
            33.4: is not offered
            complete 33.5: another release follows it in the stream
            33.5: is not offered
            new release 33.4~2: offered, from 5 % to everybody in 2d
        "#]],
    );
    check(
        &[dropped.as_slice(), &[json!([full("33.4"), ramp("33.6")])]].concat(),
        &expect![[r#"
            33.3: is not offered
            complete 33.4~2: the stream offers it to everybody
            new release 33.6: offered, from 5 % to everybody in 2d
        "#]],
    );
}

#[test]
fn two_throttled_releases_at_once() {
    check(
        &[json!([full("33.3"), ramp("33.4")]), json!([full("33.3"), ramp("33.4"), ramp("33.5")])],
        &expect![[r#"
            complete 33.4: another release follows it in the stream
            33.4: is not offered
            new release 33.5: offered, from 5 % to everybody in 2d
            warning: 33.4: is throttled but not the newest: nobody gets it until the stream offers it to everybody
        "#]],
    );
}

#[test]
fn dead_ends_have_a_stop_beside_them() {
    check(
        &[json!([full("33.1"), full("33.3")]), json!([full("33.1"), dead_end("33.2"), full("33.3")])],
        &expect![[r#"
        new release 33.2: dead end
        new release 33.2~stop: barrier that nobody passes
    "#]],
    );
    check(
        &[json!([dead_end("33.2"), full("33.3")]), json!([full("33.2"), full("33.3")])],
        &expect![[r#"
        33.2: is no dead end, notes
        33.2~stop: is no barrier
    "#]],
    );
}

#[test]
fn a_dead_end_elsewhere_does_not_keep_a_stop_closed() {
    check(
        &[json!([dead_end("33.2")]), json!([dead_end("33.1"), full("33.3")])],
        &expect![[r#"
        33.2: is no dead end, is not offered
        33.2~stop: is no barrier
        new release 33.3: offered
        new release 33.1: dead end
        new release 33.1~stop: barrier that nobody passes
    "#]],
    );
}

/// Other streams go to other cohorts and products; where they have the same versions, ids give way and bundles of one
/// product are shared.
#[test]
fn the_same_version_elsewhere_gets_another_id() {
    let mut cluster = Cluster::new();
    let document = stream(&json!([dead_end("33.2"), full("33.3")]));
    let mut ids = String::new();
    for (product, cohort) in [("fcos", "stable"), ("fcos", "testing"), ("other", "stable"), ("other", "testing")] {
        cluster.turn_to(product, cohort);
        cluster.import(&document, AT).expect("the import is taken");
        let catalog = cluster.state.catalog();
        let own = catalog
            .releases()
            .values()
            .filter(|release| release.body.product.as_str() == product && release.body.cohort.as_str() == cohort);
        own.for_each(|release| ids += &format!("{product}/{cohort}: {} of {}\n", release.body.id, release.body.bundle));
    }
    expect![[r#"
        fcos/stable: 33.2 of 33.2
        fcos/stable: 33.2~stop of 33.2
        fcos/stable: 33.3 of 33.3
        fcos/testing: 33.2@testing of 33.2
        fcos/testing: 33.2@testing~stop of 33.2
        fcos/testing: 33.3@testing of 33.3
        other/stable: 33.2@stable of 33.2@other
        other/stable: 33.2@stable~stop of 33.2@other
        other/stable: 33.3@stable of 33.3@other
        other/testing: 33.2@other.testing of 33.2@other
        other/testing: 33.2@other.testing~stop of 33.2@other
        other/testing: 33.3@other.testing of 33.3@other
    "#]]
    .assert_eq(&ids);
}

#[test]
fn what_was_stopped_by_hand_stays_stopped() {
    let mut cluster = Cluster::new();
    cluster.import(&stream(&json!([full("33.3"), ramp("33.4")])), AT).expect("the import is taken");
    let by_hand = |release: &str, verb| {
        let release = tidegate_model::ReleaseId::new(release).expect("an id");
        Command::Transition(Transition { release, expected_version: None, reason: None, verb })
    };
    cluster.run(by_hand("33.3", Verb::Disable), AT).expect("it can be disabled");
    let plan = cluster.import(&stream(&json!([full("33.3"), ramp("33.4")])), AT).expect("the import is taken");
    expect![[r#"
        (
            [],
            [
                "33.3: is disabled by hand and stays so",
            ],
        )
    "#]]
    .assert_debug_eq(&(plan.commands, plan.warnings));
    cluster.run(by_hand("33.4", Verb::Pause), AT).expect("it can be paused");
    let refusal = cluster.plan(&stream(&json!([full("33.4"), ramp("33.5")]))).expect_err("it would go past the pause");
    expect!["stream.json: release 33.4 is paused by hand and another one must follow it: resume or withdraw it first"]
        .assert_eq(&refusal);
}

#[test]
fn documents_are_read_strictly() {
    let check = |text: &str, expected: &Expect| {
        let ids = (ProductId::new("p").expect("an id"), CohortId::new("c").expect("an id"));
        let shown = match import("s.json", text, &ids.0, &ids.1, &Known::default()) {
            Ok(plan) => plan.warnings,
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        };
        expected.assert_eq(&shown.join("\n"));
    };
    let text = r#"{"stream": "s", "extra": 1, "metadata": {"last-modified": "yesterday"}, "releases": [
  {"version": "1.x", "metadata": {}},
  {"version": 33.10, "metadata": {}},
  {"version": "33.1", "metadata": {"rollout": {"start_percentage": 1.5}}},
  {"version": "33.2", "metadata": {"rollout": {"start_percentage": -0.1, "duration_minutes": 0}}},
  {"version": "33.3", "metadata": {"rollout": {"start_percentage": NaN, "start_epoch": "soon"}}},
  {"version": "33.4", "metadata": {"rollout": {"start_percentage": 1e-1}}},
  {"version": "33.4.0", "metadata": {"barrier": {"reason": "a"}, "deadend": {"reason": "b"}}},
  {"version": "33.5", "metadata": []}
]}"#;
    check(
        text,
        &expect![[r#"
        s.json:1:59: metadata.last-modified: "yesterday" must be an instant such as 2026-01-01T00:00:00Z
        s.json:2:15: releases[0].version: "1.x" must be 1 to 16 numbers joined by dots
        s.json:3:15: releases[1].version: "33.10" must be text
        s.json:4:68: releases[2].metadata.rollout.start_percentage: "1.5" must be a plain decimal from 0 to 1
        s.json:5:94: releases[3].metadata.rollout.duration_minutes: "0" must be a whole number from 1 to 52704000
        s.json:5:68: releases[3].metadata.rollout.start_percentage: "-0.1" must be a plain decimal from 0 to 1
        s.json:6:88: releases[4].metadata.rollout.start_epoch: "soon" must be a whole number from 0 to 253402300799
        s.json:6:68: releases[4].metadata.rollout.start_percentage: "NaN" must be a plain decimal from 0 to 1
        s.json:7:68: releases[5].metadata.rollout.start_percentage: "1e-1" must be a plain decimal from 0 to 1
        s.json:8:37: releases[6].metadata: "{...}" must not be both barrier and deadend: nobody could ever go on
        s.json:8:15: releases[6].version: "33.4.0" is there twice
        s.json:9:35: releases[7].metadata: "[...]" must be a map"#]],
    );
    let text = r#"{"stream": "s", "releases": [
  {"version": "33.1", "metadata": {"rollout": {"start_percentage": 0.12345678, "pace": 3}, "risk": {}}},
  {"version": "33.2", "metadata": {"deadend": {}, "rollout": {"start_percentage": 0.5}}}
]}"#;
    check(
        text,
        &expect![[r#"
        line 2: releases[0].metadata.risk is not known and ignored
        line 2: releases[0].metadata.rollout.pace is not known and ignored
        releases[0].metadata.rollout.start_percentage: 0.12345678 is rounded down to 12.3456 %
        33.2: has a rollout but is a dead end: nobody is sent there"#]],
    );
    check(
        "[]",
        &expect![[r#"
        s.json:1:1: "[...]" must be a map
        s.json:1:1: releases: "[...]" must be a list"#]],
    );
    check("", &expect!["s.json: 0 documents must be one"]);
    check("{}", &expect![[r#"s.json:1:1: releases: "{...}" must be a list"#]]);
    check(
        "{\"releases\": [",
        &expect!["s.json:2:1: is not YAML or JSON: while parsing a node, did not find expected node content"],
    );
}
