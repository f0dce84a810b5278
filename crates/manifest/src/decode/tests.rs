//! Golden errors: what an author reads.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tidegate_model::{Basis, Document, Exposure, Ppm, Spec};

use super::*;

fn read(text: &str) -> Result<Vec<Located<Document>>, Vec<ManifestError>> {
    parse(&[Source { name: "f.yaml".to_owned(), text: text.to_owned() }])
}

fn check_errors(text: &str, expected: &Expect) {
    let errors = match read(text) {
        Ok(documents) => documents.iter().map(|document| format!("no error: {:?}", document.value)).collect(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    expected.assert_eq(&errors.join("\n"));
}

fn exposure(text: &str) -> Option<Exposure> {
    let text = format!("{{kind: policy, release: r, stages: [{{name: a, exposure: {text}}}]}}");
    match &read(&text).ok()?[0].value.spec {
        Spec::Policy(policy) => Some(policy.stages[0].exposure.clone()),
        _ => None,
    }
}

#[test]
fn every_error_of_every_document_is_told() {
    check_errors(
        "kind: product
id: os
version_scheme: semver
default_cohot: stable
---
kind: relase
id: r0
---
kind: release
id: r1
product: os
bundle: b1
version: 15.04
urgency: urgent
install_mode: {ask: {auto_from: 2}}
required: yes
---
- kind: policy
  release: r1
  trigger: {at: tomorrow}
  stages:
    - {name: pilot, exposure: {percent: 10, count: 5}, gate: {bake: 2 hours}}
    - {name: all, exposure: {ramp: {steps: [[1h, 50], [2h]]}}, colour: blue}
- 5
- {id: x}
",
        &expect![[r#"
            f.yaml:4:1: product os: default_cohot: "default_cohot" is no field; did you mean default_cohort?
            f.yaml:6:7: kind: "relase" is no kind; did you mean release?
            f.yaml:9:1: release r1: cohort: must be given
            f.yaml:13:10: release r1: version: "15.04" is a number but must be text: write "15.04" in quotes
            f.yaml:14:10: release r1: urgency: "urgent" must be normal or critical
            f.yaml:15:33: release r1: install_mode.ask.auto_from: "2" is a number but must be text: write "2" in quotes
            f.yaml:16:11: release r1: required: "yes" must be true or false
            f.yaml:20:17: policy r1: trigger.at: "tomorrow" must be an instant such as 2026-01-01T00:00:00Z
            f.yaml:22:52: policy r1: stages[0].exposure.count: "5" must not be combined with percent
            f.yaml:22:69: policy r1: stages[0].gate.bake: "2 hours" must be a duration such as 90s, 15m or 2d12h, at most 100 years
            f.yaml:23:55: policy r1: stages[1].exposure.ramp.steps[1]: "[...]" must be a duration and a percentage, such as [24h, 10]
            f.yaml:23:64: policy r1: stages[1].colour: "colour" is no field of stages[1]; there are name, selector, exposure, domains, gate
            f.yaml:24:3: "5" must be a map with a kind
            f.yaml:25:3: kind: must be given"#]],
    );
}

#[test]
fn field_rules_have_the_line_of_their_field() {
    check_errors(
        "kind: policy
release: r1
stages:
  - name: pilot
    exposure:
      ramp:
        steps:
          - [1h, 50]
          - [2h, 40]
  - name: pilot
    gate: {max_failures: 3}
---
{kind: release, id: r, product: p, cohort: c, bundle: b, dead_end: true, required: true}
---
{kind: bundle, id: b, product: p, artifacts: [{name: a, size: 1, sha256: xyz}]}
",
        &expect![[r#"
            f.yaml:9:13: policy r1: stages[0].exposure.ramp.steps[1]: "40" must not go below 50 %
            f.yaml:10:11: policy r1: stages[1].name: "pilot" must not occur twice
            f.yaml:11:11: policy r1: stages[1].gate.min_sample: "0" must be at least 1, or bake more than 0s: a gate with a limit would pass at its own opening
            f.yaml:13:68: release r: dead_end: "true" must not be combined with required
            f.yaml:15:74: bundle b: artifacts[0].sha256: "xyz" must be 64 lower-case hexadecimal digits"#]],
    );
}

#[test]
fn gates_may_fail_on_new_problems() {
    let gate = |text: &str| format!("{{kind: policy, release: r1, stages: [{{name: all, gate: {{{text}}}}}]}}");
    let fails = |text: &str| match &read(&gate(text)).expect("it reads")[0].value.spec {
        Spec::Policy(policy) => policy.stages[0].gate.as_ref().map(|gate| gate.fail_on_new_problem),
        _ => None,
    };
    assert_eq!(fails("fail_on_new_problem: true"), Some(true), "it needs neither sample nor bake");
    assert_eq!((fails("fail_on_new_problem: false"), fails("bake: 1h")), (Some(false), Some(false)));
    check_errors(
        &gate("bake: 1h, fail_on_new_problem: 1"),
        &expect![[r#"f.yaml:1:88: policy r1: stages[0].gate.fail_on_new_problem: "1" must be true or false"#]],
    );
    check_errors(
        &gate("fail_on_new_problems: true"),
        &expect![[
            r#"f.yaml:1:57: policy r1: stages[0].gate.fail_on_new_problems: "fail_on_new_problems" is no field of stages[0].gate; did you mean fail_on_new_problem?"#
        ]],
    );
}

#[test]
fn errors_of_scalars() {
    let text = "
kind: hold
id: -h
product: 1.0
scope: {product: q}
hold: opt-out
from: 2026-01-01
until: 5
window: {cron: \"0 2 * * *\", duration: 3}
critical_pierces: \"true\"
reason: true
";
    check_errors(
        text,
        &expect![[r#"
            f.yaml:3:5: hold -h: id: "-h" must be 1 to 128 of A-Z a-z 0-9 . _ @ : + ~ - and start with a letter or digit
            f.yaml:4:10: hold -h: product: "1.0" is a number but must be text: write "1.0" in quotes
            f.yaml:6:7: hold -h: hold: "opt-out" must be one of repair, quarantine, freeze, safeguard, opt_out, consent, backoff, window; did you mean opt_out?
            f.yaml:7:7: hold -h: from: "2026-01-01" must be an instant such as 2026-01-01T00:00:00Z
            f.yaml:8:8: hold -h: until: "5" must be an instant such as 2026-01-01T00:00:00Z
            f.yaml:9:39: hold -h: window.duration: "3" must be a duration such as 90s, 15m or 2d12h, at most 100 years
            f.yaml:10:19: hold -h: critical_pierces: "true" must be true or false
            f.yaml:11:9: hold -h: reason: "true" is a boolean but must be text: write "true" in quotes"#]],
    );
    let text = "
kind: device
id: d
product: p
attributes: {sdk: 3.4, a: [x]}
tags: [a, a, on]
state: gone
expected_version: -1
";
    check_errors(
        text,
        &expect![[r#"
            f.yaml:5:19: device d: attributes.sdk: "3.4" is a number but must be text: write "3.4" in quotes
            f.yaml:5:27: device d: attributes.a: "[...]" must be text
            f.yaml:6:11: device d: tags[1]: "a" is there twice
            f.yaml:7:8: device d: state: "gone" must be active or decommissioned
            f.yaml:8:19: device d: expected_version: "-1" must be a whole number from 0 to 18446744073709551615"#]],
    );
    let text = "
kind: override
id: o
product: p
bundle: b
devices: d1
selector: {tags: {any_off: [x]}}
";
    check_errors(text, &expect![[r#"f.yaml:7:11: override o: selector: "{...}" must not be combined with devices"#]]);
    check_errors(
        "{kind: exclusion, id: e, key: region, groups: [[a, b], [c]], scope: all}",
        &expect![[r#"f.yaml:1:69: exclusion e: scope: "all" must be product or global"#]],
    );
    check_errors(
        "{kind: cohort, id: c, product: p, fixed_salt: 12}",
        &expect![[r#"f.yaml:1:47: cohort c: fixed_salt: "12" must be 32 hexadecimal digits"#]],
    );
    check_errors(
        "{kind: attestation, bundle: b, Type: qa}",
        &expect![[r#"
        f.yaml:1:1: attestation b: type: must be given
        f.yaml:1:32: attestation b: Type: "Type" is no field; did you mean type?"#]],
    );
    check_errors("just text", &expect![[r#"f.yaml:1:1: "just text" must be a map with a kind"#]]);
    check_errors(
        "kind: {a: b}",
        &expect![[
            r#"f.yaml:1:7: kind: "{...}" is no kind; there are product, cohort, bundle, release, policy, device, hold, override, exclusion, attestation"#
        ]],
    );
    check_errors("kind: product\nid: os\nid: os2\n", &expect![[r#"f.yaml:3:1: "id" is there twice in one map"#]]);
}

#[test]
fn errors_are_bounded() {
    let text = "- {kind: product}\n".repeat(1_000);
    let errors = read(&text).expect_err("every document has errors");
    assert_eq!(errors.len(), limits::ERRORS_MAX + 1);
    expect!["f.yaml:200:3: product: is followed by 800 more errors, which are not listed"]
        .assert_eq(&errors.last().expect("there are errors").to_string());
}

#[test]
fn too_many_bytes_are_refused_unread() {
    let text = "#".repeat(limits::MANIFEST_BYTES_MAX + 1);
    check_errors(&text, &expect!["f.yaml: 16777217 bytes of manifests must be at most 16777216 in one call"]);
}

#[test]
fn json_is_yaml() {
    let json = "[\n\t{\"kind\": \"release\", \"id\": \"r\", \"product\": \"p\", \"cohort\": \"c\", \"bundle\": \"b\",\n\t \"notes\": \"\\ud83d\\ude00\", \"published_at\": null}]";
    let documents = read(json).expect("JSON is read");
    assert_eq!((documents[0].line, documents[0].column), (2, 2));
    let value: Value = serde_json::from_str(json).expect("it is JSON");
    let from_value = from_value(&value).expect("the value is read");
    assert_eq!(documents[0].value, from_value[0].value);
    assert_eq!(from_value[0].line, 0);
    let Spec::Release(release) = &documents[0].value.spec else { panic!("a release") };
    assert_eq!(release.notes, "😀");
}

#[test]
fn g_06_phase_values() {
    let share = |ppm| Some(Exposure::Percent { share: Ppm::new(ppm).expect("a share"), basis: Basis::Hash });
    for (text, expected) in [
        ("0", share(0)),
        ("0.2", share(200_000)),
        ("0.000001", share(1)),
        ("1", share(1_000_000)),
        ("1.0", share(1_000_000)),
        ("2", Some(Exposure::Count(2))),
        ("40", Some(Exposure::Count(40))),
        ("1.5", None),
        ("2.5", None),
        ("-1", None),
        (".nan", None),
        ("x", None),
        ("\"1\"", None),
        ("0.0000001", None),
        ("4294967296", None),
    ] {
        assert_eq!(exposure(&format!("{{phase_value: {text}}}")), expected, "{text}");
    }
}

#[test]
fn expected_version_and_defaults() {
    let documents = read("{kind: product, id: os, expected_version: 0}").expect("a product");
    assert_eq!(documents[0].value.expected_version, Some(0));
    expect![[r#"
        Product(
            Product {
                id: os,
                version_scheme: SemVer,
                allow_unregistered: false,
                default_cohort: None,
                max_staleness: None,
                required_attestations: {},
                poll_interval: None,
                trusted_keys: {},
                client_phased: false,
                active_window: Span(
                    2592000000,
                ),
                retry: None,
                flatten_reasons: false,
            },
        )
    "#]]
    .assert_debug_eq(&documents[0].value.spec);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = read(&text);
    }

    /// Texts out of the pieces that manifests are made of get further than random ones.
    #[test]
    fn no_pieces_make_the_reader_panic(pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let _ = read(&pieces.concat());
    }
}

const PIECES: &[&str] = &[
    "kind: ",
    "policy",
    "release",
    "product",
    "hold",
    "override",
    "\n",
    "\n  ",
    "\n- ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "&a ",
    "*a",
    "stages",
    "exposure",
    "ramp",
    "steps",
    "percent: ",
    "5",
    "1.5",
    "1h",
    "all",
    "id: r",
    "\"",
    "'",
    "|",
    ">",
    "---\n",
    "...\n",
    "? ",
    "!!str ",
    "#",
    "\t",
    "\\ud83d",
    "~",
    "scope",
    "name: x",
    "selector",
    "%YAML 1.2\n",
    "<<: ",
    "ü",
    "\u{0}",
    "\u{feff}",
    "-",
];
