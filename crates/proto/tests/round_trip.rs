//! What was written is read again as it was, and nothing that is read can do harm.

#![allow(clippy::unwrap_used, reason = "tests")]

mod generators;

use generators::{commands, objects};
use proptest::prelude::*;
use prost::Message;
use tidegate_model::{CatalogChange, Command, Entry, Object, ObjectRef};
use tidegate_proto::types::v1 as wire;
use tidegate_proto::{EntryError, Problem, RecordReader, decode_entry, encode_entry};

proptest! {
    #[test]
    fn objects_come_back_as_they_were(object in objects::object()) {
        let bytes = wire::Object::from(&object).encode_to_vec();
        let read = Object::try_from(wire::Object::decode(bytes.as_slice()).unwrap());
        prop_assert_eq!(read, Ok(object));
    }

    #[test]
    fn changes_and_names_come_back_as_they_were(object in objects::object(), reference in commands::reference()) {
        for change in [CatalogChange::Put(object), CatalogChange::Remove(reference.clone())] {
            let bytes = wire::Change::from(&change).encode_to_vec();
            prop_assert_eq!(CatalogChange::try_from(wire::Change::decode(bytes.as_slice()).unwrap()), Ok(change));
        }
        prop_assert_eq!(ObjectRef::try_from(wire::ObjectRef::from(&reference)), Ok(reference));
    }

    #[test]
    fn entries_come_back_as_they_were(entry in commands::entry(), group in 0..3u32) {
        let bytes = encode_entry(group, &entry);
        prop_assert_eq!(&bytes, &encode_entry(group, &entry), "the same entry has the same bytes");
        prop_assert_eq!(decode_entry(group, &bytes), Ok(entry));
        prop_assert_eq!(decode_entry(group + 1, &bytes), Err(EntryError::OtherGroup { group, expected: group + 1 }));
    }

    /// Reading is total: arbitrary bytes, and bytes that were right but for one.
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = decode_entry(0, &bytes);
        let _ = RecordReader::new().read(&bytes);
        let _ = wire::Object::decode(bytes.as_slice()).map(Object::try_from);
        let _ = wire::Command::decode(bytes.as_slice()).map(Command::try_from);
    }

    #[test]
    fn damaged_entries_are_read_or_refused(entry in commands::entry(), at: prop::sample::Index, byte: u8) {
        let mut bytes = encode_entry(0, &entry);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        // Whatever is read can be written and read again.
        if let Ok(read) = decode_entry(0, &bytes) {
            prop_assert_eq!(decode_entry(0, &encode_entry(0, &read)), Ok(read));
        }
    }
}

fn pause() -> Entry {
    use tidegate_model::{Principal, ReleaseId, RequestId, Seed, Timestamp, Transition, Verb};
    Entry {
        proposed_at: Timestamp::from_secs(1),
        principal: Principal::new("ops").unwrap(),
        auth_epoch: 1,
        request_id: RequestId::new("q1").unwrap(),
        seed: Seed([7; 32]),
        command: Command::Transition(Transition {
            release: ReleaseId::new("r1").unwrap(),
            expected_version: Some(3),
            reason: None,
            verb: Verb::Pause,
        }),
    }
}

/// Decodes the envelope, lets the test change it, and reads the result.
fn read_changed(change: impl FnOnce(&mut tidegate_proto::storage::v1::EntryEnvelope)) -> EntryError {
    let mut envelope = tidegate_proto::storage::v1::EntryEnvelope::decode(encode_entry(0, &pause()).as_slice()).unwrap();
    change(&mut envelope);
    decode_entry(0, &envelope.encode_to_vec()).unwrap_err()
}

#[test]
fn what_a_newer_build_wrote_is_refused_and_named() {
    let newer = read_changed(|envelope| {
        envelope.format = 3;
        envelope.min_reader = 2;
    });
    assert_eq!(newer.to_string(), "entry of format 3 asks for a reader of format 2, this build reads up to 1");

    let problem = |error: EntryError| match error {
        EntryError::Malformed(malformed) => malformed.to_string(),
        other => other.to_string(),
    };
    let command = problem(read_changed(|envelope| envelope.command = Some(wire::Command { op: None })));
    assert_eq!(command, "command.op: holds no alternative that this build knows");
    let verb = problem(read_changed(|envelope| {
        let Some(wire::command::Op::Transition(transition)) = envelope.command.as_mut().and_then(|c| c.op.as_mut()) else {
            unreachable!("the sample is a transition")
        };
        transition.verb = None;
    }));
    assert_eq!(verb, "command.transition.verb: holds no alternative that this build knows");
    let seed = problem(read_changed(|envelope| envelope.seed = vec![1, 2].into()));
    assert_eq!(seed, "seed: has 2 bytes, must have 32");
}

/// A newer reader may understand an older writer: a higher format alone is no reason to refuse.
#[test]
fn a_newer_format_that_allows_this_reader_is_read() {
    let mut envelope = tidegate_proto::storage::v1::EntryEnvelope::decode(encode_entry(0, &pause()).as_slice()).unwrap();
    envelope.format = 9;
    assert_eq!(decode_entry(0, &envelope.encode_to_vec()), Ok(pause()));
}

#[test]
fn unknown_enum_values_are_refused_where_unspecified_ones_have_their_default() {
    use tidegate_model::Policy;
    let policy = |on_gate_fail| Policy::try_from(wire::Policy { release: "r1".to_owned(), on_gate_fail, ..Default::default() });
    assert_eq!(policy(0).unwrap().on_gate_fail, tidegate_model::OnGateFail::Pause);
    let refused = policy(77).unwrap_err();
    assert_eq!((refused.field.as_str(), refused.problem), ("on_gate_fail", Problem::UnknownValue(77)));
    let product = tidegate_model::Product::try_from(wire::Product { id: "os".to_owned(), ..Default::default() });
    assert_eq!(product.unwrap_err().to_string(), "version_scheme: is missing");
}

#[test]
fn errors_name_the_way_to_the_field() {
    let stage = wire::Stage {
        exposure: Some(wire::Exposure {
            kind: Some(wire::exposure::Kind::Percent(wire::Percent { share_ppm: 1_000_001, basis: 1 })),
        }),
        ..Default::default()
    };
    let policy = wire::Policy { release: "r1".to_owned(), stages: vec![wire::Stage::default(), stage], ..Default::default() };
    let document = wire::Document { expected_version: None, spec: Some(wire::document::Spec::Policy(policy)) };
    let error = tidegate_model::Document::try_from(document).unwrap_err();
    let expected = "policy.stages[1].exposure.percent.share_ppm: \"1000001\" must be 0 to 1000000";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.into_invalid().to_string(), expected);
}

#[test]
fn batches_do_not_nest_however_deep_the_tower() {
    let mut command = wire::Command::from(&pause().command);
    for _ in 0..20 {
        command = wire::Command { op: Some(wire::command::Op::Batch(wire::Batch { commands: vec![command] })) };
    }
    assert_eq!(Command::try_from(command.clone()).unwrap_err().to_string(), "commands[0]: a batch must not hold a batch");
    for _ in 0..200 {
        command = wire::Command { op: Some(wire::command::Op::Batch(wire::Batch { commands: vec![command] })) };
    }
    assert!(wire::Command::decode(command.encode_to_vec().as_slice()).is_err(), "too deep to decode");
}

#[test]
fn entries_have_a_greatest_length() {
    let long = vec![0; tidegate_proto::limits::ENTRY_BYTES_MAX + 1];
    assert!(matches!(decode_entry(0, &long), Err(EntryError::TooLong { .. })));
}
