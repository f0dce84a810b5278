//! State to records and back, results to bytes and back, and what happens to damaged ones.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;

use proptest::prelude::*;
use tidegate_consensus::Frozen;
use tidegate_machine::{Genesis, State};
use tidegate_model::{
    Command, Digest, Document, Entry, Principal, RequestId, Role, Seed, SettingsChange, Timestamp, TokenChange, Transition, Verb,
};
use tidegate_proto::types::v1 as types;

use super::*;

const CLUSTER: u128 = 7;

fn document(spec: types::document::Spec) -> Document {
    types::Document { expected_version: None, spec: Some(spec) }.try_into().unwrap()
}

/// A state with objects of several kinds, tokens, settings, remembered answers of both kinds, and changes.
fn state(releases: usize) -> State {
    let mut state = State::new(Genesis { version_base: 100, epoch: 3, bare_signatures: false });
    let mut index = 0;
    let mut apply = |command: Command, principal: &str| {
        index += 1;
        let entry = Entry {
            proposed_at: Timestamp::from_secs(1_700_000_000 + index),
            principal: Principal::new(principal).unwrap(),
            auth_epoch: 9,
            request_id: RequestId::new(&format!("q{index}")).unwrap(),
            seed: Seed([index as u8; 32]),
            command,
        };
        let index = u64::try_from(index).unwrap();
        tidegate_machine::apply(&mut state, index, &entry).result.map_err(|rejection| rejection.to_string())
    };
    let product = types::Product {
        id: "os".into(),
        version_scheme: types::VersionScheme::Semver.into(),
        allow_unregistered: true,
        ..Default::default()
    };
    let cohort = types::Cohort { id: "stable".into(), product: "os".into(), ..Default::default() };
    let mut documents = vec![document(types::document::Spec::Product(product)), document(types::document::Spec::Cohort(cohort))];
    for number in 0..releases {
        let (id, version) = (format!("b{number}"), format!("1.{number}.0"));
        let bundle = types::Bundle { id: id.clone(), product: "os".into(), version: Some(version.clone()), ..Default::default() };
        documents.push(document(types::document::Spec::Bundle(bundle)));
        let release = types::ReleaseSpec {
            id: format!("r{number}"),
            product: "os".into(),
            cohort: "stable".into(),
            bundle: id,
            version: Some(version),
            ..Default::default()
        };
        documents.push(document(types::document::Spec::Release(release)));
    }
    apply(Command::Apply(documents), "anonymous").unwrap();
    let transition = |verb| {
        let release = tidegate_model::ReleaseId::new("r0").unwrap();
        Command::Transition(Transition { release, expected_version: None, reason: None, verb })
    };
    if releases > 0 {
        apply(transition(Verb::Publish { supersede: false, insert_unphased: false }), "anonymous").unwrap();
        apply(transition(Verb::Resume { acknowledge: false }), "anonymous").unwrap_err();
    }
    let settings = SettingsChange { history_versions_max: Some(50), ..SettingsChange::default() };
    apply(Command::Settings(settings), "anonymous").unwrap();
    let token = TokenChange { name: Principal::new("root").unwrap(), grant: Some((Digest([5; 32]), Role::Admin)) };
    apply(Command::Token(token), "anonymous").unwrap();
    state
}

fn records(state: &State) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let frozen = FrozenState::new(state.clone(), CLUSTER);
    frozen
        .write(&mut |record| {
            records.push(record.to_vec());
            Ok(())
        })
        .unwrap();
    records
}

fn read(records: Vec<Vec<u8>>) -> Result<State, String> {
    let mut records = records.into_iter().map(Ok::<_, io::Error>);
    read_state(&mut records, CLUSTER).map_err(|error| error.to_string())
}

/// P-03: a state that went through a snapshot is the same state.
#[test]
fn p_03_a_state_survives_its_snapshot() {
    for releases in [0, 1, 30] {
        let state = state(releases);
        let again = read(records(&state)).unwrap();
        assert_eq!(again.digest(), state.digest());
        assert_eq!(again.catalog(), state.catalog());
        assert_eq!(again.requests(), state.requests());
        assert_eq!(again.changes(), state.changes());
        assert_eq!(again.tokens(), state.tokens());
        assert_eq!(again.settings(), state.settings());
        assert_eq!((again.epoch(), again.config_version()), (3, state.config_version()));
        assert_eq!(records(&again), records(&state));
    }
}

#[test]
fn incomplete_and_foreign_snapshots_are_refused_by_name() {
    let whole = records(&state(3));
    let check = |records: Vec<Vec<u8>>, expected: &str| {
        let error = read(records).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check(Vec::new(), "no meta record");
    check(whole[1..].to_vec(), "no meta record came before it");
    check([&whole[..1], &whole[..1]].concat(), "a second meta record");
    check(whole[..1].to_vec(), "there are no settings");
    // Without one object the digest differs; with one twice it is said at once.
    let object = whole.iter().position(|record| record[0] == 4 << 3 | 2).unwrap();
    let without: Vec<_> = [&whole[..object], &whole[object + 1..]].concat();
    check(without, "the objects have digest");
    check([&whole[..=object], &whole[object..]].concat(), "an object that came before");
    check(vec![vec![0xff; 9]], "record 0 cannot be understood");
    let foreign = read_state(&mut whole.into_iter().map(Ok), CLUSTER + 1).unwrap_err();
    assert!(foreign.to_string().contains("another cluster"), "{foreign}");
}

#[test]
fn results_survive_bytes() {
    let state = state(2);
    let mut outcomes = 0;
    for answer in state.requests().iter() {
        let (_, record) = answer.as_ref();
        let bytes = prost::Message::encode_to_vec(&result_out(&record.result));
        assert_eq!(result_in(decode_result(&bytes).unwrap()).unwrap(), record.result);
        outcomes += usize::from(record.result.is_ok());
    }
    assert!(outcomes > 0 && outcomes < state.requests().len(), "both kinds of results are looked at");
}

proptest! {
    /// Damaged records are refused; they never bring the node down, and never give a state that differs silently.
    #[test]
    fn damaged_records_are_refused(record in 0..200_usize, byte in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let state = state(4);
        let mut records = records(&state);
        let record = record % records.len();
        let at = byte.index(records[record].len());
        records[record][at] ^= 1 << bit;
        if let Ok(read) = read(records) {
            prop_assert_eq!(read.catalog().digest(), state.catalog().digest());
        }
    }

    #[test]
    fn arbitrary_entries_and_answers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _entry = decode_entry(&bytes).is_ok();
        let _answer = decode_answer(&bytes).is_some();
        let _result = decode_result(&bytes).map(result_in).is_ok();
        let _state = read(vec![bytes]).is_ok();
    }
}
