//! Every field rule, by an object that breaks it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{HoldSpec, ReleaseSpec, Spec};
use crate::exposure::{Basis, Exposure, Ramp};
use crate::hold::{HoldKind, HoldScope, Window};
use crate::ids::{BundleId, CohortId, HoldId, ProductId, ReleaseId};
use crate::policy::{DomainOrder, Domains, Gate, Policy, Stage, Trigger};
use crate::position::Ppm;
use crate::release::{InstallMode, Urgency};
use crate::requirement::Requirement;
use crate::selector::Selector;
use crate::time::{Span, Timestamp};
use crate::version::{DottedVersion, VersionScheme, VersionText};
use crate::{Exclusion, ExclusionId, ExclusionScope};

fn release_id(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

fn release() -> ReleaseSpec {
    ReleaseSpec {
        id: release_id("r1"),
        product: ProductId::new("os").unwrap(),
        cohort: CohortId::new("stable").unwrap(),
        bundle: BundleId::new("b1").unwrap(),
        version: None,
        version_requirement: None,
        required: false,
        disabled: None,
        dead_end: false,
        requirement: Requirement::default(),
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        published_at: None,
        notes: String::new(),
        previous: BTreeSet::new(),
        next: None,
        adopt: false,
        replace: false,
    }
}

fn hold() -> HoldSpec {
    HoldSpec {
        id: HoldId::new("h1").unwrap(),
        product: ProductId::new("os").unwrap(),
        scope: HoldScope::Product,
        kind: HoldKind::Freeze,
        release: None,
        bundle: None,
        from: None,
        until: None,
        window: None,
        critical_pierces: false,
        reason: String::new(),
    }
}

fn stage(exposure: Exposure) -> Stage {
    Stage { name: "all".to_owned(), selector: Selector::default(), exposure, domains: None, gate: None }
}

fn policy(stages: Vec<Stage>) -> Policy {
    Policy { stages, ..Policy::implicit(release_id("r1")) }
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Fields of the broken rules, in the order in which they are found.
#[track_caller]
fn check(spec: &Spec, expected: &[&str]) {
    let broken = spec.validate();
    let fields: Vec<_> = broken.iter().map(|invalid| invalid.field.as_str()).collect();
    assert_eq!(fields, expected, "{broken:?}");
}

#[test]
fn well_formed_objects_break_nothing() {
    check(&Spec::Release(Box::new(release())), &[]);
    check(&Spec::Hold(hold()), &[]);
    let ramp = Exposure::Ramp(Ramp::Groups { groups: 7, interval: Span::from_days(1) });
    let gate = Gate { bake: Span::from_days(1), max_failures: Some(3), ..Gate::default() };
    check(&Spec::Policy(policy(vec![Stage { gate: Some(gate), ..stage(ramp) }])), &[]);
    check(&Spec::Policy(Policy::implicit(release_id("r1"))), &[]);
}

#[test]
fn releases_name_every_broken_field_at_once() {
    let mut spec = release();
    spec.dead_end = true;
    spec.required = true;
    spec.notes = "x".repeat(5_000);
    spec.previous = BTreeSet::from([release_id("r1")]);
    spec.next = Some(release_id("r2"));
    check(&Spec::Release(Box::new(spec)), &["dead_end", "notes", "previous", "next"]);
    let both_edges =
        ReleaseSpec { adopt: true, previous: BTreeSet::from([release_id("r0")]), next: Some(release_id("r2")), ..release() };
    check(&Spec::Release(Box::new(both_edges)), &[]);
    let os = |text| Some(DottedVersion::parse(text).unwrap());
    let requirement = Requirement { os_min: os("16"), os_max: os("14"), ..Requirement::default() };
    check(&Spec::Release(Box::new(ReleaseSpec { requirement, ..release() })), &["requirement.os.min"]);
}

#[test]
fn versions_are_read_under_the_scheme() {
    let version = |text| VersionText::new(text).unwrap();
    let spec = Spec::Release(Box::new(ReleaseSpec {
        version: Some(version("1.2")),
        version_requirement: Some(">=".to_owned()),
        urgency: Urgency::CriticalBelow(version("x")),
        install_mode: InstallMode::Info { versions: BTreeSet::from([version("1.0.0"), version("y")]), below: Some(version("z")) },
        ..release()
    }));
    let fields = |scheme| spec.validate_versions(scheme).into_iter().map(|invalid| invalid.field).collect::<Vec<_>>();
    let always = ["version_requirement", "urgency.critical_below", "install_mode.info.versions[1]", "install_mode.info.below"];
    assert_eq!(fields(VersionScheme::Dotted), always);
    assert_eq!(fields(VersionScheme::SemVer), [&["version"][..], &always[..]].concat());
}

#[test]
fn policies_name_the_stage() {
    check(&Spec::Policy(policy(vec![])), &["stages"]);
    let twice = policy(vec![stage(Exposure::All), stage(Exposure::All)]);
    check(&Spec::Policy(twice), &["stages[1].name"]);
    let after_itself = Policy { trigger: Trigger::After(release_id("r1")), ..policy(vec![stage(Exposure::All)]) };
    check(&Spec::Policy(after_itself), &["trigger.after"]);
    let never = Policy { trigger: Trigger::At(Timestamp::from_millis(i64::MAX)), ..policy(vec![stage(Exposure::All)]) };
    check(&Spec::Policy(never), &["trigger.at"]);
    check(&Spec::Policy(policy(vec![stage(Exposure::Count(0))])), &["stages[0].exposure.count"]);
    check(&Spec::Policy(policy(vec![stage(Exposure::Tags(BTreeSet::new()))])), &["stages[0].exposure.tags"]);
    let share = Ppm::new(1).unwrap();
    check(&Spec::Policy(policy(vec![stage(Exposure::Percent { share, basis: Basis::Hash })])), &[]);
    let down = Exposure::Ramp(Ramp::Groups { groups: 0, interval: Span::ZERO });
    check(&Spec::Policy(policy(vec![stage(down)])), &["stages[0].exposure.ramp.groups"]);
    let gate = Gate { max_failure_share: Some(share), max_failures: Some(0), ..Gate::default() };
    let gated = Stage { gate: Some(gate), ..stage(Exposure::All) };
    check(&Spec::Policy(policy(vec![gated])), &["stages[0].gate.min_sample", "stages[0].gate.max_failures"]);
    let watching = Gate { fail_on_new_problem: true, ..Gate::default() };
    check(&Spec::Policy(policy(vec![Stage { gate: Some(watching), ..stage(Exposure::All) }])), &[]);
    let domains = Domains {
        key: String::new(),
        values: vec!["a".to_owned(), "a".to_owned()],
        order: DomainOrder::Listed,
        parallel: 0,
        gate_each: true,
    };
    let split = Stage { domains: Some(domains), ..stage(Exposure::All) };
    let expected = ["stages[0].domains.key", "stages[0].domains.values", "stages[0].domains.parallel"];
    check(&Spec::Policy(policy(vec![split])), &expected);
}

#[test]
fn selectors_that_match_nobody_are_mistakes() {
    let nobody = [
        Selector { attributes: BTreeMap::from([("env".to_owned(), BTreeSet::new())]), ..Selector::default() },
        Selector { tags_all_of: set(&["a"]), tags_none_of: set(&["a"]), ..Selector::default() },
        Selector { tags_any_of: set(&["a", "b"]), tags_none_of: set(&["a", "b", "c"]), ..Selector::default() },
    ];
    for selector in nobody {
        assert_eq!(selector.validate().len(), 1, "{selector:?}");
    }
    let some = Selector { tags_any_of: set(&["a", "b"]), tags_none_of: set(&["a"]), ..Selector::default() };
    assert!(some.validate().is_empty());
}

#[test]
fn holds_have_what_their_kind_needs() {
    let window = Window { cron: "0 2 * *".to_owned(), duration: Span::ZERO, timezone: None };
    let kind = HoldKind::Window;
    check(&Spec::Hold(HoldSpec { kind, ..hold() }), &["window"]);
    check(&Spec::Hold(HoldSpec { kind, window: Some(window.clone()), ..hold() }), &["window.cron", "window.duration"]);
    check(&Spec::Hold(HoldSpec { window: Some(window), ..hold() }), &["window"]);
    check(&Spec::Hold(HoldSpec { critical_pierces: true, ..hold() }), &["critical_pierces"]);
    let at = |secs| Some(Timestamp::from_secs(secs));
    check(&Spec::Hold(HoldSpec { from: at(5), until: at(5), ..hold() }), &["until"]);
    let release = Some(release_id("r1"));
    check(&Spec::Hold(HoldSpec { release, bundle: Some(BundleId::new("b1").unwrap()), ..hold() }), &["bundle"]);
}

#[test]
fn exclusions_need_groups_of_two() {
    let exclusion = Exclusion {
        id: ExclusionId::new("e").unwrap(),
        key: "region".to_owned(),
        groups: vec![set(&["uswest"]), set(&["a", "b"])],
        scope: ExclusionScope::Product,
    };
    check(&Spec::Exclusion(exclusion), &["groups[0]"]);
}

#[test]
fn stages_that_can_admit_nobody_are_mistakes() {
    let mut tagged = stage(Exposure::Tags(set(&["beta"])));
    tagged.selector.tags_none_of = set(&["beta", "old"]);
    check(&Spec::Policy(policy(vec![tagged])), &["stages[0].exposure.tags"]);

    let mut by_domain = stage(Exposure::All);
    by_domain.selector.attributes = [("fd".to_owned(), set(&["fd0"]))].into();
    let values = vec!["fd0".to_owned(), "fd1".to_owned()];
    by_domain.domains = Some(Domains { key: "fd".to_owned(), values, order: DomainOrder::Listed, parallel: 1, gate_each: true });
    check(&Spec::Policy(policy(vec![by_domain])), &["stages[0].domains.values"]);

    let mut approved = stage(Exposure::All);
    approved.gate = Some(Gate { approvals: 101, ..Gate::default() });
    check(&Spec::Policy(policy(vec![approved])), &["stages[0].gate.approvals"]);
}
