//! Step 3: what is known of the device, gathered once per decision.

use std::cell::OnceCell;

use tidegate_model::{Device, DeviceFacts, DeviceState, DottedVersion, Product, Timestamp};

use crate::compiled::{CohortView, Graph, Install, Node, ProductView, ReleaseView, RuleView, UrgencyView};
use crate::decide::piercers::Piercers;
use crate::decide::position::{self, Place};
use crate::decision::InstallMode;
use crate::facts::Facts;
use crate::request::{Mode, Request, present};
use crate::table::KeyHash;
use crate::version::{VersionRef, greater};

/// Whether the device is answered at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Served,
    Decommissioned,
    Unknown,
}

/// Everything that stays the same during one decision.
pub(super) struct Context<'s, 'a> {
    pub(super) view: &'s ProductView,
    pub(super) product: &'s Product,
    pub(super) cohort: Option<&'s CohortView>,
    pub(super) facts: Facts<'a>,
    pub(super) now: Timestamp,
    /// Reported bundle, if its id is well-formed.
    pub(super) bundle: Option<(&'a str, KeyHash)>,
    /// Reported version, if it can be read.
    pub(super) reported_version: Option<VersionRef<'a>>,
    /// The device version: reported, else known of what it reports, else that of its current release.
    pub(super) version: Option<VersionRef<'a>>,
    /// The device epoch.
    pub(super) epoch: u64,
    /// Where in its cohort's graph the device is.
    pub(super) place: Place,
    /// Whether it is answered at all.
    pub(super) kind: DeviceKind,
}

impl<'s: 'a, 'a> Context<'s, 'a> {
    pub(super) fn new(
        view: &'s ProductView,
        product: &'s Product,
        request: &'a Request<'a>,
        now: Timestamp,
        dotted: &'a OnceCell<DottedVersion>,
    ) -> Self {
        let hashed = |text: &'a str| (text, KeyHash::of(text));
        let key = request.key().map(hashed);
        let record = key.and_then(|(key, hash)| view.devices.get_hashed(hash, key)).map(|stored| &stored.body);
        let kind = match record {
            Some(device) if device.state == DeviceState::Decommissioned => DeviceKind::Decommissioned,
            None if !product.allow_unregistered => DeviceKind::Unknown,
            Some(_) | None => DeviceKind::Served,
        };
        let mut facts = Facts { request, device: record, key, cohort: None };
        let cohort = if kind == DeviceKind::Served { cohort(view, product, record, &facts) } else { None };
        facts.cohort = cohort.map(|cohort| (&cohort.stored.body.id, cohort.hash));
        let release = present(request.release).map(hashed);
        let bundle = present(request.bundle).filter(|id| tidegate_model::BundleId::is_valid(id)).map(hashed);
        let reported_version = present(request.version).and_then(|text| VersionRef::parse(product.version_scheme, text, dotted));
        let place = cohort.map_or(Place::default(), |cohort| position::locate(cohort, release, bundle, reported_version));

        // Most devices are where their report says, so that what they report has been found already.
        let here = place.current.and_then(|node| Some(&*cohort?.graph.node(node).view));
        let known_release =
            release.and_then(|(id, hash)| match here.filter(|here| here.hash == hash && here.id().as_str() == id) {
                Some(here) => Some(here),
                None => view.releases.get_hashed(hash, id).map(|known| &**known),
            });
        let known_bundle = bundle.and_then(|(id, hash)| {
            let of_here = here.filter(|here| here.bundle_hash == hash).and_then(|here| here.bundle.as_deref());
            match of_here.filter(|known| known.bundle().id.as_str() == id) {
                Some(known) => Some(known),
                None => view.bundles.get_hashed(hash, id).map(|known| &**known),
            }
        });
        let of_release = known_release.filter(|known| known.release().linked).and_then(|known| known.version());
        let of_bundle = known_bundle.and_then(|known| known.version.as_ref()).map(VersionRef::of);
        let of_current = || place.current.and_then(|node| cohort?.graph.node(node).view.version());
        let version = reported_version.or_else(|| greater(of_release, of_bundle)).or_else(of_current);
        let of_known = known_release.and_then(|known| known.bundle.as_ref()).map_or(0, |bundle| bundle.bundle().security_epoch);
        let epoch = (request.security_epoch.unwrap_or(0))
            .max(record.map_or(0, |device| device.security_epoch))
            .max(known_bundle.map_or(0, |known| known.bundle().security_epoch))
            .max(of_known);
        Self { view, product, cohort, facts, now, bundle, reported_version, version, epoch, place, kind }
    }

    /// The cohort's graph; only asked for after a position in it was found.
    pub(super) fn graph(&self) -> &'s Graph {
        &self.cohort.expect("positions are only found in the graph of a cohort").graph
    }

    /// A node of the cohort's graph.
    pub(super) fn node(&self, node: usize) -> &'s Node {
        self.graph().node(node)
    }

    /// True if the release is critical for this device.
    pub(super) fn is_critical(&self, view: &ReleaseView) -> bool {
        match &view.urgency {
            UrgencyView::Normal => false,
            UrgencyView::Critical => true,
            UrgencyView::Below(bound) => self.version.is_some_and(|version| version.is_below(&VersionRef::of(bound))),
        }
    }

    /// True if the release is only information for this device.
    pub(super) fn is_informational(&self, view: &ReleaseView) -> bool {
        match &view.install {
            Install::InfoForAll => true,
            Install::Info { versions, below } => self.version.is_some_and(|version| {
                let is_it = |named| version.precedence(&VersionRef::of(named)).is_some_and(std::cmp::Ordering::is_eq);
                versions.iter().any(is_it) || below.as_ref().is_some_and(|bound| version.is_below(&VersionRef::of(bound)))
            }),
            Install::Auto | Install::Ask | Install::AskBelow(_) => false,
        }
    }

    /// True if somebody must agree before this device installs the release.
    pub(super) fn needs_user(&self, view: &ReleaseView) -> bool {
        match &view.install {
            Install::Ask => true,
            Install::AskBelow(bound) => self.version.is_none_or(|version| version.is_below(&VersionRef::of(bound))),
            Install::Auto | Install::InfoForAll | Install::Info { .. } => false,
        }
    }

    /// Who decides on this device.
    pub(super) fn install_mode(&self, view: &ReleaseView) -> InstallMode {
        if self.is_informational(view) {
            InstallMode::Info
        } else if self.needs_user(view) {
            InstallMode::Ask
        } else {
            InstallMode::Auto
        }
    }

    /// Who pierces for this candidate.
    pub(super) fn piercers(&self, view: &ReleaseView) -> Piercers {
        Piercers {
            is_critical: self.is_critical(view),
            is_interactive: self.facts.request.mode == Mode::Interactive,
            interactive_bypasses_phase: view.policy.body.interactive_bypasses_phase,
            critical_ignores_domains: view.policy.body.critical_ignores_domains,
        }
    }

    /// True if the release's consents list the device.
    pub(super) fn has_consent(&self, view: &ReleaseView) -> bool {
        self.facts.key.is_some_and(|(key, _)| view.release().consents.contains(key))
    }
}

/// The cohort: of the record; else of the earliest created cohort with a rule that matches; else, for a device without a
/// record, the one it names; else the default one. A record that names a cohort which is not there puts it in none:
/// falling through could hand it somebody else's releases.
fn cohort<'s>(view: &'s ProductView, product: &Product, record: Option<&Device>, facts: &Facts<'_>) -> Option<&'s CohortView> {
    let find = |id: &str| view.cohorts.get(id).map(|cohort| &**cohort);
    if let Some(id) = record.and_then(|device| device.cohort.as_ref()) {
        return find(id.as_str());
    }
    let mut first: Option<&RuleView> = None;
    view.rules.visit(facts, |rule| {
        if first.is_none_or(|first| (rule.created, &rule.cohort) < (first.created, &first.cohort)) {
            first = Some(rule);
        }
    });
    if let Some(rule) = first {
        return view.cohorts.get_hashed(rule.cohort_hash, rule.cohort.as_str()).map(|cohort| &**cohort);
    }
    let named = if record.is_none() { facts.attribute("cohort").and_then(find) } else { None };
    named.or_else(|| find(product.default_cohort.as_ref()?.as_str()))
}
