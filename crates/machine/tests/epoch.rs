//! A new epoch goes on from the state of an old one, above everything that the old one handed out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod world;

use tidegate_machine::limits::{CONFIG_VERSION_MAX, VERSION_LEAP};
use tidegate_machine::{EpochError, NewEpoch, Origin, State, apply, begin_epoch};
use tidegate_model::{Command, RequestId, Spec, Timestamp};
use world::{GENESIS, beginning, bundle, document, entry, principal, staging};

fn old() -> State {
    let mut state = State::new(GENESIS);
    for (index, command) in [(1, beginning()), (2, staging())] {
        apply(&mut state, index, &entry(index, 0, "ops", &format!("q{index}"), command)).result.unwrap();
    }
    state
}

fn new(epoch: u64) -> NewEpoch {
    NewEpoch {
        epoch,
        origin: Origin::Restored,
        at: Timestamp::from_secs(1),
        principal: principal("offline"),
        request_id: RequestId::new("restore").unwrap(),
        reason: "a test".to_owned(),
    }
}

#[test]
fn everything_but_the_versions_is_as_it_was_and_the_audit_knows() {
    let old = old();
    let (next, record) = begin_epoch(&old, &new(GENESIS.epoch + 1)).unwrap();
    assert_eq!(next.catalog().digest(), old.catalog().digest());
    assert_eq!(next.requests(), old.requests(), "repeated requests still hear their answers");
    assert_eq!(next.epoch(), GENESIS.epoch + 1);
    assert_eq!(next.applied_index(), old.applied_index() + 1);
    assert!(next.config_version() > old.config_version() + VERSION_LEAP);
    assert_eq!(next.log_time(), old.log_time(), "time does not go back");
    assert!(next.changes().is_empty());
    assert_eq!(next.changes().floor(), next.config_version(), "nobody follows across epochs");
    assert_eq!((record.number, record.index), (old.audit().count + 1, next.applied_index()));
    assert_eq!(record.head, record.chain(old.audit().head), "the chain goes on");
    assert_eq!(next.audit().head, record.head);

    // A snapshot of it can be read, and the next write is above it.
    let mut read = State::from_parts(next.parts()).unwrap();
    assert_eq!(read.digest(), next.digest());
    let before = read.config_version();
    let index = read.applied_index() + 1;
    let bundle = Command::Apply(vec![document(Spec::Bundle(bundle(9)))]);
    apply(&mut read, index, &entry(index, 0, "ops", "later", bundle)).result.unwrap();
    assert_eq!(read.config_version(), before + 1);
}

/// However often one old state is brought back, no config version is handed out twice.
#[test]
fn each_epoch_from_one_state_has_versions_of_its_own() {
    let old = old();
    let versions: Vec<u64> =
        (1..20).map(|raise| begin_epoch(&old, &new(GENESIS.epoch + raise)).unwrap().0.config_version()).collect();
    assert!(versions.windows(2).all(|pair| pair[1] - pair[0] == VERSION_LEAP), "{versions:?}");
}

#[test]
fn an_epoch_is_raised_and_not_too_far() {
    for wanted in [0, GENESIS.epoch] {
        let error = begin_epoch(&old(), &new(wanted)).unwrap_err();
        assert_eq!(error, EpochError::NotRaised { wanted, present: GENESIS.epoch });
    }
    for wanted in [CONFIG_VERSION_MAX / VERSION_LEAP + GENESIS.epoch, u64::from(u32::MAX), u64::MAX] {
        let error = begin_epoch(&old(), &new(wanted)).unwrap_err();
        assert!(matches!(error, EpochError::TooFar { .. }), "{wanted}: {error}");
    }
}
