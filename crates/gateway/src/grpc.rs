//! `tidegate.device.v1` on the device listener: the same questions, the same decision, the same answers as JSON.

use std::sync::Arc;

use tidegate_eligibility::Reason;
use tidegate_manifest::check::{CheckAnswer, CheckRequest, Mode};
use tidegate_manifest::limits as check_limits;
use tidegate_model::limits::{ATTRIBUTE_BYTES_MAX, DEVICE_KEY_BYTES_MAX, ID_BYTES_MAX, VERSION_BYTES_MAX};
use tidegate_platform::Clock;
use tidegate_proto::device::v1 as wire;
use tidegate_proto::device::v1::device_service_server::DeviceService;
use tonic::{Response, Status};

use crate::answer::{TraceText, fields};
use crate::desk::{Answered, Desk, Explain, whole_ms};
use crate::http_check::Lists;
use crate::metrics::Transport;
use crate::problem::Refusal;
use crate::source::SnapshotSource;

/// The device API as gRPC.
pub(crate) struct DeviceApi<S> {
    desk: Arc<Desk<S>>,
    clock: Arc<dyn Clock>,
}

impl<S: SnapshotSource> DeviceApi<S> {
    pub(crate) fn new(desk: Arc<Desk<S>>, clock: Arc<dyn Clock>) -> Self {
        Self { desk, clock }
    }

    async fn decide(&self, request: wire::CheckRequest) -> Result<(Reason, wire::CheckResponse), Refusal> {
        let asked = asked(request)?;
        let lists = Lists::of(&asked);
        let write = |answered: &Answered<'_>| {
            let text = TraceText::of(answered.trace);
            let trace = text.lines();
            let answer = fields(answered, asked.nonce.as_deref(), &trace);
            (answered.decision.reason, response(&answer, answered.stamp.epoch))
        };
        self.desk.check(&lists.request(&asked), Explain::from(asked.explain), write).await
    }
}

#[tonic::async_trait]
impl<S: SnapshotSource> DeviceService for DeviceApi<S> {
    async fn check(&self, request: tonic::Request<wire::CheckRequest>) -> Result<Response<wire::CheckResponse>, Status> {
        let begun = self.clock.boot();
        let decided = self.decide(request.into_inner()).await;
        let took = self.clock.boot().since(begun);
        match &decided {
            Ok((reason, _)) => self.desk.metrics().check_decided(Transport::Grpc, *reason, took),
            Err(refusal) => self.desk.metrics().check_refused(Transport::Grpc, refusal.code(), took),
        }
        decided.map(|(_, answer)| Response::new(answer)).map_err(|refusal| refusal.to_grpc())
    }

    async fn get_snapshot_info(
        &self,
        _request: tonic::Request<wire::GetSnapshotInfoRequest>,
    ) -> Result<Response<wire::GetSnapshotInfoResponse>, Status> {
        let info = self.desk.snapshot_info().ok_or_else(|| self.desk.not_ready().to_grpc())?;
        Ok(Response::new(wire::GetSnapshotInfoResponse {
            config_version: info.stamp.config_version,
            epoch: info.stamp.epoch,
            digest: info.digest.to_string(),
            staleness_ms: info.staleness.map(whole_ms),
            node: self.desk.source().node().to_owned(),
            ready: info.is_ready,
        }))
    }
}

/// The request as JSON would have given it, within the same bounds.
fn asked(request: wire::CheckRequest) -> Result<CheckRequest, Refusal> {
    let refuse = |field: &str, rule: &str| Refusal::InvalidRequest { field: Some(field.to_owned()), rule: rule.to_owned() };
    let mode = match request.mode() {
        wire::Mode::Unspecified | wire::Mode::Background if request.mode <= wire::Mode::Background as i32 => Mode::Background,
        wire::Mode::Interactive => Mode::Interactive,
        _ => return Err(refuse("mode", "must be background or interactive")),
    };
    let group = request.group.map(u8::try_from).transpose().map_err(|_| refuse("group", "must be 0 to 6"))?;
    let mut attributes: Vec<(String, String)> = request.attributes.into_iter().collect();
    attributes.sort();
    let mut asked = CheckRequest {
        product: request.product,
        device: request.device.filter(|key| !key.is_empty()),
        release: request.release,
        bundle: request.bundle,
        version: request.version,
        attributes,
        tags: request.tags,
        mode,
        group,
        security_epoch: request.security_epoch,
        min_config_version: request.min_config_version,
        pending: request.pending,
        nonce: request.nonce,
        explain: request.explain,
    };
    if let Some((field, rule)) = broken_rule(&asked) {
        return Err(refuse(field, rule));
    }
    asked.tags.sort();
    asked.tags.dedup();
    Ok(asked)
}

/// The first bound that the request breaks: those that the JSON reader holds, in its order and words.
fn broken_rule(asked: &CheckRequest) -> Option<(&'static str, &'static str)> {
    let is_long = |text: &Option<String>, max: usize| text.as_ref().is_some_and(|text| text.len() > max);
    let is_odd_attribute = |(name, value): &(String, String)| {
        name.is_empty() || name.len() > ATTRIBUTE_BYTES_MAX || value.len() > ATTRIBUTE_BYTES_MAX
    };
    let rules = [
        (asked.product.is_empty(), "product", "must be given"),
        (asked.product.len() > ID_BYTES_MAX, "product", "must be at most 128 bytes"),
        (is_long(&asked.device, DEVICE_KEY_BYTES_MAX), "device", "must be at most 256 bytes"),
        (asked.device.as_ref().is_some_and(|key| key.chars().any(char::is_control)), "device", "must have no control characters"),
        (is_long(&asked.release, ID_BYTES_MAX), "release", "must be at most 128 bytes"),
        (is_long(&asked.bundle, ID_BYTES_MAX), "bundle", "must be at most 128 bytes"),
        (is_long(&asked.pending, ID_BYTES_MAX), "pending", "must be at most 128 bytes"),
        (is_long(&asked.version, VERSION_BYTES_MAX), "version", "must be at most 128 bytes"),
        (is_long(&asked.nonce, check_limits::NONCE_BYTES_MAX), "nonce", "must be at most 256 bytes"),
        (asked.group.is_some_and(|group| group > 6), "group", "must be 0 to 6"),
        (asked.attributes.len() > check_limits::CHECK_ATTRIBUTES_MAX, "attributes", "must be at most 64"),
        (
            asked.attributes.iter().any(is_odd_attribute),
            "attributes",
            "must have names of 1 to 256 bytes and values of at most 256",
        ),
        (asked.tags.len() > check_limits::CHECK_TAGS_MAX, "tags", "must be at most 256"),
        (
            asked.tags.iter().any(|tag| tag.is_empty() || tag.len() > ATTRIBUTE_BYTES_MAX),
            "tags",
            "must be of 1 to 256 bytes each",
        ),
    ];
    rules.into_iter().find(|(is_broken, _, _)| *is_broken).map(|(_, field, rule)| (field, rule))
}

fn response(answer: &CheckAnswer<'_>, epoch: u64) -> wire::CheckResponse {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let artifact = |artifact: &tidegate_model::Artifact| wire::Artifact {
        name: artifact.name.clone(),
        size: artifact.size,
        sha256: artifact.sha256.clone(),
        base_sha256: artifact.base_sha256.clone(),
        url: artifact.url.clone(),
    };
    let step = |line: &tidegate_manifest::check::TraceLine<'_>| wire::TraceStep {
        step: line.step.to_owned(),
        subject: line.release.unwrap_or_default().to_owned(),
        code: line.code.to_owned(),
        detail: line.detail.unwrap_or_default().to_owned(),
    };
    wire::CheckResponse {
        eligible: answer.eligible,
        reason: answer.reason.to_owned(),
        target_release: text(answer.target_release),
        target_bundle: text(answer.target_bundle),
        version: text(answer.version),
        artifacts: answer.artifacts.iter().map(artifact).collect(),
        urgency: answer.urgency.unwrap_or_default().to_owned(),
        install_mode: answer.install_mode.unwrap_or_default().to_owned(),
        source: answer.source.unwrap_or_default().to_owned(),
        config_version: answer.config_version,
        epoch,
        staleness_ms: answer.staleness_ms,
        node: answer.node.to_owned(),
        retry_after_s: u32::try_from(answer.retry_after_s).unwrap_or(u32::MAX),
        next_eligible_at_ms: answer.next_eligible_at.map(tidegate_model::Timestamp::as_millis),
        expires_at_ms: answer.expires_at.map(tidegate_model::Timestamp::as_millis),
        nonce: text(answer.nonce),
        trace: answer.trace.iter().map(step).collect(),
    }
}
