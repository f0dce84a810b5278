//! Objects of any kind: declarative changes, reads for tools, history and export.

use prost::Message;
use tidegate_model::{Command, ObjectRef};
use tidegate_proto::admin::v1 as admin;
use tidegate_proto::convert::object_kind;
use tidegate_proto::types::v1 as types;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::caller::Caller;
use crate::codec;
use crate::door::caller;
use crate::limits::{PAGE_OBJECTS_MAX, STREAM_BYTES_MAX, STREAM_OBJECTS_MAX, WATCH_STALL_MAX};
use crate::pages::{Filter, Page};
use crate::refusal::{Door, Refusal};

/// Objects of any kind.
#[derive(Clone)]
pub struct Applies(pub Desk);

impl Applies {
    async fn carry_out(
        &self,
        caller: &Caller,
        request_id: &str,
        command: Command,
        is_dry_run: bool,
    ) -> Result<types::Outcome, Refusal> {
        if is_dry_run {
            return self.0.0.dry_run(caller, command).await;
        }
        self.0.0.write(caller, request_id, command).await
    }
}

#[tonic::async_trait]
impl admin::apply_service_server::ApplyService for Applies {
    async fn apply(&self, request: Request<admin::ApplyRequest>) -> Result<Response<admin::ApplyResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let command = Command::Apply(codec::documents_in(request.documents)?);
        let outcome = self.carry_out(&caller, &request.request_id, command, request.dry_run).await?;
        Ok(Response::new(admin::ApplyResponse {
            config_version: outcome.config_version,
            objects: outcome.objects,
            warnings: outcome.warnings,
            dry_run: request.dry_run,
        }))
    }

    async fn batch(&self, request: Request<admin::BatchRequest>) -> Result<Response<admin::BatchResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let commands: Result<Vec<Command>, Door> = request.commands.into_iter().map(codec::command_in).collect();
        let command = Command::Batch(commands?);
        // A batch may hold what only administrators may do; the state machine judges by content, and so does the door.
        caller.need(tidegate_machine::role_needed(&command))?;
        let outcome = self.carry_out(&caller, &request.request_id, command, request.dry_run).await?;
        Ok(Response::new(admin::BatchResponse {
            config_version: outcome.config_version,
            objects: outcome.objects,
            warnings: outcome.warnings,
            dry_run: request.dry_run,
        }))
    }

    async fn get_object(&self, request: Request<admin::GetObjectRequest>) -> Result<Response<admin::GetObjectResponse>, Status> {
        let request = request.into_inner();
        let reference = codec::reference_in(request.object)?;
        let (object, config_version) = self.0.get(reference, request.consistency).await?;
        Ok(Response::new(admin::GetObjectResponse { object: Some(object), config_version }))
    }

    async fn list_objects(
        &self,
        request: Request<admin::ListObjectsRequest>,
    ) -> Result<Response<admin::ListObjectsResponse>, Status> {
        let request = request.into_inner();
        let kind = object_kind(request.kind).map_err(codec::malformed)?;
        let filter = Filter::of_product(request.product.as_deref())?;
        let page = Page { size: request.page_size, token: request.page_token };
        let (objects, next_page_token, config_version) = self.0.list(kind, &filter, &page, request.consistency).await?;
        Ok(Response::new(admin::ListObjectsResponse { objects, next_page_token, config_version }))
    }

    async fn delete_object(
        &self,
        request: Request<admin::DeleteObjectRequest>,
    ) -> Result<Response<admin::DeleteObjectResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let reference = codec::reference_in(request.object)?;
        let (config_version, warnings) = self.0.delete(&caller, reference, request.expected_version, &request.request_id).await?;
        Ok(Response::new(admin::DeleteObjectResponse { config_version, warnings }))
    }

    async fn get_history(
        &self,
        request: Request<admin::GetHistoryRequest>,
    ) -> Result<Response<admin::GetHistoryResponse>, Status> {
        let request = request.into_inner();
        let reference: ObjectRef = codec::reference_in(request.object)?;
        let below = number_token(&request.page_token)?;
        let limit = page_size(request.page_size);
        let published = self.0.0.read(request.consistency).await?;
        let context = self.0.0.clone();
        let through = published.state.applied_index();
        context.books.wait_for(through, context.config.limits.read_timeout).await?;
        let books = context.books.clone();
        let mut rows = context.blocking("history read", move || books.history(&reference, below, limit + 1)).await??;
        let next_page_token = if rows.len() > limit {
            rows.truncate(limit);
            rows.last().map_or_else(String::new, |row| row.index.to_string())
        } else {
            String::new()
        };
        Ok(Response::new(admin::GetHistoryResponse { rows, next_page_token, config_version: published.state.config_version() }))
    }

    type ExportStream = ReceiverStream<Result<admin::ExportResponse, Status>>;

    async fn export(&self, request: Request<admin::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let request = request.into_inner();
        let filter = Filter::of_product(request.product.as_deref())?;
        let published = self.0.0.read(request.consistency).await?;
        let config_version = published.state.config_version();
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let task = async move {
            let catalog = published.state.catalog();
            let mut chunk = Chunk::default();
            for object in catalog.objects().filter(|object| filter.admits(catalog, object)) {
                if let Some(objects) = chunk.push(codec::object_out(&object)) {
                    let message = admin::ExportResponse { config_version, objects };
                    if sender.send_timeout(Ok(message), WATCH_STALL_MAX).await.is_err() {
                        return;
                    }
                }
            }
            // At least one message, so that an empty export tells its config version.
            let message = admin::ExportResponse { config_version, objects: chunk.objects };
            let _is_read = sender.send_timeout(Ok(message), WATCH_STALL_MAX).await.is_ok();
        };
        self.0.0.platform.spawner.spawn("export", Box::pin(task));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Objects gathered for one message of a stream.
#[derive(Default)]
struct Chunk {
    objects: Vec<types::Object>,
    bytes: usize,
}

impl Chunk {
    /// Adds an object; returns those before it when the message is full.
    fn push(&mut self, object: types::Object) -> Option<Vec<types::Object>> {
        let size = object.encoded_len();
        let is_full = self.objects.len() >= STREAM_OBJECTS_MAX || self.bytes + size > STREAM_BYTES_MAX;
        let full = (is_full && !self.objects.is_empty()).then(|| std::mem::take(self).objects);
        self.bytes += size;
        self.objects.push(object);
        full
    }
}

/// A page token that is a number; empty: from the newest.
pub(super) fn number_token(token: &str) -> Result<Option<u64>, Door> {
    if token.is_empty() {
        return Ok(None);
    }
    let broken = || {
        let shown: String = token.chars().take(64).collect();
        Door::field("page_token", shown, "must come from an answer of this list")
    };
    token.parse().map(Some).map_err(|_| broken())
}

/// Rows of one page; 0: as many as allowed.
pub(super) fn page_size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(usize::MAX) {
        0 => PAGE_OBJECTS_MAX,
        size => size.min(PAGE_OBJECTS_MAX),
    }
}
