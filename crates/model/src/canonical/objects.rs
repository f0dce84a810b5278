//! Canonical encoding of every stored type.

use super::Canonical;
use crate::attestation::Attestation;
use crate::bundle::{Artifact, Bundle, BundleState, Provides, Signature};
use crate::cohort::Cohort;
use crate::device::{Device, DeviceState};
use crate::exclusion::{Exclusion, ExclusionScope};
use crate::exposure::{Basis, Exposure, Ramp, RampStep};
use crate::hold::{Hold, HoldKind, HoldScope, Window};
use crate::ids::{
    AttestationKind, BundleId, CohortId, DeviceKey, ExclusionId, HoldId, OverrideId, Principal, ProductId, ReleaseId,
};
use crate::object::{Created, Object, ObjectRef, Stored};
use crate::overrides::{Override, OverrideTarget};
use crate::policy::{DomainOrder, Domains, Gate, OnGateFail, Policy, Stage, Trigger};
use crate::position::{Ppm, Salt};
use crate::product::{Product, Retry};
use crate::release::{InstallMode, Place, Release, Urgency};
use crate::requirement::{Framework, Requirement};
use crate::rollout::{Cell, CellState, PassedStage, Rollout, RolloutState, SaltOrigin, StageState};
use crate::selector::Selector;
use crate::steer::Lack;
use crate::time::{Span, Timestamp};
use crate::version::{DottedVersion, VersionScheme, VersionText};

text! { AttestationKind BundleId CohortId DeviceKey ExclusionId HoldId OverrideId Principal ProductId ReleaseId VersionText }

impl Canonical for Timestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_millis().encode(out);
    }
}

impl Canonical for Span {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_millis().encode(out);
    }
}

impl Canonical for Ppm {
    fn encode(&self, out: &mut Vec<u8>) {
        self.get().encode(out);
    }
}

impl Canonical for Salt {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}

impl Canonical for DottedVersion {
    fn encode(&self, out: &mut Vec<u8>) {
        self.parts().iter().for_each(|part| part.encode(out));
    }
}

impl<T: Canonical> Canonical for Stored<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { version, created, body } = self;
        version.encode(out);
        created.encode(out);
        body.encode(out);
    }
}

impl<T: Canonical> Canonical for std::sync::Arc<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
}

// Fields that were added later are written only if they say something, each behind a tag of its own: what was stored
// before they existed keeps its digest. A rollout is the last part of a release; a cell writes its lack into the byte of its state, a gate its
// later flag into that of an earlier one.
impl Canonical for Rollout {
    fn encode(&self, out: &mut Vec<u8>) {
        macro_rules! write {
            ($($first:ident),*; $($later:ident),*) => {
                let Self { $($first),*, $($later),* } = self;
                $($first.encode(out);)*
            };
        }
        write! {
            state, salt, salt_origin, activated_at, stage_index, stage_state, stage_opened_at, stage_settled_at,
            stage_paused, passed, paused_at, paused_total, cells, admitted, admitted_max, approvals, gate_failed, revert_to,
            revert_share, open_barrier, was_completed, reason, flag;
            frozen_since, acknowledged_at, dismissed
        }
        later(1, frozen_since.as_ref(), out);
        later(2, acknowledged_at.as_ref(), out);
        later(3, (!dismissed.is_empty()).then_some(dismissed), out);
    }
}

impl Canonical for Cell {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { state, opened_at, settled_at, lack } = self;
        // A state's tag is below 16; the lack stands in the upper half of the same byte.
        let start = out.len();
        state.encode(out);
        if let Some(lack) = lack {
            let mut tag = Vec::new();
            lack.encode(&mut tag);
            out[start] |= tag[0] << 4;
        }
        opened_at.encode(out);
        settled_at.encode(out);
    }
}

impl Canonical for Gate {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            bake,
            min_sample,
            max_failure_share,
            max_failures,
            min_success_share,
            approvals,
            allow_empty,
            fail_on_new_problem,
        } = self;
        bake.encode(out);
        min_sample.encode(out);
        max_failure_share.encode(out);
        max_failures.encode(out);
        min_success_share.encode(out);
        approvals.encode(out);
        // Two flags in one byte: a gate stands amid its policy, so that nothing can follow it unnoticed.
        (u8::from(*allow_empty) | u8::from(*fail_on_new_problem) << 4).encode(out);
    }
}

fn later<T: Canonical>(tag: u8, value: Option<&T>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        tag.encode(out);
        value.encode(out);
    }
}

record! {
    Created { config_version, seq }
    Product {
        id, version_scheme, allow_unregistered, default_cohort, max_staleness, required_attestations, poll_interval,
        trusted_keys, client_phased, active_window, retry, flatten_reasons,
    }
    Retry { limit, backoff }
    Cohort { id, product, rules, entry_release, follows, fixed_salt }
    Bundle { id, product, version, artifacts, requires, provides, security_epoch, state, signatures }
    Artifact { name, size, sha256, base_sha256, url }
    Provides { name, version }
    Signature { key, signature }
    Requirement { attributes, os_min, os_max, frameworks }
    Framework { name, min }
    Selector { attributes, tags_any_of, tags_all_of, tags_none_of, devices }
    Device { key, product, cohort, attributes, tags, state, security_epoch }
    Release {
        id, product, cohort, bundle, version, version_requirement, required, disabled, dead_end, requirement, urgency,
        install_mode, published_at, notes, consents, place, linked, next, rollout,
    }
    PassedStage { name, exposure }
    Policy { release, trigger, stages, on_gate_fail, auto_complete, interactive_bypasses_phase, critical_ignores_domains }
    Stage { name, selector, exposure, domains, gate }
    Domains { key, values, order, parallel, gate_each }
    RampStep { offset, share }
    Hold { id, product, scope, kind, release, bundle, from, until, window, critical_pierces, reason, author }
    Window { cron, duration, timezone }
    Override { id, product, target, bundle, starts_at, ends_at, force, allow_downgrade }
    Exclusion { id, key, groups, scope }
    Attestation { bundle, kind, by, at, evidence }
}

variants! {
    VersionScheme { 1 SemVer, 2 Dotted, 3 Integer }
    BundleState { 1 Uploading, 2 Ready, 3 Recalled }
    DeviceState { 1 Active, 2 Decommissioned }
    Urgency { 1 Normal, 2 Critical, 3 CriticalBelow(version) }
    InstallMode { 1 Auto, 2 Ask { auto_from }, 3 Info { versions, below } }
    Place { 1 Latest, 2 After(previous), 3 Before(next) }
    RolloutState { 1 Draft, 2 Active, 3 Paused, 4 RolledBack, 5 Completed }
    SaltOrigin { 1 Fresh, 2 Inherited(rollout), 3 CohortFixed }
    StageState { 1 Pending, 2 Open, 3 Baking, 4 Inconclusive, 5 Passed, 6 Failed, 7 AwaitingApproval }
    CellState { 1 Closed, 2 Open, 3 Settled, 4 Passed, 5 Failed }
    Lack { 1 Sample, 2 Success, 3 Approvals, 4 Devices }
    Trigger { 1 Now, 2 At(instant), 3 After(release) }
    OnGateFail { 1 Pause, 2 Withdraw }
    DomainOrder { 1 Listed, 2 SmallestFirst, 3 ByPosition }
    Exposure { 1 All, 2 Percent { share, basis }, 3 Count(devices), 4 Tags(tags), 5 Ramp(ramp) }
    Basis { 1 Hash, 2 Roster }
    Ramp { 1 Steps(steps), 2 Groups { groups, interval }, 3 Apple, 4 Linear { from, duration } }
    HoldScope { 1 Device(key), 2 Selector(selector), 3 Cohort(cohort), 4 Product }
    HoldKind { 1 Quarantine, 2 Repair, 3 Freeze, 4 Safeguard, 5 OptOut, 6 Consent, 7 Backoff, 8 Window }
    OverrideTarget { 1 Devices(devices), 2 Selector(selector) }
    ExclusionScope { 1 Product, 2 Global }
    Object {
        1 Product(object), 2 Cohort(object), 3 Bundle(object), 4 Release(object), 5 Policy(object), 6 Device(object),
        7 Hold(object), 8 Override(object), 9 Exclusion(object), 10 Attestation(object),
    }
    ObjectRef {
        1 Product(id), 2 Cohort(product, id), 3 Bundle(id), 4 Release(id), 5 Policy(id), 6 Device(product, id),
        7 Hold(id), 8 Override(id), 9 Exclusion(id), 10 Attestation(bundle, kind, by),
    }
}
