//! Catalogs for tests, made directly: every object is in whatever state a test wants, without the machine. A world
//! answers through the compiled form and through the naive twin, and insists that they agree.

mod dice;
mod plausible;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_model::{
    Attestation, AttestationKind, Bundle, BundleId, BundleState, Catalog, CatalogChange, Cohort, CohortId, Created, Device,
    DeviceKey, DeviceState, Hold, HoldId, HoldKind, HoldScope, InstallMode, Object, Override, OverrideId, OverrideTarget, Place,
    Policy, Principal, Product, ProductId, Release, ReleaseId, Requirement, Rollout, RolloutState, Salt, Selector, Span,
    StageState, Stored, Timestamp, Urgency, VersionScheme, VersionText,
};

pub(crate) use dice::Dice;
pub(crate) use plausible::{plausible_world, request_parts};

use crate::decision::Decision;
use crate::naive::{self, Outcome};
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::{Snapshot, Stamp};
use crate::trace::Entry;

/// The instant around which tests play: 2026-01-01, noon UTC.
pub(crate) const T: Timestamp = Timestamp::from_secs(1_767_268_800);
pub(crate) const HOUR: u64 = 3_600;
pub(crate) const DAY: u64 = 24 * HOUR;

/// `secs` after [`T`].
pub(crate) fn after(secs: u64) -> Timestamp {
    T.plus(Span::from_secs(secs))
}

/// `secs` before [`T`].
pub(crate) fn before(secs: u64) -> Timestamp {
    Timestamp::from_millis(T.as_millis() - i64::try_from(secs * 1_000).unwrap())
}

pub(crate) fn release_id(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

pub(crate) fn bundle_id(id: &str) -> BundleId {
    BundleId::new(id).unwrap()
}

pub(crate) fn device_key(key: &str) -> DeviceKey {
    DeviceKey::new(key).unwrap()
}

pub(crate) fn version(text: &str) -> VersionText {
    VersionText::new(text).unwrap()
}

pub(crate) fn texts(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A selector on one attribute.
pub(crate) fn attribute(name: &str, values: &[&str]) -> Selector {
    Selector { attributes: BTreeMap::from([(name.to_owned(), texts(values))]), ..Selector::default() }
}

/// A request of product `os` without anything.
pub(crate) fn ask() -> Request<'static> {
    Request { product: "os", ..Request::default() }
}

/// A device on a release.
pub(crate) fn on(release: &'static str) -> Request<'static> {
    Request { device: Some("dev-1"), release: Some(release), ..ask() }
}

/// A catalog with product `os`, cohort `stable` and whatever a test adds.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) catalog: Catalog,
    /// Objects made so far; the creation of the next one.
    made: u64,
}

impl World {
    /// Product `os`, open to all, semantic versions, default cohort `stable`.
    pub(crate) fn new() -> Self {
        let mut world = Self::default();
        world.product(|_| {});
        world.cohort("stable", |_| {});
        world
    }

    /// The figure of the graph: r0 -> r1 -> r5; r2, r3 -> r4 -> r5; bundles b0 to b5.
    pub(crate) fn graph() -> Self {
        let mut world = Self::new();
        for (id, text, next) in [
            ("r0", "1.0.0", "r1"),
            ("r1", "1.1.0", "r5"),
            ("r2", "1.0.1", "r4"),
            ("r3", "1.0.2", "r4"),
            ("r4", "1.2.0", "r5"),
            ("r5", "2.0.0", ""),
        ] {
            world.bundle(&format!("b{}", &id[1..]), |_| {});
            world.release(id, |release| {
                release.version = Some(version(text));
                release.next = (!next.is_empty()).then(|| release_id(next));
            });
        }
        world
    }

    pub(crate) fn put(&mut self, object: impl FnOnce(u64, Created) -> Object) {
        self.made += 1;
        let object = object(1, Created { config_version: self.made, seq: 0 });
        self.catalog.apply(&CatalogChange::Put(object));
    }

    pub(crate) fn product(&mut self, edit: impl FnOnce(&mut Product)) {
        let mut body = self.catalog.products().get("os").map_or_else(new_product, |stored| stored.body.clone());
        edit(&mut body);
        self.put(|version, created| Object::Product(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn cohort(&mut self, id: &str, edit: impl FnOnce(&mut Cohort)) {
        let mut body = Cohort {
            id: CohortId::new(id).unwrap(),
            product: ProductId::new("os").unwrap(),
            rules: Vec::new(),
            entry_release: None,
            follows: None,
            fixed_salt: None,
        };
        edit(&mut body);
        self.put(|version, created| Object::Cohort(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn bundle(&mut self, id: &str, edit: impl FnOnce(&mut Bundle)) {
        let stored = self.catalog.bundles().get(id).cloned();
        let mut body = stored.as_ref().map_or_else(|| new_bundle(id), |stored| stored.body.clone());
        edit(&mut body);
        self.put(|version, created| {
            let created = stored.map_or(created, |stored| stored.created);
            Object::Bundle(Arc::new(Stored { version, created, body }))
        });
    }

    /// Makes or changes a release. A new one is completed and linked, of bundle `b...` for `r...`, in `stable`.
    pub(crate) fn release(&mut self, id: &str, edit: impl FnOnce(&mut Release)) {
        let stored = self.catalog.releases().get(id).cloned();
        let mut body = stored.as_ref().map_or_else(|| new_release(id), |stored| stored.body.clone());
        edit(&mut body);
        self.put(|version, created| {
            let created = stored.map_or(created, |stored| stored.created);
            Object::Release(Arc::new(Stored { version, created, body }))
        });
    }

    /// Puts the rollout of a release into a state; ACTIVE opens its first stage at [`T`].
    pub(crate) fn state(&mut self, release: &str, state: RolloutState) {
        self.release(release, |release| {
            let rollout = &mut release.rollout;
            rollout.state = state;
            if matches!(state, RolloutState::Active | RolloutState::Paused) {
                rollout.stage_state = StageState::Open;
                rollout.stage_opened_at = Some(T);
                rollout.was_completed = false;
            }
        });
    }

    /// Gives a release a policy and makes it ACTIVE, its first stage open since [`T`].
    pub(crate) fn roll_out(&mut self, release: &str, edit: impl FnOnce(&mut Policy)) {
        let mut body = Policy::implicit(release_id(release));
        edit(&mut body);
        self.put(|version, created| Object::Policy(Arc::new(Stored { version, created, body })));
        self.state(release, RolloutState::Active);
    }

    pub(crate) fn hold(&mut self, kind: HoldKind, edit: impl FnOnce(&mut Hold)) {
        let mut body = Hold {
            id: HoldId::new(&format!("h{}", self.catalog.holds().len())).unwrap(),
            product: ProductId::new("os").unwrap(),
            scope: HoldScope::Product,
            kind,
            release: None,
            bundle: None,
            from: before(DAY),
            until: Some(after(30 * DAY)),
            window: None,
            critical_pierces: false,
            reason: String::new(),
            author: Principal::new("ops").unwrap(),
        };
        edit(&mut body);
        self.put(|version, created| Object::Hold(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn overriding(&mut self, bundle: &str, edit: impl FnOnce(&mut Override)) {
        let mut body = Override {
            id: OverrideId::new(&format!("o{}", self.catalog.overrides().len())).unwrap(),
            product: ProductId::new("os").unwrap(),
            target: OverrideTarget::Devices(BTreeSet::from([device_key("dev-1")])),
            bundle: bundle_id(bundle),
            starts_at: before(DAY),
            ends_at: None,
            force: true,
            allow_downgrade: false,
        };
        edit(&mut body);
        self.put(|version, created| Object::Override(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn device(&mut self, key: &str, edit: impl FnOnce(&mut Device)) {
        let mut body = Device {
            key: device_key(key),
            product: ProductId::new("os").unwrap(),
            cohort: None,
            attributes: tidegate_model::Attributes::default(),
            tags: BTreeSet::new(),
            state: DeviceState::Active,
            security_epoch: 0,
        };
        edit(&mut body);
        self.put(|version, created| Object::Device(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn attest(&mut self, bundle: &str, kind: &str) {
        let body = Attestation {
            bundle: bundle_id(bundle),
            kind: AttestationKind::new(kind).unwrap(),
            by: Principal::new("qa-team").unwrap(),
            at: T,
            evidence: String::new(),
        };
        self.put(|version, created| Object::Attestation(Arc::new(Stored { version, created, body })));
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { config_version: self.made, epoch: 1, applied_index: self.made }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.catalog, self.stamp())
    }

    /// What the device hears; the compiled form and the naive twin agree on it, traced or not.
    pub(crate) fn hears(&self, request: &Request<'_>, now: Timestamp) -> Outcome {
        let snapshot = self.snapshot();
        let slow = naive::decide(&self.catalog, self.stamp(), request, now);
        assert_eq!(Outcome::from(crate::decide(&snapshot, request, now)), slow, "compiled and naive differ on {request:?}");
        let traced = crate::decide_traced(&snapshot, request, now, &mut Vec::new());
        assert_eq!(Outcome::from(traced), slow, "tracing changes the answer to {request:?}");
        slow
    }

    /// The reason and the target release (or bundle, for an override).
    pub(crate) fn answer(&self, request: &Request<'_>, now: Timestamp) -> (Reason, Option<String>) {
        let outcome = self.hears(request, now);
        (outcome.reason, outcome.target.map(|(release, bundle, _)| release.map_or(bundle.to_string(), |id| id.to_string())))
    }

    /// Asserts reason and target (empty: none).
    #[track_caller]
    pub(crate) fn expect(&self, request: &Request<'_>, now: Timestamp, reason: Reason, target: &str) {
        let expected = (reason, (!target.is_empty()).then(|| target.to_owned()));
        assert_eq!(self.answer(request, now), expected, "{request:?}");
    }

    /// The codes that the trace names for each candidate, from the end of the path.
    pub(crate) fn candidates(&self, request: &Request<'_>, now: Timestamp) -> Vec<(String, Option<Reason>)> {
        let snapshot = self.snapshot();
        let mut trace = Vec::new();
        let _: Decision<'_> = crate::decide_traced(&snapshot, request, now, &mut trace);
        let of = |entry: &Entry<'_>| match entry {
            Entry::Candidate { release, failure, .. } => Some((release.to_string(), *failure)),
            _ => None,
        };
        trace.iter().filter_map(of).collect()
    }
}

fn new_product() -> Product {
    Product {
        id: ProductId::new("os").unwrap(),
        version_scheme: VersionScheme::SemVer,
        allow_unregistered: true,
        default_cohort: Some(CohortId::new("stable").unwrap()),
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

fn new_bundle(id: &str) -> Bundle {
    Bundle {
        id: bundle_id(id),
        product: ProductId::new("os").unwrap(),
        version: None,
        artifacts: Vec::new(),
        requires: Requirement::default(),
        provides: Vec::new(),
        security_epoch: 0,
        state: BundleState::Ready,
        signatures: Vec::new(),
    }
}

fn new_release(id: &str) -> Release {
    let mut rollout = Rollout::draft();
    rollout.state = RolloutState::Completed;
    rollout.was_completed = true;
    rollout.salt = Some(Salt([7; 16]));
    rollout.activated_at = Some(before(30 * DAY));
    rollout.stage_opened_at = Some(before(30 * DAY));
    Release {
        id: release_id(id),
        product: ProductId::new("os").unwrap(),
        cohort: CohortId::new("stable").unwrap(),
        bundle: bundle_id(&id.replacen('r', "b", 1)),
        version: None,
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
        next: None,
        rollout,
    }
}
