//! What a replica believes of damaged, foreign and honest streams.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tidegate_model::BundleState;

use super::*;
use crate::history::{CLUSTER, History, bundle, histories, hold, scope};
use crate::stops::{self, StopCode, Subject};
use crate::whole::Whole;

/// What an origin with this history sends somebody who follows from point `from` (`None`: from nothing): everything up to
/// its end, then an answer. Batches whose number is in `bare` come out of a history and carry no roots.
fn stream(history: &History, scope: &Scope, from: Option<usize>, start: usize, bare: &[bool]) -> Vec<Message> {
    let mut messages = Vec::new();
    let first = from.unwrap_or(start);
    if from.is_none() {
        messages.extend(Whole::of(CLUSTER, history.points[start].clone(), scope));
    }
    let last = history.points.last().unwrap();
    for (number, batch) in history.batches.iter().enumerate().skip(first) {
        let is_bare = bare.get(number).copied().unwrap_or(false);
        let batch = if is_bare { Batch::bare(batch.config_version, Arc::clone(&batch.changes)) } else { batch.clone() };
        let base = history.points[number].stamp.config_version;
        // What the origin has now decides whose products and roots it knows.
        let present = if is_bare { last } else { &history.points[number + 1] };
        messages.push(Message::Delta(crate::serve::delta(CLUSTER, base, &batch, present, scope)));
    }
    messages.push(answer(last, scope, 1));
    messages
}

fn answer(present: &Present, scope: &Scope, nonce: u64) -> Message {
    let stamp = edge::Stamp {
        epoch: present.stamp.epoch,
        config_version: present.stamp.config_version,
        applied_index: present.stamp.applied_index,
        cluster_id: CLUSTER.to_be_bytes().to_vec().into(),
    };
    Message::ProbeAnswer(edge::ProbeAnswer {
        nonce,
        stamp: Some(stamp),
        staleness_ms: Some(3),
        decision_time_ms: 0,
        roots: Some(scope.roots(&present.roots)),
    })
}

/// The objects of the history's catalog at the stamp of what is held, as far as they are followed.
fn expected(history: &History, held: &Held, scope: &Scope) -> Vec<Object> {
    let present = history.at(held.stamp.config_version).expect("a stamp of the history");
    scope.objects(&present.catalog).collect()
}

/// Damage to a stream.
#[derive(Clone, Debug)]
enum Damage {
    Drop(usize),
    Repeat(usize),
    Swap(usize, usize),
    Cut(usize),
    /// An object becomes another version of itself.
    Alter(usize, u8),
    /// An object that does not belong there.
    Foreign(usize, u8),
    /// Another stamp.
    Restamp(usize, u64),
}

fn damages() -> impl Strategy<Value = Damage> {
    let at = 0..24_usize;
    prop_oneof![
        at.clone().prop_map(Damage::Drop),
        at.clone().prop_map(Damage::Repeat),
        (at.clone(), 0..24_usize).prop_map(|(a, b)| Damage::Swap(a, b)),
        at.clone().prop_map(Damage::Cut),
        (at.clone(), 0..12_u8).prop_map(|(at, number)| Damage::Alter(at, number)),
        (at.clone(), 0..12_u8).prop_map(|(at, number)| Damage::Foreign(at, number)),
        (at, 0..40_u64).prop_map(|(at, version)| Damage::Restamp(at, version)),
    ]
}

fn damaged(mut messages: Vec<Message>, damage: &Damage) -> Vec<Message> {
    let len = messages.len();
    match *damage {
        Damage::Drop(at) => drop(messages.remove(at % len)),
        Damage::Repeat(at) => messages.insert(at % len, messages[at % len].clone()),
        Damage::Swap(a, b) => messages.swap(a % len, b % len),
        Damage::Cut(at) => messages.truncate(at % len),
        Damage::Alter(at, number) => match &mut messages[at % len] {
            Message::Records(records) => {
                records.objects.iter_mut().take(1).for_each(|object| *object = (&hold(number, 77)).into())
            }
            Message::Delta(delta) => delta.changes.iter_mut().take(1).for_each(|change| {
                *change = (&CatalogChange::Put(hold(number, 77))).into();
            }),
            _ => {}
        },
        Damage::Foreign(at, number) => match &mut messages[at % len] {
            Message::Records(records) => records.objects.push((&hold(number, 78)).into()),
            Message::Delta(delta) => delta.changes.push((&CatalogChange::Put(hold(number, 78))).into()),
            _ => {}
        },
        Damage::Restamp(at, version) => {
            let stamp = match &mut messages[at % len] {
                Message::Header(header) => &mut header.stamp,
                Message::Delta(delta) => &mut delta.stamp,
                Message::ProbeAnswer(answer) => &mut answer.stamp,
                _ => return messages,
            };
            stamp.as_mut().unwrap().config_version = version;
        }
    }
    messages
}

proptest! {
    /// P-42: deltas applied at an edge equal the full snapshot, for whatever is followed and wherever it began.
    #[test]
    fn p_42_deltas_lead_to_the_full_snapshot(
        history in histories(),
        start in 0..12_usize,
        bare in proptest::collection::vec(any::<bool>(), 12),
        names in prop_oneof![Just(vec![]), Just(vec!["even"]), Just(vec!["even", "odd"])],
    ) {
        let scope = scope(&names);
        let start = start % history.points.len();
        let mut replica = Replica::new(scope.clone(), None);
        let _open = replica.open();
        for message in stream(&history, &scope, None, start, &bare) {
            replica.take(message).unwrap();
        }
        let mut full = Replica::new(scope.clone(), None);
        for message in Whole::of(CLUSTER, history.points.last().unwrap().clone(), &scope) {
            full.take(message).unwrap();
        }
        let (held, full) = (replica.held().unwrap(), full.held().unwrap());
        prop_assert_eq!(&held.catalog, &full.catalog);
        prop_assert_eq!(held.roots.digest(), full.roots.digest());
        prop_assert_eq!(held.roots.digest(), held.catalog.digest());
        prop_assert_eq!(held.stamp.config_version, full.stamp.config_version);
    }

    /// P-42, the other half: whatever becomes of a stream, what is held is what the origin had at that stamp, and stamps
    /// never go back; and an undamaged stream brings it to the end again.
    #[test]
    fn p_42_no_damage_yields_another_catalog(
        history in histories(),
        start in 0..12_usize,
        bare in proptest::collection::vec(any::<bool>(), 12),
        damage in proptest::collection::vec(proptest::collection::vec(damages(), 1..4), 1..4),
        names in prop_oneof![Just(vec![]), Just(vec!["even"])],
    ) {
        let scope = scope(&names);
        let mut replica = Replica::new(scope.clone(), Some(CLUSTER));
        let start = start % history.points.len();
        let mut seen = (0, 0);
        let is_restamped = damage.iter().flatten().any(|damage| matches!(damage, Damage::Restamp(..)));
        for round in damage.iter().map(Some).chain([None, None]) {
            let have = replica.open().have.and_then(|have| have.stamp);
            let place = |version: u64| history.points.iter().position(|point| point.stamp.config_version == version).unwrap();
            let from = have.map(|stamp| place(stamp.config_version));
            // An upstream never has less than what is asked for: that is the sender's promise, tested there.
            let start = start.max(replica.held().map_or(0, |held| place(held.stamp.config_version)));
            let mut messages = stream(&history, &scope, from, start, &bare);
            for damage in round.into_iter().flatten() {
                if !messages.is_empty() {
                    messages = damaged(messages, damage);
                }
            }
            for message in messages {
                let taken = replica.take(message);
                if let Some(held) = replica.held() {
                    let now = order(held.stamp);
                    prop_assert!(now >= seen, "went back");
                    seen = now;
                    // A wrong stamp on an otherwise whole stream is beyond what content can tell; the content is not.
                    if !is_restamped {
                        prop_assert_eq!(held.catalog.objects().collect::<Vec<_>>(), expected(&history, held, &scope));
                    }
                    prop_assert_eq!(held.roots.digest(), held.catalog.digest());
                }
                if taken.is_err() {
                    break;
                }
            }
            if is_restamped {
                return Ok(());
            }
        }
        let held = replica.held().unwrap();
        prop_assert_eq!(held.stamp.config_version, history.points.last().unwrap().stamp.config_version);
        prop_assert_eq!(held.catalog.objects().collect::<Vec<_>>(), expected(&history, held, &scope));
    }
}

/// A history of three commits, and a replica that holds its first two.
fn part_way() -> (History, Replica) {
    let put = |number, version| CatalogChange::Put(hold(number, version));
    let history = History::of(vec![vec![put(1, 1)], vec![put(2, 1)], vec![put(1, 2)]]);
    let mut replica = Replica::new(Scope::default(), None);
    for message in Whole::of(CLUSTER, history.points[2].clone(), &Scope::default()) {
        replica.take(message).unwrap();
    }
    (history, replica)
}

#[test]
fn an_older_catalog_is_refused_and_another_upstream_asked() {
    let (history, mut replica) = part_way();
    let older = Whole::of(CLUSTER, history.points[1].clone(), &Scope::default()).next().unwrap();
    let refused = replica.take(older).unwrap_err();
    assert!(matches!(refused, Refused::Older { theirs: 4, ours: 7, .. }), "{refused}");
    assert_eq!(refused.remedy(), Remedy::Elsewhere);
    assert_eq!(replica.held().unwrap().stamp.config_version, 7);
}

#[test]
fn another_content_at_the_same_stamp_is_refused() {
    let (history, mut replica) = part_way();
    let mut other = history.points[1].clone();
    other.stamp = history.points[2].stamp;
    let before = replica.held().unwrap().roots.digest();
    let mut last = Ok(Step::Nothing);
    for message in Whole::of(CLUSTER, other.clone(), &Scope::default()) {
        last = replica.take(message);
    }
    assert!(matches!(last, Err(Refused::Differs { config_version: 7 })), "{last:?}");
    assert!(matches!(replica.take(answer(&other, &Scope::default(), 1)), Err(Refused::Differs { .. })));
    assert_eq!(replica.held().unwrap().roots.digest(), before);
}

#[test]
fn another_cluster_is_refused_whatever_it_sends() {
    let (history, mut replica) = part_way();
    for message in Whole::of(CLUSTER + 1, history.points[3].clone(), &Scope::default()).take(1) {
        let refused = replica.take(message).unwrap_err();
        assert_eq!(refused, Refused::OtherCluster { ours: CLUSTER, theirs: CLUSTER + 1 });
        assert_eq!(refused.remedy(), Remedy::Elsewhere);
    }
}

#[test]
fn a_missing_base_is_asked_for_from_nothing() {
    let (history, mut replica) = part_way();
    let gap = crate::serve::delta(CLUSTER, 100, &history.batches[2], &history.points[3], &Scope::default());
    let refused = replica.take(Message::Delta(gap)).unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Anew);
    assert!(replica.open().have.is_none(), "the next stream begins from nothing");
    for message in stream(&history, &Scope::default(), None, 3, &[]) {
        replica.take(message).unwrap();
    }
    assert_eq!(replica.held().unwrap().stamp.config_version, 10);
    assert!(replica.open().have.is_some());
}

#[test]
fn a_restored_cluster_of_a_later_epoch_is_taken_over() {
    let (history, mut replica) = part_way();
    let mut restored = history.points[1].clone();
    restored.stamp.epoch = 2;
    for message in Whole::of(CLUSTER, restored, &Scope::default()) {
        replica.take(message).unwrap();
    }
    let stamp = replica.held().unwrap().stamp;
    assert_eq!((stamp.epoch, stamp.config_version), (2, 4));
}

#[test]
fn an_answer_that_nothing_vouches_for_proves_nothing() {
    let (history, mut replica) = part_way();
    let bare = Batch::bare(10, Arc::clone(&history.batches[2].changes));
    // The sender went on meanwhile, and does not know the roots at this config version any more.
    let mut later = history.points[3].clone();
    later.stamp.config_version = 13;
    let delta = crate::serve::delta(CLUSTER, 7, &bare, &later, &Scope::default());
    assert!(delta.roots.is_none());
    assert!(matches!(replica.take(Message::Delta(delta)).unwrap(), Step::Nothing));
    assert_eq!(replica.held().unwrap().stamp.config_version, 7, "not held before somebody vouches for it");
    let Message::ProbeAnswer(told) = answer(&history.points[3], &Scope::default(), 5) else { unreachable!("made just above") };
    let untold = Message::ProbeAnswer(edge::ProbeAnswer { roots: None, ..told.clone() });
    assert!(matches!(replica.take(untold).unwrap(), Step::Nothing));
    let step = replica.take(Message::ProbeAnswer(told)).unwrap();
    assert!(matches!(step, Step::Answered { nonce: 5, ref advanced, .. } if advanced.len() == 1), "{step:?}");
    assert_eq!(replica.held().unwrap().stamp.config_version, 10);
}

#[test]
fn a_stop_is_told_from_where_it_holds_and_not_if_it_was_lifted() {
    let put = |object| vec![CatalogChange::Put(object)];
    let history = History::of(vec![
        put(bundle("b1", BundleState::Ready)),
        put(bundle("b1", BundleState::Recalled)),
        put(bundle("b2", BundleState::Recalled)),
        put(bundle("b2", BundleState::Ready)),
    ]);
    let stops = stops::ahead_of(&history.batches, 1);
    let stop = |id: &str, config_version| Stop {
        subject: Subject::Bundle(id.to_owned()),
        code: StopCode::Withdrawn,
        epoch: 1,
        config_version,
    };
    assert_eq!(stops, [stop("b1", 7)]);
    let last = history.points.last().unwrap();
    assert_eq!(stops::in_catalog(&last.catalog, 1, 13), [stop("b1", 13)]);
    let told = edge::StopList { stops: stops.iter().map(Into::into).collect() };
    let mut replica = Replica::new(Scope::default(), None);
    assert!(matches!(replica.take(Message::StopList(told)).unwrap(), Step::Stopped(read) if read == stops));
}
