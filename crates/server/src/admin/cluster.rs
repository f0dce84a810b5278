//! The cluster itself: members, settings, tokens, comparison of nodes.

use bytes::Bytes;
use tidegate_consensus::{AskError, Member, MemberKind, MemberStatus, Role, Target};
use tidegate_distribution::Fated;
use tidegate_model::{Command, Digest, Principal, SettingsChange, TokenChange};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::convert;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::check::whole_ms;
use super::{Desk, id, must};
use crate::backup;
use crate::codec;
use crate::door::caller;
use crate::limits::PEER_QUESTION_MAX;
use crate::refusal::Door;
use crate::wire::{self, change};

/// The cluster itself.
#[derive(Clone)]
pub struct Clusters(pub Desk);

#[tonic::async_trait]
impl admin::cluster_service_server::ClusterService for Clusters {
    async fn init(&self, request: Request<admin::InitRequest>) -> Result<Response<admin::InitResponse>, Status> {
        let members = self.0.0.initialize(&request.into_inner().peer_addrs).await?;
        let members = members.iter().map(|member| member_out(member, admin::MemberKind::Voter)).collect();
        Ok(Response::new(admin::InitResponse { members }))
    }

    async fn join(&self, request: Request<admin::JoinRequest>) -> Result<Response<admin::JoinResponse>, Status> {
        let caller = caller(&request)?;
        let node = self.0.0.join(&caller, &request.into_inner().peer_addr).await?;
        Ok(Response::new(admin::JoinResponse { member: self.member(node)? }))
    }

    async fn add_learner(
        &self,
        request: Request<admin::AddLearnerRequest>,
    ) -> Result<Response<admin::AddLearnerResponse>, Status> {
        let caller = caller(&request)?;
        let kind = change::Kind::AddLearner(request.into_inner().peer_addr);
        let node = self.0.0.change(&caller, kind).await?;
        Ok(Response::new(admin::AddLearnerResponse { member: self.member(node)? }))
    }

    async fn promote(&self, request: Request<admin::PromoteRequest>) -> Result<Response<admin::PromoteResponse>, Status> {
        let caller = caller(&request)?;
        self.0.0.change(&caller, change::Kind::Promote(request.into_inner().node)).await?;
        Ok(Response::new(admin::PromoteResponse {}))
    }

    async fn remove(&self, request: Request<admin::RemoveRequest>) -> Result<Response<admin::RemoveResponse>, Status> {
        let caller = caller(&request)?;
        self.0.0.change(&caller, change::Kind::Remove(request.into_inner().node)).await?;
        Ok(Response::new(admin::RemoveResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<admin::TransferLeaderRequest>,
    ) -> Result<Response<admin::TransferLeaderResponse>, Status> {
        let caller = caller(&request)?;
        let to = request.into_inner().to.unwrap_or(0);
        let leader = self.0.0.change(&caller, change::Kind::Transfer(to)).await?;
        Ok(Response::new(admin::TransferLeaderResponse { leader }))
    }

    async fn get_status(&self, _request: Request<admin::GetStatusRequest>) -> Result<Response<admin::GetStatusResponse>, Status> {
        let context = &self.0.0;
        let status = context.handle()?.status();
        // Also of a node that serves nothing: this is how one finds out why.
        let published = context.shelf.load();
        let role = match status.role {
            Role::Leader => admin::NodeRole::Leader,
            Role::Follower => admin::NodeRole::Follower,
            Role::Candidate => admin::NodeRole::Candidate,
            Role::Learner => admin::NodeRole::Learner,
            Role::Stopped => admin::NodeRole::Stopped,
        };
        Ok(Response::new(admin::GetStatusResponse {
            node: status.node,
            store_uuid: format!("{:032x}", status.store_uuid),
            cluster_id: format!("{:032x}", status.cluster_id),
            epoch: status.epoch,
            term: status.term,
            leader: status.leader,
            role: role.into(),
            last_index: status.last_index,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            snapshot_index: status.snapshot_index,
            purged_index: status.purged_index,
            members: status.members.iter().map(member_status_out).collect(),
            is_disk_low: status.is_disk_low,
            clock_ahead_ms: status.clock_alarm.map(|alarm| alarm.ahead_ms),
            config_version: published.state.config_version(),
            digest: published.snapshot.digest().to_string(),
            staleness_ms: context.staleness().map(whole_ms),
            ready: context.is_ready(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            has_diverged: context.has_diverged(),
            poison: context.shelf.poison_reason().unwrap_or_default().to_owned(),
        }))
    }

    async fn get_settings(
        &self,
        request: Request<admin::GetSettingsRequest>,
    ) -> Result<Response<admin::GetSettingsResponse>, Status> {
        let published = self.0.0.read(request.into_inner().consistency).await?;
        let settings = Some(codec::settings_out(published.state.settings()));
        Ok(Response::new(admin::GetSettingsResponse { settings, config_version: published.state.config_version() }))
    }

    async fn update_settings(
        &self,
        request: Request<admin::UpdateSettingsRequest>,
    ) -> Result<Response<admin::UpdateSettingsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let change = SettingsChange::from(must("change", request.change)?);
        let outcome = self.0.0.write(&caller, &request.request_id, Command::Settings(change)).await?;
        let version = self.0.0.read_linearizable().await?.state.settings().version;
        Ok(Response::new(admin::UpdateSettingsResponse {
            version,
            config_version: outcome.config_version,
            warnings: outcome.warnings,
        }))
    }

    async fn put_token(&self, request: Request<admin::PutTokenRequest>) -> Result<Response<admin::PutTokenResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let name = id("name", &request.name, Principal::new)?;
        let role = convert::role(request.role).map_err(codec::malformed)?;
        let hash = digest(&request.sha256)?;
        let change = TokenChange { name: name.clone(), grant: Some((hash, role)) };
        let outcome = self.0.0.write(&caller, &request.request_id, Command::Token(change)).await?;
        let published = self.0.0.read_linearizable().await?;
        Ok(Response::new(admin::PutTokenResponse {
            version: published.state.tokens().get(&name).map_or(0, |token| token.version),
            config_version: outcome.config_version,
            warnings: outcome.warnings,
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<admin::RevokeTokenRequest>,
    ) -> Result<Response<admin::RevokeTokenResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let name = id("name", &request.name, Principal::new)?;
        let change = TokenChange { name, grant: None };
        let outcome = self.0.0.write(&caller, &request.request_id, Command::Token(change)).await?;
        Ok(Response::new(admin::RevokeTokenResponse { config_version: outcome.config_version, warnings: outcome.warnings }))
    }

    async fn list_tokens(
        &self,
        request: Request<admin::ListTokensRequest>,
    ) -> Result<Response<admin::ListTokensResponse>, Status> {
        let published = self.0.0.read(request.into_inner().consistency).await?;
        let tokens = published.state.tokens().iter().map(|(name, token)| admin::TokenInfo {
            name: name.to_string(),
            role: codec::role_out(token.role).into(),
            version: token.version,
        });
        Ok(Response::new(admin::ListTokensResponse {
            tokens: tokens.collect(),
            config_version: published.state.config_version(),
        }))
    }

    async fn verify(&self, _request: Request<admin::VerifyRequest>) -> Result<Response<admin::VerifyResponse>, Status> {
        // The present config version of this node; the others have it too, or had it a moment ago, or will in one.
        let published = self.0.0.read_linearizable().await?;
        let config_version = published.state.config_version();
        let handle = self.0.0.handle()?;
        let mut nodes = Vec::new();
        for member in handle.status().members {
            let node = member.member.id;
            nodes.push(match self.digest_of(node, config_version).await {
                Ok(answer) => admin::NodeDigest {
                    node,
                    epoch: answer.epoch,
                    config_version: answer.config_version,
                    digest: hex(&answer.digest),
                    error: if answer.digest.is_empty() { "has no digest of that version".to_owned() } else { String::new() },
                },
                Err(error) => admin::NodeDigest { node, error, ..admin::NodeDigest::default() },
            });
        }
        let own = published.snapshot.digest().to_string();
        let agree = nodes.iter().all(|node| node.error.is_empty() && node.digest == own && node.epoch == published.state.epoch());
        Ok(Response::new(admin::VerifyResponse { agree, nodes }))
    }

    type BackupStream = Fated<admin::BackupResponse>;

    async fn backup(&self, _request: Request<admin::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let context = &self.0.0;
        let slot = context.backup_slot()?;
        context.read_linearizable().await?;
        let whole = context.whole().await?;
        Ok(Response::new(backup::send(context, whole.state, slot)))
    }
}

impl Clusters {
    /// The member with this id as this node's membership records it; on a follower it may not be there yet.
    fn member(&self, node: u64) -> Result<Option<admin::Member>, Door> {
        let status = self.0.0.handle()?.status();
        Ok(status.members.iter().find(|member| member.member.id == node).map(member_status_out))
    }

    async fn digest_of(&self, node: u64, config_version: u64) -> Result<wire::DigestAnswer, String> {
        let deadline = Instant::now() + PEER_QUESTION_MAX;
        let handle = self.0.0.handle().map_err(|error| error.to_string())?;
        let mut has_broken = false;
        // A node that lags has not come to that version yet: it is given until the deadline.
        loop {
            let question = wire::DigestQuestion { config_version };
            let request = codec::encode_question(wire::question::Kind::Digest(question));
            let answer = match handle.ask(Target::Node(node), request, deadline).await {
                // A connection that broke says nothing of the node; the next one does.
                Err(AskError::Unknown { .. }) if !has_broken && Instant::now() < deadline => {
                    has_broken = true;
                    continue;
                }
                answer => answer.map_err(|error| error.to_string())?,
            };
            let Some(wire::answer::Kind::Digest(answer)) = codec::decode_answer(&answer) else {
                return Err("answered something else".to_owned());
            };
            if !answer.digest.is_empty() || Instant::now() + VERIFY_PAUSE >= deadline {
                return Ok(answer);
            }
            tokio::time::sleep(VERIFY_PAUSE).await;
        }
    }
}

/// Pause between two questions to a node that lags.
const VERIFY_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

fn digest(bytes: &Bytes) -> Result<Digest, Door> {
    let array: Result<[u8; 32], _> = bytes.as_ref().try_into();
    array.map(Digest).map_err(|_| Door::field("sha256", format!("{} bytes", bytes.len()), "must be 32 bytes"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn member_out(member: &Member, kind: admin::MemberKind) -> admin::Member {
    admin::Member {
        id: member.id,
        store_uuid: format!("{:032x}", member.store_uuid),
        peer_addr: member.peer_addr.clone(),
        admin_addr: member.admin_addr.clone(),
        device_addr: member.device_addr.clone(),
        kind: kind.into(),
        ..admin::Member::default()
    }
}

fn member_status_out(status: &MemberStatus) -> admin::Member {
    let kind = match status.kind {
        MemberKind::Voter => admin::MemberKind::Voter,
        MemberKind::Learner => admin::MemberKind::Learner,
    };
    admin::Member {
        matched_index: status.matched_index,
        lag: status.lag,
        supported_version: status.supported_version,
        wall_offset_ms: status.wall_offset_ms,
        heard_ago_ms: status.heard_ago.map(whole_ms),
        ..member_out(&status.member, kind)
    }
}
