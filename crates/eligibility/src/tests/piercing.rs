//! The piercing table, cell by cell: each row alone stands between a device on r1 and r5, and each piercer tries it.

use tidegate_model::{
    Basis, BundleState, Cell, CellState, DomainOrder, Domains, DottedVersion, Exposure, HoldKind, InstallMode, Policy, Ppm,
    RolloutState, Span, Trigger, Urgency, Window,
};

use crate::piercing::{Effect, Piercer, Row};
use crate::reason::Reason;
use crate::request::{Mode, Request};
use crate::testing::{DAY, World, after, attribute, bundle_id, on, texts, version};

/// Conditions under which some cells pierce.
#[derive(Clone, Copy, Default)]
struct Allowed {
    interactive_bypasses_phase: bool,
    critical_ignores_domains: bool,
    critical_pierces: bool,
    allow_downgrade: bool,
}

/// Ways to put a row between the device and r5, each with the code that it gives.
fn obstacles(row: Row, allowed: Allowed) -> Vec<(World, Reason)> {
    let policy = |world: &mut World, edit: fn(&mut Policy)| {
        world.roll_out("r5", |policy| {
            policy.interactive_bypasses_phase = allowed.interactive_bypasses_phase;
            policy.critical_ignores_domains = allowed.critical_ignores_domains;
            edit(policy);
        });
    };
    let with = |edit: &dyn Fn(&mut World), reason| {
        let mut world = World::graph();
        edit(&mut world);
        (world, reason)
    };
    let hold = |kind: HoldKind, edit: fn(&mut tidegate_model::Hold)| {
        [None, Some(bundle_id("b5"))].map(|bundle| {
            let make = |world: &mut World| {
                world.hold(kind, |hold| {
                    hold.bundle = bundle.clone();
                    hold.critical_pierces = allowed.critical_pierces;
                    edit(hold);
                });
            };
            with(&make, Reason::of_hold(kind))
        })
    };
    match row {
        Row::Trust => vec![
            with(&|w| w.bundle("b5", |b| b.state = BundleState::Recalled), Reason::Recalled),
            with(&|w| w.bundle("b5", |b| b.state = BundleState::Uploading), Reason::NotAvailable),
            with(&|w| w.product(|p| p.trusted_keys = texts(&["k"])), Reason::Unsigned),
            with(
                &|w| w.product(|p| p.required_attestations.extend(tidegate_model::AttestationKind::new("qa"))),
                Reason::NotAttested,
            ),
        ],
        Row::State => vec![
            with(&|w| w.release("r5", |r| r.disabled = true), Reason::Disabled),
            with(&|w| w.release("r5", |r| r.dead_end = true), Reason::DeadEnd),
            with(&|w| w.state("r5", RolloutState::Paused), Reason::Paused),
            with(&|w| w.state("r5", RolloutState::RolledBack), Reason::Withdrawn),
            with(&|w| w.state("r5", RolloutState::Draft), Reason::NotPublished),
        ],
        Row::Trigger => {
            let make = |w: &mut World| {
                policy(w, |policy| policy.trigger = Trigger::At(after(DAY)));
                w.release("r5", |r| r.rollout.stage_opened_at = Some(after(DAY)));
            };
            vec![with(&make, Reason::Scheduled)]
        }
        Row::Hardware => {
            let make = |w: &mut World| w.bundle("b5", |b| b.requires.attributes = attribute("arch", &["riscv"]).attributes);
            vec![with(&make, Reason::IncompatibleHardware)]
        }
        Row::Software => vec![
            with(&|w| w.bundle("b5", |b| b.requires.os_min = DottedVersion::parse("99").ok()), Reason::IncompatibleOs),
            with(
                &|w| {
                    let min = DottedVersion::parse("1").unwrap();
                    w.bundle("b5", |b| b.requires.frameworks.push(tidegate_model::Framework { name: "x".to_owned(), min }));
                },
                Reason::IncompatibleFramework,
            ),
        ],
        Row::FromVersion => {
            vec![with(
                &|w| w.release("r5", |r| r.version_requirement = Some("<1.0.0".to_owned())),
                Reason::IncompatibleFromVersion,
            )]
        }
        Row::Downgrade => {
            let make = |w: &mut World| {
                w.release("r5", |r| r.version = None);
                w.bundle("b5", |b| b.version = Some(version("1.0.0")));
            };
            vec![with(&make, Reason::DowngradeBlocked)]
        }
        Row::Epoch => vec![with(&|w| w.bundle("b1", |b| b.security_epoch = 1), Reason::DowngradeBlocked)],
        Row::NeedsUser => {
            vec![with(&|w| w.release("r5", |r| r.install_mode = InstallMode::Ask { auto_from: None }), Reason::NeedsUser)]
        }
        Row::Phase => {
            let nobody = |policy: &mut Policy| {
                policy.stages[0].exposure = Exposure::Percent { share: Ppm::NOBODY, basis: Basis::Hash };
            };
            let count = |policy: &mut Policy| policy.stages[0].exposure = Exposure::Count(1);
            let tags = |policy: &mut Policy| policy.stages[0].exposure = Exposure::Tags(texts(&["gold"]));
            let stage = |policy: &mut Policy| policy.stages[0].selector = attribute("env", &["int"]);
            vec![
                with(&|w| policy(w, nobody), Reason::NotInPhase),
                with(&|w| policy(w, count), Reason::NotInPhase),
                with(&|w| policy(w, tags), Reason::NotInPhase),
                with(&|w| policy(w, stage), Reason::NotInStage),
            ]
        }
        Row::Domain => {
            let domains = |policy: &mut Policy| {
                policy.stages[0].domains = Some(Domains {
                    key: "fd".to_owned(),
                    values: vec!["fd0".to_owned(), "fd1".to_owned()],
                    order: DomainOrder::Listed,
                    parallel: 1,
                    gate_each: true,
                });
            };
            let make = |w: &mut World| {
                policy(w, domains);
                let cell = |state| Cell { state, opened_at: None, settled_at: None, lack: None };
                let cells = [("fd0".to_owned(), cell(CellState::Open)), ("fd1".to_owned(), cell(CellState::Closed))];
                w.release("r5", |r| r.rollout.cells = cells.into());
            };
            vec![with(&make, Reason::DomainClosed)]
        }
        Row::Window => {
            let shut = |hold: &mut tidegate_model::Hold| {
                hold.window = Some(Window { cron: "0 2 * * *".to_owned(), duration: Span::from_secs(60), timezone: None });
            };
            hold(HoldKind::Window, shut).into()
        }
        Row::OptOut => hold(HoldKind::OptOut, |_| {}).into(),
        Row::Consent => hold(HoldKind::Consent, |_| {}).into(),
        Row::Backoff => hold(HoldKind::Backoff, |_| {}).into(),
        Row::Memory => hold(HoldKind::Backoff, |hold| hold.until = None).into(),
        Row::Hard => [HoldKind::Quarantine, HoldKind::Repair, HoldKind::Freeze, HoldKind::Safeguard]
            .into_iter()
            .flat_map(|kind| hold(kind, |_| {}))
            .collect(),
    }
}

/// What the device hears when `piercer` tries each way to put `row` in between: whether r5 is offered.
fn offers(row: Row, piercer: Piercer, allowed: Allowed) -> Vec<bool> {
    let try_it = |(mut world, code): (World, Reason)| {
        let mut request = Request { version: Some("1.1.0"), attributes: &[("fd", "fd1")], ..on("r1") };
        // Nothing is in the way but the row: without a piercer the code is the row's own.
        assert_eq!(world.hears(&request, after(0)).reason, code, "{row:?}");
        match piercer {
            Piercer::Critical => world.release("r5", |release| release.urgency = Urgency::Critical),
            Piercer::Interactive => request.mode = Mode::Interactive,
            Piercer::Override => world.overriding("b5", |chosen| chosen.allow_downgrade = allowed.allow_downgrade),
        }
        let outcome = world.hears(&request, after(0));
        if !outcome.reason.is_offer() {
            let expected = if piercer == Piercer::Override && !code.is_hold() { Reason::OverrideUnavailable } else { code };
            assert_eq!(outcome.reason, expected, "{row:?} {piercer:?}");
        }
        outcome.reason.is_offer()
    };
    obstacles(row, allowed).into_iter().map(try_it).collect()
}

fn check(row: Row, piercer: Piercer, effect: Effect) {
    assert_eq!(row.pierced_by(piercer), effect);
    let all = Allowed {
        interactive_bypasses_phase: true,
        critical_ignores_domains: true,
        critical_pierces: true,
        allow_downgrade: true,
    };
    let except = match effect {
        Effect::No | Effect::Yes | Effect::NotConcerned => Allowed::default(),
        Effect::IfInteractiveBypasses => Allowed { interactive_bypasses_phase: false, ..all },
        Effect::IfCriticalIgnoresDomains => Allowed { critical_ignores_domains: false, ..all },
        Effect::IfHoldAllows => Allowed { critical_pierces: false, ..all },
        Effect::IfDowngradeAllowed => Allowed { allow_downgrade: false, ..all },
    };
    let always = matches!(effect, Effect::Yes | Effect::NotConcerned);
    assert!(offers(row, piercer, except).into_iter().all(|offered| offered == always), "{row:?} {piercer:?} as a rule");
    let allowed = effect != Effect::No;
    assert!(offers(row, piercer, all).into_iter().all(|offered| offered == allowed), "{row:?} {piercer:?} with all allowed");
}

macro_rules! cells {
    ($($name:ident: $row:ident $piercer:ident $effect:ident,)*) => {
        $(
            #[test]
            fn $name() {
                check(Row::$row, Piercer::$piercer, Effect::$effect);
            }
        )*
    };
}

cells! {
    trust_critical: Trust Critical No,
    trust_interactive: Trust Interactive No,
    trust_override: Trust Override No,
    state_critical: State Critical No,
    state_interactive: State Interactive No,
    state_override: State Override NotConcerned,
    trigger_critical: Trigger Critical No,
    trigger_interactive: Trigger Interactive No,
    trigger_override: Trigger Override Yes,
    hardware_critical: Hardware Critical No,
    hardware_interactive: Hardware Interactive No,
    hardware_override: Hardware Override No,
    software_critical: Software Critical No,
    software_interactive: Software Interactive No,
    software_override: Software Override No,
    from_version_critical: FromVersion Critical No,
    from_version_interactive: FromVersion Interactive No,
    from_version_override: FromVersion Override NotConcerned,
    downgrade_critical: Downgrade Critical No,
    downgrade_interactive: Downgrade Interactive No,
    downgrade_override: Downgrade Override IfDowngradeAllowed,
    epoch_critical: Epoch Critical No,
    epoch_interactive: Epoch Interactive No,
    epoch_override: Epoch Override No,
    needs_user_critical: NeedsUser Critical No,
    needs_user_interactive: NeedsUser Interactive Yes,
    needs_user_override: NeedsUser Override Yes,
    phase_critical: Phase Critical Yes,
    phase_interactive: Phase Interactive IfInteractiveBypasses,
    phase_override: Phase Override Yes,
    domain_critical: Domain Critical IfCriticalIgnoresDomains,
    domain_interactive: Domain Interactive No,
    domain_override: Domain Override Yes,
    window_critical: Window Critical Yes,
    window_interactive: Window Interactive Yes,
    window_override: Window Override Yes,
    opt_out_critical: OptOut Critical IfHoldAllows,
    opt_out_interactive: OptOut Interactive Yes,
    opt_out_override: OptOut Override Yes,
    consent_critical: Consent Critical No,
    consent_interactive: Consent Interactive Yes,
    consent_override: Consent Override Yes,
    backoff_critical: Backoff Critical No,
    backoff_interactive: Backoff Interactive Yes,
    backoff_override: Backoff Override Yes,
    memory_critical: Memory Critical No,
    memory_interactive: Memory Interactive No,
    memory_override: Memory Override Yes,
    hard_critical: Hard Critical No,
    hard_interactive: Hard Interactive No,
    hard_override: Hard Override No,
}

#[test]
fn an_override_without_force_stops_at_soft_holds() {
    for row in [Row::Window, Row::OptOut, Row::Consent, Row::Backoff, Row::Memory] {
        for (mut world, code) in obstacles(row, Allowed::default()) {
            world.overriding("b5", |chosen| chosen.force = false);
            assert_eq!(world.hears(&on("r1"), after(0)).reason, code, "{row:?}");
        }
    }
}

#[test]
fn a_domainless_stage_that_has_passed_lets_no_critical_release_past_the_domains() {
    let obstacle = obstacles(Row::Domain, Allowed::default()).remove(0).0;
    let mut world = obstacle;
    let policy = world.catalog.policies().get("r5").unwrap().body.clone();
    world.roll_out("r5", |edited| {
        *edited = policy.clone();
        let canary = tidegate_model::Stage {
            name: "canary".to_owned(),
            exposure: Exposure::Percent { share: Ppm::new(1).unwrap(), basis: Basis::Hash },
            domains: None,
            ..policy.stages[0].clone()
        };
        edited.stages.insert(0, canary);
    });
    world.release("r5", |release| {
        release.urgency = Urgency::Critical;
        release.rollout.stage_index = 1;
        let exposure = Exposure::Percent { share: Ppm::new(1).unwrap(), basis: Basis::Hash };
        release.rollout.passed.push(tidegate_model::PassedStage { name: "canary".to_owned(), exposure });
    });
    world.expect(&Request { attributes: &[("fd", "fd1")], ..on("r1") }, after(0), Reason::DomainClosed, "");
    world.expect(&Request { attributes: &[("fd", "fd0")], ..on("r1") }, after(0), Reason::OfferLatest, "r5");
}
