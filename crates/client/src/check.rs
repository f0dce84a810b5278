//! Asking what devices would hear. Nothing is written by it.

use tidegate_model::Timestamp;
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::device_service_client::DeviceServiceClient;
use tidegate_proto::admin::v1::rollout_service_client::RolloutServiceClient;
use tidegate_proto::device::v1 as device;

use crate::client::{Client, Kind};
use crate::error::Error;
use crate::limits;
use crate::read::{Consistency, wire};

/// What a device would hear.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The answer, as the device would get it.
    pub decision: device::CheckResponse,
    /// True if it was decided as of another instant than now.
    pub is_hypothetical: bool,
    /// The instant of the decision.
    pub decided_at: Timestamp,
}

impl Client {
    /// What a device would hear from the node that answers; as of `at`, on the present catalog, if given.
    ///
    /// # Errors
    /// [`Error::Refused`] `INVALID_REQUEST` or `UNKNOWN_PRODUCT`; a negative decision is no error.
    pub async fn check(&self, check: &device::CheckRequest, at: Option<Timestamp>) -> Result<Checked, Error> {
        let message = admin::CheckForUpdateRequest { check: Some(check.clone()), at_ms: at.map(Timestamp::as_millis) };
        let answer = self
            .call(Kind::Read, &message, |channel, request| async move {
                DeviceServiceClient::new(channel)
                    .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                    .check_for_update(request)
                    .await
            })
            .await?;
        Ok(Checked {
            decision: answer.decision.ok_or_else(|| Error::answer("an answer without decision"))?,
            is_hypothetical: answer.hypothetical,
            decided_at: Timestamp::from_millis(answer.decided_at_ms),
        })
    }

    /// Hands in install events. They are known by their ids, so a call may be repeated; an answer is no promise that they
    /// outlive the processes of the cluster.
    ///
    /// # Errors
    /// [`Error::Refused`] `INVALID_REQUEST` names the first malformed event; then none was taken in.
    pub async fn record_install_events(
        &self,
        events: Vec<device::InstallEvent>,
    ) -> Result<admin::RecordInstallEventResponse, Error> {
        let message = admin::RecordInstallEventRequest { events };
        self.call(Kind::Read, &message, |channel, request| async move {
            DeviceServiceClient::new(channel).record_install_event(request).await
        })
        .await
    }

    /// What many devices would hear at many instants (none: now), on one snapshot of the node that answers. Answers come
    /// in columns: per instant the distinct ones, and for each device which of them.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and [`Error::Answer`] if the columns do not fit the question.
    pub async fn check_fleet(
        &self,
        product: &str,
        devices: &[device::CheckRequest],
        at: &[Timestamp],
        consistency: Consistency,
    ) -> Result<admin::CheckFleetResponse, Error> {
        let message = admin::CheckFleetRequest {
            product: product.to_owned(),
            devices: devices.to_vec(),
            at_ms: at.iter().map(|at| at.as_millis()).collect(),
            consistency: wire(consistency),
        };
        let answer = self
            .call(Kind::Read, &message, |channel, request| async move {
                RolloutServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX).check_fleet(request).await
            })
            .await?;
        let is_whole = |instant: &admin::FleetInstant| {
            instant.answer_of_device.len() == devices.len()
                && instant.answer_of_device.iter().all(|index| (*index as usize) < instant.answers.len())
        };
        if answer.instants.len() != at.len().max(1) || !answer.instants.iter().all(is_whole) {
            return Err(Error::answer("fleet columns do not fit the question"));
        }
        Ok(answer)
    }
}
