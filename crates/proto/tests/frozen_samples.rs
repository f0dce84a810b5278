//! Bytes once written are readable for ever: samples of each stored form are kept in `tests/compat/proto/` and read here.
//!
//! `NAME.bin` holds messages, each behind its length; it is never written again. `NAME.txt` holds what they say; it may
//! gain lines when the model gains fields, and nothing that it says may change. A new format adds a pair of files. With
//! `TIDEGATE_FREEZE=1` a pair that is missing is made, and the texts are brought up to date for review.

#![allow(clippy::unwrap_used, reason = "tests")]

mod generators;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use generators::{commands, objects};
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint};
use tidegate_model::{Command, Gate, Object, Spec, Steer};
use tidegate_proto::storage::v1 as storage;
use tidegate_proto::types::v1 as wire;
use tidegate_proto::{RecordReader, decode_entry, encode_entry, write_record};

const SAMPLES: usize = 60;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/proto").join(name)
}

fn is_freezing() -> bool {
    std::env::var_os("TIDEGATE_FREEZE").is_some()
}

/// Samples made when a file is missing: every variant occurs in this many.
fn made<T: std::fmt::Debug>(strategy: BoxedStrategy<T>, encode: impl Fn(&T) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    (0..SAMPLES).map(|_| encode(&strategy.new_tree(&mut runner).unwrap().current())).collect()
}

/// The frozen messages of a file; `make` makes them if there is none yet.
fn frozen(name: &str, make: impl FnOnce() -> Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let path = path(&format!("{name}.bin"));
    if is_freezing() && !path.exists() {
        let mut bytes = Vec::new();
        for message in make() {
            encode_varint(message.len() as u64, &mut bytes);
            bytes.extend(message);
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut rest = bytes.as_slice();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = usize::try_from(decode_varint(&mut rest).unwrap()).unwrap();
        messages.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    messages
}

fn check_text<T: std::fmt::Debug>(name: &str, read: &[T]) {
    let path = path(&format!("{name}.txt"));
    let text = read.iter().fold(String::new(), |mut text, value| {
        writeln!(text, "{value:#?}").unwrap();
        text
    });
    if is_freezing() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (number, (read, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(read, expected, "{name}.txt:{}", number + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn objects_of_the_first_format_are_read() {
    let messages = frozen("objects-v1", || made(objects::object(), |object| wire::Object::from(object).encode_to_vec()));
    assert_eq!(messages.len(), SAMPLES);
    let read: Vec<Object> =
        messages.iter().map(|bytes| Object::try_from(wire::Object::decode(bytes.as_slice()).unwrap()).unwrap()).collect();
    check_text("objects-v1", &read);
    for kind in tidegate_model::ObjectKind::ALL {
        assert!(read.iter().any(|object| object.reference().kind() == kind), "no sample of a {}", kind.as_str());
    }
    // Neighbours of different releases must agree on the digest, so the way there and back changes nothing.
    for object in &read {
        assert_eq!(Object::try_from(wire::Object::from(object)).as_ref(), Ok(object));
    }
}

#[test]
fn entries_of_the_first_format_are_read() {
    let messages = frozen("entries-v1", || made(commands::entry(), |entry| encode_entry(0, entry)));
    assert_eq!(messages.len(), SAMPLES);
    let read: Vec<_> = messages.iter().map(|bytes| decode_entry(0, bytes).unwrap()).collect();
    check_text("entries-v1", &read);
    let has = |is: &dyn Fn(&Command) -> bool| read.iter().any(|entry| is(&entry.command));
    assert!(has(&|command| matches!(command, Command::Transition(_))));
    assert!(has(&|command| matches!(command, Command::Delete(_))));
    assert!(has(&|command| matches!(command, Command::Batch(_))));
    assert!(has(&|command| matches!(command, Command::Settings(_))));
    assert!(has(&|command| matches!(command, Command::Token(_))));
    assert!(has(&|command| matches!(command, Command::Apply(documents)
        if documents.iter().any(|document| matches!(document.spec, Spec::Release(_))))));
    for entry in &read {
        assert_eq!(decode_entry(0, &encode_entry(0, entry)).as_ref(), Ok(entry));
    }
}

/// Steps of the controller came later; a tagged pair of their own holds them.
#[test]
fn steps_of_the_controller_are_read() {
    let messages = frozen("steers-v1", || made(commands::steer(), |steer| wire::Steer::from(steer).encode_to_vec()));
    assert_eq!(messages.len(), SAMPLES);
    let read: Vec<Steer> =
        messages.iter().map(|bytes| Steer::try_from(wire::Steer::decode(bytes.as_slice()).unwrap()).unwrap()).collect();
    check_text("steers-v1", &read);
    for steer in &read {
        assert_eq!(Steer::try_from(wire::Steer::from(steer)).as_ref(), Ok(steer));
    }
}

/// Gates that fail on new problems came later, too: the objects of the first format have none.
#[test]
fn gates_that_fail_on_new_problems_are_read() {
    let messages = frozen("gates-v1", || made(objects::gate(), |gate| wire::Gate::from(gate).encode_to_vec()));
    assert_eq!(messages.len(), SAMPLES);
    let read: Vec<Gate> =
        messages.iter().map(|bytes| Gate::try_from(wire::Gate::decode(bytes.as_slice()).unwrap()).unwrap()).collect();
    check_text("gates-v1", &read);
    assert!(read.iter().any(|gate| gate.fail_on_new_problem) && read.iter().any(|gate| !gate.fail_on_new_problem));
    for gate in &read {
        assert_eq!(Gate::try_from(wire::Gate::from(gate)).as_ref(), Ok(gate));
    }
}

fn a_result(is_carried_out: bool) -> wire::Result {
    let object = Some(wire::ObjectRef { kind: Some(wire::object_ref::Kind::Release("r1".to_owned())) });
    let kind = if is_carried_out {
        wire::result::Kind::Outcome(wire::Outcome {
            config_version: 12,
            objects: vec![wire::ObjectOutcome { object: object.clone(), effect: wire::Effect::Changed.into(), version: 4 }],
            warnings: vec![wire::Warning { code: "POLICY_IGNORED".to_owned(), object, message: "not the latest".to_owned() }],
        })
    } else {
        wire::result::Kind::Rejection(wire::Rejection {
            code: "INVALID_OBJECT".to_owned(),
            object: object.clone(),
            current_version: Some(4),
            fields: vec![wire::FieldViolation {
                document: Some(1),
                field: "stages[0].exposure".to_owned(),
                value: "101".to_owned(),
                rule: "must be 0 to 100".to_owned(),
                object,
            }],
            message: "release r1: stages[0].exposure must be 0 to 100".to_owned(),
        })
    };
    wire::Result { kind: Some(kind) }
}

fn a_request(index: u64, is_carried_out: bool) -> storage::state_record::Kind {
    storage::state_record::Kind::Request(storage::RequestRecord {
        principal: "ops".to_owned(),
        request_id: format!("q{index}"),
        command_digest: vec![1; 32].into(),
        at_ms: 1_700_000_000_000,
        index,
        result: Some(a_result(is_carried_out)),
    })
}

/// One state record of each kind but objects, which have samples of their own.
fn records() -> Vec<storage::state_record::Kind> {
    use storage::state_record::Kind;
    vec![
        Kind::Meta(storage::StateMeta {
            format: 1,
            min_reader: 1,
            cluster_id: vec![2; 16].into(),
            epoch: 3,
            version_base: 1 << 32,
            applied_index: 40,
            config_version: (1 << 32) + 39,
            log_time_ms: 1_700_000_000_000,
            auth_epoch: 5,
            audit_count: 6,
            change_floor: 7,
            catalog_digest: vec![8; 32].into(),
            audit_head: vec![9; 32].into(),
            bare_signatures: true,
        }),
        Kind::Settings(storage::Settings {
            version: 2,
            history_versions_max: 100,
            audit_records_max: 1_000_000,
            cluster_version: 1,
        }),
        Kind::Token(storage::Token {
            name: "ci".to_owned(),
            sha256: vec![3; 32].into(),
            role: wire::Role::Operate.into(),
            version: 1,
            auth_epoch: 5,
        }),
        a_request(11, true),
        a_request(12, false),
        Kind::Change(storage::ChangeRecord {
            config_version: 39,
            objects: vec![wire::ObjectRef { kind: Some(wire::object_ref::Kind::Bundle("b1".to_owned())) }],
        }),
    ]
}

#[test]
fn state_records_of_the_first_format_are_read() {
    let messages = frozen("records-v1", || {
        let mut pieces = Vec::new();
        for kind in records() {
            let record = storage::StateRecord { kind: Some(kind) };
            write_record(&record, |piece| {
                pieces.push(piece.to_vec());
                Ok::<_, ()>(())
            })
            .unwrap();
        }
        pieces
    });
    let mut reader = RecordReader::new();
    let read: Vec<_> = messages.iter().filter_map(|piece| reader.read(piece).unwrap()).collect();
    reader.finish().unwrap();
    assert_eq!(read, records());
}

#[test]
fn journal_rows_of_the_first_format_are_read() {
    let removed = wire::ObjectRef { kind: Some(wire::object_ref::Kind::Hold("h1".to_owned())) };
    let history = storage::HistoryRow {
        index: 40,
        config_version: 39,
        at_ms: 1_700_000_000_000,
        principal: "ops".to_owned(),
        request_id: "q1".to_owned(),
        change: Some(wire::Change { kind: Some(wire::change::Kind::Remove(removed.clone())) }),
        version: 3,
    };
    let audit = |result| storage::AuditRow {
        index: 40,
        number: 6,
        at_ms: 1_700_000_000_000,
        principal: "ops".to_owned(),
        request_id: "q1".to_owned(),
        action: "delete hold h1".to_owned(),
        reason: Some("lifted".to_owned()),
        command_digest: vec![1; 32].into(),
        result: Some(result),
        replayed: true,
        objects: vec![removed.clone()],
        head: vec![9; 32].into(),
    };
    let carried_out = audit(storage::audit_row::Result::ConfigVersion(39));
    let refused = audit(storage::audit_row::Result::Refused("IN_USE".to_owned()));
    let messages = frozen("journal-v1", || vec![history.encode_to_vec(), carried_out.encode_to_vec(), refused.encode_to_vec()]);
    let [first, second, third] = messages.as_slice() else { panic!("three rows were frozen, not {}", messages.len()) };
    assert_eq!(storage::HistoryRow::decode(first.as_slice()), Ok(history));
    assert_eq!(storage::AuditRow::decode(second.as_slice()), Ok(carried_out));
    assert_eq!(storage::AuditRow::decode(third.as_slice()), Ok(refused));
}
