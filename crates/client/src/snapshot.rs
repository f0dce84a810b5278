//! Deciding without asking: fetch the catalog once, compile it here, answer from memory.
//!
//! Whoever holds a snapshot holds the salts of all its rollouts, and can compute in advance which devices a share will
//! admit. Fetch it into services that you run, never into devices. The permission for it is a role of its own right.

use std::time::Duration;

use tidegate_eligibility::{Decision, Request, Snapshot, Stamp, compile, decide};
use tidegate_model::{Catalog, CatalogChange, Object, ProductId, Timestamp};
use tidegate_platform::BootTime;
use tidegate_proto::edge::v1 as edge;
use tidegate_proto::edge::v1::fetch_snapshot_response::Message;
use tidegate_proto::edge::v1::snapshot_service_client::SnapshotServiceClient;
use tonic::Streaming;

use crate::client::Client;
use crate::error::Error;
use crate::limits;

/// A compiled catalog of one config version, and how old it was when it came.
#[derive(Clone)]
pub struct LocalSnapshot {
    snapshot: Snapshot,
    /// Boot time just before the question left.
    asked_at: BootTime,
    /// The sender's own staleness when it took the snapshot.
    sender_staleness: Option<Duration>,
    /// The sender's decision time then.
    sender_time: Timestamp,
}

impl LocalSnapshot {
    /// Decides one check. The answer is the same that a node would give on this snapshot at `now`; whether the snapshot
    /// is fresh enough is for the caller to judge, **after** this returns, by [`staleness`](Self::staleness).
    #[must_use]
    pub fn decide(&self, request: &Request<'_>, now: Timestamp) -> Decision<'_> {
        decide(&self.snapshot, request, now)
    }

    /// The compiled snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// How old the snapshot is at most, at boot time `now` of this machine: it holds everything acknowledged before that.
    /// `None` if the sender did not know; that counts as too old.
    #[must_use]
    pub fn staleness(&self, now: BootTime) -> Option<Duration> {
        let since = now.since(self.asked_at);
        Some(self.sender_staleness? + since + since / 1_000)
    }

    /// The time to decide at: the smaller of the local wall clock and the sender's time carried on, so that a fast local
    /// clock opens nothing early. The time that the question travelled makes it a little late, never early.
    #[must_use]
    pub fn decision_time(&self, wall_ms: i64, now: BootTime) -> Timestamp {
        let since = i64::try_from(now.since(self.asked_at).as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(wall_ms.min(self.sender_time.as_millis().saturating_add(since)))
    }
}

impl Client {
    /// Fetches the whole catalog (of these products; none named: all), checks it against the digest that the sender
    /// names, and compiles it. Keep the result and fetch again before it is too old.
    ///
    /// # Errors
    /// [`Error::Answer`] if the stream is not whole or its content does not hash to the digest; else as for every call.
    pub async fn snapshot(&self, products: &[ProductId]) -> Result<LocalSnapshot, Error> {
        let asked_at = self.clock().boot();
        let message = edge::FetchSnapshotRequest { products: products.iter().map(ToString::to_string).collect() };
        let mut stream = self
            .open(&message, |channel, request| async move {
                SnapshotServiceClient::new(channel)
                    .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
                    .fetch_snapshot(request)
                    .await
            })
            .await?;
        let header = self.header(&mut stream).await?;
        let (catalog, changes) = self.records(&mut stream, header.objects).await?;
        let stamp = header.stamp.ok_or_else(|| Error::answer("a snapshot without stamp"))?;
        let stamp = Stamp { config_version: stamp.config_version, epoch: stamp.epoch, applied_index: stamp.applied_index };
        Ok(LocalSnapshot {
            snapshot: compile(&Snapshot::empty(), &catalog, &changes, stamp),
            asked_at,
            sender_staleness: header.staleness_ms.map(Duration::from_millis),
            sender_time: Timestamp::from_millis(header.decision_time_ms),
        })
    }

    async fn header(&self, stream: &mut Streaming<edge::FetchSnapshotResponse>) -> Result<edge::SnapshotHeader, Error> {
        match self.part(stream).await? {
            Message::Header(header) if header.objects <= limits::SNAPSHOT_OBJECTS_MAX => Ok(header),
            Message::Header(header) => Err(Error::answer(format!("a snapshot of {} objects", header.objects))),
            Message::Records(_) | Message::Trailer(_) => Err(Error::answer("a snapshot that does not begin with its header")),
        }
    }

    /// Reads the objects and checks them against the trailer.
    async fn records(
        &self,
        stream: &mut Streaming<edge::FetchSnapshotResponse>,
        announced: u64,
    ) -> Result<(Catalog, Vec<CatalogChange>), Error> {
        let mut catalog = Catalog::default();
        let mut changes: Vec<CatalogChange> = Vec::new();
        loop {
            match self.part(stream).await? {
                Message::Header(_) => return Err(Error::answer("a snapshot with two headers")),
                Message::Records(records) => {
                    for object in records.objects {
                        if changes.len() as u64 == announced {
                            return Err(Error::answer(format!("a snapshot of more than the announced {announced} objects")));
                        }
                        let change = CatalogChange::Put(Object::try_from(object).map_err(Error::answer)?);
                        catalog.apply(&change);
                        changes.push(change);
                    }
                }
                Message::Trailer(trailer) => {
                    if changes.len() as u64 != announced {
                        return Err(Error::answer(format!("{} objects of {announced} announced", changes.len())));
                    }
                    verify(&catalog, trailer.roots.as_ref())?;
                    return Ok((catalog, changes));
                }
            }
        }
    }

    async fn part(&self, stream: &mut Streaming<edge::FetchSnapshotResponse>) -> Result<Message, Error> {
        let next = tokio::time::timeout(self.options().deadline, stream.message()).await;
        let part = next.map_err(|_| Error::answer("the stream stalled"))?.map_err(|status| self.broken(&status))?;
        part.and_then(|part| part.message).ok_or_else(|| Error::answer("the stream ended before the trailer"))
    }
}

/// The content must hash to what the sender says: the whole, or each product for a part.
fn verify(catalog: &Catalog, roots: Option<&edge::Roots>) -> Result<(), Error> {
    let roots = roots.ok_or_else(|| Error::answer("a trailer without roots"))?;
    if !roots.digest.is_empty() && roots.digest[..] != catalog.digest().0 {
        return Err(Error::answer("the content does not hash to the digest named"));
    }
    if roots.digest.is_empty() && roots.products.is_empty() {
        return Err(Error::answer("a trailer that names no hash"));
    }
    for root in &roots.products {
        let product = root.product.as_deref().map(ProductId::new).transpose().map_err(Error::answer)?;
        if root.root[..] != catalog.product_root(product.as_ref()).0 {
            let name = root.product.as_deref().unwrap_or("the cluster-wide objects");
            return Err(Error::answer(format!("the content of {name} does not hash to the root named")));
        }
    }
    Ok(())
}
