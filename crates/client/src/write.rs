//! Changes of the catalog: apply, batch, delete and the moves of rollouts.

use tidegate_model::{Command, Document, ObjectRef, RequestId, RolloutState, Transition};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::apply_service_client::ApplyServiceClient;
use tidegate_proto::admin::v1::rollout_service_client::RolloutServiceClient;
use tidegate_proto::types::v1 as types;

use crate::client::{Client, Kind};
use crate::error::Error;
use crate::limits;

/// Whether a call is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is.
    Commit,
    /// It is judged on the leader's present state, and changes nothing.
    Dry,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Config version at which it took effect; of a dry run, of the state that was judged.
    pub config_version: u64,
    /// What became of each object: first those named by the call, in its order, then whatever changed with them.
    pub objects: Vec<ObjectOutcome>,
    /// What the author should know.
    pub warnings: Vec<Warning>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOutcome {
    /// Its name.
    pub object: ObjectRef,
    /// What happened to it.
    pub effect: Effect,
    /// Its compare-and-set number afterwards; of a deleted object the last one.
    pub version: u64,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is what its name says")]
pub enum Effect {
    Created,
    Changed,
    Unchanged,
    Deleted,
}

/// Something that the author should know and that is no reason to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable code.
    pub code: String,
    /// The object that it is about.
    pub object: Option<ObjectRef>,
    /// For humans.
    pub message: String,
}

/// What a move of a rollout did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Compare-and-set number of the release afterwards.
    pub version: u64,
    /// State afterwards; `None` if the release is gone (discard).
    pub state: Option<RolloutState>,
    /// The rest.
    pub written: Written,
}

impl Client {
    /// Creates and changes objects: all documents in one log entry, or none.
    ///
    /// # Errors
    /// [`Error::Refused`] with one field violation per broken rule; nothing is stored then.
    pub async fn apply(&self, documents: &[Document], request_id: &RequestId, run: Run) -> Result<Written, Error> {
        let message = admin::ApplyRequest {
            documents: documents.iter().map(types::Document::from).collect(),
            request_id: request_id.to_string(),
            dry_run: run == Run::Dry,
        };
        let answer = self
            .call(Kind::Write(request_id), &message, |channel, request| async move { applying(channel).apply(request).await })
            .await?;
        written(answer.config_version, answer.objects, answer.warnings)
    }

    /// Carries out several commands in one log entry, one after the other; the first refusal refuses all.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    pub async fn batch(&self, commands: &[Command], request_id: &RequestId, run: Run) -> Result<Written, Error> {
        let message = admin::BatchRequest {
            commands: commands.iter().map(types::Command::from).collect(),
            request_id: request_id.to_string(),
            dry_run: run == Run::Dry,
        };
        let answer = self
            .call(Kind::Write(request_id), &message, |channel, request| async move { applying(channel).batch(request).await })
            .await?;
        written(answer.config_version, answer.objects, answer.warnings)
    }

    /// Removes one object.
    ///
    /// # Errors
    /// [`Error::Refused`]: `NOT_FOUND`, `CONFLICT`, or because something still refers to it.
    pub async fn delete(
        &self,
        object: &ObjectRef,
        expected_version: Option<u64>,
        request_id: &RequestId,
    ) -> Result<Written, Error> {
        let message = admin::DeleteObjectRequest {
            object: Some(types::ObjectRef::from(object)),
            expected_version,
            request_id: request_id.to_string(),
        };
        let answer =
            self.call(Kind::Write(request_id), &message, |channel, request| async move {
                applying(channel).delete_object(request).await
            })
            .await?;
        written(answer.config_version, Vec::new(), answer.warnings)
    }

    /// Moves a rollout, or changes what goes with it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code of the rule, such as `ILLEGAL_TRANSITION` or `CONFLICT`.
    pub async fn transition(&self, transition: &Transition, request_id: &RequestId) -> Result<Moved, Error> {
        let message = admin::TransitionRolloutStateRequest {
            transition: Some(types::Transition::from(transition)),
            request_id: request_id.to_string(),
        };
        let answer = self
            .call(Kind::Write(request_id), &message, |channel, request| async move {
                RolloutServiceClient::new(channel)
                    .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                    .transition_rollout_state(request)
                    .await
            })
            .await?;
        let state = match answer.state() {
            types::RolloutState::Unspecified => None,
            types::RolloutState::Draft => Some(RolloutState::Draft),
            types::RolloutState::Active => Some(RolloutState::Active),
            types::RolloutState::Paused => Some(RolloutState::Paused),
            types::RolloutState::RolledBack => Some(RolloutState::RolledBack),
            types::RolloutState::Completed => Some(RolloutState::Completed),
        };
        Ok(Moved { version: answer.version, state, written: written(answer.config_version, answer.objects, answer.warnings)? })
    }
}

fn applying(channel: tonic::transport::Channel) -> ApplyServiceClient<tonic::transport::Channel> {
    ApplyServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
}

fn written(config_version: u64, objects: Vec<types::ObjectOutcome>, warnings: Vec<types::Warning>) -> Result<Written, Error> {
    Ok(Written {
        config_version,
        objects: objects.into_iter().map(outcome).collect::<Result<_, _>>()?,
        warnings: warnings.into_iter().map(warning).collect::<Result<_, _>>()?,
    })
}

fn outcome(outcome: types::ObjectOutcome) -> Result<ObjectOutcome, Error> {
    let effect = match outcome.effect() {
        types::Effect::Created => Effect::Created,
        types::Effect::Changed => Effect::Changed,
        types::Effect::Unchanged => Effect::Unchanged,
        types::Effect::Deleted => Effect::Deleted,
        types::Effect::Unspecified => return Err(Error::answer("an object outcome without effect")),
    };
    let object = outcome.object.ok_or_else(|| Error::answer("an object outcome without object"))?;
    let object = ObjectRef::try_from(object).map_err(Error::answer)?;
    Ok(ObjectOutcome { object, effect, version: outcome.version })
}

pub(crate) fn warning(warning: types::Warning) -> Result<Warning, Error> {
    let object = warning.object.map(ObjectRef::try_from).transpose().map_err(Error::answer)?;
    Ok(Warning { code: warning.code, object, message: warning.message })
}
