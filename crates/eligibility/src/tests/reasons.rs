//! Every reason code, each from a world that gives it; and what explanations say.

use tidegate_model::{
    AttestationKind, BundleState, Cell, CellState, DomainOrder, Domains, DottedVersion, Exposure, Framework, HoldKind,
    InstallMode, Policy, RolloutState, Timestamp, Trigger, Urgency, Window,
};

use crate::reason::Reason;
use crate::request::Request;
use crate::testing::{DAY, T, World, after, ask, attribute, bundle_id, device_key, on, release_id, texts, version};

/// A world, a request, and what the device hears.
type Scene = (World, Request<'static>);

fn graph(edit: impl FnOnce(&mut World)) -> World {
    let mut world = World::graph();
    edit(&mut world);
    world
}

fn held(kind: HoldKind) -> Scene {
    let shut = Window { cron: "0 2 * * *".to_owned(), duration: tidegate_model::Span::from_secs(60), timezone: None };
    (graph(|w| w.hold(kind, |hold| hold.window = (kind == HoldKind::Window).then_some(shut))), on("r1"))
}

fn rolling_out(edit: impl FnOnce(&mut Policy)) -> World {
    graph(|w| w.roll_out("r5", edit))
}

fn domains(policy: &mut Policy) {
    let values = vec!["fd0".to_owned(), "fd1".to_owned()];
    let domains = Domains { key: "fd".to_owned(), values, order: DomainOrder::Listed, parallel: 1, gate_each: true };
    policy.stages[0].domains = Some(domains);
}

fn with_cells(states: [CellState; 2]) -> World {
    let mut world = rolling_out(domains);
    let cell = |state| Cell { state, ..Cell::CLOSED };
    let cells = [("fd0".to_owned(), cell(states[0])), ("fd1".to_owned(), cell(states[1]))];
    world.release("r5", |release| release.rollout.cells = cells.into());
    world
}

/// One scene per code; absent for the one that `decide` never gives.
fn scene(reason: Reason) -> Option<Scene> {
    let critical = |w: &mut World| w.release("r5", |r| r.urgency = Urgency::Critical);
    let nobody = |policy: &mut Policy| policy.stages[0].exposure = Exposure::Count(1);
    Some(match reason {
        Reason::OfferLatest => (World::graph(), on("r1")),
        Reason::OfferCandidate => (graph(|w| w.state("r5", RolloutState::Paused)), on("r0")),
        Reason::OfferRequired => (graph(|w| w.release("r1", |r| r.required = true)), on("r0")),
        Reason::OfferCritical => {
            let mut world = rolling_out(nobody);
            critical(&mut world);
            (world, on("r1"))
        }
        Reason::OfferInfo => {
            let info = InstallMode::Info { versions: Default::default(), below: None };
            (graph(|w| w.release("r5", |r| r.install_mode = info)), on("r1"))
        }
        Reason::OfferOverride => (graph(|w| w.overriding("b4", |_| {})), on("r1")),
        Reason::OfferRevert => (graph(|w| withdraw(w, Some("r1"))), on("r5")),
        Reason::InvalidRequest => (World::graph(), Request { group: Some(7), ..on("r1") }),
        Reason::UnknownProduct => (World::graph(), Request { product: "gone", ..on("r1") }),
        // A graph that goes round is damaged: the machine makes none.
        Reason::NotReady => (graph(|w| w.release("r5", |r| r.next = Some(release_id("r1")))), on("r1")),
        Reason::ReplicaBehind => (World::graph(), Request { min_config_version: Some(u64::MAX), ..on("r1") }),
        // Given by the gateway, after the decision.
        Reason::SnapshotStale => return None,
        Reason::DeviceDecommissioned => {
            (graph(|w| w.device("dev-1", |d| d.state = tidegate_model::DeviceState::Decommissioned)), on("r1"))
        }
        Reason::UnknownDevice => (graph(|w| w.product(|p| p.allow_unregistered = false)), on("r1")),
        Reason::HoldQuarantine => held(HoldKind::Quarantine),
        Reason::HoldRepair => held(HoldKind::Repair),
        Reason::HoldFreeze => held(HoldKind::Freeze),
        Reason::HoldSafeguard => held(HoldKind::Safeguard),
        Reason::HoldOptedOut => held(HoldKind::OptOut),
        Reason::HoldConsent => held(HoldKind::Consent),
        Reason::HoldBackoff => held(HoldKind::Backoff),
        Reason::HoldWindow => held(HoldKind::Window),
        Reason::UpToDateOverride => (graph(|w| w.overriding("b1", |_| {})), Request { bundle: Some("b1"), ..on("r1") }),
        Reason::OverrideUnavailable => {
            let recalled = |w: &mut World| w.bundle("b4", |b| b.state = BundleState::Recalled);
            let world = graph(|w| {
                w.overriding("b4", |_| {});
                recalled(w);
            });
            (world, on("r1"))
        }
        Reason::NoCohort => (graph(|w| w.product(|p| p.default_cohort = None)), on("r1")),
        Reason::NoReleases => (World::new(), on("r1")),
        Reason::PositionUnknown => (World::graph(), ask()),
        Reason::UpToDate => (World::graph(), on("r5")),
        Reason::DeadEnd => (graph(|w| w.release("r4", |r| r.dead_end = true)), on("r4")),
        Reason::Withdrawn => (graph(|w| withdraw(w, None)), on("r5")),
        Reason::NotAvailable => (graph(|w| w.bundle("b5", |b| b.state = BundleState::Uploading)), on("r1")),
        Reason::Recalled => (graph(|w| w.bundle("b5", |b| b.state = BundleState::Recalled)), on("r1")),
        Reason::Unsigned => (graph(|w| w.product(|p| p.trusted_keys = texts(&["k"]))), on("r1")),
        Reason::NotAttested => (graph(|w| w.product(|p| p.required_attestations.extend(AttestationKind::new("qa")))), on("r1")),
        Reason::Disabled => (graph(|w| w.release("r5", |r| r.disabled = true)), on("r1")),
        Reason::NotPublished => (graph(|w| w.state("r5", RolloutState::Draft)), on("r1")),
        Reason::Paused => (graph(|w| w.state("r5", RolloutState::Paused)), on("r1")),
        Reason::Scheduled => {
            let mut world = rolling_out(|policy| policy.trigger = Trigger::At(after(DAY)));
            world.release("r5", |r| r.rollout.stage_opened_at = Some(after(DAY)));
            (world, on("r1"))
        }
        Reason::DowngradeBlocked => (graph(|w| w.bundle("b1", |b| b.security_epoch = 1)), on("r1")),
        Reason::IncompatibleHardware => {
            (graph(|w| w.bundle("b5", |b| b.requires.attributes = attribute("arch", &["riscv"]).attributes)), on("r1"))
        }
        Reason::IncompatibleOs => (graph(|w| w.bundle("b5", |b| b.requires.os_min = DottedVersion::parse("9").ok())), on("r1")),
        Reason::IncompatibleFramework => {
            let sdk = Framework { name: "sdk".to_owned(), min: DottedVersion::parse("15.04").unwrap() };
            (graph(|w| w.bundle("b5", |b| b.requires.frameworks.push(sdk))), on("r1"))
        }
        Reason::IncompatibleFromVersion => {
            let world = graph(|w| w.release("r5", |r| r.version_requirement = Some("<1.0.0".to_owned())));
            (world, Request { version: Some("1.1.0"), ..on("r1") })
        }
        Reason::NotInStage => (rolling_out(|policy| policy.stages[0].selector = attribute("env", &["int"])), on("r1")),
        Reason::DomainClosed => {
            (with_cells([CellState::Open, CellState::Closed]), Request { attributes: &[("fd", "fd1")], ..on("r1") })
        }
        Reason::NotInPhase => (rolling_out(nobody), on("r1")),
        Reason::NoDeviceKey => (rolling_out(nobody), Request { device: None, ..on("r1") }),
        Reason::NeedsUser => (graph(|w| w.release("r5", |r| r.install_mode = InstallMode::Ask { auto_from: None })), on("r1")),
    })
}

fn withdraw(world: &mut World, revert_to: Option<&str>) {
    world.state("r5", RolloutState::RolledBack);
    world.release("r5", |release| release.rollout.revert_to = revert_to.map(release_id));
}

#[test]
fn every_code_is_given() {
    for reason in Reason::ALL {
        let Some((world, request)) = scene(*reason) else { continue };
        let snapshot = world.snapshot();
        let heard = if *reason == Reason::NotReady {
            crate::decide(&snapshot, &request, after(60)).reason
        } else {
            world.hears(&request, after(60)).reason
        };
        assert_eq!(heard, *reason);
    }
}

/// Whatever a device hears, somebody can be told why, and what has to happen.
#[test]
fn every_answer_is_explained() {
    for reason in Reason::ALL {
        let Some((world, request)) = scene(*reason) else { continue };
        let snapshot = world.snapshot();
        let mut trace = Vec::new();
        let decision = crate::decide_traced(&snapshot, &request, after(60), &mut trace);
        let lines = crate::explain(&decision, &trace);
        assert!(lines[0].starts_with(reason.as_str()) && lines[0].ends_with(reason.meaning()), "{lines:?}");
        let tells_when = lines.last().is_some_and(|line| line.starts_with("this changes when") || line.contains("asking again"));
        assert_eq!(tells_when, reason.way_out().is_some(), "{lines:?}");
    }
}

#[test]
fn why_not_me_and_when() {
    let mut world = World::graph();
    world.roll_out("r5", |policy| policy.stages[0].exposure = Exposure::Ramp(tidegate_model::Ramp::Apple));
    world.state("r1", RolloutState::Paused);
    world.hold(HoldKind::Backoff, |hold| {
        hold.scope = tidegate_model::HoldScope::Device(device_key("dev-1"));
        hold.bundle = Some(bundle_id("b1"));
        hold.until = None;
    });
    let snapshot = world.snapshot();
    let mut trace = Vec::new();
    let decision = crate::decide_traced(&snapshot, &on("r0"), T, &mut trace);
    let at: Timestamp = decision.next_eligible_at.unwrap();
    assert_eq!(
        crate::explain(&decision, &trace),
        [
            "NOT_IN_PHASE: the share, count or list of the stage does not admit the device now".to_owned(),
            "cohort stable".to_owned(),
            "at release r0, as reported".to_owned(),
            format!(
                "candidate r5: NOT_IN_PHASE until {at} (the share, count or list of the stage does not admit the device now)"
            ),
            "hold h0: HOLD_BACKOFF (held: it failed too often, or went back by itself)".to_owned(),
            "candidate r1: PAUSED (the rollout is paused)".to_owned(),
            format!("asking again helps from {at} on"),
        ]
    );
}

#[test]
fn g_78_a_device_waits_for_its_domain() {
    let of = |value: &'static [(&'static str, &'static str)]| Request { attributes: value, ..on("r1") };
    let (fd0, fd1, elsewhere) = (of(&[("fd", "fd0")]), of(&[("fd", "fd1")]), of(&[("fd", "fd9")]));
    for (states, opens) in [
        ([CellState::Closed, CellState::Closed], [false, false, false]),
        ([CellState::Open, CellState::Closed], [true, false, false]),
        ([CellState::Settled, CellState::Closed], [true, false, false]),
        ([CellState::Passed, CellState::Open], [true, true, false]),
        // A device without a value, or with one that is not listed, waits until the stage has passed.
        ([CellState::Passed, CellState::Passed], [true, true, true]),
    ] {
        let world = with_cells(states);
        let heard = [&fd0, &fd1, &elsewhere].map(|request| world.hears(request, after(60)).reason);
        let expected = opens.map(|open| if open { Reason::OfferLatest } else { Reason::DomainClosed });
        assert_eq!(heard, expected, "{states:?}");
        assert_eq!(world.hears(&on("r1"), after(60)).reason, expected[2], "{states:?}, no value");
    }
    // All cells of a stage that was left count as passed.
    let mut world = with_cells([CellState::Passed, CellState::Closed]);
    world.release("r5", |release| release.rollout.stage_state = tidegate_model::StageState::Passed);
    world.expect(&fd1, after(60), Reason::OfferLatest, "r5");
}

/// An offer that a device is about to install changes no decision: it is told what any other device hears.
#[test]
fn a_pending_offer_changes_nothing() {
    for world in [World::graph(), graph(|w| w.state("r5", RolloutState::Paused))] {
        for request in [on("r0"), on("r1"), on("r5")] {
            let pending = Request { pending: Some("r5"), ..request };
            assert_eq!(world.hears(&pending, T), world.hears(&request, T));
        }
    }
}

#[test]
fn a_device_version_of_an_older_release_asks_for_the_user() {
    let mut world = World::graph();
    world.release("r5", |r| r.install_mode = InstallMode::Ask { auto_from: Some(version("1.1.0")) });
    world.expect(&on("r0"), T, Reason::OfferCandidate, "r1");
    world.expect(&on("r1"), T, Reason::OfferLatest, "r5");
}
