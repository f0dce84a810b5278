//! The controller with a machine, on a virtual clock: entries are applied as a leader would propose them, and the controller
//! acts at each instant at which something falls due, until nothing is left.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use tidegate_controller::{Event, EventKind, Health, Intake, Progress, Sighting, due, explain, next_due};
use tidegate_eligibility::{Request, Snapshot, Stamp, decide};
use tidegate_machine::{Code, Genesis, State, apply, sub_status};
use tidegate_model::{
    Basis, Bundle, BundleId, BundleState, Cohort, CohortId, Command, Delete, Device, DeviceKey, DeviceState, Document,
    DomainOrder, Domains, Entry, Exclusion, ExclusionId, ExclusionScope, Exposure, Gate, HoldId, HoldKind, HoldScope, HoldSpec,
    InstallMode, ObjectRef, Policy, Ppm, Principal, Product, ProductId, Release, ReleaseId, ReleaseSpec, RequestId, Requirement,
    Retry, Seed, Selector, Span, Spec, Stage, Timestamp, Transition, Urgency, Verb, VersionScheme, VersionText,
};

pub const HOUR: u64 = 3_600;
pub const START: Timestamp = Timestamp::from_secs(1_767_225_600);

pub fn release_id(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

pub fn os() -> ProductId {
    ProductId::new("os").unwrap()
}

pub fn key(device: &str) -> DeviceKey {
    DeviceKey::new(device).unwrap()
}

pub fn cohort_id(id: &str) -> CohortId {
    CohortId::new(id).unwrap()
}

pub fn texts(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// `secs` after the start.
pub fn after(secs: u64) -> Timestamp {
    START.plus(Span::from_secs(secs))
}

pub fn share(percent: u32) -> Ppm {
    Ppm::new(percent * 10_000).unwrap()
}

pub fn percent(part: u32, basis: Basis) -> Exposure {
    Exposure::Percent { share: share(part), basis }
}

pub fn product() -> Product {
    Product {
        id: os(),
        version_scheme: VersionScheme::SemVer,
        allow_unregistered: true,
        default_cohort: Some(cohort_id("stable")),
        max_staleness: None,
        required_attestations: BTreeSet::new(),
        poll_interval: None,
        trusted_keys: BTreeSet::new(),
        client_phased: false,
        active_window: Product::ACTIVE_WINDOW_DEFAULT,
        retry: None,
        flatten_reasons: false,
    }
}

pub fn retrying(limit: u32, hours: u64) -> Product {
    Product { retry: Some(Retry { limit, backoff: Span::from_secs(hours * HOUR) }), ..product() }
}

pub fn cohort(id: &str) -> Cohort {
    Cohort { id: cohort_id(id), product: os(), rules: Vec::new(), entry_release: None, follows: None, fixed_salt: None }
}

pub fn bundle(id: &str) -> Bundle {
    Bundle {
        id: BundleId::new(id).unwrap(),
        product: os(),
        version: None,
        artifacts: Vec::new(),
        requires: Requirement::default(),
        provides: Vec::new(),
        security_epoch: 0,
        state: BundleState::Ready,
        signatures: Vec::new(),
    }
}

/// Release `rN` of bundle `bN` and version `N.0.0`, in `stable`.
pub fn release(number: u8) -> ReleaseSpec {
    ReleaseSpec {
        id: release_id(&format!("r{number}")),
        product: os(),
        cohort: cohort_id("stable"),
        bundle: BundleId::new(&format!("b{number}")).unwrap(),
        version: Some(VersionText::new(&format!("{number}.0.0")).unwrap()),
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
        adopt: number == 0,
        replace: false,
    }
}

pub fn stage(name: &str, exposure: Exposure, gate: Option<Gate>) -> Stage {
    Stage { name: name.to_owned(), selector: Selector::default(), exposure, domains: None, gate }
}

pub fn of_env(env: &str) -> Selector {
    Selector { attributes: BTreeMap::from([("env".to_owned(), texts(&[env]))]), ..Selector::default() }
}

/// A canary with this gate, and then everybody.
pub fn canary(release: &str, gate: Gate) -> Policy {
    staged(release, vec![stage("canary", Exposure::All, Some(gate)), stage("all", Exposure::All, None)])
}

pub fn staged(release: &str, stages: Vec<Stage>) -> Policy {
    Policy { stages, ..Policy::implicit(release_id(release)) }
}

pub fn domains(values: &[&str], parallel: u32) -> Option<Domains> {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Some(Domains { key: "fd".to_owned(), values, order: DomainOrder::Listed, parallel, gate_each: true })
}

pub fn exclusion(id: &str, values: &[&str], scope: ExclusionScope) -> Exclusion {
    Exclusion { id: ExclusionId::new(id).unwrap(), key: "fd".to_owned(), groups: vec![texts(values)], scope }
}

pub fn hold(id: &str, kind: HoldKind, scope: HoldScope) -> HoldSpec {
    HoldSpec {
        id: HoldId::new(id).unwrap(),
        product: os(),
        scope,
        kind,
        release: None,
        bundle: None,
        from: None,
        until: None,
        window: None,
        critical_pierces: false,
        reason: String::new(),
    }
}

pub fn device(name: &str, cohort: Option<&str>, attributes: &[(&str, &str)]) -> Device {
    Device {
        key: key(name),
        product: os(),
        cohort: cohort.map(cohort_id),
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        tags: BTreeSet::new(),
        state: DeviceState::Active,
        security_epoch: 0,
    }
}

pub const PUBLISH: Verb = Verb::Publish { supersede: false, insert_unphased: false };
pub const SUPERSEDE: Verb = Verb::Publish { supersede: true, insert_unphased: false };
pub const WITHDRAW: Verb = Verb::Withdraw { revert_to: None, revert_share: Ppm::EVERYBODY, open_barrier: false };
pub const ADVANCE: Verb = Verb::Advance { domain: None };

/// A cluster of one, with its controller.
#[derive(Clone)]
pub struct Runner {
    pub state: State,
    pub health: Health,
    pub now: Timestamp,
    index: u64,
    events: u64,
    /// Config versions at which the controller changed something.
    pub steered: Vec<u64>,
}

impl Runner {
    /// Product `os`, cohort `stable` with the adopted release `r0`, drafts `r1` and `r2`.
    pub fn new() -> Self {
        let genesis = Genesis { version_base: 0, epoch: 1, bare_signatures: true };
        let mut runner =
            Self { state: State::new(genesis), health: Health::new(), now: START, index: 0, events: 0, steered: Vec::new() };
        let mut specs = vec![Spec::Product(product()), Spec::Cohort(cohort("stable"))];
        specs.extend((0..3).map(|number| Spec::Bundle(bundle(&format!("b{number}")))));
        specs.extend((0..3).map(|number| Spec::Release(Box::new(release(number)))));
        runner.apply(specs);
        runner
    }

    /// As [`Runner::new`], with this policy and its release published.
    pub fn with(policy: Policy) -> Self {
        let mut runner = Self::new();
        let release = policy.release.clone();
        runner.apply(vec![Spec::Policy(policy)]);
        runner.act(release.as_str(), PUBLISH);
        runner
    }

    pub fn propose(&mut self, principal: &str, command: Command) -> Result<u64, Code> {
        self.index += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.index.to_be_bytes());
        let cleared = match &command {
            Command::Transition(Transition { release, verb: Verb::Clear { device }, .. }) => {
                Some((release.clone(), device.clone()))
            }
            _ => None,
        };
        let entry = Entry {
            proposed_at: self.now,
            principal: Principal::new(principal).unwrap(),
            auth_epoch: u64::MAX,
            request_id: RequestId::new(&format!("q{}", self.index)).unwrap(),
            seed: Seed(seed),
            command,
        };
        let applied = apply(&mut self.state, self.index, &entry);
        self.health.learn(&applied.changes, self.now);
        if let Some((release, device)) = cleared.filter(|_| applied.result.is_ok()) {
            let bundle = self.release(release.as_str()).bundle.clone();
            self.health.clear(&os(), &device, &bundle);
        }
        applied.result.map(|outcome| outcome.config_version).map_err(|rejection| {
            eprintln!("refused: {rejection}");
            rejection.code
        })
    }

    /// The controller acts until nothing is left to do. Nothing that it asks for is refused.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            let commands = due(&self.state, &self.health, self.now);
            if commands.is_empty() {
                return;
            }
            for command in commands {
                let what = format!("{command:?}");
                match self.propose("controller", command) {
                    Ok(version) => self.steered.push(version),
                    Err(Code::Conflict) => {}
                    Err(code) => panic!("{code:?} for {what}"),
                }
            }
        }
        panic!("no fixed point: {:?}", due(&self.state, &self.health, self.now));
    }

    /// Time passes; the controller acts at each instant at which something falls due.
    pub fn at(&mut self, secs: u64) -> &mut Self {
        let goal = after(secs);
        assert!(goal >= self.now, "time never goes back");
        for _ in 0..10_000 {
            match next_due(&self.state, &self.health, self.now).filter(|at| *at <= goal) {
                Some(at) => {
                    assert!(at > self.now, "the next instant lies ahead");
                    self.now = at;
                    self.settle();
                }
                None => {
                    self.now = goal;
                    let before = self.state.digest();
                    self.settle();
                    // Whatever falls due by time alone was announced.
                    assert_eq!(before, self.state.digest(), "unannounced");
                    return self;
                }
            }
        }
        panic!("too many instants");
    }

    pub fn apply(&mut self, specs: Vec<Spec>) -> &mut Self {
        self.try_apply(specs).unwrap();
        self
    }

    pub fn try_apply(&mut self, specs: Vec<Spec>) -> Result<(), Code> {
        let documents = specs.into_iter().map(|spec| Document { spec, expected_version: None }).collect();
        let result = self.propose("ops", Command::Apply(documents)).map(|_| ());
        self.settle();
        result
    }

    pub fn act(&mut self, release: &str, verb: Verb) -> &mut Self {
        self.try_act(release, verb, None).unwrap();
        self
    }

    pub fn act_because(&mut self, release: &str, verb: Verb, reason: &str) -> &mut Self {
        self.try_act(release, verb, Some(reason)).unwrap();
        self
    }

    pub fn try_act(&mut self, release: &str, verb: Verb, reason: Option<&str>) -> Result<(), Code> {
        let reason = reason.map(str::to_owned);
        let command = Command::Transition(Transition { release: release_id(release), expected_version: None, reason, verb });
        let result = self.propose("ops", command).map(|_| ());
        self.settle();
        result
    }

    pub fn delete(&mut self, object: ObjectRef) -> &mut Self {
        self.propose("ops", Command::Delete(Delete { object, expected_version: None })).unwrap();
        self.settle();
        self
    }

    /// Devices `from..to` check.
    pub fn sees(&mut self, devices: std::ops::Range<usize>, attributes: &[(&str, &str)]) -> &mut Self {
        for number in devices {
            let sighting = Sighting {
                product: os(),
                device: key(&format!("d{number}")),
                attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
                tags: BTreeSet::new(),
            };
            self.health.sight(self.state.catalog(), &sighting, self.now);
        }
        self.settle();
        self
    }

    /// Devices tell of a release, each with an event of its own.
    pub fn told(&mut self, devices: std::ops::Range<usize>, release: &str, kind: EventKind) -> &mut Self {
        for number in devices {
            self.events += 1;
            let event = event(&format!("e{}", self.events), &format!("d{number}"), release, kind, self.now);
            self.take_in(&event);
        }
        self.settle();
        self
    }

    /// A device tells of a release with this code; the controller acts.
    pub fn tells(&mut self, device: usize, release: &str, kind: EventKind, code: &str) -> &mut Self {
        self.notes(device, release, kind, code);
        self.settle();
        self
    }

    /// As [`Runner::tells`], and the controller has not looked yet.
    pub fn notes(&mut self, device: usize, release: &str, kind: EventKind, code: &str) -> &mut Self {
        self.events += 1;
        let told = event(&format!("e{}", self.events), &format!("d{device}"), release, kind, self.now);
        self.take_in(&Event { code: code.to_owned(), ..told });
        self
    }

    pub fn take_in(&mut self, event: &Event) -> Intake {
        self.health.take_in(self.state.catalog(), event, self.now)
    }

    pub fn release(&self, id: &str) -> &Release {
        &self.state.catalog().releases().get(id).unwrap_or_else(|| panic!("no release {id}")).body
    }

    pub fn version(&self, id: &str) -> u64 {
        self.state.catalog().releases().get(id).unwrap().version
    }

    /// State, stage, sub-status and reason in one line.
    pub fn shows(&self, id: &str) -> String {
        let release = self.release(id);
        let rollout = &release.rollout;
        let policy = self.state.catalog().policies().get(id).map(|stored| &stored.body);
        let stage = policy.and_then(|policy| policy.stages.get(rollout.stage_index as usize)).map_or("-", |stage| &stage.name);
        let status = sub_status(release, self.now).map_or("-", |status| status.as_str());
        format!("{:?} {stage} {status} {}", rollout.state, rollout.reason).trim_end().to_owned()
    }

    #[track_caller]
    pub fn expect(&mut self, id: &str, shows: &str) -> &mut Self {
        assert_eq!(self.shows(id), shows, "{id} at {}", self.now);
        self
    }

    pub fn explain(&self, id: &str) -> Progress {
        explain(&self.state, &self.health, &release_id(id), self.now).unwrap()
    }

    /// The cells of a release by state.
    pub fn cells(&self, id: &str) -> String {
        let cells = self.release(id).rollout.cells.iter();
        cells.map(|(value, cell)| format!("{value}:{:?}", cell.state)).collect::<Vec<_>>().join(" ")
    }

    /// What a device on r0 hears.
    pub fn hears(&self, device: &str, attributes: &[(&str, &str)]) -> String {
        let stamp = Stamp { config_version: self.state.config_version(), epoch: 1, applied_index: self.index };
        let snapshot = Snapshot::of(self.state.catalog(), stamp);
        let request = Request { product: "os", device: Some(device), release: Some("r0"), attributes, ..Request::default() };
        let decision = decide(&snapshot, &request, self.now);
        match decision.target.and_then(|target| target.release) {
            Some(release) => format!("{} {release}", decision.reason),
            None => decision.reason.to_string(),
        }
    }

    /// Devices `0..count` that are offered this release.
    pub fn offered(&self, count: usize, release: &str) -> BTreeSet<usize> {
        let stamp = Stamp { config_version: self.state.config_version(), epoch: 1, applied_index: self.index };
        let snapshot = Snapshot::of(self.state.catalog(), stamp);
        let is_offered = |number: &usize| {
            let device = format!("d{number}");
            let request = Request { product: "os", device: Some(&device), release: Some("r0"), ..Request::default() };
            decide(&snapshot, &request, self.now)
                .target
                .and_then(|target| target.release)
                .is_some_and(|id| id.as_str() == release)
        };
        (0..count).filter(is_offered).collect()
    }
}

pub fn event(id: &str, device: &str, release: &str, kind: EventKind, at: Timestamp) -> Event {
    Event {
        event_id: id.to_owned(),
        product: os(),
        device: key(device),
        release: Some(release_id(release)),
        bundle: None,
        version: None,
        kind,
        at,
        code: String::new(),
        message: String::new(),
    }
}
