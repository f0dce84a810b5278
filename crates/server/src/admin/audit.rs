//! The audit trail: who asked for what, when, and what became of it.

use tidegate_proto::admin::v1 as admin;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Desk;
use super::apply::{number_token, page_size};
use crate::limits::{AUDIT_SCAN_MAX, PAGE_OBJECTS_MAX, WATCH_STALL_MAX};
use crate::refusal::Door;

/// The audit trail.
#[derive(Clone)]
pub struct Audits(pub Desk);

#[tonic::async_trait]
impl admin::audit_service_server::AuditService for Audits {
    async fn list_audit(&self, request: Request<admin::ListAuditRequest>) -> Result<Response<admin::ListAuditResponse>, Status> {
        let request = request.into_inner();
        let context = self.0.0.clone();
        let published = context.read(request.consistency).await?;
        context.books.wait_for(published.state.applied_index(), context.config.limits.read_timeout).await?;
        let token = number_token(&request.page_token)?;
        let mut below = [token, request.before_index].into_iter().flatten().min();
        let (limit, principal) = (page_size(request.page_size), request.principal);
        let books = context.books.clone();
        let scan = move || {
            let (mut rows, mut scanned) = (Vec::new(), 0);
            // A page looks at a bounded number of records, however few of them are asked for.
            while rows.len() < limit && scanned < AUDIT_SCAN_MAX {
                let slice = books.audit(below, PAGE_OBJECTS_MAX)?;
                if slice.is_empty() {
                    return Ok((rows, String::new()));
                }
                for row in slice {
                    scanned += 1;
                    below = Some(row.index);
                    if principal.as_ref().is_none_or(|wanted| *wanted == row.principal) {
                        rows.push(row);
                    }
                    if rows.len() == limit {
                        break;
                    }
                }
            }
            Ok::<_, Door>((rows, below.map_or_else(String::new, |index| index.to_string())))
        };
        let (rows, next_page_token) = context.blocking("audit read", scan).await??;
        let config_version = published.state.config_version();
        Ok(Response::new(admin::ListAuditResponse { rows, next_page_token, config_version }))
    }

    type TailAuditStream = ReceiverStream<Result<admin::TailAuditResponse, Status>>;

    async fn tail_audit(&self, request: Request<admin::TailAuditRequest>) -> Result<Response<Self::TailAuditStream>, Status> {
        let context = self.0.0.clone();
        let slot = context.watcher_slot()?;
        // Subscribed before the backlog is read: a record may come twice then, and is shown once.
        let mut news = context.books.subscribe();
        let backlog = usize::try_from(request.into_inner().backlog).unwrap_or(usize::MAX).min(PAGE_OBJECTS_MAX);
        let books = context.books.clone();
        let mut rows = context.blocking("audit read", move || books.audit(None, backlog)).await??;
        rows.reverse();
        let (sender, receiver) = tokio::sync::mpsc::channel(crate::limits::WATCH_BUFFER_MAX);
        let task = async move {
            let _slot = slot;
            let mut last = 0;
            for row in rows {
                last = row.number;
                let message = admin::TailAuditResponse { row: Some(row) };
                if sender.send_timeout(Ok(message), WATCH_STALL_MAX).await.is_err() {
                    return;
                }
            }
            loop {
                let message = tokio::select! {
                    () = sender.closed() => return,
                    message = news.recv() => message,
                };
                let row = match message {
                    Ok(row) if row.number > last => row,
                    Ok(_) => continue,
                    Err(RecvError::Closed) => return,
                    Err(RecvError::Lagged(_)) => {
                        let door = Door::Compacted { from: last, floor: last };
                        let _is_read = sender.try_send(Err(door.into())).is_ok();
                        return;
                    }
                };
                last = row.number;
                let message = admin::TailAuditResponse { row: Some(row.as_ref().clone()) };
                if sender.send_timeout(Ok(message), WATCH_STALL_MAX).await.is_err() {
                    return;
                }
            }
        };
        self.0.0.platform.spawner.spawn("audit tail", Box::pin(task));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
