//! The cluster itself: status, membership, settings, tokens.
//!
//! Changes of the membership carry no request id. If such a call gets lost its outcome is unknown, it is not sent again,
//! and [`Client::cluster_status`] shows what became of it.

use std::time::Duration;

use tidegate_model::{Digest, Principal, RequestId, Role, SettingsChange};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::cluster_service_client::ClusterServiceClient;
use tidegate_proto::types::v1 as types;
use tokio::time::Instant;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::client::{Client, Kind};
use crate::error::{Attempt, Error};
use crate::limits;
use crate::options::Options;
use crate::read::{Consistency, wire};

impl Client {
    /// The view of the node that answers.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cluster_status(&self) -> Result<admin::GetStatusResponse, Error> {
        let message = admin::GetStatusRequest {};
        self.call(Kind::Read, &message, |channel, request| async move { cluster(channel).get_status(request).await }).await
    }

    /// Makes a cluster of the nodes that listen at these peer addresses; once in its life.
    ///
    /// # Errors
    /// [`Error::Refused`] if it exists already; [`Error::UnknownOutcome`] if the answer got lost.
    pub async fn cluster_init(&self, peer_addrs: &[String]) -> Result<admin::InitResponse, Error> {
        let message = admin::InitRequest { peer_addrs: peer_addrs.to_vec() };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).init(request).await }).await
    }

    /// Takes a node in: as a learner first, as a voter once it has caught up.
    ///
    /// # Errors
    /// As for [`cluster_init`](Self::cluster_init).
    pub async fn cluster_join(&self, peer_addr: &str) -> Result<admin::JoinResponse, Error> {
        let message = admin::JoinRequest { peer_addr: peer_addr.to_owned() };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).join(request).await }).await
    }

    /// Takes a node in as a read replica.
    ///
    /// # Errors
    /// As for [`cluster_init`](Self::cluster_init).
    pub async fn cluster_add_learner(&self, peer_addr: &str) -> Result<admin::AddLearnerResponse, Error> {
        let message = admin::AddLearnerRequest { peer_addr: peer_addr.to_owned() };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).add_learner(request).await }).await
    }

    /// Makes a learner that has caught up a voter.
    ///
    /// # Errors
    /// As for [`cluster_init`](Self::cluster_init).
    pub async fn cluster_promote(&self, node: u64) -> Result<(), Error> {
        let message = admin::PromoteRequest { node };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).promote(request).await })
            .await
            .map(|admin::PromoteResponse {}| ())
    }

    /// Takes a node out; refused if too few healthy voters would remain.
    ///
    /// # Errors
    /// As for [`cluster_init`](Self::cluster_init).
    pub async fn cluster_remove(&self, node: u64) -> Result<(), Error> {
        let message = admin::RemoveRequest { node };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).remove(request).await })
            .await
            .map(|admin::RemoveResponse {}| ())
    }

    /// Hands leadership over: to this node, or to the most up-to-date voter. Returns the new leader's id.
    ///
    /// # Errors
    /// As for [`cluster_init`](Self::cluster_init).
    pub async fn cluster_transfer_leader(&self, to: Option<u64>) -> Result<u64, Error> {
        let message = admin::TransferLeaderRequest { to };
        self.call(Kind::Once, &message, |channel, request| async move { cluster(channel).transfer_leader(request).await })
            .await
            .map(|answer| answer.leader)
    }

    /// Compares the digests of all nodes.
    ///
    /// # Errors
    /// As for every call; nodes that differ are no error.
    pub async fn cluster_verify(&self) -> Result<admin::VerifyResponse, Error> {
        let message = admin::VerifyRequest {};
        self.call(Kind::Read, &message, |channel, request| async move { cluster(channel).verify(request).await }).await
    }

    /// Asks for the whole state as a backup file: it holds everything acknowledged before this call.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cluster_backup(&self) -> Result<Backup, Error> {
        let message = admin::BackupRequest {};
        let stream = self.open(&message, |channel, request| async move { cluster(channel).backup(request).await }).await?;
        Ok(Backup { client: self.clone(), stream })
    }

    /// Cluster-wide settings.
    ///
    /// # Errors
    /// As for every call.
    pub async fn cluster_settings(&self, consistency: Consistency) -> Result<admin::GetSettingsResponse, Error> {
        let message = admin::GetSettingsRequest { consistency: wire(consistency) };
        self.call(Kind::Read, &message, |channel, request| async move { cluster(channel).get_settings(request).await }).await
    }

    /// Changes cluster-wide settings.
    ///
    /// # Errors
    /// [`Error::Refused`], such as `CONFLICT`.
    pub async fn cluster_update_settings(
        &self,
        change: &SettingsChange,
        request_id: &RequestId,
    ) -> Result<admin::UpdateSettingsResponse, Error> {
        let message = admin::UpdateSettingsRequest {
            change: Some(types::SettingsChange::from(change)),
            request_id: request_id.to_string(),
        };
        self.call(
            Kind::Write(request_id),
            &message,
            |channel, request| async move { cluster(channel).update_settings(request).await },
        )
        .await
    }

    /// Creates or replaces an API token. Only the hash of its secret leaves this process.
    ///
    /// # Errors
    /// As for every write.
    pub async fn put_token(
        &self,
        name: &Principal,
        role: Role,
        secret_sha256: &Digest,
        request_id: &RequestId,
    ) -> Result<admin::PutTokenResponse, Error> {
        let role = match role {
            Role::Read => types::Role::Read,
            Role::Operate => types::Role::Operate,
            Role::Admin => types::Role::Admin,
        };
        let message = admin::PutTokenRequest {
            name: name.to_string(),
            role: role as i32,
            sha256: secret_sha256.0.to_vec().into(),
            request_id: request_id.to_string(),
        };
        self.call(Kind::Write(request_id), &message, |channel, request| async move { cluster(channel).put_token(request).await })
            .await
    }

    /// Revokes an API token.
    ///
    /// # Errors
    /// As for every write.
    pub async fn revoke_token(&self, name: &Principal, request_id: &RequestId) -> Result<admin::RevokeTokenResponse, Error> {
        let message = admin::RevokeTokenRequest { name: name.to_string(), request_id: request_id.to_string() };
        self.call(
            Kind::Write(request_id),
            &message,
            |channel, request| async move { cluster(channel).revoke_token(request).await },
        )
        .await
    }

    /// API tokens, without secrets.
    ///
    /// # Errors
    /// As for every call.
    pub async fn tokens(&self) -> Result<admin::ListTokensResponse, Error> {
        let message = admin::ListTokensRequest { consistency: wire(Consistency::Linearizable) };
        self.call(Kind::Read, &message, |channel, request| async move { cluster(channel).list_tokens(request).await }).await
    }

    /// Waits until every endpoint says that it is ready, at most `wait`.
    ///
    /// # Errors
    /// [`Error::Unreachable`] naming the last answer of each endpoint that is not.
    pub async fn wait_ready(&self, wait: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + wait;
        loop {
            let mut lacking = Vec::new();
            for endpoint in &self.options().endpoints {
                let options = Options {
                    endpoints: vec![endpoint.clone()],
                    deadline: limits::CONNECT_WAIT_MAX.min(deadline.saturating_duration_since(Instant::now())),
                    token: self.options().token.clone(),
                };
                let reason = match self.with_options(options).cluster_status().await {
                    Ok(status) if status.ready => continue,
                    Ok(_) => "answers, but is not ready".to_owned(),
                    Err(error) => error.to_string(),
                };
                lacking.push(Attempt { endpoint: endpoint.to_string(), reason });
            }
            if lacking.is_empty() {
                return Ok(());
            }
            if Instant::now() + limits::READY_PAUSE >= deadline {
                return Err(Error::Unreachable(lacking));
            }
            tokio::time::sleep(limits::READY_PAUSE).await;
        }
    }
}

/// A backup file on its way. Whether it is whole, the file says: read it back before relying on it.
pub struct Backup {
    client: Client,
    stream: Streaming<admin::BackupResponse>,
}

impl Backup {
    /// The next bytes of the file; `None` at its end.
    ///
    /// # Errors
    /// The stream broke off or stalled for longer than the deadline of a call; what came so far is of no use.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let next = tokio::time::timeout(self.client.options().deadline, self.stream.message()).await;
        let message = next.map_err(|_| Error::answer("the backup stalled"))?;
        Ok(message.map_err(|status| self.client.broken(&status))?.map(|message| message.chunk.to_vec()))
    }
}

fn cluster(channel: Channel) -> ClusterServiceClient<Channel> {
    ClusterServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
}
