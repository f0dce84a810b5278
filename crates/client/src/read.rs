//! Looking at the catalog: objects, their history, and where rollouts stand.

use tidegate_model::{Object, ObjectKind, ObjectRef, ProductId, ReleaseId, Timestamp};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::admin::v1::apply_service_client::ApplyServiceClient;
use tidegate_proto::admin::v1::audit_service_client::AuditServiceClient;
use tidegate_proto::admin::v1::rollout_service_client::RolloutServiceClient;
use tidegate_proto::storage::v1 as storage;
use tidegate_proto::types::v1 as types;
use tonic::transport::Channel;

use crate::client::{Client, Kind};
use crate::error::Error;
use crate::limits;

/// How current a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Everything acknowledged before the call is seen.
    #[default]
    Linearizable,
    /// What the asked node has, perhaps a little behind.
    Local,
}

/// What was read, and of which state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Config version of the state.
    pub config_version: u64,
}

/// Where a rollout stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RolloutStatus {
    /// The release with its rollout.
    pub release: Object,
    /// Its policy; absent: everybody, at once.
    pub policy: Option<Object>,
    /// `WAITING_TRIGGER`, `RUNNING`, `BAKING` and so on, while ACTIVE; else absent.
    pub sub_status: Option<String>,
    /// Name of the current stage; empty before the first.
    pub stage: String,
    /// Number of stages.
    pub stage_count: u32,
    /// Share that the current stage admits at `as_of`, where one number can say it.
    pub share_ppm: Option<u32>,
    /// When the next stretch begins by itself, where known.
    pub next_change_at: Option<Timestamp>,
    /// Whether it is the latest release of its cohort.
    pub is_latest: bool,
    /// The instant that share and sub-status are about.
    pub as_of: Timestamp,
    /// What was counted, what the gate says and who waits for what, by the evidence of the leader; absent if none could be
    /// asked.
    pub progress: Option<admin::RolloutProgress>,
}

impl Client {
    /// Reads one object.
    ///
    /// # Errors
    /// [`Error::Refused`] `NOT_FOUND` if there is none.
    pub async fn get(&self, object: &ObjectRef, consistency: Consistency) -> Result<Read<Object>, Error> {
        let message = admin::GetObjectRequest { object: Some(types::ObjectRef::from(object)), consistency: wire(consistency) };
        let answer =
            self.call(Kind::Read, &message, |channel, request| async move { objects(channel).get_object(request).await }).await?;
        let object = answer.object.ok_or_else(|| Error::answer("an answer without object"))?;
        let value = Object::try_from(object).map_err(Error::answer)?;
        Ok(Read { value, config_version: answer.config_version })
    }

    /// Reads all objects of a kind, in the order of their ids, page by page. The pages are of one state unless somebody
    /// keeps writing meanwhile: then the list is begun anew, at last as it comes. [`export`](Self::export) is always of
    /// one state.
    ///
    /// # Errors
    /// As for every call.
    pub async fn list(
        &self,
        kind: ObjectKind,
        product: Option<&ProductId>,
        consistency: Consistency,
    ) -> Result<Read<Vec<Object>>, Error> {
        const TRIES: usize = 3;
        let mut listed = self.list_once(kind, product, consistency).await?;
        for _ in 1..TRIES {
            if listed.1 {
                break;
            }
            listed = self.list_once(kind, product, consistency).await?;
        }
        Ok(listed.0)
    }

    /// One pass over all pages, and whether they were of one state.
    async fn list_once(
        &self,
        kind: ObjectKind,
        product: Option<&ProductId>,
        consistency: Consistency,
    ) -> Result<(Read<Vec<Object>>, bool), Error> {
        let mut message = admin::ListObjectsRequest {
            kind: types::ObjectKind::from(kind) as i32,
            product: product.map(ToString::to_string),
            page_size: limits::PAGE_OBJECTS,
            page_token: String::new(),
            consistency: wire(consistency),
        };
        let mut value = Vec::new();
        let mut first_version = None;
        let mut is_one_state = true;
        for _ in 0..limits::PAGES_MAX {
            let page = self
                .call(Kind::Read, &message, |channel, request| async move { objects(channel).list_objects(request).await })
                .await?;
            is_one_state &= *first_version.get_or_insert(page.config_version) == page.config_version;
            for object in page.objects {
                value.push(Object::try_from(object).map_err(Error::answer)?);
            }
            if page.next_page_token.is_empty() {
                return Ok((Read { value, config_version: page.config_version }, is_one_state));
            }
            message.page_token = page.next_page_token;
        }
        Err(Error::answer(format!("a list of more than {} pages", limits::PAGES_MAX)))
    }

    /// All objects of one state, kind by kind.
    ///
    /// # Errors
    /// As for every call; also if the stream breaks off.
    pub async fn export(&self, product: Option<&ProductId>, consistency: Consistency) -> Result<Read<Vec<Object>>, Error> {
        let message = admin::ExportRequest { product: product.map(ToString::to_string), consistency: wire(consistency) };
        let mut stream = self.open(&message, |channel, request| async move { objects(channel).export(request).await }).await?;
        let mut value = Vec::new();
        let mut config_version = 0;
        while let Some(part) = stream.message().await.map_err(|status| self.broken(&status))? {
            config_version = part.config_version;
            for object in part.objects {
                value.push(Object::try_from(object).map_err(Error::answer)?);
            }
        }
        Ok(Read { value, config_version })
    }

    /// The newest versions of one object, newest first, at most `rows_max`.
    ///
    /// # Errors
    /// As for every call.
    pub async fn history(&self, object: &ObjectRef, rows_max: usize) -> Result<Vec<storage::HistoryRow>, Error> {
        let mut message = admin::GetHistoryRequest {
            object: Some(types::ObjectRef::from(object)),
            page_size: limits::PAGE_OBJECTS.min(u32::try_from(rows_max).unwrap_or(u32::MAX)),
            page_token: String::new(),
            consistency: wire(Consistency::Linearizable),
        };
        let mut rows = Vec::new();
        for _ in 0..limits::PAGES_MAX {
            let page = self
                .call(Kind::Read, &message, |channel, request| async move { objects(channel).get_history(request).await })
                .await?;
            rows.extend(page.rows);
            if page.next_page_token.is_empty() || rows.len() >= rows_max {
                break;
            }
            message.page_token = page.next_page_token;
        }
        rows.truncate(rows_max);
        Ok(rows)
    }

    /// The newest audit records, newest first, at most `rows_max`.
    ///
    /// # Errors
    /// As for every call.
    pub async fn audit(&self, principal: Option<&str>, rows_max: usize) -> Result<Vec<storage::AuditRow>, Error> {
        let mut message = admin::ListAuditRequest {
            principal: principal.map(str::to_owned),
            before_index: None,
            page_size: limits::PAGE_OBJECTS.min(u32::try_from(rows_max).unwrap_or(u32::MAX)),
            page_token: String::new(),
            consistency: wire(Consistency::Linearizable),
        };
        let mut rows = Vec::new();
        for _ in 0..limits::PAGES_MAX {
            let page = self
                .call(Kind::Read, &message, |channel, request| async move { audits(channel).list_audit(request).await })
                .await?;
            rows.extend(page.rows);
            if page.next_page_token.is_empty() || rows.len() >= rows_max {
                break;
            }
            message.page_token = page.next_page_token;
        }
        rows.truncate(rows_max);
        Ok(rows)
    }

    /// Where a rollout stands.
    ///
    /// # Errors
    /// [`Error::Refused`] `NOT_FOUND` if there is no such release.
    pub async fn rollout_status(&self, release: &ReleaseId, consistency: Consistency) -> Result<Read<RolloutStatus>, Error> {
        let message = admin::GetRolloutStatusRequest { release: release.to_string(), consistency: wire(consistency) };
        let answer = self
            .call(Kind::Read, &message, |channel, request| async move {
                RolloutServiceClient::new(channel)
                    .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                    .get_rollout_status(request)
                    .await
            })
            .await?;
        let release = answer.release.ok_or_else(|| Error::answer("an answer without release"))?;
        let value = RolloutStatus {
            release: Object::try_from(release).map_err(Error::answer)?,
            policy: answer.policy.map(Object::try_from).transpose().map_err(Error::answer)?,
            sub_status: Some(answer.sub_status).filter(|text| !text.is_empty()),
            stage: answer.stage,
            stage_count: answer.stage_count,
            share_ppm: answer.share_ppm,
            next_change_at: answer.next_change_at_ms.map(Timestamp::from_millis),
            is_latest: answer.is_latest,
            as_of: Timestamp::from_millis(answer.as_of_ms),
            progress: answer.progress,
        };
        Ok(Read { value, config_version: answer.config_version })
    }
}

fn objects(channel: Channel) -> ApplyServiceClient<Channel> {
    ApplyServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
}

fn audits(channel: Channel) -> AuditServiceClient<Channel> {
    AuditServiceClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
}

pub(crate) fn wire(consistency: Consistency) -> i32 {
    match consistency {
        Consistency::Linearizable => admin::Consistency::Linearizable as i32,
        Consistency::Local => admin::Consistency::Local as i32,
    }
}
