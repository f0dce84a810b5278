//! A small catalog, and a source of snapshots whose clocks and answers a test sets.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prometheus_client::registry::Registry;
use serde_json::Value;
use tidegate_eligibility::{Snapshot, Stamp, compile};
use tidegate_gateway::gateway::Bounds;
use tidegate_gateway::{Body, Gateway, Member, Metrics, SnapshotSource, SnapshotView, Status, Stop};
use tidegate_model::{
    Artifact, Bundle, BundleId, BundleState, Catalog, CatalogChange, Cohort, CohortId, Created, InstallMode, Object, Place,
    Product, ProductId, Release, ReleaseId, Requirement, Rollout, RolloutState, Salt, Span, Stored, Timestamp, Urgency,
    VersionScheme, VersionText,
};
use tidegate_platform::{Platform, SeededRandom};
use tokio::sync::Notify;

/// 2026-01-01T00:00:00Z.
pub const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
/// The node's own bound on staleness.
pub const BOUND: Duration = Duration::from_secs(5);
/// Poll interval of every product here.
pub const POLL: Span = Span::from_secs(300);

fn stored<T>(seq: u32, body: T) -> Arc<Stored<T>> {
    Arc::new(Stored { version: 1, created: Created { config_version: 7, seq }, body })
}

/// What one product of the catalog is like.
pub struct ProductSpec {
    /// Its id; ids of everything in it begin with it.
    pub id: &'static str,
    /// Its bound on staleness.
    pub max_staleness: Option<Span>,
    /// Whether it flattens reasons.
    pub flatten_reasons: bool,
    /// State of its second and latest release.
    pub latest: RolloutState,
}

/// A product with cohort `stable` and two releases: `ID-r0` (1.0.0), completed, and `ID-r1` (2.0.0) after it.
fn product(spec: &ProductSpec) -> Vec<Object> {
    let id = ProductId::new(spec.id).unwrap();
    let cohort = CohortId::new("stable").unwrap();
    let name = |kind: &str| format!("{}-{kind}", spec.id);
    let bundle = |number: u32, version: &str| {
        stored(
            number,
            Bundle {
                id: BundleId::new(&name(&format!("b{number}"))).unwrap(),
                product: id.clone(),
                version: Some(VersionText::new(version).unwrap()),
                artifacts: vec![Artifact {
                    name: "image".to_owned(),
                    size: 1_048_576,
                    sha256: "ab".repeat(32),
                    base_sha256: None,
                    url: Some("https://updates.example/image?a=\"1\"".to_owned()),
                }],
                requires: Requirement::default(),
                provides: Vec::new(),
                security_epoch: 0,
                state: BundleState::Ready,
                signatures: Vec::new(),
            },
        )
    };
    let release = |number: u32, version: &str, next: Option<ReleaseId>, state: RolloutState| {
        let rollout = Rollout {
            state,
            salt: Some(Salt([7; 16])),
            stage_opened_at: Some(Timestamp::from_secs(1)),
            activated_at: Some(Timestamp::from_secs(1)),
            paused_at: (state == RolloutState::Paused).then_some(Timestamp::from_secs(2)),
            was_completed: state == RolloutState::Completed,
            ..Rollout::draft()
        };
        stored(
            number,
            Release {
                id: ReleaseId::new(&name(&format!("r{number}"))).unwrap(),
                product: id.clone(),
                cohort: cohort.clone(),
                bundle: BundleId::new(&name(&format!("b{number}"))).unwrap(),
                version: Some(VersionText::new(version).unwrap()),
                version_requirement: None,
                required: false,
                disabled: false,
                dead_end: false,
                requirement: Requirement::default(),
                urgency: Urgency::Normal,
                install_mode: InstallMode::Auto,
                published_at: None,
                notes: String::new(),
                consents: BTreeSet::new(),
                place: Place::Latest,
                linked: true,
                next,
                rollout,
            },
        )
    };
    let latest = ReleaseId::new(&name("r1")).unwrap();
    vec![
        Object::Product(stored(
            0,
            Product {
                id: id.clone(),
                version_scheme: VersionScheme::SemVer,
                allow_unregistered: true,
                default_cohort: Some(cohort.clone()),
                max_staleness: spec.max_staleness,
                required_attestations: BTreeSet::new(),
                poll_interval: Some(POLL),
                trusted_keys: BTreeSet::new(),
                client_phased: false,
                active_window: Product::ACTIVE_WINDOW_DEFAULT,
                retry: None,
                flatten_reasons: spec.flatten_reasons,
            },
        )),
        Object::Cohort(stored(
            1,
            Cohort {
                id: cohort.clone(),
                product: id.clone(),
                rules: Vec::new(),
                entry_release: None,
                follows: None,
                fixed_salt: None,
            },
        )),
        Object::Bundle(bundle(0, "1.0.0")),
        Object::Bundle(bundle(1, "2.0.0")),
        Object::Release(release(0, "1.0.0", Some(latest), RolloutState::Completed)),
        Object::Release(release(1, "2.0.0", None, spec.latest)),
    ]
}

/// Products `os` (offers), `tight` (offers, bound 1 s), `held` (paused) and `quiet` (paused, flattens).
pub fn snapshot(config_version: u64) -> Snapshot {
    let plain = |id, latest| ProductSpec { id, max_staleness: None, flatten_reasons: false, latest };
    let specs = [
        plain("os", RolloutState::Completed),
        ProductSpec { max_staleness: Some(Span::from_secs(1)), ..plain("tight", RolloutState::Completed) },
        plain("held", RolloutState::Paused),
        ProductSpec { flatten_reasons: true, ..plain("quiet", RolloutState::Paused) },
    ];
    let changes: Vec<CatalogChange> = specs.iter().flat_map(product).map(CatalogChange::Put).collect();
    let mut catalog = Catalog::default();
    for change in &changes {
        catalog.apply(change);
    }
    let stamp = Stamp { config_version, epoch: 1, applied_index: config_version + 3 };
    compile(&Snapshot::empty(), &catalog, &changes, stamp)
}

/// What the source says; a test changes it while requests run.
pub struct Script {
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// Age of views, as the clock shows it now.
    pub staleness: Option<Duration>,
    /// Added to the age at each question for the decision time: the process was stopped there.
    pub stop: Duration,
    /// Where the decision clock stands.
    pub now: Timestamp,
    /// What a probe brings, once.
    pub probe: Option<(Snapshot, Duration)>,
    /// Release on the stop list.
    pub stopped: Option<(String, Stop)>,
    /// Whether the process wants traffic.
    pub is_ready: bool,
    /// Calls in their order.
    pub calls: Vec<&'static str>,
}

/// A source under the control of a test.
#[derive(Clone)]
pub struct Fake {
    pub script: Arc<Mutex<Script>>,
    /// While set, probes wait for the notification.
    pub gate: Arc<Mutex<Option<Arc<Notify>>>>,
    /// Told when a probe has begun.
    probing: Arc<Notify>,
}

pub struct FakeView(Snapshot);

impl SnapshotView for FakeView {
    fn snapshot(&self) -> &Snapshot {
        &self.0
    }
}

impl Fake {
    /// A source with a fresh snapshot of config version 9.
    pub fn new() -> Self {
        let script = Script {
            snapshot: Some(snapshot(9)),
            staleness: Some(Duration::from_micros(11_500)),
            stop: Duration::ZERO,
            now: NOW,
            probe: None,
            stopped: None,
            is_ready: true,
            calls: Vec::new(),
        };
        Self { script: Arc::new(Mutex::new(script)), gate: Arc::default(), probing: Arc::new(Notify::new()) }
    }

    /// Changes what the source says.
    pub fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// Waits until a probe has begun.
    pub async fn probe_begun(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.probing.notified()).await.expect("a probe begins");
    }

    /// The calls since the last look.
    pub fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.script.lock().unwrap().calls)
    }
}

impl SnapshotSource for Fake {
    type View = FakeView;

    fn current(&self) -> Option<FakeView> {
        let mut script = self.script.lock().unwrap();
        script.calls.push("current");
        script.snapshot.clone().map(FakeView)
    }

    fn staleness(&self, _view: &FakeView) -> Option<Duration> {
        let mut script = self.script.lock().unwrap();
        script.calls.push("staleness");
        script.staleness
    }

    fn decision_now(&self) -> Timestamp {
        let mut script = self.script.lock().unwrap();
        script.calls.push("decision_now");
        script.staleness = script.staleness.map(|age| age + script.stop);
        script.now
    }

    fn max_staleness(&self) -> Duration {
        BOUND
    }

    async fn ensure_fresh(&self, _bound: Duration) {
        self.script.lock().unwrap().calls.push("ensure_fresh");
        let gate = self.gate.lock().unwrap().clone();
        self.probing.notify_one();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let mut script = self.script.lock().unwrap();
        if let Some((snapshot, staleness)) = script.probe.take() {
            script.snapshot = Some(snapshot);
            script.staleness = Some(staleness);
        }
    }

    fn node(&self) -> &str {
        "2"
    }

    fn is_ready(&self) -> bool {
        self.script.lock().unwrap().is_ready
    }

    fn stopped(&self, _view: &FakeView, release: Option<&str>, _bundle: &str) -> Option<Stop> {
        let script = self.script.lock().unwrap();
        script.stopped.as_ref().filter(|(id, _)| Some(id.as_str()) == release).map(|(_, stop)| *stop)
    }

    fn status(&self) -> Status {
        Status {
            term: Some(3),
            leader: Some("1".to_owned()),
            members: vec![Member {
                node: "1".to_owned(),
                role: "leader".to_owned(),
                device_addr: "127.0.0.1:7401".to_owned(),
                matched_index: Some(12),
            }],
            alarms: Vec::new(),
        }
    }
}

/// A gateway over `fake`, with jitter from a fixed seed.
pub fn gateway(fake: &Fake) -> Arc<Gateway<Fake>> {
    gateway_within(fake, Bounds::default())
}

/// The same within other bounds.
pub fn gateway_within(fake: &Fake, bounds: Bounds) -> Arc<Gateway<Fake>> {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let platform = Platform { random: Arc::new(SeededRandom::new(1)), ..Platform::system() };
    Arc::new(Gateway::new(fake.clone(), &platform, metrics, Arc::new(registry), bounds))
}

/// One answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// A header as text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `code` of a problem document.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        self.json()["code"].as_str().unwrap().to_owned()
    }

    pub async fn read(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }
}

/// Sends one request in process.
pub async fn send(gateway: &Gateway<Fake>, method: Method, target: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder().method(method).uri(target).body(Full::new(body.into())).unwrap();
    Answer::read(gateway.handle(request).await).await
}

/// Posts a check.
pub async fn post(gateway: &Gateway<Fake>, body: impl Into<Bytes>) -> Answer {
    send(gateway, Method::POST, "/v1/check", body).await
}
