//! Round trips, and what printed objects look like.

mod strategies;

use std::sync::Arc;

use expect_test::expect;
use proptest::prelude::*;
use tidegate_model::{
    BundleId, CohortId, Created, DeviceKey, InstallMode, Object, Place, ProductId, Release, ReleaseId, Requirement, Rollout,
    RolloutState, Salt, SaltOrigin, StageState, Stored, Timestamp, Urgency, VersionText,
};

use super::*;
use crate::{Source, from_value, parse};

fn read(text: String) -> Vec<Document> {
    let source = Source { name: "printed".to_owned(), text };
    match parse(std::slice::from_ref(&source)) {
        Ok(documents) => documents.into_iter().map(|document| document.value).collect(),
        Err(errors) => panic!("{errors:#?}\n{}", source.text),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What is printed reads as the same wanted object: as YAML, as JSON on one line, as JSON over several, as a value.
    #[test]
    fn printed_documents_read_the_same(documents in proptest::collection::vec(strategies::documents(), 1..4)) {
        let printed: Vec<_> = documents.iter().map(document).collect();
        prop_assert_eq!(&read(to_yaml(&printed)), &documents);
        let list = Value::List(printed);
        prop_assert_eq!(&read(list.to_json()), &documents);
        prop_assert_eq!(&read(list.to_json_pretty()), &documents);
        prop_assert_eq!(&read(list.to_yaml()), &documents);
        let value = serde_json::from_str(&list.to_json()).expect("what is printed is JSON");
        let decoded: Vec<_> = from_value(&value).expect("it reads").into_iter().map(|located| located.value).collect();
        prop_assert_eq!(&decoded, &documents);
    }
}

fn release(state: RolloutState, next: Option<&str>) -> Release {
    let id = |text: &str| ReleaseId::new(text).expect("an id of the tests");
    let name = |text| (ProductId::new("os").expect("an id"), CohortId::new("stable").expect("an id"), id(text));
    let (product, cohort, id_) = name(match next {
        Some("r1") => "r0",
        Some(_) => "r1",
        None => "r2",
    });
    let is_draft = state == RolloutState::Draft;
    Release {
        id: id_,
        product,
        cohort,
        bundle: BundleId::new("b").expect("an id"),
        version: Some(VersionText::new("15.04").expect("a version")),
        version_requirement: None,
        required: true,
        disabled: false,
        dead_end: false,
        requirement: Requirement::default(),
        urgency: Urgency::Normal,
        install_mode: InstallMode::Auto,
        published_at: None,
        notes: "stop-over: read #484".to_owned(),
        consents: [DeviceKey::new("dev-1").expect("a key")].into(),
        place: if is_draft { Place::Before(id("r9")) } else { Place::Latest },
        linked: !is_draft,
        next: next.map(id),
        rollout: Rollout {
            state,
            salt: Some(Salt([7; 16])),
            salt_origin: SaltOrigin::Inherited(id("r0")),
            activated_at: Some(Timestamp::from_secs(1_767_225_600)),
            stage_state: StageState::Open,
            stage_opened_at: Some(Timestamp::from_secs(1_767_225_600)),
            was_completed: state == RolloutState::Completed,
            ..Rollout::draft()
        },
    }
}

fn object(body: Release) -> Object {
    Object::Release(Arc::new(Stored { version: 3, created: Created { config_version: 12, seq: 1 }, body }))
}

#[test]
fn a_view_is_the_manifest_with_a_status() {
    let shown = view(&object(release(RolloutState::Active, Some("r1"))));
    expect![[r#"
        kind: release
        id: r0
        product: os
        cohort: stable
        bundle: b
        version: "15.04"
        required: true
        notes: "stop-over: read #484"
        status:
          version: 3
          created:
            config_version: 12
            seq: 1
          state: ACTIVE
          disabled: false
          linked: true
          next: r1
          consents: [dev-1]
          salt: "07070707070707070707070707070707"
          salt_origin: "inherited from r0"
          activated_at: "2026-01-01T00:00:00Z"
          stage_index: 0
          stage_state: OPEN
          stage_opened_at: "2026-01-01T00:00:00Z"
    "#]]
    .assert_eq(&shown.to_yaml());
    let read_again = read(shown.to_yaml());
    assert_eq!(read_again[0].spec, wanted(&object(release(RolloutState::Active, Some("r1")))), "the status is ignored");
}

#[test]
fn drafts_keep_their_place() {
    expect![[r#"
        kind: release
        id: r2
        product: os
        cohort: stable
        bundle: b
        version: "15.04"
        required: true
        notes: "stop-over: read #484"
        next: r9
    "#]]
    .assert_eq(&manifest(&object(release(RolloutState::Draft, None))).to_yaml());
}

#[test]
fn exports_open_nothing_that_is_closed() {
    let withdrawn = release(RolloutState::RolledBack, Some("r2"));
    let objects = [release(RolloutState::Completed, Some("r1")), withdrawn, release(RolloutState::Paused, None)].map(object);
    expect![[r#"
        kind: release
        id: r0
        product: os
        cohort: stable
        bundle: b
        version: "15.04"
        required: true
        notes: "stop-over: read #484"
        adopt: completed
        ---
        kind: release
        id: r1
        product: os
        cohort: stable
        bundle: b
        version: "15.04"
        disabled: true
        notes: "stop-over: read #484"
        previous: [r0]
        adopt: completed
        ---
        kind: release
        id: r2
        product: os
        cohort: stable
        bundle: b
        version: "15.04"
        required: true
        disabled: true
        notes: "stop-over: read #484"
        previous: [r1]
    "#]]
    .assert_eq(&to_yaml(&export(&objects)));
}
