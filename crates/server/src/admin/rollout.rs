//! Policies, the moves of a lifecycle, and where a rollout stands.

use tidegate_model::exposure::Admission;
use tidegate_model::{
    Command, Exposure, Object, ObjectKind, ObjectRef, Policy, Ramp, Release, ReleaseId, RolloutState, Span, Timestamp, Transition,
};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::types::v1 as types;
use tonic::{Request, Response, Status};

use super::{Desk, fleet, id, must};
use crate::codec;
use crate::door::caller;
use crate::pages::{Filter, Page};
use crate::published::Published;
use crate::refusal::Door;

/// Rollouts and their policies.
#[derive(Clone)]
pub struct Rollouts(pub Desk);

#[tonic::async_trait]
impl admin::rollout_service_server::RolloutService for Rollouts {
    async fn transition_rollout_state(
        &self,
        request: Request<admin::TransitionRolloutStateRequest>,
    ) -> Result<Response<admin::TransitionRolloutStateResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let transition = Transition::try_from(must("transition", request.transition)?).map_err(codec::malformed)?;
        let reference = codec::reference_out(&ObjectRef::Release(transition.release.clone()));
        let release = transition.release.clone();
        let command = Command::Transition(transition);
        let outcome = self.0.0.write(&caller, &request.request_id, command).await?;
        let own = outcome.objects.iter().find(|object| object.object.as_ref() == Some(&reference));
        Ok(Response::new(admin::TransitionRolloutStateResponse {
            version: own.map_or(0, |object| object.version),
            config_version: outcome.config_version,
            state: self.state_after(&release).into(),
            objects: outcome.objects,
            warnings: outcome.warnings,
        }))
    }

    async fn put_rollout_policy(
        &self,
        request: Request<admin::PutRolloutPolicyRequest>,
    ) -> Result<Response<admin::PutRolloutPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let spec = types::document::Spec::Policy(must("policy", request.policy)?);
        let put = self.0.put(&caller, spec, request.expected_version, &request.request_id).await?;
        Ok(Response::new(admin::PutRolloutPolicyResponse {
            version: put.version,
            config_version: put.config_version,
            effect: put.effect,
            warnings: put.warnings,
        }))
    }

    async fn get_rollout_policy(
        &self,
        request: Request<admin::GetRolloutPolicyRequest>,
    ) -> Result<Response<admin::GetRolloutPolicyResponse>, Status> {
        let request = request.into_inner();
        let reference = ObjectRef::Policy(id("release", &request.release, ReleaseId::new)?);
        let (object, config_version) = self.0.get(reference, request.consistency).await?;
        Ok(Response::new(admin::GetRolloutPolicyResponse { object: Some(object), config_version }))
    }

    async fn list_rollout_policies(
        &self,
        request: Request<admin::ListRolloutPoliciesRequest>,
    ) -> Result<Response<admin::ListRolloutPoliciesResponse>, Status> {
        let request = request.into_inner();
        let page = Page { size: request.page_size, token: request.page_token };
        let (objects, next_page_token, config_version) =
            self.0.list(ObjectKind::Policy, &Filter::default(), &page, request.consistency).await?;
        Ok(Response::new(admin::ListRolloutPoliciesResponse { objects, next_page_token, config_version }))
    }

    async fn delete_rollout_policy(
        &self,
        request: Request<admin::DeleteRolloutPolicyRequest>,
    ) -> Result<Response<admin::DeleteRolloutPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let reference = ObjectRef::Policy(id("release", &request.release, ReleaseId::new)?);
        let (config_version, warnings) = self.0.delete(&caller, reference, request.expected_version, &request.request_id).await?;
        Ok(Response::new(admin::DeleteRolloutPolicyResponse { config_version, warnings }))
    }

    async fn get_rollout_status(
        &self,
        request: Request<admin::GetRolloutStatusRequest>,
    ) -> Result<Response<admin::GetRolloutStatusResponse>, Status> {
        let request = request.into_inner();
        let release = id("release", &request.release, ReleaseId::new)?;
        let published = self.0.0.read(request.consistency).await?;
        let now = Timestamp::from_millis(self.0.0.handle()?.freshness().decision_wall_ms());
        let mut status = status(&published, &release, now)?;
        status.progress = self.0.0.progress(&release).await;
        Ok(Response::new(status))
    }

    async fn check_fleet(
        &self,
        request: Request<admin::CheckFleetRequest>,
    ) -> Result<Response<admin::CheckFleetResponse>, Status> {
        fleet::check_fleet(&self.0, request.into_inner()).await.map(Response::new)
    }
}

impl Rollouts {
    /// The lifecycle state that this node shows after a transition, which it has waited a moment to see; a release that is
    /// gone has none.
    fn state_after(&self, release: &ReleaseId) -> types::RolloutState {
        let published = self.0.0.shelf.load();
        let release = published.state.catalog().releases().get(release);
        release.map_or(types::RolloutState::Unspecified, |stored| state_out(stored.body.rollout.state))
    }
}

fn state_out(state: RolloutState) -> types::RolloutState {
    match state {
        RolloutState::Draft => types::RolloutState::Draft,
        RolloutState::Active => types::RolloutState::Active,
        RolloutState::Paused => types::RolloutState::Paused,
        RolloutState::RolledBack => types::RolloutState::RolledBack,
        RolloutState::Completed => types::RolloutState::Completed,
    }
}

fn status(published: &Published, release: &ReleaseId, now: Timestamp) -> Result<admin::GetRolloutStatusResponse, Door> {
    let catalog = published.state.catalog();
    let reference = ObjectRef::Release(release.clone());
    let Some(stored) = catalog.releases().get(release) else {
        return Err(Door::NotFound(reference.to_string(), Some(Box::new(codec::reference_out(&reference)))));
    };
    let own_policy = catalog.policies().get(release).cloned();
    let policy = own_policy.as_ref().map_or_else(|| Policy::implicit(release.clone()), |stored| stored.body.clone());
    let body = &stored.body;
    let index = usize::try_from(body.rollout.stage_index).unwrap_or(usize::MAX);
    let stage = policy.stages.get(index);
    let exposure = stage.map(|stage| &stage.exposure);
    let is_running = body.rollout.state == RolloutState::Active;
    Ok(admin::GetRolloutStatusResponse {
        release: Some(codec::object_out(&Object::Release(stored.clone()))),
        policy: own_policy.map(|policy| codec::object_out(&Object::Policy(policy))),
        sub_status: tidegate_machine::sub_status(body, now).map_or("", |status| status.as_str()).to_owned(),
        stage: stage.map_or_else(String::new, |stage| stage.name.clone()),
        stage_count: u32::try_from(policy.stages.len()).unwrap_or(u32::MAX),
        share_ppm: exposure.filter(|_| is_running).and_then(|exposure| share_ppm(exposure, body, now)),
        next_change_at_ms: exposure.filter(|_| is_running).and_then(|exposure| next_change(exposure, body, now)),
        is_latest: body.linked && body.next.is_none(),
        config_version: published.state.config_version(),
        as_of_ms: now.as_millis(),
        progress: None,
    })
}

/// Share admitted by the current stage at `now`, in parts per million; none where it is not a share.
fn share_ppm(exposure: &Exposure, release: &Release, now: Timestamp) -> Option<u32> {
    if release.rollout.waits_for_trigger(now) {
        return Some(0);
    }
    match exposure {
        Exposure::All => Some(1_000_000),
        Exposure::Percent { share, .. } => Some(share.get()),
        Exposure::Count(_) | Exposure::Tags(_) => None,
        Exposure::Ramp(ramp) => {
            let origin = release.rollout.ramp_origin(release.published_at)?;
            Some(match ramp.admission(origin, now) {
                Admission::Nobody => 0,
                Admission::Everybody => 1_000_000,
                Admission::Below(threshold) => {
                    u32::try_from((u128::from(threshold) * 1_000_000) >> 64).expect("below one million")
                }
            })
        }
    }
}

/// When the trigger fires or the ramp takes its next step by itself.
fn next_change(exposure: &Exposure, release: &Release, now: Timestamp) -> Option<i64> {
    let rollout = &release.rollout;
    if rollout.waits_for_trigger(now) {
        return rollout.stage_opened_at.map(Timestamp::as_millis);
    }
    let Exposure::Ramp(ramp) = exposure else { return None };
    let origin = rollout.ramp_origin(release.published_at)?;
    let gone = now.since(origin);
    let next = match ramp {
        _ if now < origin => Span::ZERO,
        Ramp::Steps(steps) => steps.iter().map(|step| step.offset).find(|offset| *offset > gone)?,
        Ramp::Groups { groups, interval } => {
            let reached = gone.as_millis().checked_div(interval.as_millis())?;
            (reached + 1 < u64::from(*groups)).then(|| interval.times(reached + 1))?
        }
        Ramp::Apple => {
            let days = gone.as_millis() / Span::from_days(1).as_millis();
            (days < 6).then(|| Span::from_days(days + 1))?
        }
        Ramp::Linear { duration, .. } => {
            let minutes = gone.as_millis() / 60_000 + 1;
            (gone < *duration).then(|| Span::from_millis(minutes * 60_000).min(*duration))?
        }
    };
    Some(origin.plus(next).as_millis())
}
