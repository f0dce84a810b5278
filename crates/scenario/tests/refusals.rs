//! A runner that passes everything would be worth nothing: wrong expectations fail, and what is no test is refused.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tidegate_manifest::Source;
use tidegate_scenario::{Failure, load, run};

const HEAD: &str = r#"name: a small world
start: "2026-01-01T00:00:00Z"
objects:
  - {kind: product, id: os, default_cohort: stable, allow_unregistered: true}
  - {kind: cohort, id: stable, product: os}
  - {kind: bundle, id: b0, product: os, version: 1.0.0}
  - {kind: bundle, id: b1, product: os, version: 1.1.0, artifacts: [{name: image, size: 7, sha256: "0000000000000000000000000000000000000000000000000000000000000000", url: "https://example.org/i"}]}
  - {kind: release, id: r0, product: os, cohort: stable, bundle: b0, version: 1.0.0, adopt: completed}
  - {kind: release, id: r1, product: os, cohort: stable, bundle: b1, version: 1.1.0}
  - {kind: policy, release: r1, stages: [{name: half, exposure: {percent: 50}}, {name: all}]}
steps:
  - do: {publish: r1}
  - do: {advance: r1}
"#;
/// The first step of a test's own.
const OWN: usize = 3;

fn source(text: String) -> Source {
    Source { name: "small.yaml".to_owned(), text }
}

/// Plays the small world with these steps.
fn play(steps: &str) -> Option<Failure> {
    let scenario = load(&source(format!("{HEAD}{steps}"))).unwrap_or_else(|errors| panic!("{steps}: {errors:?}"));
    run(&scenario).failure
}

#[track_caller]
fn passes(steps: &str) {
    if let Some(failure) = play(steps) {
        panic!("{failure}");
    }
}

/// The last of these steps fails, and the failure says `came`.
#[track_caller]
fn fails(steps: &str, came: &str) {
    let own = steps.lines().filter(|line| line.starts_with("  - ")).count();
    let failure = play(steps).unwrap_or_else(|| panic!("this must not pass:\n{steps}"));
    assert_eq!(failure.step, OWN + own - 1, "{failure}");
    let text = failure.to_string();
    assert!(text.contains(came), "{came:?} is not in:\n{text}");
    assert!(text.starts_with(&format!("small.yaml:{}: step {}:", failure.line, failure.step)), "{text}");
}

#[test]
fn every_field_of_an_answer_is_compared() {
    let check = "  - check: {device: d1, release: r0, nonce: q1}\n";
    let right = [
        "eligible: true",
        "reason: OFFER_LATEST",
        "target_release: r1",
        "target_bundle: b1",
        "version: 1.1.0",
        "urgency: normal",
        "install_mode: auto",
        "source: release",
        "config_version: 3",
        "retry_after_s: 300",
        "expires_at: \"2026-01-01T01:05:00+01:00\"",
        "next_eligible_at: null",
        "nonce: q1",
        "artifacts: [{name: image, size: 7}]",
        "trace_has: [OFFER_LATEST]",
    ];
    let wrong = [
        "eligible: false",
        "reason: OFFER_CANDIDATE",
        "target_release: r0",
        "target_release: null",
        "target_bundle: b0",
        "version: 1.0.0",
        "urgency: critical",
        "install_mode: ask",
        "source: override",
        "config_version: 4",
        "retry_after_s: 299",
        "expires_at: \"2026-01-01T00:05:01Z\"",
        "expires_at: null",
        "next_eligible_at: 1h",
        "nonce: null",
        "artifacts: [{name: image, size: 8}]",
        "artifacts: []",
        "artifacts: null",
        "trace_has: PAUSED",
        "trace_has: [OFFER_LATEST, PAUSED]",
    ];
    passes(&format!("{check}    expect: {{{}}}\n", right.join(", ")));
    for field in wrong {
        fails(
            &format!("{check}    expect: {{eligible: true}}\n{check}    expect: {{{field}}}\n"),
            field.split(':').next().unwrap(),
        );
    }
    fails(&format!("{check}    expect: {{reason: PAUSED}}\n"), "at release r0, as reported");
}

#[test]
fn errors_of_a_request_are_no_answers() {
    let unknown = "  - check: {product: other, device: d1}\n";
    passes(&format!("{unknown}    expect_error: UNKNOWN_PRODUCT\n"));
    fails(unknown, "UNKNOWN_PRODUCT");
    fails(&format!("{unknown}    expect: {{eligible: false}}\n"), "UNKNOWN_PRODUCT");
    fails(&format!("{unknown}    expect_error: INVALID_REQUEST\n"), "UNKNOWN_PRODUCT");
    passes("  - check: {device: d1, group: 9}\n    expect_error: INVALID_REQUEST\n");
    passes("  - check: {device: d1, mode: sometimes}\n    expect_error: INVALID_REQUEST\n");
    fails("  - check: {device: d1, release: r0}\n    expect_error: INVALID_REQUEST\n", "OFFER_LATEST");
    fails("  - fleet: {count: 3, device: \"d{i}\", group: 9}\n    expect: {offered: 0}\n", "group");
    fails("  - fleet: {count: 3, device: \"d{i}\", product: other}\n    expect: {offered: 0}\n", "UNKNOWN_PRODUCT");
}

#[test]
fn writes_are_carried_out_or_refused_as_expected() {
    fails("  - do: {publish: r1}\n", "ILLEGAL_TRANSITION");
    fails("  - do: {pause: r1}\n    expect_error: ILLEGAL_TRANSITION\n", "carried out");
    fails("  - do: {publish: r1}\n    expect_error: CONFLICT\n", "ILLEGAL_TRANSITION");
    fails("  - do: {pause: r1, expected_version: 9}\n", "has version 3, expected was 9");
    fails(
        "  - do: {withdraw: r1, revert_percent: 200}\n",
        "INVALID_OBJECT: release r1: revert_percent: \"200\" must be 0 to 100",
    );
    fails("  - do: {withdraw: r1, revert_to: \"no id\"}\n    expect_error: CONFLICT\n", "INVALID_OBJECT");
    passes("  - do: {withdraw: r9, revert_percent: 200}\n    expect_error: NOT_FOUND\n");
    fails("  - do: {delete: {kind: release, id: r0}}\n", "RELEASE_LINKED");
    passes("  - do: {delete: {kind: release, id: r9}}\n    expect_error: NOT_FOUND\n");
    fails("  - apply: [{kind: policy, release: r9}]\n", "INVALID_OBJECT");
    fails("  - apply: [{kind: policy, release: r1}]\n    expect_error: INVALID_OBJECT\n", "IMMUTABLE");
    passes(
        "  - apply: [{kind: hold, id: h, product: os, hold: repair, scope: {device: \"\"}}]\n    expect_error: INVALID_OBJECT\n",
    );
    // A slip in a manifest is no refusal that a test may count on.
    fails("  - apply: [{kind: policy, relaese: r1}]\n    expect_error: INVALID_OBJECT\n", "did you mean release");
    fails("  - events: [{device: d1, kind: exploded}]\n", "INVALID_REQUEST");
    fails("  - events: [{device: d1, release: r1, kind: failed}]\n    expect_error: INVALID_REQUEST\n", "carried out");
    fails("  - events: [{kind: failed}]\n    expect_error: UNKNOWN_PRODUCT\n", "INVALID_REQUEST");
    passes(
        "  - events: [{device: \"d{i}\", kind: failed, count: 2}, {device: [d1], kind: failed}]\n    expect_error: INVALID_REQUEST\n",
    );
}

#[test]
fn fleets_are_counted_and_compared() {
    let fleet = |rest: &str, expect: &str| {
        format!("  - fleet: {{count: 10, device: \"d{{i}}\", release: r0{rest}}}\n    expect: {{{expect}}}\n")
    };
    let ten = fleet(", remember: ten", "offered: 10, target_release: r1");
    let five = "  - fleet: {count: 5, first: 5, device: \"d{i}\", release: r0, remember: five}\n";
    passes(&format!(
        "{ten}{five}{}",
        fleet("", "same_as: ten, contains: five, within: ten, overlap: {with: five, min: 5, max: 5}")
    ));
    passes(&fleet(", tags: [\"t{i}\"]", "offered: 10, offered_min: 10, offered_max: 10"));
    passes("  - fleet: {count: 0, device: \"d{i}\"}\n    expect: {offered: 0}\n");
    for (expect, came) in [
        ("offered: 9", "10 of 10 counted"),
        ("offered_min: 11", "10 of 10 counted"),
        ("offered_max: 9", "10 of 10 counted"),
        ("offered: 10, target_release: r0", "0 of 10 counted"),
        ("target_release: r0, others: {reason: UP_TO_DATE}", "d0 hears reason: OFFER_LATEST"),
        ("target_release: r0, others: {trace_has: PAUSED}", "10 such devices"),
        ("same_as: unheard-of", "there are [five, ten]"),
        ("same_as: five", "5 devices were counted that are not in it, such as d0"),
        ("within: five", "not in it"),
        ("overlap: {with: five, max: 4}", "5 devices are in both"),
        ("overlap: {with: five, min: 6}", "5 devices are in both"),
    ] {
        fails(&format!("{ten}{five}{}", fleet("", expect)), came);
    }
    let other = "  - fleet: {count: 10, first: 5, device: \"d{i}\", release: r0}\n    expect: {contains: ten}\n";
    fails(&format!("{ten}{other}"), "5 devices of it were not counted");
}

#[test]
fn rollouts_and_objects_are_compared() {
    passes(
        "  - expect_rollout: {release: r1, state: ACTIVE, stage: all, sub_status: RUNNING, reason: null, admitted: 0, open_domains: [], passed_domains: [], flag: null}\n",
    );
    for field in [
        "state: PAUSED",
        "stage: half",
        "sub_status: BAKING",
        "sub_status: null",
        "reason: why",
        "admitted: 1",
        "open_domains: [a]",
        "passed_domains: [a]",
        "flag: X",
    ] {
        fails(&format!("  - expect_rollout: {{release: r1, {field}}}\n"), "stage: all");
    }
    fails("  - expect_rollout: {release: r9, state: ACTIVE}\n", "there is none");
    passes(
        "  - expect_object: {kind: release, id: r1, version: 3, software_version: 1.1.0, bundle: b1, required: false, previous: [r0], next: null, urgency: normal}\n",
    );
    passes(
        "  - expect_object: {kind: policy, id: r1, version: 1, auto_complete: false, stages: [{name: half, exposure: {percent: 50.0}}, {name: all}]}\n",
    );
    passes("  - expect_object: {kind: release, id: r9, exists: false}\n");
    for (fields, came) in [
        ("kind: release, id: r1, version: 2", "version: 3"),
        ("kind: release, id: r1, software_version: 1.1.1", "software_version: 1.1.0"),
        ("kind: release, id: r1, software_version: null", "software_version: 1.1.0"),
        ("kind: release, id: r1, required: true", "required: left out"),
        ("kind: release, id: r1, previous: []", "previous: [r0]"),
        ("kind: release, id: r0, next: null", "next: [r1]"),
        ("kind: release, id: r1, exists: false", "it exists"),
        ("kind: release, id: r9", "there is no release r9"),
        ("kind: policy, id: r1, stages: [{name: half}]", "50"),
        ("kind: cohort, id: stable, follows: stable", "follows"),
        ("kind: product, id: os, poll_interval: never", "no manifest can say that"),
    ] {
        fails(&format!("  - expect_object: {{{fields}}}\n"), came);
    }
}

#[test]
fn what_is_no_test_is_refused_with_its_place() {
    for (steps, error) in [
        ("  - chek: {device: d1}\n", "small.yaml:14:5: step 3: must have one of check"),
        ("  - chek: {device: d1}\n", "small.yaml:14:5: step 3: chek: \"chek\" is no field; did you mean check?"),
        (
            "  - check: {devcie: d1}\n",
            "small.yaml:14:13: step 3: check.devcie: \"devcie\" is no field of check; did you mean device?",
        ),
        ("  - check: {device: d1}\n    expect: {eligble: true}\n", "expect.eligble"),
        ("  - check: {device: d1}\n    expect: {reason: UPTODATE}\n", "is no reason; did you mean UP_TO_DATE?"),
        ("  - check: {device: d1}\n    expect: {eligible: maybe}\n", "must be true or false"),
        ("  - check: {device: d1}\n    expect: {trace: []}\n", "expect.trace"),
        ("  - check: {device: d1}\n    expect: {artifacts: [{nam: x}]}\n", "expect.artifacts[0].nam"),
        ("  - check: {device: d1}\n    expect_error: NOPE\n", "is no error code"),
        ("  - check: {device: d1}\n    expect: {}\n    expect_error: UNKNOWN_PRODUCT\n", "must not be combined with expect"),
        ("  - check: {device: d1}\n    do: {pause: r1}\n", "must not be combined with check"),
        ("  - do: {unpublish: r1}\n", "must have one of publish"),
        ("  - do: {pause: r1, publish: r1}\n", "must not be combined"),
        ("  - do: {pause: r1, supersede: true}\n", "do.supersede"),
        ("  - do: {pause: r1}\n    expect: {eligible: true}\n", "step 3: expect"),
        ("  - do: {promote: r1}\n", "do.to: must be given"),
        ("  - do: {delete: {kind: planet, id: r1}}\n", "must be one of product"),
        ("  - apply: {kind: policy, release: r1}\n", "must be a list"),
        ("  - events: [{device: d1, knd: failed}]\n", "events[0].knd"),
        ("  - fleet: {device: d}\n", "fleet.count: must be given"),
        ("  - fleet: {count: 2000000, device: d}\n", "must be at most 1000000"),
        ("  - fleet: {count: 1}\n    expect: {offerd: 1}\n", "expect.offerd"),
        ("  - fleet: {count: 1}\n    expect: {others: {eligible: 1}}\n", "expect.others.eligible"),
        ("  - fleet: {count: 1}\n    expect_error: CONFLICT\n", "expect_error"),
        ("  - expect_rollout: {release: r1, state: RUNNING}\n", "must be one of DRAFT"),
        ("  - expect_rollout: {release: r1, sub_state: RUNNING}\n", "did you mean sub_status?"),
        ("  - expect_object: {kind: release, id: r1, colour: red}\n", "expect_object.colour"),
        ("  - expect_object: {kind: release, id: r1, exists: false, version: 1}\n", "must not expect anything"),
        ("  - at: yesterday\n", "must be a duration since start"),
        ("  - at: 2h\n  - at: 1h\n", "small.yaml:15:9: step 4: at: \"1h\" must not go back"),
        ("  - {}\n", "must have one of check"),
        ("  - check: {device: d1}\n    at: 1h\n    at: 2h\n", "at"),
    ] {
        let errors = load(&source(format!("{HEAD}{steps}"))).expect_err(steps);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(error)), "{error:?} is not in {texts:?}");
    }
    for (text, error) in [
        ("", "is empty"),
        ("name: x\nstart: \"2026-01-01T00:00:00Z\"\nsteps: []\n", "must have 1 to 10000 steps"),
        ("name: x\nsteps: [{at: 1h}]\n", "start: must be given"),
        ("start: \"2026-01-01T00:00:00Z\"\nsteps: [{at: 1h}]\n", "name: must be given"),
        ("name: x\nstart: today\nsteps: [{at: 1h}]\n", "must be an instant"),
        ("name: x\nstart: \"2026-01-01T00:00:00Z\"\nsteps: [{at: 1h}]\nstep: []\n", "did you mean steps?"),
        (
            "name: x\nstart: \"2026-01-01T00:00:00Z\"\nobjects: [{kind: product, idd: os}]\nsteps: [{at: 1h}]\n",
            ":3:27: product: idd",
        ),
        ("name: x\nstart: \"2026-01-01T00:00:00Z\"\nsteps: [{at: 1h}]\n---\nname: y\n", "one document"),
        ("name: [\n", "is not YAML"),
    ] {
        let errors = load(&source(text.to_owned())).expect_err(text);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(error)), "{error:?} is not in {texts:?}");
    }
}

#[test]
fn objects_that_the_machine_refuses_fail_the_test_before_its_first_step() {
    let text = HEAD.replace("cohort: stable, bundle: b1", "cohort: nowhere, bundle: b1");
    let failure = run(&load(&source(text)).unwrap()).failure.unwrap();
    assert_eq!(failure.step, 0);
    assert!(failure.came.contains("INVALID_OBJECT"), "{failure}");
}

#[test]
fn the_same_file_gives_the_same_report_and_another_seed_other_devices() {
    let steps = "  - do: {withdraw: r1, revert_to: r0, revert_percent: 50}\n  - fleet: {count: 100, device: \"d{i}\", release: r1}\n    expect: {offered: 1000}\n";
    let text = format!("{HEAD}{steps}");
    let report = |text: &str| format!("{:?}", run(&load(&source(text.to_owned())).unwrap()));
    assert_eq!(report(&text), report(&text));
    assert_ne!(report(&text), report(&format!("seed: another\n{text}")));
}

proptest! {
    /// Whatever is in a file: it is read or refused with at least one error, and what was read can be played.
    #[test]
    fn no_file_makes_it_panic(at in 0..2_000usize, cut in 0..40usize, put in "[ -~\\n]{0,12}") {
        let text = format!("{HEAD}  - check: {{device: d1, release: r0}}\n    expect: {{eligible: true, reason: OFFER_LATEST}}\n  - events: [{{device: d1, release: r1, kind: failed, count: 3}}]\n  - fleet: {{count: 3, device: \"d{{i}}\", release: r0, remember: x}}\n    expect: {{offered: 3, others: {{reason: PAUSED}}}}\n  - expect_object: {{kind: policy, id: r1, version: 1}}\n");
        let bytes = text.into_bytes();
        let (from, to) = (at.min(bytes.len()), (at + cut).min(bytes.len()));
        let mangled = [&bytes[..from], put.as_bytes(), &bytes[to..]].concat();
        match load(&source(String::from_utf8_lossy(&mangled).into_owned())) {
            Ok(scenario) => {
                let report = run(&scenario);
                prop_assert!(report.passed() || !report.steps.is_empty());
            }
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }
}
