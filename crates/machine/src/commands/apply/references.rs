//! References between objects and versions under their product's scheme, judged on the result of the apply.

use std::collections::BTreeSet;

use tidegate_model::{
    Basis, BundleId, Cohort, CohortId, Exclusion, Exposure, HoldScope, HoldSpec, Invalid, ObjectRef, OverrideSpec, Policy, Ppm,
    ProductId, Release, ReleaseId, ReleaseSpec, RolloutState, Spec, Trigger, limits,
};

use crate::edit::Edit;
use crate::{exclusions, graph};

/// Every reference of the document that leads nowhere or to the wrong product, and every unreadable version.
pub(super) fn check(edit: &Edit, spec: &Spec) -> Vec<Invalid> {
    let mut found = Found { edit, broken: Vec::new() };
    match spec {
        Spec::Product(spec) => {
            if let Some(cohort) = &spec.default_cohort {
                found.cohort("default_cohort", &spec.id, cohort);
            }
        }
        Spec::Cohort(spec) => {
            found.product(&spec.product);
            if let Some(release) = &spec.entry_release {
                found.entry_release(&spec.product, &spec.id, release);
            }
            if let Some(followed) = &spec.follows {
                found.cohort("follows", &spec.product, followed);
                found.follows(spec, followed);
            }
        }
        Spec::Bundle(spec) => found.product(&spec.product),
        Spec::Release(spec) => found.release(spec),
        Spec::Policy(spec) => found.policy(spec),
        Spec::Device(spec) => {
            found.product(&spec.product);
            if let Some(cohort) = &spec.cohort {
                found.cohort("cohort", &spec.product, cohort);
            }
        }
        Spec::Hold(spec) => found.hold(spec),
        Spec::Override(spec) => found.override_of(spec),
        Spec::Exclusion(spec) => found.exclusion(spec),
        Spec::Attestation(spec) => {
            found.rule(edit.bundle(&spec.bundle).is_some(), "bundle", spec.bundle.as_str(), "must be an existing bundle");
        }
    }
    let product = match spec {
        Spec::Bundle(spec) => Some(&spec.product),
        Spec::Release(spec) => Some(&spec.product),
        Spec::Product(_)
        | Spec::Cohort(_)
        | Spec::Policy(_)
        | Spec::Device(_)
        | Spec::Hold(_)
        | Spec::Override(_)
        | Spec::Exclusion(_)
        | Spec::Attestation(_) => None,
    };
    let mut broken = found.broken;
    if let Some(product) = product.and_then(|product| edit.product(product)) {
        broken.extend(spec.validate_versions(product.body.version_scheme));
    }
    broken
}

struct Found<'a> {
    edit: &'a Edit,
    broken: Vec<Invalid>,
}

impl Found<'_> {
    fn rule(&mut self, holds: bool, field: &str, value: &str, rule: &str) {
        if !holds {
            self.broken.push(Invalid::new(field, value, rule));
        }
    }

    fn product(&mut self, id: &ProductId) {
        self.rule(self.edit.product(id).is_some(), "product", id.as_str(), "must be an existing product");
    }

    fn cohort(&mut self, field: &str, product: &ProductId, id: &CohortId) {
        if self.edit.cohort(product, id).is_none() {
            self.broken.push(Invalid::new(field, id.as_str(), format!("must be a cohort of product {product}")));
        }
    }

    fn bundle(&mut self, product: &ProductId, id: &BundleId) {
        let is_of_product = self.edit.bundle(id).is_some_and(|bundle| bundle.body.product == *product);
        if !is_of_product {
            self.broken.push(Invalid::new("bundle", id.as_str(), format!("must be a bundle of product {product}")));
        }
    }

    fn entry_release(&mut self, product: &ProductId, cohort: &CohortId, id: &ReleaseId) {
        let release = self.edit.release(id);
        let is_here = release.is_some_and(|release| release.body.product == *product && release.body.cohort == *cohort);
        self.rule(is_here, "entry_release", id.as_str(), "must be a release of this cohort");
    }

    fn release(&mut self, spec: &ReleaseSpec) {
        self.product(&spec.product);
        self.cohort("cohort", &spec.product, &spec.cohort);
        self.bundle(&spec.product, &spec.bundle);
        // Places are heard until the release is linked.
        if self.edit.release(&spec.id).is_some_and(|release| release.body.linked) {
            return;
        }
        let neighbours = spec.previous.iter().map(|id| ("previous", id)).chain(spec.next.iter().map(|id| ("next", id)));
        for (field, id) in neighbours {
            self.rule(self.edit.release(id).is_some(), field, id.as_str(), "must be an existing release");
        }
    }

    fn policy(&mut self, spec: &Policy) {
        let Some(release) = self.edit.release(&spec.release) else {
            return self.rule(false, "release", spec.release.as_str(), "must be an existing release");
        };
        let rollout = &release.body.rollout;
        let (field, value) = match &spec.trigger {
            Trigger::Now => return self.roster(spec, &release.body),
            Trigger::At(at) => ("trigger.at", at.to_string()),
            Trigger::After(other) => {
                self.rule(self.edit.release(other).is_some(), "trigger.after", other.as_str(), "must be an existing release");
                if rollout.state == RolloutState::Draft {
                    let rule = "must not wait for this release in turn: neither would ever be published";
                    self.rule(!self.waits_for(other, &spec.release), "trigger.after", other.as_str(), rule);
                }
                ("trigger.after", other.to_string())
            }
        };
        let spot = graph::resolve(self.edit, &release.body);
        let is_insertion = !release.body.linked && spot.is_ok_and(|spot| spot.next.is_some());
        let rule = "must be now: the release stands before another one and is available at once";
        self.rule(!is_insertion, field, &value, rule);
        self.roster(spec, &release.body);
    }

    /// True if a draft comes out only after `awaited` has, by the triggers of drafts.
    fn waits_for(&self, draft: &ReleaseId, awaited: &ReleaseId) -> bool {
        let mut seen = BTreeSet::new();
        let mut current = draft.clone();
        while current != *awaited {
            let is_draft = self.edit.release(&current).is_some_and(|release| release.body.rollout.state == RolloutState::Draft);
            let next = match self.edit.policy(&current).map(|policy| policy.body.trigger.clone()) {
                Some(Trigger::After(next)) if is_draft => next,
                Some(Trigger::After(_) | Trigger::Now | Trigger::At(_)) | None => return false,
            };
            if !seen.insert(std::mem::replace(&mut current, next)) {
                return false;
            }
        }
        true
    }

    /// A share by roster of a cohort whose registered devices alone make it too long.
    fn roster(&mut self, spec: &Policy, release: &Release) {
        let cohort = ObjectRef::Cohort(release.product.clone(), release.cohort.clone());
        let registered = u128::from(self.edit.index().devices(&cohort));
        for (i, stage) in spec.stages.iter().enumerate() {
            let Exposure::Percent { share, basis: Basis::Roster } = &stage.exposure else { continue };
            let size = (u128::from(share.get()) * registered).div_ceil(1_000_000);
            let fits = *share == Ppm::EVERYBODY || size <= limits::DEVICE_KEYS_MAX as u128;
            let rule = || format!("must make a roster of at most {} devices: use basis hash", limits::DEVICE_KEYS_MAX);
            self.rule(fits, &format!("stages[{i}].exposure.percent"), &share.to_string(), &rule());
        }
    }

    /// Cohorts that follow each other in a ring.
    fn follows(&mut self, cohort: &Cohort, followed: &CohortId) {
        let mut seen = BTreeSet::from([cohort.id.clone()]);
        let mut current = Some(followed.clone()).filter(|followed| *followed != cohort.id);
        while let Some(id) = current {
            if !seen.insert(id.clone()) {
                let is_ring = id == cohort.id;
                self.rule(!is_ring, "follows", followed.as_str(), "must not follow this cohort in turn");
                return;
            }
            current = self.edit.cohort(&cohort.product, &id).and_then(|cohort| cohort.body.follows.clone());
        }
    }

    /// An exclusion must not find open what it is to keep apart.
    fn exclusion(&mut self, spec: &Exclusion) {
        if let Some((one, other)) = exclusions::violated(self.edit, spec) {
            let rule = format!(
                "must not be open together: release {} is in {}, and release {} in {}",
                one.release, one.domain, other.release, other.domain
            );
            self.rule(false, "groups", &format!("{}, {}", one.domain, other.domain), &rule);
        }
    }

    fn hold(&mut self, spec: &HoldSpec) {
        self.product(&spec.product);
        match &spec.scope {
            HoldScope::Cohort(cohort) => self.cohort("scope.cohort", &spec.product, cohort),
            HoldScope::Device(_) | HoldScope::Selector(_) | HoldScope::Product => {}
        }
        if let Some(bundle) = &spec.bundle {
            self.bundle(&spec.product, bundle);
        }
        if let Some(id) = &spec.release {
            let is_of_product = self.edit.release(id).is_some_and(|release| release.body.product == spec.product);
            self.rule(is_of_product, "release", id.as_str(), "must be a release of the hold's product");
        }
    }

    fn override_of(&mut self, spec: &OverrideSpec) {
        self.product(&spec.product);
        self.bundle(&spec.product, &spec.bundle);
    }
}
