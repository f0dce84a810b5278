//! One check on behalf of a device, decided by this node on what it has: what the device would hear, now or, as a
//! hypothesis, at another instant.

use std::time::Duration;

use tidegate_eligibility::{Decision, Entry, Mode, Reason, Request, Snapshot};
use tidegate_model::Timestamp;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::device::v1 as device;
use tonic::Status;

use super::{Desk, must};
use crate::limits::TRACE_STEPS_MAX;
use crate::refusal::Door;

/// A device's request with its lists in the form that the decision reads.
pub(super) struct Asked<'r> {
    request: &'r device::CheckRequest,
    product: &'r str,
    mode: Mode,
    group: Option<u8>,
    attributes: Vec<(&'r str, &'r str)>,
    tags: Vec<&'r str>,
}

impl<'r> Asked<'r> {
    /// `default_product` stands for a product that the request leaves out.
    pub(super) fn new(request: &'r device::CheckRequest, default_product: &'r str) -> Result<Self, Door> {
        let mode = match device::Mode::try_from(request.mode) {
            Ok(device::Mode::Unspecified | device::Mode::Background) => Mode::Background,
            Ok(device::Mode::Interactive) => Mode::Interactive,
            Err(_) => return Err(Door::field("mode", request.mode.to_string(), "must be BACKGROUND or INTERACTIVE")),
        };
        let group = request.group.map(u8::try_from).transpose();
        let group = group.map_err(|_| Door::field("group", request.group.unwrap_or(0).to_string(), "must be 0 to 6"))?;
        let product = if request.product.is_empty() { default_product } else { &request.product };
        let mut attributes: Vec<(&str, &str)> =
            request.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        attributes.sort_unstable();
        let mut tags: Vec<&str> = request.tags.iter().map(String::as_str).collect();
        tags.sort_unstable();
        Ok(Self { request, product, mode, group, attributes, tags })
    }

    pub(super) fn request(&self) -> Request<'_> {
        let request = self.request;
        Request {
            product: self.product,
            device: request.device.as_deref(),
            release: request.release.as_deref(),
            bundle: request.bundle.as_deref(),
            version: request.version.as_deref(),
            attributes: &self.attributes,
            tags: &self.tags,
            mode: self.mode,
            security_epoch: request.security_epoch,
            min_config_version: request.min_config_version,
            group: self.group,
            pending: request.pending.as_deref(),
        }
    }

    /// Refuses what is no decision.
    pub(super) fn judged<'s>(&self, decision: Decision<'s>) -> Result<Decision<'s>, Door> {
        match decision.reason {
            Reason::InvalidRequest => Err(Door::field("check", "", "a field of the request is over its limit")),
            Reason::UnknownProduct => Err(Door::UnknownProduct(self.product.chars().take(64).collect())),
            Reason::NotReady => Err(Door::NotReady),
            _ => Ok(decision.public()), // Every other code is a decision.
        }
    }
}

/// Answers `CheckForUpdate`.
pub(super) async fn check_for_update(
    desk: &Desk,
    request: admin::CheckForUpdateRequest,
) -> Result<admin::CheckForUpdateResponse, Status> {
    let check = must("check", request.check)?;
    let asked = Asked::new(&check, "")?;
    let context = &desk.0;
    let freshness = context.handle()?.freshness();
    if request.at_ms.is_none() {
        // Whether it worked is judged below, from the clock.
        let _fresh = freshness.ensure_fresh(context.config.max_staleness).await;
    }
    // The order of every check: proof, snapshot, decision, and only then the clock.
    let proof = freshness.fresh();
    let published = context.published()?;
    let now = request.at_ms.unwrap_or_else(|| freshness.decision_wall_ms());
    let now = Timestamp::from_millis(now);
    let mut trace = Vec::new();
    let decision = tidegate_eligibility::decide_traced(&published.snapshot, &asked.request(), now, &mut trace);
    let staleness = proof.and_then(|proof| freshness.staleness(&proof));
    let decision = asked.judged(decision)?;

    let bound = staleness_bound(&published.snapshot, asked.product, context.config.max_staleness);
    let is_stale = request.at_ms.is_none() && staleness.is_none_or(|age| age > bound);
    let mut answer = answer(&published.snapshot, &decision, now);
    if is_stale {
        answer = device::CheckResponse {
            reason: Reason::SnapshotStale.as_str().to_owned(),
            config_version: answer.config_version,
            epoch: answer.epoch,
            ..device::CheckResponse::default()
        };
    } else if check.explain {
        answer.trace = trace.iter().take(TRACE_STEPS_MAX).map(step).collect();
    }
    answer.staleness_ms = staleness.map(whole_ms);
    answer.node = context.config.node.to_string();
    answer.nonce = check.nonce;
    Ok(admin::CheckForUpdateResponse {
        decision: Some(answer),
        hypothetical: request.at_ms.is_some(),
        decided_at_ms: now.as_millis(),
    })
}

/// The tighter of the node's and the product's bound.
pub(crate) fn staleness_bound(snapshot: &Snapshot, product: &str, node: Duration) -> Duration {
    let own = snapshot.product(product).and_then(|product| product.max_staleness);
    own.map_or(node, |own| node.min(Duration::from_millis(own.as_millis())))
}

/// Whole milliseconds, rounded up: an answer never claims to be fresher than it is.
pub(super) fn whole_ms(age: Duration) -> u64 {
    u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn answer(snapshot: &Snapshot, decision: &Decision<'_>, now: Timestamp) -> device::CheckResponse {
    let target = decision.target.as_ref();
    let stamp = snapshot.stamp();
    let artifact = |artifact: &tidegate_model::Artifact| device::Artifact {
        name: artifact.name.clone(),
        size: artifact.size,
        sha256: artifact.sha256.clone(),
        base_sha256: artifact.base_sha256.clone(),
        url: artifact.url.clone(),
    };
    let if_target = |text: &str| target.map_or_else(String::new, |_| text.to_owned());
    device::CheckResponse {
        eligible: decision.is_offer(),
        reason: decision.reason.as_str().to_owned(),
        target_release: target.and_then(|target| target.release).map(ToString::to_string),
        target_bundle: target.map(|target| target.bundle.id.to_string()),
        version: target.and_then(|target| target.version).map(|version| version.as_str().to_owned()),
        artifacts: target.map_or_else(Vec::new, |target| target.bundle.artifacts.iter().map(artifact).collect()),
        urgency: if_target(decision.urgency.as_str()),
        install_mode: if_target(decision.install_mode.as_str()),
        source: decision.source.map_or_else(String::new, |source| source.as_str().to_owned()),
        config_version: stamp.config_version,
        epoch: stamp.epoch,
        retry_after_s: u32::try_from(decision.retry_after.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX),
        next_eligible_at_ms: decision.next_eligible_at.map(Timestamp::as_millis),
        expires_at_ms: decision.is_offer().then(|| now.plus(decision.retry_after).as_millis()),
        ..device::CheckResponse::default()
    }
}

fn step(entry: &Entry<'_>) -> device::TraceStep {
    let (step, subject) = match entry {
        Entry::Cohort { cohort } => ("cohort", cohort.to_string()),
        Entry::Hold { hold, .. } => ("hold", hold.to_string()),
        Entry::Override { id, .. } => ("override", id.to_string()),
        Entry::Ignored { field } => ("ignored", field.as_str().to_owned()),
        Entry::Position { release, .. } => ("position", release.to_string()),
        Entry::MovedOn { release } => ("moved_on", release.to_string()),
        Entry::Candidate { release, .. } => ("candidate", release.to_string()),
        Entry::Revert { release, .. } => ("revert", release.to_string()),
        Entry::Decided { .. } => ("decided", String::new()),
    };
    device::TraceStep {
        step: step.to_owned(),
        subject,
        code: entry.code().map_or_else(String::new, |reason| reason.as_str().to_owned()),
        detail: entry.to_string(),
    }
}
